package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	c, err := Parse("c.yaml", []byte("home: [192.0.2.0/24, '2001:db8::1']\nrules: [embedded, /etc/r.d]\nalerts: {min_confidence: low, idle: 90s}\nmemory: {flows: 5000}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Home) != 2 || c.Home[1].Bits() != 128 || len(c.Rules) != 2 || c.Alerts.MinConfidence != "low" || c.Alerts.Idle != 90*time.Second || c.Memory.Flows != 5000 {
		t.Errorf("%+v", c)
	}
	if c.Memory.Heads != Default().Memory.Heads {
		t.Error("a key that is left out lost its default")
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, raw := range []string{"", "\n# nothing\n", "---\n"} {
		c, err := Parse("c.yaml", []byte(raw))
		if err != nil || len(c.Home) != len(Default().Home) {
			t.Errorf("%q: %v, %+v", raw, err, c)
		}
	}
}

// Each mistake is told with its line and column, and all of them at once.
func TestMistakes(t *testing.T) {
	for raw, want := range map[string]string{
		"hom: []":                                 "c.yaml:1:1: unknown key \"hom\"",
		"home: 10.0.0.0/8":                        "c.yaml:1:7: want a list",
		"home: []":                                "c.yaml:1:7: the list is empty",
		"home: [10.0.0.1/8]":                      "c.yaml:1:8: 10.0.0.1/8 has bits set beyond its length; did you mean 10.0.0.0/8?",
		"home_domains: [corp/x]":                  "c.yaml:1:16: \"corp/x\" is no domain such as corp.example",
		"home_domains: [\"*.corp.example\"]":      "c.yaml:1:16: \"*.corp.example\" is no domain",
		"home: [corp]":                            "c.yaml:1:8: \"corp\" is neither a network",
		"alerts: {min_confidence: sure}":          "c.yaml:1:26: \"sure\" is not one of low, medium, high",
		"alerts: {idle: soon}":                    "c.yaml:1:16: \"soon\" is not a duration",
		"alerts: {idle: 1ms}":                     "c.yaml:1:16: 1ms is outside",
		"memory: {flows: 3}":                      "c.yaml:1:17: 3 is outside",
		"memory: {flows: many}":                   "c.yaml:1:17: \"many\" is not a whole number",
		"rules: [a]\nrules: [b]":                  "c.yaml:2:1: key \"rules\" appears twice",
		"[1]":                                     "c.yaml:1:1: the configuration must be a mapping",
		"home: {":                                 "c.yaml:1:7: a { that nothing closes",
		"alerts:\n\tidle: 15m\n":                  "c.yaml:2:1: a tab in the indentation",
		"home: [corp]\n---\nhom: 1\n":             "c.yaml:2:1: a second YAML document",
		"---\n---\nhom: 1\n":                      "c.yaml:2:1: a second YAML document",
		"alerts: {idle: soon}\nhome: [x]\nz: 1\n": "c.yaml:3:1: unknown key \"z\"",
		"rules: [~]":                              "c.yaml:1:9: want a text",
	} {
		_, err := Parse("c.yaml", []byte(raw))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", raw, err, want)
		}
	}
}

func TestRelativeRulesCountFromTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(path, []byte("rules: [embedded, mine, /abs]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Rules[0] != "embedded" || c.Rules[1] != filepath.Join(dir, "mine") || c.Rules[2] != "/abs" {
		t.Errorf("%q", c.Rules)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("home: [10.0.0.0/8]\nalerts: {idle: 15m}\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := Parse("c.yaml", raw); err == nil && len(c.Rules) == 0 {
			t.Error("no rules, and no error")
		}
	})
}

// The README shows every key with its default.
func TestREADMEShowsTheDefaults(t *testing.T) {
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```yaml\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no yaml block in the README")
	}
	c, err := Parse("README.md", []byte(block))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("README: %+v\ndefault: %+v", c, Default())
	}
	for _, key := range []string{"home", "rules", "alerts", "min_confidence", "idle", "memory", "flows", "heads", "fragments"} {
		if !strings.Contains(block, key+":") {
			t.Errorf("the README does not show %s", key)
		}
	}
}
