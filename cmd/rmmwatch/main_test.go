package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rmmwatch": main})
}

// The scripts in testdata are the command line's contract. $PCAPS is the
// folder of the bundled captures.
func TestScripts(t *testing.T) {
	pcaps, err := filepath.Abs("../../pcaps")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PCAPS", pcaps)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "filters" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return !testshared.FiltersHang(), nil
		},
	})
}

// The program can be started twice in one process: it keeps no state outside
// of a run.
func TestRunTwice(t *testing.T) {
	for range 2 {
		a := &app{stdin: os.Stdin, stdout: discard{}, stderr: discard{}}
		if got := a.run(context.Background(), []string{"replay", "--exit-code", "../../pcaps/anydesk-synthetic.pcap"}); got != exitAlerts {
			t.Errorf("exit status %d", got)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// build builds the program for tests that need it as a process of its own.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rmmwatch-test")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "rmmwatch")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
})
