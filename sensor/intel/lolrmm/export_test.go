package lolrmm

import (
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
)

// What the catalogue cannot say is exceptions, and that a star is one label:
// (and may be none of a label): there its names find more. Everywhere else they find what the rules find.
func TestRoundTrip(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	files, err := Export(e)
	if err != nil {
		t.Fatal(err)
	}
	var except, deeper []string
	for _, o := range e.Omissions() {
		switch o.Reason {
		case intel.OmitExcept:
			except = append(except, o.What[len("not "):])
		case omitDepth:
			p := intel.ParseName(o.What)
			deeper = append(deeper, "."+p.Literal)
		}
	}
	if len(except) == 0 || len(deeper) == 0 {
		t.Fatal("no tool has an exception: this judges less than it should")
	}
	trip := exporttest.Again(t, files, Import)
	exporttest.Judge(t, rs, e, func(name string) []string {
		if strings.HasPrefix(name, "-") || slices.Contains(except, name) || slices.ContainsFunc(deeper, func(s string) bool { return strings.HasSuffix(name, s) }) {
			return exporttest.Tools(exporttest.Hits(rs, name))
		}
		return trip.Tools(rs, name)
	})
}
