package rules_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

const badFiles = "../sensor/detect/testdata/bad/*.yaml"

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(rules.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// accepts is the schema's verdict about a rule file.
func accepts(s *jsonschema.Schema, data []byte) error {
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return err
	}
	return s.Validate(v)
}

// TestRules: the embedded files load, are valid by the schema, and say what an
// alert needs to say.
func TestRules(t *testing.T) {
	s := schema(t)
	set, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range set.Tools() {
		if want := "embedded:tools/" + tool.ID + ".yaml"; tool.File != want {
			t.Errorf("tool %s is in %s", tool.ID, tool.File)
		}
		if tool.Guidance == "" || tool.Plain == "" || len(tool.Attack) == 0 {
			t.Errorf("%s lacks guidance, plain or attack", tool.ID)
		}
		for _, in := range tool.Indicators {
			if len(in.Source) == 0 {
				t.Errorf("%s: indicator %s has no source", tool.ID, in.ID)
			}
		}
	}
	err = fs.WalkDir(rules.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, "_test.yaml") { // capture cases are no rules
			return err
		}
		data, err := rules.FS.ReadFile(p)
		if err != nil {
			return err
		}
		if err := accepts(s, data); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSchemaAgrees: what the loader takes, the schema takes; and the schema
// refuses every bad file whose mistake a schema can see, as the file says.
func TestSchemaAgrees(t *testing.T) {
	s := schema(t)
	good, _ := filepath.Glob("../sensor/detect/testdata/good/*.yaml")
	bad, _ := filepath.Glob(badFiles)
	if len(good) < 2 || len(bad) < 15 {
		t.Fatal("no test data")
	}
	for _, file := range append(good, bad...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, loadErr := detect.LoadPath(file)
		schemaErr := accepts(s, data)
		if loadErr == nil && schemaErr != nil {
			t.Errorf("%s loads, but: %v", file, schemaErr)
		}
		if said := bytes.Contains(data, []byte("# schema: refuses\n")); said != (schemaErr != nil) {
			t.Errorf("%s: the schema says %v", file, schemaErr)
		}
	}
}

// TestSchemaSeesEachMistake takes apart the bad files that hold many mistakes
// of shape: each of these alone must be refused by schema and loader alike.
func TestSchemaSeesEachMistake(t *testing.T) {
	s := schema(t)
	file := func(indicator, match string) []byte {
		return fmt.Appendf(nil, "tool: t\nname: T\nclass: rmm\nindicators:\n  - %s\ntests:\n  match:\n    - %s\n  no_match:\n    - {name: other.example}\n", indicator, match)
	}
	const one, test = "{id: one, role: relay, confidence: high, domain: [a.t.example]}", "{name: a.t.example, indicator: one}"
	if data := file(one, test); accepts(s, data) != nil {
		t.Fatal(accepts(s, data))
	} else if _, errs := detect.Parse("t", data); errs != nil {
		t.Fatal(errs)
	}
	for _, bad := range []string{
		"{id: One, role: relay, confidence: high, domain: [a.t.example]}",
		"{role: relay, confidence: high, domain: [a.t.example]}",
		"{id: one, role: relay, domain: [a.t.example]}",
		"{id: one, role: friend, confidence: high, domain: [a.t.example]}",
		"{id: one, role: relay, confidence: 3, domain: [a.t.example]}",
		"{id: one, role: relay, confidence: high, domain: a.t.example}",
		"{id: one, role: relay, confidence: high, domain: []}",
		"{id: one, role: relay, confidence: high, domain: [A.t.example]}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example.]}",
		"{id: one, role: relay, confidence: high, domain: [local]}",
		"{id: one, role: relay, confidence: high, domain: [a..t.example]}",
		"{id: one, role: relay, confidence: high}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], asn: [AS1]}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], port: [8041]}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], port: [tcp/0]}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], ip: [relay]}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], note: 7}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], source: []}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], tls: {}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], tls: {no_sni: false}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], tls: {ja3: [x]}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], tls: {ja4: [t13]}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], tls: {alpn: ['*']}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], tls: {issuer: [X]}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], http: {method: [get]}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], http: {path: ['a**b']}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], http: {body: [x]}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: sctp, from: any, hex: '010203'}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: tcp, from: any}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: tcp, from: any, hex: '010203', text: abc}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: tcp, from: any, hex: '01zz03'}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: tcp, from: any, hex: '010203', at: -1}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: []}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], http: {upgrade: []}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], http: {websocket: ['*']}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: udp, from: any, hex: '010203', mask: '?f'}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: udp, from: any, hex: '010203', length: {at: 0}}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: udp, from: any, hex: '010203', length: {at: 0, type: u64be}}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: udp, from: any, hex: '010203', length: {at: 0, type: u8, add: 1001}}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: udp, from: any, hex: '010203', count: 1}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: udp, from: any, hex: '010203', same: 251, count: 2}}",
		"{id: one, role: relay, confidence: high, domain: [a.t.example], payload: {proto: tcp, from: any, hex: '010203', first: false}}",
	} {
		both(t, s, file(bad, test), bad)
	}
	for _, bad := range []string{
		"{name: a.t.example}",
		"{indicator: one}",
		"{name: a.t.example, indicator: one, tls: {}}",
		"{name: a.t.example, indicator: one, http: {}}",
		"{name: a.t.example, indicator: one, http: {method: 1}}",
		"{name: a.t.example, indicator: one, port: 80}",
		"{name: a.t.example, indicator: one, ip: [192.0.2.1]}",
		"{name: a.t.example, indicator: one, payload: {proto: tcp, from: any, hex: '01'}}",
		"{name: a.t.example, indicator: one, payload: {proto: tcp, from: client}}",
		"{name: a.t.example, indicator: one, colour: red}",
		"{name: 7, indicator: one}",
	} {
		both(t, s, file(one, bad), bad)
	}
}

func both(t *testing.T, s *jsonschema.Schema, data []byte, what string) {
	t.Helper()
	if accepts(s, data) == nil {
		t.Errorf("the schema takes %s", what)
	}
	if _, errs := detect.Parse("t", data); errs == nil {
		t.Errorf("the loader takes %s", what)
	}
}

// TestSchemaDescribes: an editor shows a description for every key of a rule file.
func TestSchemaDescribes(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(rules.Schema))
	if err != nil {
		t.Fatal(err)
	}
	root := doc.(map[string]any)
	check := func(where string, object any) {
		for name, p := range object.(map[string]any)["properties"].(map[string]any) {
			if d, _ := p.(map[string]any)["description"].(string); d == "" {
				t.Errorf("%s: key %s has no description", where, name)
			}
		}
	}
	check("file", root)
	in := root["$defs"].(map[string]any)["indicator"].(map[string]any)
	check("indicator", in)
	for _, part := range []string{"tls", "http"} {
		check(part, in["properties"].(map[string]any)[part])
	}
}

// TestDocs loads every block of docs/rules.md that is marked as YAML. A block
// without a head is about an imaginary tool of example.com.
func TestDocs(t *testing.T) {
	const head = "tool: example\nname: Example\nclass: rmm\nbrands: [examplesoft]\nowned: [example.com]\n"
	data, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	s := schema(t)
	doc, blocks := string(data), 0
	for {
		start := strings.Index(doc, "\n```yaml\n")
		if start < 0 {
			break
		}
		block, rest, ok := strings.Cut(doc[start+len("\n```yaml\n"):], "\n```\n")
		if !ok {
			t.Fatal("a block without end")
		}
		doc = rest
		blocks++
		block += "\n"
		if !strings.HasPrefix(block, "tool:") {
			block = head + block
		}
		file := path.Join(t.TempDir(), "block.yaml")
		if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := detect.LoadPath(file); err != nil {
			t.Errorf("block %d: %v\n%s", blocks, err, block)
		}
		if err := accepts(s, []byte(block)); err != nil {
			t.Errorf("block %d: %v", blocks, err)
		}
	}
	if blocks < 7 {
		t.Errorf("only %d blocks", blocks)
	}
	for _, word := range append(detect.Classes, detect.Roles...) {
		if !strings.Contains(string(data), "`"+word+"`") {
			t.Errorf("docs/rules.md does not explain %s", word)
		}
	}
}
