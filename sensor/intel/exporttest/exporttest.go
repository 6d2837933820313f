// Package exporttest judges exports from outside: it has the embedded rules,
// the names and flows of their own tests, and what rules say of a name. Only
// tests import it.
package exporttest

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// Date is the date of every export of the tests.
var Date = time.Date(2026, time.March, 31, 0, 0, 0, 0, time.UTC)

// Rules loads the embedded rules.
func Rules(t testing.TB) *detect.Ruleset {
	t.Helper()
	rs, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// Load loads rule files by their content.
func Load(t testing.TB, fsys fs.FS) *detect.Ruleset {
	t.Helper()
	rs, err := detect.LoadFS("test", fsys)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// New chooses everything that is exported by default.
func New(t testing.TB, rs *detect.Ruleset) *intel.Export {
	t.Helper()
	e, err := intel.NewExport(rs, intel.Selection{}, Date)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Flow is one item of a rule file's tests.
type Flow struct {
	Tool      string `yaml:"-"` // whose file it stands in
	Match     bool   `yaml:"-"` // an item of match
	Indicator string
	Name      string
	Port      string
	Payload   Payloads
	HTTP      struct{ Method, Host, Path, Agent, Upgrade, WebSocket string }
}

// Payloads is one payload or a list of them.
type Payloads []struct {
	Proto, From, Hex, Text string
	Size                   int
}

// UnmarshalYAML reads either form.
func (p *Payloads) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		n = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{n}}
	}
	return n.Decode((*[]struct {
		Proto, From, Hex, Text string
		Size                   int
	})(p))
}

// Flows are the tests of every embedded rule file, in the files' order.
func Flows(t testing.TB) (out []Flow) {
	t.Helper()
	files, err := fs.Glob(rules.FS, "tools/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d rule files: %v", len(files), err)
	}
	for _, f := range files {
		data, err := rules.FS.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Tool  string
			Tests struct {
				Match   []Flow
				NoMatch []Flow `yaml:"no_match"`
			}
		}
		if err := yaml.Unmarshal(data, &doc); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, f := range doc.Tests.Match {
			f.Tool, f.Match = doc.Tool, true
			out = append(out, f)
		}
		for _, f := range doc.Tests.NoMatch {
			f.Tool = doc.Tool
			out = append(out, f)
		}
	}
	return out
}

// Names are the names of every test, and names beside each: below it, above it,
// glued to something, and in front of somebody else's domain.
func Names(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, f := range Flows(t) {
		for _, name := range []string{f.Name, f.HTTP.Host} {
			if name == "" || strings.ContainsAny(name, ": ") {
				continue
			}
			out = append(out, name, "x."+name, "a.b."+name, "x"+name, "x-"+name, name+".evil.example")
			if _, parent, ok := strings.Cut(name, "."); ok && strings.Contains(parent, ".") {
				out = append(out, parent, "www."+parent)
			}
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool { return len(s) > 240 })
}

// Hits are the indicators whose matchers a DNS question for name satisfies
// alone, as "tool/indicator", in alphabetical order; of roles that are exported
// by default only.
func Hits(rs *detect.Ruleset, name string) (out []string) {
	for _, h := range rs.Match(&detect.Fields{Kind: detect.KindDNS, Proto: 17, ServerPort: 53, Names: [][]byte{[]byte(name)}}, nil) {
		if h.Complete() && h.Indicator.Role != "marketing" {
			out = append(out, h.Indicator.Tool.ID+"/"+h.Indicator.ID)
		}
	}
	slices.Sort(out)
	return out
}

// Tools are the tools of Hits, each once.
func Tools(hits []string) (out []string) {
	for _, h := range hits {
		tool, _, _ := strings.Cut(h, "/")
		if !slices.Contains(out, tool) {
			out = append(out, tool)
		}
	}
	return out
}

// Said are the indicators of e of which every part could be said.
func Said(e *intel.Export) map[string]bool {
	said := make(map[string]bool)
	for _, t := range e.Tools {
		for _, in := range t.Chosen {
			said[t.ID+"/"+in.ID] = true
		}
	}
	for _, o := range e.Omissions() {
		delete(said, o.Tool+"/"+o.Indicator)
	}
	return said
}
