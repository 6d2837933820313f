package exporttest

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// Anybody is a tool that stands for all of them, for formats and judges that
// do not know whose a name is.
const Anybody = "anybody"

// Judge holds what an export says of names against the rules. Match returns the
// tools that the export finds by a name, or Anybody. It must find no other tool
// than the rules do, and all tools of which the indicator could be said.
func Judge(t *testing.T, rs *detect.Ruleset, e *intel.Export, match func(name string) []string) {
	t.Helper()
	said := Said(e)
	wrong, hits, none := 0, 0, 0
	for _, name := range Names(t) {
		ours := Hits(rs, name)
		theirs := match(name)
		for _, tool := range theirs {
			if !found(Tools(ours), tool) {
				wrong++
				t.Errorf("%s: the export finds %s there, the rules %v", name, tool, ours)
			}
		}
		for _, h := range ours {
			if tool, _, _ := strings.Cut(h, "/"); said[h] && !slices.Contains(theirs, tool) && !slices.Contains(theirs, Anybody) {
				wrong++
				t.Errorf("%s: the rules find %s there, the export %v", name, h, theirs)
			}
		}
		if len(theirs) > 0 {
			hits++
		} else {
			none++
		}
		if wrong > 20 {
			t.Fatal("and so on")
		}
	}
	if hits < 100 || none < 1000 {
		t.Fatalf("%d names were found and %d not: this judges nothing", hits, none)
	}
	t.Logf("%d names: %d found, %d not", hits+none, hits, none)
}

func found(tools []string, tool string) bool {
	return slices.Contains(tools, tool) || tool == Anybody && len(tools) > 0
}

// Trip is an export that was imported again.
type Trip struct {
	Rules *detect.Ruleset
	rows  []intel.Row // what the importer refused
}

// Importer reads a file of the format.
type Importer func(file string, data []byte) []intel.Entry

// Again imports what was exported. The importer may refuse shared hosts (that a
// vendor runs all of one is not told by any format), and what has one of the
// reasons given.
func Again(t *testing.T, files []intel.ExportFile, imports Importer, reasons ...intel.Reason) *Trip {
	t.Helper()
	var entries []intel.Entry
	for _, f := range files {
		entries = append(entries, imports(f.Name, f.Data)...)
	}
	pack, err := intel.Build(entries, intel.Options{Format: "again", Confidence: detect.High})
	if err != nil {
		t.Fatal(err)
	}
	fsys := make(fstest.MapFS)
	for _, f := range pack.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	trip := &Trip{Rules: Load(t, fsys)}
	others := 0
	for _, r := range pack.Rows {
		if r.Outcome != intel.Quarantined {
			continue
		}
		trip.rows = append(trip.rows, r)
		if r.Reason != intel.Shared && !slices.Contains(reasons, r.Reason) {
			if others++; others < 20 {
				t.Errorf("quarantined: %s %s: %s: %s", r.Tool, r.Text, r.Reason, r.Detail)
			}
		}
	}
	t.Logf("%s", strings.Join(pack.Summary(), ";"))
	return trip
}

// refused reports whether the importer refused a pattern of the indicator.
func (tr *Trip) refused(tool string, in *detect.Indicator) bool {
	return slices.ContainsFunc(tr.rows, func(r intel.Row) bool {
		return r.Tool == tool && slices.ContainsFunc(in.Domain, func(d string) bool {
			p := intel.ParseName(d)
			return strings.Contains(r.Text+" "+r.Detail, p.Literal)
		})
	})
}

// Tools are the tools that the rules which came back find by a name, with
// those of which the importer refused a pattern that finds it in rs.
func (tr *Trip) Tools(rs *detect.Ruleset, name string) []string {
	tools := Tools(Hits(tr.Rules, name))
	for _, h := range Hits(rs, name) {
		tool, id, _ := strings.Cut(h, "/")
		for _, in := range rs.Tool(tool).Indicators {
			if in.ID == id && !slices.Contains(tools, tool) && tr.refused(tool, in) {
				tools = append(tools, tool)
			}
		}
	}
	return tools
}

// RoundTrip is Judge of what comes of an export that is imported again. Blind
// is for formats that do not say whose an indicator is.
func RoundTrip(t *testing.T, rs *detect.Ruleset, e *intel.Export, files []intel.ExportFile, blind bool, imports Importer, reasons ...intel.Reason) {
	t.Helper()
	trip := Again(t, files, imports, reasons...)
	trip.JudgeFlows(t, rs, e, blind)
	Judge(t, rs, e, func(name string) []string {
		tools := trip.Tools(rs, name)
		if blind && tools != nil {
			return []string{Anybody}
		}
		return tools
	})
}
