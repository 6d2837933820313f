package sigma

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

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
	f, err := os.Open(filepath.Join(testshared.Dir(t, "schemas/sigma"), "sigma-detection-rule-schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sigma.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sigma.json")
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[any]string)
	for _, f := range append(exported(t, exporttest.New(t, exporttest.Rules(t))), exported(t, exporttest.Hostile(t))...) {
		var v map[string]any
		if err := yaml.Unmarshal(f.Data, &v); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(again); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if ids[v["id"]] != "" {
			t.Errorf("%s and %s have one id", f.Name, ids[v["id"]])
		}
		ids[v["id"]] = f.Name
	}
	if len(ids) < 100 {
		t.Errorf("only %d rules", len(ids))
	}
}

// holds is one list of conditions of a search by Sigma's own rules: fields that
// must all hold, of each value one, case does not count.
func holds(t *testing.T, m map[string][]string, log map[string]string) bool {
	t.Helper()
	for key, values := range m {
		name, modifiers, _ := strings.Cut(key, "|")
		value, ok := log[name]
		if !ok || !slices.ContainsFunc(values, func(v string) bool {
			switch modifiers {
			case "":
				return strings.EqualFold(v, value)
			case "endswith":
				return strings.HasSuffix(strings.ToLower(value), strings.ToLower(v))
			case "re|i":
				return regexp.MustCompile("(?i)" + v).MatchString(value)
			}
			t.Fatalf("modifier %q", modifiers)
			return false
		}) {
			return false
		}
	}
	return true
}

// The rules on DNS logs, read by Sigma's own definition.
func TestExport(t *testing.T) {
	type rule struct {
		tool        string
		any, filter []map[string][]string
	}
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	var all []rule
	for _, f := range exported(t, e) {
		tool, _, ok := strings.Cut(strings.TrimPrefix(f.Name, "rmmwatch_"), "_dns_")
		if !ok {
			continue
		}
		var doc struct{ Detection map[string]yaml.Node }
		if err := yaml.Unmarshal(f.Data, &doc); err != nil {
			t.Fatal(err)
		}
		r := rule{tool: tool}
		for name, n := range doc.Detection {
			var maps []map[string][]string
			if n.Kind == yaml.MappingNode {
				maps = make([]map[string][]string, 1)
				if err := n.Decode(&maps[0]); err != nil {
					t.Fatal(err)
				}
			} else if n.Kind == yaml.SequenceNode {
				if err := n.Decode(&maps); err != nil {
					t.Fatal(err)
				}
			}
			if strings.HasPrefix(name, "filter") {
				r.filter = maps
			} else {
				r.any = append(r.any, maps...)
			}
		}
		condition := doc.Detection["condition"]
		if !regexp.MustCompile(`^(selection_[a-z0-9_]+|1 of selection_\*)( and not filter_other)?$`).MatchString(condition.Value) ||
			strings.Contains(condition.Value, "filter") != (r.filter != nil) {
			t.Fatalf("%s: condition %q", f.Name, condition.Value)
		}
		all = append(all, r)
	}
	exporttest.Judge(t, rs, e, func(name string) (out []string) {
		log := map[string]string{"query": name}
		is := func(m map[string][]string) bool { return holds(t, m, log) }
		for _, r := range all {
			if slices.ContainsFunc(r.any, is) && !slices.ContainsFunc(r.filter, is) {
				out = append(out, r.tool)
			}
		}
		return out
	})
}

func TestRoundTrip(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	files := exported(t, e)
	for _, f := range files {
		for _, entry := range Import(f.Name, f.Data) {
			if known := rs.Tool(entry.Tool.ID); known == nil || entry.Tool.Name != known.Name {
				t.Errorf("%s: %q of tool %q", f.Name, entry.Tool.Name, entry.Tool.ID)
			}
		}
	}
	exporttest.RoundTrip(t, rs, e, files, false, Import)
}
