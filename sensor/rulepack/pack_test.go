package rulepack

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
)

// rule is a rule file for a tool with one domain.
func rule(tool, domain string) []byte {
	return fmt.Appendf(nil, `tool: %[1]s
name: %[1]s
class: rmm
attack: [T1219]
guidance: Ask who runs it.
plain: A tool that controls computers from afar.
owned: [%[2]s]
indicators:
  - {id: relay, role: relay, confidence: medium, domain: ["*.%[2]s"], source: [test]}
tests:
  match: [{name: a.%[2]s, indicator: relay}]
  no_match: [{name: not%[2]s}]
`, tool, domain)
}

// pack is a pack of two tools whose domains begin with word.
func pack(t testing.TB, name string, sequence uint64, word string) *Pack {
	t.Helper()
	p, err := Build(name, sequence, []File{{"z/one.yaml", rule("one", word+"-one.com")}, {"a/b.yml", rule("two", word+"-two.com")}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func archive(t testing.TB, p *Pack) []byte {
	t.Helper()
	raw, err := p.Archive()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The same rules make the same bytes, wherever they lay and in whichever order.
// The sum is of the bytes that everybody got so far: when a release of Go packs
// otherwise, packs of before and after cannot be compared, and CHANGELOG says so.
func TestSameBytes(t *testing.T) {
	raw := archive(t, pack(t, "corp", 7, "x"))
	other, err := Build("corp", 7, []File{{"two.yaml", rule("two", "x-two.com")}, {"else", rule("one", "x-one.com")}})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, archive(t, other)) {
		t.Error("names and order of the files change the pack")
	}
	sum := sha256.Sum256(raw)
	if got := hex.EncodeToString(sum[:]); got != golden {
		t.Errorf("the pack's sum is %s and was %s", got, golden)
	}
	if bytes.Equal(raw, archive(t, pack(t, "corp", 8, "x"))) {
		t.Error("the number does not change the pack")
	}
}

const golden = "33fbaec3322c97602b56b8fc721b1433f6a1ef62f15f551fe90c67893e13c5a4"

// What is packed comes out again.
func TestRoundTrip(t *testing.T) {
	p := pack(t, "corp", 7, "x")
	got, err := open(archive(t, p))
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest() != p.Digest() || len(got.Files) != 2 || got.Files[0].Name != "one.yaml" || !bytes.Equal(got.Files[1].Data, rule("two", "x-two.com")) {
		t.Errorf("%+v", got)
	}
	rs, err := got.Load()
	if err != nil {
		t.Fatal(err)
	}
	if rs.Version() != got.Manifest.Rules {
		t.Errorf("the rules are %s and the manifest says %s", rs.Version(), got.Manifest.Rules)
	}
}

// A set with a mistake makes no pack.
func TestBuildRefuses(t *testing.T) {
	good := []File{{"one.yaml", rule("one", "one-x.com")}}
	failing := bytes.Replace(rule("two", "two-x.com"), []byte("name: a.two-x.com"), []byte("name: a.else.com"), 1)
	for what, c := range map[string]struct {
		name     string
		sequence uint64
		files    []File
	}{
		"no files":        {"corp", 1, nil},
		"empty name":      {"", 1, good},
		"name with path":  {"../corp", 1, good},
		"sequence 0":      {"corp", 0, good},
		"large sequence":  {"corp", MaxSequence + 1, good},
		"a test fails":    {"corp", 1, append(slices.Clone(good), File{"two.yaml", failing})},
		"one tool twice":  {"corp", 1, append(slices.Clone(good), File{"too.yaml", rule("one", "two-x.com")})},
		"one name twice":  {"corp", 1, append(slices.Clone(good), File{"one.yaml", rule("two", "two-x.com")})},
		"no YAML, but {{": {"corp", 1, []File{{"x.yaml", []byte("{{")}}},
	} {
		if _, err := Build(c.name, c.sequence, c.files); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}
