package zeek

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
)

func exported(t *testing.T, e *intel.Export) []intel.ExportFile {
	t.Helper()
	files, err := Export(e)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The table by the rules of Zeek's ASCII reader: lines of # but #fields are
// comments, fields stand between tabs, and Intel::DOMAIN is compared whole.
func TestExport(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	domains := make(map[string][]string)
	width := 0
	for line := range strings.Lines(string(exported(t, e)[0].Data)) {
		line = strings.TrimSuffix(line, "\n")
		if head, ok := strings.CutPrefix(line, "#fields\t"); ok {
			if head != "indicator\tindicator_type\tmeta.source\tmeta.desc" {
				t.Fatalf("fields are %q", head)
			}
			width = 4
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != width {
			t.Fatalf("%d fields in %q", len(f), line)
		}
		switch f[1] {
		case "Intel::DOMAIN":
			tool, _, _ := strings.Cut(f[3], " ")
			domains[f[0]] = append(domains[f[0]], tool)
		case "Intel::ADDR", "Intel::SUBNET", "Intel::SOFTWARE":
		default:
			t.Errorf("type %q", f[1])
		}
	}
	exporttest.Judge(t, rs, e, func(name string) []string { return domains[name] })
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"-": `\x2d`, "(empty)": `\x28empty)`, "#fields": `\x23fields`, "a\tb\n": `a\x09b\x0a`, `\x09`: `\x5cx09`, "ü": `\xc3\xbc`, "a-b": "a-b",
	} {
		if got := exportEscape(in); got != want {
			t.Errorf("%q: %s, not %s", in, got, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	exporttest.RoundTrip(t, rs, e, exported(t, e), true, Import)
}

// Whatever a text is, it stays one field of one line, and Zeek's reader has the
// same bytes back.
func FuzzEscape(f *testing.F) {
	f.Add("a\tb\\x09\n-")
	f.Fuzz(func(t *testing.T, s string) {
		got := exportEscape(s)
		if strings.ContainsAny(got, "\t\n\r") || strings.HasPrefix(got, "#") || got == "-" || got == "(empty)" {
			t.Errorf("%q becomes %q", s, got)
		}
		back := regexp.MustCompile(`\\x[0-9a-f]{2}`).ReplaceAllStringFunc(got, func(x string) string {
			b, err := hex.DecodeString(x[2:])
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		})
		if back != s {
			t.Errorf("%q is read as %q", s, back)
		}
	})
}
