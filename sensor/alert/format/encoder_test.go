package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// encoders are all formats and the worked templates, in order.
func encoders(t testing.TB) (names []string, list []Encoder) {
	t.Helper()
	for _, name := range Names {
		w, err := New(name, files)
		if err != nil {
			t.Fatal(err)
		}
		names, list = append(names, name), append(list, w)
	}
	for _, c := range worked {
		names, list = append(names, c.name+".tmpl"), append(list, workedTemplate(t, c.name))
	}
	return names, list
}

func TestNew(t *testing.T) {
	if w, err := New("xml", files); err == nil || err.Error() != `no format "xml": use one of eve, ecs, ocsf, cef, leef` {
		t.Errorf("%v, %v", w, err)
	}
	if names, _ := encoders(t); len(names) != 9 {
		t.Errorf("%v", names)
	}
}

// The records as they are; run with -update to write them anew, and look at
// them. JSON is indented for that.
func TestGoldenRecords(t *testing.T) {
	names, list := encoders(t)
	for _, kind := range kindNames {
		a := kinds()[kind]
		var b bytes.Buffer
		for i, w := range list {
			raw := w.Line(a)
			fmt.Fprintf(&b, "== %s\n", names[i])
			if json.Valid(raw) {
				if err := json.Indent(&b, raw, "", " "); err != nil {
					t.Fatal(err)
				}
			} else {
				b.Write(raw)
			}
		}
		golden := filepath.Join("testdata", "records", kind+".golden")
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s differs; -update writes it anew\n%s", golden, b.String())
		}
	}
}

// Records depend on nothing but the alert, and leave it as it was.
func TestRecordsRepeat(t *testing.T) {
	names, first := encoders(t)
	_, second := encoders(t)
	all := every(t)
	var kept []string
	for i := range first {
		for _, a := range all {
			kept = append(kept, string(first[i].Line(a)))
		}
	}
	for i := range second {
		for j := len(all) - 1; j >= 0; j-- {
			if got := string(second[i].Line(all[j])); got != kept[i*len(all)+j] {
				t.Fatalf("%s wrote\n%s and then\n%s", names[i], kept[i*len(all)+j], got)
			}
		}
	}
}

// fuzzed makes an alert of one piece of evidence.
func fuzzed(id, name, value, tenant string, kind uint8, need uint32) *alert.Alert {
	in := indicator(id, detect.Confidence(1+kind%3), detect.Conds(need))
	in.Role = tenant
	tl := tool(id, name, in)
	tl.Vendor, tl.Class, tl.Attack, tl.Guidance, tl.Plain = name, id, []string{id, value}, value, name
	e := seen(in, detect.Kind(kind%8), value, "10.1.2.3:50000", "203.0.113.1:443", 1)
	e.Tenant, e.LastFrame.File = tenant, 2
	return alertOf("10.1.2.3", in.Confidence, e)
}

// fuzzRecords seeds a target with hostile texts and holds records of anything
// with check.
func fuzzRecords(f *testing.F, line func(*alert.Alert) []byte, check func(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string)) {
	for i, s := range append([]string{"relay-1.net.anydesk.com", "a|b=c^d\\", " a ", strings.Repeat("\\", 1023)}, hostile...) {
		f.Add(s, "AnyDesk", s, s, uint8(i), uint32(1)<<(i%12))
	}
	f.Fuzz(func(t *testing.T, id, name, value, tenant string, kind uint8, need uint32) {
		check(t, line(fuzzed(id, name, value, tenant, kind, need)), id, name, value, tenant)
	})
}

func FuzzECS(f *testing.F) {
	s := loadECS(f)
	fuzzRecords(f, NewECS(files).Line, func(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
		checkECS(t, raw, id, name, value, tenant)
		if err := s.check(raw); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	})
}

func FuzzOCSF(f *testing.F) {
	j := loadOCSF(f)
	fuzzRecords(f, NewOCSF(files).Line, func(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
		checkOCSF(t, raw, id, name, value, tenant)
		if err := j.check(raw); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	})
}

// 617e758512ac5683: a tool's id of 256 escaped bytes, one character longer than
// the 1023 of CEF's signature id; spaces at its ends were escaped after the cut.
func FuzzCEF(f *testing.F) {
	d := loadCEF(f)
	fuzzRecords(f, NewCEF(files).Line, func(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
		checkCEF(t, raw, id, "Remote access with "+asProse(name), value, tenant)
		if err := d.check(raw); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	})
}

func FuzzLEEF(f *testing.F) {
	d := loadLEEF(f)
	fuzzRecords(f, NewLEEF(files).Line, func(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
		checkLEEF(t, raw, id, name, value, tenant)
		if err := d.check(raw); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	})
}

// A template with hostile texts, and hostile templates: whatever is parsed ends
// and writes one record.
func FuzzTemplate(f *testing.F) {
	w := must(f, everything)
	for _, s := range append([]string{"{{.ID}}", "{{range .Evidence}}{{.Value}}{{end}}", `{{printf "%q" .Name}}`, `{{define "a"}}{{end}}{{template "a"}}`}, hostile...) {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		a := fuzzed("x", text, value, text, 1, 1)
		checkTemplate(t, w.Line(a), "x", text, value, text)
		own, err := NewTemplate("template", text, files)
		if err != nil {
			return
		}
		if raw := own.Line(a); bytes.IndexByte(raw, '\n') != len(raw)-1 || len(raw) < 2 || bytes.IndexByte(raw, '\r') >= 0 {
			t.Fatalf("%q wrote %q", text, raw)
		}
	})
}
