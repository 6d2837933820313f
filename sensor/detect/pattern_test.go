package detect

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

func TestPatternSemantics(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
		tenant        string
	}{
		{"a.b", "a.b", true, ""},
		{"a.b", "A.B.", true, ""},
		{"a.b", "a.b:8041", true, ""},
		{"a.b", "a.b.:8041", true, ""},
		{"a.b", "a.b..", false, ""},
		{"a.b", "a.b:123456", false, ""},
		{"a.b", "a.b:", false, ""},
		{"a.b", "x.a.b", false, ""},
		{"a.b", "xa.b", false, ""},
		{"a.b", "a.b.c", false, ""},
		{"a.b", "", false, ""},
		{"a.b", ".", false, ""},
		{"a.b", ".a.b", false, ""},
		{"*.a.b", "a.b", false, ""},
		{"*.a.b", "x.a.b", true, ""},
		{"*.a.b", "y.x.a.b", true, ""},
		{"*.a.b", "xa.b", false, ""},
		{"*.a.b", ".a.b", false, ""},
		{"*.a.b", "x..a.b", false, ""},
		{"*.a.b", "\x00\xff.a.b", true, ""},
		{"?*.a.b", "x.a.b", true, ""},
		{"?*.a.b", "y.x.a.b", false, ""},
		{"?*-x.a.b", "q-x.a.b", true, ""},
		{"?*-x.a.b", "-x.a.b", false, ""},
		{"?*-x.a.b", "q.r-x.a.b", false, ""},
		{"??.a.b", "xy.a.b", true, ""},
		{"??.a.b", "xyz.a.b", false, ""},
		{"*-x.a.b", "-x.a.b", true, ""},
		{"i-{tenant}-relay.a.b", "i-acme-relay.a.b", true, "acme"},
		{"i-{tenant}-relay.a.b", "i-ACME-Relay.a.b", true, "ACME"},
		{"i-{tenant}-relay.a.b", "i--relay.a.b", false, ""},
		{"i-{tenant}-relay.a.b", "i-x-relay-relay.a.b", true, "x-relay"},
		{"i-{tenant}-relay.a.b", "i-x.y-relay.a.b", false, ""},
		{"{tenant}.{region}.a.b", "acme.eu.a.b", true, "acme"},
		{"{region}.{tenant}.a.b", "acme.eu.a.b", true, "eu"},
		{"{tenant}.{region}.a.b", "x.acme.eu.a.b", false, ""},
		{"*.{tenant}.a.b", "x.y.acme.a.b", true, "acme"},
		{"*.{tenant}.a.b", "acme.a.b", false, ""},
		{"{x}-{tenant}.a.b", "p-q-r.a.b", true, "q-r"},
		{"api.*.a.b", "api.eu.a.b", true, ""},
		{"api.*.a.b", "api.eu.x.a.b", false, ""},
		{"api.*.a.b", "api.a.b", false, ""},
	} {
		got, tenant := matchOne(t, c.pattern, c.name)
		if got != c.want || tenant != c.tenant {
			t.Errorf("%s on %q: %v, tenant %q", c.pattern, c.name, got, tenant)
		}
		if ok, tenant := naive(c.pattern, c.name); ok != c.want || tenant != c.tenant {
			t.Errorf("the reference is wrong: %s on %q: %v, tenant %q", c.pattern, c.name, ok, tenant)
		}
	}
}

// matchOne is the verdict of a rule set with this one pattern.
func matchOne(t testing.TB, text, name string) (ok bool, tenant string) {
	t.Helper()
	rs := patternSet(t, text)
	hits := rs.Match(&Fields{Kind: KindSNI, Names: [][]byte{[]byte(name)}}, nil)
	p := &rs.tools[0].Indicators[0].domains[0]
	if p.matches([]byte(name)) != (len(hits) == 1) {
		t.Errorf("%s on %q: the index and the pattern disagree", text, name)
	}
	if len(hits) == 0 {
		return false, ""
	}
	return hits[0].Complete(), string(hits[0].Tenant)
}

// patternSet compiles one indicator for each pattern.
func patternSet(t rapid.TB, texts ...string) *Ruleset {
	t.Helper()
	tool := &Tool{ID: "t"}
	for i, text := range texts {
		p, msg, _ := parsePattern(text)
		if msg != "" {
			t.Fatalf("%s: %s", text, msg)
		}
		tool.Indicators = append(tool.Indicators, &Indicator{
			Tool: tool, ID: fmt.Sprint("i", i), Need: CondDomain, Domain: []string{text}, domains: []pattern{p},
		})
	}
	rs, err := compile([]*Tool{tool})
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// naive is the meaning of a pattern in other words: a regular expression over
// the normalised name. Bytes become runes one by one, so that ? is one byte.
func naive(pattern, name string) (ok bool, tenant string) {
	name = regexp.MustCompile(`:[0-9]{1,5}$`).ReplaceAllString(name, "")
	name = strings.TrimSuffix(name, ".")
	if len(name) > 253 {
		return false, ""
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return false, ""
		}
	}
	if rest, deep := strings.CutPrefix(pattern, "*."); deep {
		pattern = "<deep>" + rest
	}
	re := regexp.QuoteMeta(pattern)
	re = strings.ReplaceAll(re, `<deep>`, `(?:[^.]+\.)+`)
	re = strings.ReplaceAll(re, `\*`, `[^.]*?`)
	re = strings.ReplaceAll(re, `\?`, `[^.]`)
	re = strings.ReplaceAll(re, `\{tenant\}`, `([^.]+?)`)
	re = regexp.MustCompile(`\\\{[a-z_0-9]+\\\}`).ReplaceAllString(re, `[^.]+?`)
	m := regexp.MustCompile(`(?is)^` + re + `$`).FindStringSubmatch(latin1(name))
	if len(m) > 1 {
		for _, r := range m[1] {
			tenant += string([]byte{byte(r)})
		}
	}
	return m != nil, tenant
}

func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// isExact reports whether a pattern is the name itself, without a wildcard.
func isExact(text, name string) bool {
	ok, _ := naive(text, name)
	return ok && !strings.ContainsAny(text, "*?{")
}

// TestPatternsAgainstReference draws rule sets and names from few letters, so
// that they often meet, and compares every verdict with the reference.
func TestPatternsAgainstReference(t *testing.T) {
	label := rapid.StringMatching(`(\?|\*)?[ab]{0,2}(\*|\{x\}|\{tenant\})?-?[ab]{1,2}(\?|\*|\{y\})?|\*|\{tenant\}|a|b`)
	hits := 0
	rapid.Check(t, func(t *rapid.T) {
		var texts []string
		for range rapid.IntRange(1, 8).Draw(t, "patterns") {
			labels := rapid.SliceOfN(label, 0, 3).Draw(t, "labels")
			text := strings.Join(append(labels, rapid.SampledFrom([]string{"a.b", "b.a", "a.a.b", "b.b"}).Draw(t, "end")), ".")
			if _, msg, _ := parsePattern(text); msg == "" {
				texts = append(texts, text)
			}
		}
		rs := patternSet(t, texts...)
		for range 10 {
			name := rapid.StringMatching(`([abAB-]{0,4}\.){0,4}([aA]|[bB])\.[abA]\.?(:443)?`).Draw(t, "name")
			got := rs.Match(&Fields{Kind: KindSNI, Names: [][]byte{[]byte(name)}}, nil)
			named := slices.ContainsFunc(texts, func(text string) bool { return isExact(text, name) })
			for i, text := range texts {
				want, wantTenant := naive(text, name)
				if named && !isExact(text, name) {
					want, wantTenant = false, "" // all are one tool's: the exact name goes first
				}
				ok, tenant := false, ""
				for _, h := range got {
					if h.Indicator == rs.tools[0].Indicators[i] {
						ok, tenant = true, string(h.Tenant)
						hits++
					}
				}
				if ok != want || tenant != wantTenant {
					t.Fatalf("%s on %q: %v %q, want %v %q", text, name, ok, tenant, want, wantTenant)
				}
			}
		}
	})
	if hits < 50 {
		t.Errorf("only %d hits: the draws do not meet", hits)
	}
}

func TestGlobAgainstReference(t *testing.T) {
	hits := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab*?]{1,8}`).Draw(t, "glob")
		s := rapid.StringMatching(`[abAB]{0,10}`).Draw(t, "text")
		re := strings.NewReplacer("*", ".*", "?", ".").Replace(text)
		for _, fold := range []bool{false, true} {
			flags := "(?s)^"
			g := compileGlob(text)
			if fold {
				flags, g = "(?is)^", compileFold(text)
			}
			want := regexp.MustCompile(flags + re + "$").MatchString(s)
			if _, _, got := g.match([]byte(s), fold); got != want {
				t.Fatalf("%s on %s, fold %v: %v", text, s, fold, got)
			}
			if want {
				hits++
			}
		}
	})
	if hits < 10 {
		t.Errorf("only %d hits", hits)
	}
}

func FuzzMatchName(f *testing.F) {
	f.Add("*.a.b", []byte("x.A.b."))
	f.Add("instance-{tenant}-relay.screenconnect.com", []byte("instance-q07bx4-relay.screenconnect.com"))
	f.Add("{tenant}.{r}.a.b", []byte("\xff\x00.x.a.b:443"))
	f.Add("?*-x.a.b", bytes.Repeat([]byte("a."), 126))
	f.Fuzz(func(t *testing.T, text string, name []byte) {
		_, msg, _ := parsePattern(text)
		if msg != "" {
			return
		}
		before := bytes.Clone(name)
		got, tenant := matchOne(t, text, string(name))
		if want, wantTenant := naive(text, string(name)); got != want || tenant != wantTenant {
			t.Fatalf("%s on %q: %v %q, want %v %q", text, name, got, tenant, want, wantTenant)
		}
		if !bytes.Equal(before, name) {
			t.Fatal("the name was written to")
		}
	})
}

// A host that a tool names exactly is not spoken of by that tool's wider
// patterns, only by other tools'.
func TestExactGoesFirst(t *testing.T) {
	file := func(tool string) string {
		return "tool: " + tool + "\nname: T\nclass: rmm\nindicators:\n" +
			"  - {id: site, role: marketing, confidence: low, domain: [www.vendor.example]}\n" +
			"  - {id: relay, role: relay, confidence: high, domain: ['*.vendor.example']}\n" +
			"tests:\n  match:\n    - {name: www.vendor.example, indicator: site}\n" +
			"    - {name: r1.vendor.example, indicator: relay}\n  no_match:\n    - {name: vendor.example}\n"
	}
	other := strings.Replace(file("two"), "www.vendor.example", "shop.vendor.example", 2)
	rs, err := LoadFS("test", fstest.MapFS{"one.yaml": {Data: []byte(file("one"))}, "two.yaml": {Data: []byte(other)}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range rs.Match(&Fields{Kind: KindSNI, Names: [][]byte{[]byte("www.vendor.example")}}, nil) {
		got = append(got, h.Indicator.Tool.ID+"/"+h.Indicator.ID)
	}
	if want := []string{"one/site", "two/relay"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestLongNames(t *testing.T) {
	rs := patternSet(t, "*.a.b", strings.Repeat("x.", 14)+"a.b")
	for _, c := range []struct {
		name string
		hits int
	}{
		{strings.Repeat("y", 249) + ".a.b", 1},
		{strings.Repeat("y", 250) + ".a.b", 0},
		{strings.Repeat("y.", 124) + "a.b", 1},
		{strings.Repeat("x.", 14) + "a.b", 1}, // named exactly, which goes before the wider pattern
		{strings.Repeat("x.", 15) + "a.b", 1},
		{strings.Repeat(".", 253), 0},
		{strings.Repeat("a.b.", 1<<16), 0},
	} {
		if got := rs.Match(&Fields{Kind: KindSNI, Names: [][]byte{[]byte(c.name)}}, nil); len(got) != c.hits {
			t.Errorf("%.20s... (%d bytes): %d hits, want %d", c.name, len(c.name), len(got), c.hits)
		}
	}
}

// TestManyPatterns finds each of 100,000 patterns, and no other.
func TestManyPatterns(t *testing.T) {
	rs := manyPatterns(t, 100_000)
	for _, in := range rs.tools[0].Indicators {
		for i := range in.domains {
			if i%7 != 0 {
				continue
			}
			name := strings.NewReplacer("*", "x", "?", "y", "{tenant}", "acme").Replace(in.Domain[i])
			hits := rs.Match(&Fields{Kind: KindDNS, Names: [][]byte{[]byte(name)}}, nil)
			if len(hits) != 1 || hits[0].Indicator != in || int(hits[0].Pattern) != i {
				t.Fatalf("%s: %+v", name, hits)
			}
		}
	}
}
