package misp

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

func exported(t *testing.T, e *intel.Export) []intel.ExportFile {
	t.Helper()
	files, err := Export(e)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSchema(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(testshared.Dir(t, "schemas/misp"), "misp-core-schema.patched.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("misp.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("misp.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*intel.Export{exporttest.New(t, exporttest.Rules(t)), exporttest.Hostile(t)} {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(exported(t, e)[0].Data))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Error(err)
		}
	}
}

// As MISP's own exports to sensors read its types: hostname is the name,
// domain is the name and all below it, to_ids says whether it may alert.
func TestExport(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	var doc struct {
		Event struct {
			Attribute []struct {
				UUID, Type, Value string
				ToIDS             bool `json:"to_ids"`
				Tag               []struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal(exported(t, e)[0].Data, &doc); err != nil {
		t.Fatal(err)
	}
	exact, below := make(map[string][]string), make(map[string][]string)
	ids := make(map[string]bool)
	for _, a := range doc.Event.Attribute {
		if ids[a.UUID] {
			t.Errorf("%s %s: its identifier is another's, too", a.Type, a.Value)
		}
		ids[a.UUID] = true
		tool := strings.Trim(strings.TrimPrefix(a.Tag[0].Name, "rmmwatch:tool="), `"`)
		switch {
		case !a.ToIDS:
		case a.Type == "hostname":
			exact[a.Value] = append(exact[a.Value], tool)
		case a.Type == "domain":
			below[a.Value] = append(below[a.Value], tool)
		}
	}
	exporttest.Judge(t, rs, e, func(name string) []string {
		out := exact[name]
		for up := true; up; _, name, up = strings.Cut(name, ".") {
			out = append(out, below[name]...)
		}
		return out
	})
}

func TestRoundTrip(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	exporttest.RoundTrip(t, rs, e, exported(t, e), false, Import, intel.Withdrawn)
}
