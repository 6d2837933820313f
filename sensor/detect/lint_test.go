package detect

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"testing/fstest"
)

// Each suspect thing is told where it stands, and nothing else is.
func TestLint(t *testing.T) {
	const rest = "attack: [T1219]\nguidance: Ask.\nplain: Text.\n"
	fsys := fstest.MapFS{
		"a.yaml": {Data: []byte(`tool: a
name: A
class: rmm
indicators:
  - {id: one, role: relay, confidence: high, domain: ["*.a.example.com", "x-*.a.example.com", "{tenant}.a.example.com"]}
  - {id: two, role: relay, confidence: low, source: [s], domain: ["*.b.a.example.com", in.a.example.com]}
  - {id: three, role: control, confidence: low, source: [s], domain: ["*.c.a.example.com"]}
  - {id: gone, role: relay, confidence: high, source: [s], domain: [relay.example.con]}
  - {id: deaf, role: relay, confidence: high, source: [s], http: {path: ["/agent-a"]}, port: [udp/80]}
  - {id: split, confidence: high, source: [s], payload: {proto: tcp, from: client, hex: "01020304"}, port: [udp/81]}
tests:
  match:
    - {name: y.a.example.com, indicator: one}
    - {name: q.b.a.example.com, indicator: two}
    - {name: in.a.example.com, indicator: two}
    - {name: q.c.a.example.com, indicator: three}
    - {name: relay.example.con, indicator: gone}
    - {http: {path: /agent-a}, port: udp/80, indicator: deaf}
    - {payload: {proto: tcp, from: client, hex: "01020304"}, port: udp/81, indicator: split}
  no_match: [{name: other.example}]
`)},
		"b.yaml": {Data: []byte("tool: b\nname: B\nclass: rmm\n" + rest + `indicators:
  - {id: theirs, role: relay, confidence: high, source: [s], domain: ["*.c.a.example.com"]}
  - {id: both, role: relay, confidence: high, source: [s], note: the engine of a, domain: [in.a.example.com]}
tests:
  match:
    - {name: q.c.a.example.com, indicator: theirs}
    - {name: in.a.example.com, indicator: both}
  no_match: [{name: other.example}]
`)},
	}
	rs, err := LoadFS("mem", fsys)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range rs.Lint() {
		got = append(got, fmt.Sprintf("%s:%d %s", w.File, w.Line, w.Msg))
	}
	want := []string{
		`mem:a.yaml:1 tool "a" has no guidance`,
		`mem:a.yaml:1 tool "a" has no plain text`,
		`mem:a.yaml:1 tool "a" names no ATT&CK technique`,
		`mem:a.yaml:5 indicator "one" has no source`,
		`mem:a.yaml:5 "x-*.a.example.com" adds nothing to "*.a.example.com"`,
		`mem:a.yaml:5 no test hits "x-*.a.example.com"`,
		`mem:a.yaml:6 "*.b.a.example.com" adds nothing to "*.a.example.com" of indicator "one"`,
		`mem:a.yaml:7 "*.c.a.example.com" is claimed by "b" too ("theirs")`,
		`mem:a.yaml:8 "relay.example.con" never matches a public name: there is no top-level domain "con"`,
		`mem:a.yaml:9 indicator "deaf" never matches: HTTP requests and certificates are not seen on udp`,
		`mem:a.yaml:10 indicator "split" never matches: its payload and its port are of two protocols`,
		`mem:a.yaml:16 the test of "three" also hits "theirs" of tool "b"`,
		`mem:b.yaml:8 "*.c.a.example.com" is claimed by "a" too ("three")`,
		`mem:b.yaml:12 the test of "theirs" also hits "one" of tool "a"`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// What a pattern is said to cover, it matches: random patterns over few labels,
// and random names.
func TestCovers(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	word := func(from []string) string { return from[r.Intn(len(from))] }
	pats := []string{"*", "a", "b", "a*", "?", "{x}"}
	covered, names := 0, 0
	for range 60_000 {
		make := func(n int) pattern {
			labels := []string{}
			for i := range n {
				l := word(pats)
				if l == "*" && i > 0 {
					l = "b*"
				}
				labels = append(labels, l)
			}
			p, msg, _ := parsePattern(strings.Join(append(labels, "e", "com"), "."))
			if msg != "" {
				t.Fatal(msg)
			}
			return p
		}
		p, q := make(r.Intn(4)), make(r.Intn(3))
		if !q.covers(&p) {
			continue
		}
		covered++
		for range 20 {
			var labels []string
			for range r.Intn(5) {
				labels = append(labels, word([]string{"a", "b", "ab", "ba", "bb"}))
			}
			name := []byte(strings.Join(append(labels, "e", "com"), "."))
			if p.matches(name) {
				names++
				if !q.matches(name) {
					t.Fatalf("%s covers %s but does not match %s", q.text, p.text, name)
				}
			}
		}
	}
	if covered < 1000 || names < 1000 {
		t.Errorf("%d pairs, %d names: the test does not test", covered, names)
	}
}
