package detect

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// imitated are two tools; the second has a name of the first's brand among its
// own.
func imitated(t *testing.T, brands string) (*Ruleset, error) {
	t.Helper()
	file := func(id, more, domain string) *fstest.MapFile {
		return &fstest.MapFile{Data: fmt.Appendf(nil, "tool: %s\nname: %s\nclass: rmm\n%sindicators:\n"+
			"  - {id: relay, role: relay, confidence: high, domain: [%s]}\n"+
			"tests:\n  match:\n    - {name: %[4]s, indicator: relay}\n  no_match:\n    - {name: no.example.net}\n", id, strings.ToUpper(id), more, domain)}
	}
	return LoadFS("r", fstest.MapFS{
		"a.yaml": file("farview", "brands: ["+brands+"]\nowned: [farview.com]\n", "relay.farview.com"),
		"b.yaml": file("helper", "", "farview.helper.net"),
	})
}

func TestImitation(t *testing.T) {
	rs, err := imitated(t, "farview")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"farview-app.com": "farview joined high farview-app.com LOOK of FARVIEW", "WWW.FarView.top:443": "farview wrong-tld high farview.top LOOK of FARVIEW",
		"farviev.com": "farview edited medium farviev.com LOOK of FARVIEW", "relay.farview.com": "", "www.farview.com": "",
		"farview.helper.net": "", // a name of another tool
		"farview.helped.net": "farview label medium helped.net LOOK of FARVIEW",
	} {
		im, ok := rs.Imitation([]byte(name), nil)
		got := ""
		if ok {
			in := im.Indicator
			got = fmt.Sprint(im.Brand, " ", in.ID, " ", in.Confidence, " ", im.Domain, " ", strings.Replace(in.Tool.Name, "look-alike", "LOOK", 1))
			if in.Tool.ID != "farview" || in.Tool.Imitated != rs.Tool("farview") || in.Need != CondDomain || !contains(in.Tool, in) {
				t.Errorf("%s: the indicator is %+v", name, in)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	list := [][]byte{[]byte("www.example.com"), []byte("relay.farview.com"), []byte("farfaraway.org")}
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range list {
			rs.Imitation(name, nil)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func contains(t *Tool, in *Indicator) bool {
	for _, i := range t.Indicators {
		if i == in {
			return true
		}
	}
	return false
}

// A brand that honest names have is refused, where it stands.
func TestBrandsGate(t *testing.T) {
	for brand, want := range map[string]string{
		"far":   `r:a.yaml:4:10: brand "far" has 3 letters`,
		"level": `r:a.yaml:4:10: brand "level" is an ordinary word`,
		"Far":   `r:a.yaml:4:10: brands cannot be "Far"`,
	} {
		if _, err := imitated(t, brand); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "; ") {
			t.Errorf("%s: %v", brand, err)
		}
	}
}
