// Package testshared finds the folder of captures and schemas that lies beside
// a development checkout. Only tests import it. A fresh clone has no such
// folder: tests then skip with a reason, except where CI=true says that it
// must be there.
package testshared

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the path of ../shared/name, counted from the repository's root.
// It skips the test where that does not exist, and fails it in CI.
func Dir(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(root(t), "..", "shared", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: CI needs the captures and schemas beside the checkout", path)
	}
	t.Skipf("%s is not there: this test needs the captures and schemas that lie beside a development checkout", path)
	return ""
}

// root is the folder that holds go.mod, searched upwards from the test's own.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}
