package list

import (
	"bytes"
	"encoding/csv"
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

func TestExport(t *testing.T) {
	e := exporttest.New(t, exporttest.Rules(t))
	rows, err := csv.NewReader(bytes.NewReader(exported(t, e)[0].Data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[string]int)
	for _, r := range rows[1:] {
		types[r[0]]++
		for _, cell := range r {
			if cell != "" && bytes.ContainsAny([]byte(cell[:1]), "=+-@\t\r") {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
	}
	if types["domain"] < 500 || types["port"] < 50 || types["agent"] < 10 {
		t.Errorf("the table has %v", types)
	}
}

func TestRoundTrip(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	exporttest.RoundTrip(t, rs, e, exported(t, e), false, ImportCSV)
}
