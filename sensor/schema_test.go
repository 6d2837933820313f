package sensor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// schemas are Suricata's own, by version.
func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	dir := testshared.Dir(t, "schemas/suricata")
	out := map[string]*jsonschema.Schema{}
	for _, version := range []string{"7.0.16", "8.0.6"} {
		f, err := os.Open(filepath.Join(dir, "eve-schema-suricata-"+version+".json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(version+".json", doc); err != nil {
			t.Fatal(err)
		}
		if out[version], err = c.Compile(version + ".json"); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Every alert and every event is valid against the schemas of Suricata 7 and
// 8, and every event type occurs.
func TestSchemas(t *testing.T) {
	all := schemas(t)
	lines := replay(t, "../pcaps")
	text := lines.eve + lines.events
	corpus := testshared.Dir(t, "corpus/files")
	for _, folder := range []string{"zeek+zeek", "ntop+nDPI", "OISF+suricata-verify"} {
		r := replay(t, filepath.Join(corpus, folder))
		text += r.eve + r.events
	}
	types := map[string]int{}
	for line := range strings.Lines(text) {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		types[v.(map[string]any)["event_type"].(string)]++
		for version, schema := range all {
			if err := schema.Validate(v); err != nil {
				t.Errorf("Suricata %s: %v\n%s", version, err, line)
			}
		}
	}
	for _, kind := range []string{"alert", "dns", "tls", "quic", "http"} {
		if types[kind] == 0 {
			t.Errorf("no %s event", kind)
		}
	}
	t.Log(types)
}
