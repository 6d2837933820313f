package file_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/output/file"
)

// logrotate with the configuration that docs/outputs/file.md shows takes nothing
// away from a sink that writes all the time.
func TestLogrotate(t *testing.T) {
	binary, err := exec.LookPath("logrotate")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/logrotate"); err != nil && os.Getenv("CI") == "true" {
			t.Fatal("no logrotate: apt-get install logrotate")
		}
		if err != nil {
			t.Skip("no logrotate on this system")
		}
	}
	page, err := os.ReadFile("../../../docs/outputs/file.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\n```logrotate\n(.*?)\n```\n").FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/outputs/file.md has no snippet for logrotate")
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o755) // logrotate refuses folders that others may write to
	path := filepath.Join(dir, "eve.json")
	const documented = "/var/log/rmmwatch/eve.json"
	if !strings.Contains(string(m[1]), documented) {
		t.Fatalf("the snippet does not name %s", documented)
	}
	config := filepath.Join(dir, "conf")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(string(m[1]), documented, path)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSink(t, file.Config{Path: path})
	r := run{t: t}
	for range 8 {
		done := make(chan error, 1)
		go func() {
			out, err := exec.Command(binary, "--force", "--state", filepath.Join(dir, "state"), config).CombinedOutput()
			if err != nil {
				t.Logf("%s", out)
			}
			done <- err
		}()
		for rotating := true; rotating; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				rotating = false
			default:
				batch := r.batch(3)
				for {
					if n, err := s.Send(context.Background(), batch); n == len(batch) && err == nil {
						break
					}
				}
				r.delivered(batch)
			}
		}
	}
	names, _ := filepath.Glob(path + "*")
	var got []string
	for _, name := range names {
		got = append(got, ids(t, name)...)
	}
	slices.Sort(got)
	same(t, r.sent, slices.Compact(got))
	if len(names) < 8 {
		t.Errorf("logrotate made %q", names)
	}
}
