package intel_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
	"github.com/rmmwatch/rmmwatch/sensor/intel/list"
	"github.com/rmmwatch/rmmwatch/sensor/intel/lolrmm"
	"github.com/rmmwatch/rmmwatch/sensor/intel/misp"
	"github.com/rmmwatch/rmmwatch/sensor/intel/rpz"
	"github.com/rmmwatch/rmmwatch/sensor/intel/sigma"
	"github.com/rmmwatch/rmmwatch/sensor/intel/stix"
	"github.com/rmmwatch/rmmwatch/sensor/intel/suricata"
	"github.com/rmmwatch/rmmwatch/sensor/intel/zeek"
)

var exports = map[string]func(*intel.Export) ([]intel.ExportFile, error){
	"csv": list.Export, "lolrmm": lolrmm.Export, "misp": misp.Export, "rpz": rpz.Export,
	"sigma": sigma.Export, "stix": stix.Export, "suricata": suricata.Export, "zeek": zeek.Export,
}

// Every indicator is written or accounted for.
func TestAccount(t *testing.T) {
	rs := exporttest.Rules(t)
	for name, mark := range map[string]string{"suricata": "rmm_tool %s, rmm_class %s, rmm_indicator %s,", "stix": `"%[1]s/%[3]s"`, "zeek": "\t%[1]s %[3]s,", "csv": ",%[2]s,%[3]s,"} {
		e := exporttest.New(t, rs)
		files, err := exports[name](e)
		if err != nil {
			t.Fatal(err)
		}
		left := make(map[string]bool)
		for _, o := range e.Omissions() {
			left[o.Tool+"/"+o.Indicator] = true
		}
		written := 0
		for _, tool := range e.Tools {
			for _, in := range tool.Chosen {
				if strings.Contains(string(files[0].Data), fmt.Sprintf(mark+"%.0[1]s%.0[2]s%.0[3]s", tool.ID, tool.Class, in.ID)) {
					written++
				} else if !left[tool.ID+"/"+in.ID] {
					t.Errorf("%s: %s %s is neither written nor accounted for", name, tool.ID, in.ID)
				}
			}
		}
		if written < 100 || len(left) < 50 {
			t.Errorf("%s: %d written, %d left out", name, written, len(left))
		}
	}
}

// The same rules give the same bytes, under plain file names.
func TestExports(t *testing.T) {
	rs := exporttest.Rules(t)
	for name, export := range exports {
		var first []intel.ExportFile
		for range 3 {
			files, err := export(exporttest.New(t, rs))
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = files
			}
			if !slices.EqualFunc(first, files, func(a, b intel.ExportFile) bool { return a.Name == b.Name && string(a.Data) == string(b.Data) }) {
				t.Errorf("%s: another output for the same rules", name)
			}
		}
		names := make(map[string]bool)
		for _, f := range first {
			if f.Name == "" || strings.ContainsAny(f.Name, "/\\") || strings.HasPrefix(f.Name, ".") || names[f.Name] {
				t.Errorf("%s: file name %q", name, f.Name)
			}
			names[f.Name] = true
		}
		e := exporttest.Hostile(t)
		files, err := export(e)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, f := range files {
			ascii := name == "suricata" || name == "zeek" || name == "rpz"
			for i, c := range string(f.Data) {
				if (ascii && c > '~' || !unicode.IsPrint(c)) && c != '\n' && !(c == '\r' && name == "csv") && !(c == '\t' && name == "zeek") {
					t.Errorf("%s: character %#x at %d of hostile rules: %q", name, c, i, f.Data[max(0, i-30):i+1])
					break
				}
			}
		}
	}
}

func TestSelection(t *testing.T) {
	rs := exporttest.Rules(t)
	for _, s := range []intel.Selection{{Tools: []string{"nobody"}}, {Classes: []string{"malware"}}, {Roles: []string{"boss"}},
		{Tools: []string{"anydesk"}, Classes: []string{"rat"}}} {
		if _, err := intel.NewExport(rs, s, exporttest.Date); err == nil {
			t.Errorf("%+v chooses something", s)
		}
	}
	for _, s := range []intel.Selection{{}, {Tools: []string{"anydesk"}}, {MinConfidence: detect.High}, {Classes: []string{"tunnel"}}, {Roles: []string{"marketing"}}} {
		e, err := intel.NewExport(rs, s, exporttest.Date)
		if err != nil {
			t.Fatal(err)
		}
		for _, tool := range e.Tools {
			for _, in := range tool.Chosen {
				if in.Role == "marketing" && s.Roles == nil || in.Confidence < s.MinConfidence || s.Tools != nil && tool.ID != "anydesk" ||
					s.Classes != nil && tool.Class != "tunnel" || s.Roles != nil && in.Role != "marketing" {
					t.Errorf("%+v chooses %s %s", s, tool.ID, in.ID)
				}
			}
		}
	}
}

// A key that exporters do not know must show among the matchers.
func TestMatchers(t *testing.T) {
	rs := exporttest.Rules(t)
	for _, c := range []struct{ tool, id, want string }{
		{"anydesk", "relay", "domain"}, {"anydesk", "hello", "tls.ja4+tls.no_sni"}, {"anydesk", "port", "port"}, {"teamviewer", "http-polling", "http.method+http.path"},
	} {
		i := slices.IndexFunc(rs.Tool(c.tool).Indicators, func(in *detect.Indicator) bool { return in.ID == c.id })
		if got := intel.Matchers(rs.Tool(c.tool).Indicators[i]); got != c.want {
			t.Errorf("%s %s: %s, not %s", c.tool, c.id, got, c.want)
		}
	}
	in := detect.Indicator{ID: "x", Payload: []detect.Payload{{Proto: "udp", Hex: "00"}}}
	if got := intel.Matchers(&in); got != "payload" {
		t.Errorf("a plain payload is %s", got)
	}
	in.Payload[0].Count = 2
	if got := intel.Matchers(&in); got != "payload+payload.count" {
		t.Errorf("a payload that must come twice is %s", got)
	}
	var keys map[string]any
	raw, err := json.Marshal(detect.Indicator{})
	if err == nil {
		err = json.Unmarshal(raw, &keys)
	}
	if err != nil || len(keys) != 2 { // id and confidence
		t.Errorf("an empty indicator has %v (%v): a matcher without omitempty would be in all", keys, err)
	}
}

// Python's uuid.uuid5 says the same.
func TestUUID(t *testing.T) {
	if got := intel.UUID("a", "b"); got != "e16e3392-b31f-5efa-a843-b417ff1811d7" {
		t.Error(got)
	}
}

// A name of an indicator that stays here is left out of the wide patterns of
// those that go.
func TestExcept(t *testing.T) {
	rs := exporttest.Load(t, fstest.MapFS{"x.yaml": {Data: []byte(`tool: x
name: X
class: rmm
indicators:
  - {id: relay, role: relay, confidence: high, domain: ["*.x.example", "a?.x.example", x.example]}
  - {id: portal, role: portal, confidence: medium, domain: [my.x.example]}
  - {id: www, role: marketing, confidence: low, domain: [www.x.example, "*.shop.x.example"]}
tests:
  match:
    - {name: r.x.example, indicator: relay}
    - {name: my.x.example, indicator: portal}
    - {name: www.x.example, indicator: www}
  no_match:
    - {name: y.example}
`)}})
	e := exporttest.New(t, rs)
	n := e.Tools[0].Names(e.Tools[0].Chosen[0])
	if !slices.Equal(n.Except, []string{"www.x.example"}) || !n.Both("x.example") {
		t.Errorf("%+v", n)
	}
	for i, want := range []string{`^.+\.x\.example$`, `^a[^.]\.x\.example$`, `^x\.example$`} {
		if got := n.Patterns[i].Regexp(); got != want {
			t.Errorf("%s: %s", n.Patterns[i].Text, got)
		}
	}
}
