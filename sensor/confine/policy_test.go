package confine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A file that may be replaced stands for its folder, a link for both ends, a
// missing one for the nearest folder that is there.
func TestReach(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"conf", "real", "rules.d"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(file("conf/secret"), nil, 0o600))
	must(t, os.WriteFile(file("real/ca.pem"), nil, 0o600))
	must(t, os.Symlink("../real/ca.pem", file("conf/ca.pem")))
	must(t, os.Symlink("../rules.d", file("conf/rules")))
	for _, c := range []struct {
		path string
		want []string
	}{
		{file("conf/secret"), []string{file("conf")}},
		{file("conf/later"), []string{file("conf")}},
		{file("conf/far/far/later"), []string{file("conf")}},
		{file("rules.d"), []string{file("rules.d")}},
		{file("conf/ca.pem"), []string{file("conf"), file("real")}},
		{file("conf/rules"), []string{file("conf"), file("conf/rules")}},
	} {
		got, pinned := Reach(c.path)
		if !slices.Equal(got, c.want) || len(pinned) != 0 {
			t.Errorf("%s: %q, pinned %q; want %q", c.path, got, pinned, c.want)
		}
	}
	got, pinned := Reach(file("conf/secret"), file("conf/later"))
	if len(got) != 1 || len(pinned) != 0 {
		t.Errorf("two files of a folder: %q, %q", got, pinned)
	}
}

// One file in a folder that everybody uses does not open the folder.
func TestReachShared(t *testing.T) {
	if _, err := os.Stat("/etc/passwd"); err != nil {
		t.Skip("no /etc/passwd on this system")
	}
	for path, want := range map[string][]string{ // any order
		"/etc/passwd":                  {"/etc/passwd"},
		"/etc/surely-not-there":        nil,
		"/surely/not/there":            nil,
		"/var/lib/surely-not/there.db": nil,
	} {
		got, pinned := Reach(path)
		if !slices.Equal(got, want) || !slices.Equal(pinned, []string{path}) {
			t.Errorf("%s: %q, pinned %q", path, got, pinned)
		}
	}
	for _, path := range System() {
		if slices.Contains(shared, path) {
			t.Errorf("System allows all of %s", path)
		}
	}
}

// What the environment names to crypto/x509 stays readable.
func TestSystemCertificates(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "ca.pem"), nil, 0o600))
	t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "ca.pem"))
	if !slices.Contains(System(), dir) {
		t.Errorf("%s is not among %q", dir, System())
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
