package shunt

import (
	"errors"
	"os"
	"testing"
)

// open loads a Shunt. Without the rights the test is skipped, but not in CI as root.
func open(t testing.TB, cfg Config) *Shunt {
	t.Helper()
	s, err := Load(cfg)
	if errors.Is(err, ErrRights) || errors.Is(err, ErrKernel) {
		unable(t, err)
	}
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// unable skips a test for a reason that CI as root must not have.
func unable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	t.Skip(err)
}
