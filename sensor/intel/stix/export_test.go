package stix

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// local leads the schemas' own addresses to the files beside the checkout.
type local struct{ dir string }

func (l local) Load(url string) (any, error) {
	_, path, ok := strings.Cut(url, "/schemas/")
	if !ok {
		return nil, os.ErrNotExist
	}
	f, err := os.Open(filepath.Join(l.dir, "schemas", path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return jsonschema.UnmarshalJSON(f)
}

func exported(t *testing.T, e *intel.Export) (data []byte, objects []outObject) {
	t.Helper()
	files, err := Export(e)
	if err != nil {
		t.Fatal(err)
	}
	var bundle struct{ Objects []outObject }
	if err := json.Unmarshal(files[0].Data, &bundle); err != nil {
		t.Fatal(err)
	}
	return files[0].Data, bundle.Objects
}

// OASIS's schemas, for the bundle and for each object in it.
func TestSchema(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(local{testshared.Dir(t, "schemas/stix2.1")})
	const base = "http://raw.githubusercontent.com/oasis-open/cti-stix2-json-schemas/stix2.1/schemas/"
	schemas := make(map[string]*jsonschema.Schema)
	for typ, path := range map[string]string{
		"bundle": "common/bundle", "tool": "sdos/tool", "malware": "sdos/malware", "indicator": "sdos/indicator", "relationship": "sros/relationship",
	} {
		s, err := c.Compile(base + path + ".json")
		if err != nil {
			t.Fatal(err)
		}
		schemas[typ] = s
	}
	seen := make(map[string]int)
	for _, e := range []*intel.Export{exporttest.New(t, exporttest.Rules(t)), exporttest.Hostile(t)} {
		data, _ := exported(t, e)
		var bundle map[string]any
		if err := json.Unmarshal(data, &bundle); err != nil {
			t.Fatal(err)
		}
		if err := schemas["bundle"].Validate(bundle); err != nil {
			t.Error(err)
		}
		for _, o := range bundle["objects"].([]any) {
			typ := o.(map[string]any)["type"].(string)
			seen[typ]++
			if err := schemas[typ].Validate(o); err != nil {
				t.Errorf("%v: %v", o, err)
			}
		}
	}
	if seen["tool"] < 50 || seen["malware"] == 0 || seen["indicator"] < 200 || seen["relationship"] != seen["indicator"] {
		t.Errorf("the bundle has %v", seen)
	}
}

// Every identifier is there once, and every reference leads somewhere.
func TestReferences(t *testing.T) {
	_, objects := exported(t, exporttest.New(t, exporttest.Rules(t)))
	ids := make(map[string]bool)
	for _, o := range objects {
		if ids[o.ID] {
			t.Errorf("%s twice", o.ID)
		}
		ids[o.ID] = true
	}
	for _, o := range objects {
		if o.Type == "relationship" && (!ids[o.SourceRef] || !ids[o.TargetRef]) {
			t.Errorf("%s leads nowhere", o.ID)
		}
	}
}

var comparison = regexp.MustCompile(`^domain-name:value (=|!=|LIKE|MATCHES) '((?:[^'\\]|\\.)*)'$`)

// The part of the pattern language that names need, read by its grammar.
func TestExport(t *testing.T) {
	type named struct {
		tool  string
		match func(name string) bool
	}
	_, objects := exported(t, exporttest.New(t, exporttest.Rules(t)))
	var all []named
	for _, o := range objects {
		if !strings.HasPrefix(o.Pattern, "[domain-name:") {
			continue
		}
		tool, _, _ := strings.Cut(o.References[0].ID, "/")
		for observation := range strings.SplitSeq(o.Pattern[1:len(o.Pattern)-1], "] OR [") {
			var tests []func(string) bool
			for part := range strings.SplitSeq(observation, " AND ") {
				m := comparison.FindStringSubmatch(part)
				if m == nil {
					t.Fatalf("%q is no comparison", part)
				}
				value := regexp.MustCompile(`\\(.)`).ReplaceAllString(m[2], "$1")
				switch m[1] {
				case "=":
					tests = append(tests, func(s string) bool { return s == value })
				case "!=":
					tests = append(tests, func(s string) bool { return s != value })
				case "LIKE":
					like := strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(value))
					tests = append(tests, regexp.MustCompile("^"+like+"$").MatchString)
				case "MATCHES":
					tests = append(tests, regexp.MustCompile(value).MatchString)
				}
			}
			all = append(all, named{tool, func(s string) bool {
				return !slices.ContainsFunc(tests, func(f func(string) bool) bool { return !f(s) })
			}})
		}
	}
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	if _, err := Export(e); err != nil {
		t.Fatal(err)
	}
	exporttest.Judge(t, rs, e, func(name string) (out []string) {
		for _, n := range all {
			if n.match(name) {
				out = append(out, n.tool)
			}
		}
		return out
	})
}

func TestQuote(t *testing.T) {
	if got := outQuote(`a'] OR [x = \`); got != `'a\'] OR [x = \\'` {
		t.Error(got)
	}
}

func TestRoundTrip(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	files, err := Export(e)
	if err != nil {
		t.Fatal(err)
	}
	exporttest.RoundTrip(t, rs, e, files, false, Import)
}

// Whatever a text is, it stays one string literal.
func FuzzQuote(f *testing.F) {
	f.Add(`a'] OR [x = \`)
	literal := regexp.MustCompile(`(?s)^'((?:[^'\\]|\\.)*)'$`)
	escape := regexp.MustCompile(`(?s)\\(.)`)
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) { // JSON holds no other, and the loader passes none
			return
		}
		m := literal.FindStringSubmatch(outQuote(s))
		if m == nil || escape.ReplaceAllString(m[1], "$1") != s {
			t.Errorf("%q becomes %s", s, outQuote(s))
		}
	})
}
