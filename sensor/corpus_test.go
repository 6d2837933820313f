package sensor_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// The whole corpus is one stream in one process: damaged captures among it
// stop nothing behind them, are told as such, and nothing else is printed.
func TestCorpusIsOneStream(t *testing.T) {
	dir, files := corpus(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "printed"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = out, out
	r := func() result {
		defer func() { os.Stdout, os.Stderr = stdout, stderr }()
		return replay(t, filepath.Join(dir, "files"))
	}()

	if printed, err := os.ReadFile(out.Name()); err != nil || len(printed) > 0 {
		t.Errorf("printed: %q, %v", printed, err)
	}
	broken := 0
	for _, err := range r.damage {
		var damage *capture.DamageError
		switch {
		case !errors.As(err, &damage):
			t.Errorf("%T: %v", err, err)
		case !damage.Truncated:
			broken++
		}
	}
	if broken == 0 || broken > 10 {
		t.Errorf("%d captures are told to be broken, four were: %v", broken, r.damage)
	}
	if n := strings.Count(r.events, "\n"); n < 10_000 {
		t.Errorf("%d events of %d captures", n, len(files))
	}
}
