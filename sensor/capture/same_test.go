package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that is named twice, in a folder and by itself, or that has two names,
// is read once, and that is told. Another file of the same bytes is another.
func TestSameFileIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	raw, err := os.ReadFile("../../pcaps/radmin-synthetic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a.pcap", "copy.pcap"} {
		if err := os.WriteFile(file(name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(file("a.pcap"), file("hard.pcap")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("a.pcap", file("soft.pcap")); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		paths         []string
		read, skipped int
	}{
		{[]string{file("a.pcap"), file("a.pcap")}, 1, 1},
		{[]string{file("a.pcap"), file("./copy.pcap"), file("soft.pcap"), file("hard.pcap")}, 2, 2},
		{[]string{dir}, 2, 2}, // the symbolic link is left out as one
		{[]string{file("hard.pcap"), dir}, 2, 3},
		{[]string{file("missing"), file("missing")}, 2, 0},
		{[]string{os.DevNull, os.DevNull}, 2, 0},
	} {
		f, err := Open(c.paths, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if f.Len() != c.read || len(f.Skipped()) != c.skipped {
			t.Errorf("%q: %d are read, skipped %q", c.paths, f.Len(), f.Skipped())
		}
		for _, s := range f.Skipped() {
			if !strings.Contains(s.Reason, "the same file as another") && !strings.Contains(s.Reason, "not a regular file") {
				t.Errorf("%q: %s", s.Name, s.Reason)
			}
		}
		f.Close()
	}
}
