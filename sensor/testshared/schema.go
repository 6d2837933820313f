package testshared

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// versions are the releases of Suricata whose EVE schemas lines must satisfy.
var versions = [...]string{"7.0.16", "8.0.6"}

// EVE holds Suricata's own schemas of EVE lines.
type EVE [len(versions)]*jsonschema.Schema

// Schemas compiles them. Like Dir it skips or fails where they are missing.
func Schemas(t testing.TB) *EVE {
	t.Helper()
	dir := Dir(t, "schemas/suricata")
	var all EVE
	for i, v := range versions {
		raw, err := os.ReadFile(filepath.Join(dir, "eve-schema-suricata-"+v+".json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(v, doc); err != nil {
			t.Fatal(err)
		}
		if all[i], err = c.Compile(v); err != nil {
			t.Fatal(err)
		}
	}
	return &all
}

// Line returns what is wrong with a line by any of the schemas.
func (all *EVE) Line(line []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := s.Validate(v); err != nil {
			return err
		}
	}
	return nil
}
