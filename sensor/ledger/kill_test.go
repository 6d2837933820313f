package ledger

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	killHosts = 2000
	killUses  = 100_000
)

// killed is the process that is killed. It books uses, flushes, and notes how many
// are flushed; started again, it goes on behind what it noted.
func killed(dir string) error {
	var damaged error
	l, err := Open(filepath.Join(dir, "ledger.db"), Config{MaxMiB: 1, Log: func(text string, err error) { damaged = fmt.Errorf("%s: %w", text, err) }})
	if err != nil || damaged != nil {
		return fmt.Errorf("%w %w", err, damaged)
	}
	noted, err := os.OpenFile(filepath.Join(dir, "noted"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(noted)
	if err != nil {
		return err
	}
	next := 0
	fmt.Sscan(string(raw), &next)
	for next < killUses {
		for range 50 {
			l.Observe(killUse(next))
			next++
		}
		if err := l.Flush(); err != nil {
			return err
		}
		if _, err := noted.WriteAt(fmt.Appendf(nil, "%8d", next), 0); err != nil {
			return err
		}
	}
	return l.Close()
}

func killUse(n int) Use {
	u := use(n%killHosts, "x", start+int64(n))
	u.Relay = "relay.example"
	return u
}

// kill -9, a hundred times: the ledger opens each time without damage, and has
// everything that was flushed. It is full all the while, so that it forgets and
// is compacted too.
func TestKill(t *testing.T) {
	if dir := os.Getenv("RMMWATCH_TEST_KILL"); dir != "" {
		if err := killed(dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	kills, flushed := 0, 0
	for ends := false; !ends; {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKill$")
		cmd.Env = append(os.Environ(), "RMMWATCH_TEST_KILL="+dir)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		var timer <-chan time.Time
		if kills < 100 {
			timer = time.After(time.Duration(15+rand.IntN(60)) * time.Millisecond)
		}
		select {
		case <-timer:
			cmd.Process.Kill()
			<-exited
			kills++
		case err := <-exited:
			if err != nil {
				t.Fatalf("after %d kills: %v\n%s", kills, err, &out)
			}
			ends = true
		}
		flushed = hasAll(t, dir, flushed)
	}
	if kills < 100 {
		t.Errorf("it was over after %d kills", kills)
	}
	if flushed < killUses {
		t.Errorf("%d of %d uses", flushed, killUses)
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "*.damaged*")); len(aside) > 0 {
		t.Errorf("%q", aside)
	}
}

// hasAll holds the file against what the child noted, and returns that.
func hasAll(t *testing.T, dir string, before int) (flushed int) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "noted"))
	if os.IsNotExist(err) {
		return before
	}
	fmt.Sscan(string(raw), &flushed)
	if flushed < before {
		t.Fatalf("noted %d, after %d", flushed, before)
	}
	if flushed == 0 {
		return 0
	}
	c, err := Read(filepath.Join(dir, "ledger.db"))
	if err != nil || c.Damaged > 0 {
		t.Fatalf("%d damaged, %v", c.Damaged, err)
	}
	latest := int64(0)
	for _, e := range c.Entries {
		if latest = max(latest, e.Last-start); (e.Last-start)%killHosts != int64(e.Host.Addr.As4()[2])<<8+int64(e.Host.Addr.As4()[3]) {
			t.Fatalf("made up: %+v", e)
		}
	}
	// A use is a nanosecond after the one before; of the latest 1000 all fit in.
	seen := map[int64]bool{}
	for _, e := range c.Entries {
		seen[e.Last-start] = true
	}
	for n := max(0, int64(flushed)-500); n < int64(flushed); n++ {
		if !seen[n] && !seen[n+killHosts] {
			t.Fatalf("use %d was flushed and is lost; %d are noted, the latest is %d", n, flushed, latest)
		}
	}
	return flushed
}
