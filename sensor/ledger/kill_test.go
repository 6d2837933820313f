package ledger

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const killHosts = 2000

// killed is the process that is killed. It books uses, flushes, and notes how many
// are flushed; started again, it goes on behind what it noted, up to the number until.
func killed(dir string, until int) error {
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
	for next < until {
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
		until, err := strconv.Atoi(os.Getenv("RMMWATCH_TEST_UNTIL"))
		if err != nil {
			t.Fatal(err)
		}
		if err := killed(dir, until); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	flushed := 0
	for kill := range 100 {
		cmd, out := killedProcess(t, dir, 1<<30)
		if kill%4 > 0 { // else at its start
			for want, i := flushed+rand.IntN(600), 0; noted(t, dir) < want; i++ {
				if i == 30_000 {
					cmd.Process.Kill()
					cmd.Wait()
					t.Fatalf("nothing is flushed:\n%s", out)
				}
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Duration(rand.IntN(15_000)) * time.Microsecond)
		cmd.Process.Kill()
		if err := cmd.Wait(); cmd.ProcessState.Exited() {
			t.Fatalf("it ended by itself after %d kills: %v\n%s", kill, err, out)
		}
		flushed = hasAll(t, dir, flushed)
	}
	cmd, out := killedProcess(t, dir, flushed+500)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d uses", hasAll(t, dir, flushed))
	if flushed < 5000 {
		t.Errorf("%d uses: not enough to fill the ledger", flushed)
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "*.damaged*")); len(aside) > 0 {
		t.Errorf("%q", aside)
	}
}

// killedProcess starts the process that is killed, which ends at the number until.
func killedProcess(t *testing.T, dir string, until int) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKill$")
	cmd.Env = append(os.Environ(), "RMMWATCH_TEST_KILL="+dir, "RMMWATCH_TEST_UNTIL="+strconv.Itoa(until))
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// noted is how many uses the child has flushed.
func noted(t *testing.T, dir string) (n int) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "noted"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	fmt.Sscan(string(raw), &n)
	return n
}

// hasAll holds the file against what the child noted, and returns that.
func hasAll(t *testing.T, dir string, before int) int {
	t.Helper()
	flushed := noted(t, dir)
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
