package output_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

const killed = 10_000 // records

// lines sends ids as lines and waits for the same line back.
type lines struct{ addr string }

func (s lines) Send(ctx context.Context, batch []output.Message) (n int, err error) {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for i, m := range batch {
		if _, err := fmt.Fprintln(c, m.ID); err != nil {
			return i, err
		}
		if line, err := r.ReadString('\n'); err != nil || strings.TrimSpace(line) != m.ID {
			return i, errors.Join(err, errors.New("not confirmed"))
		}
	}
	return len(batch), nil
}

func (s lines) Close() error { return nil }

// TestMain's other half: the process that is killed. It puts records, notes
// those that are on disk, and delivers; started again, it goes on behind what it noted.
func child(dir, addr string) error {
	q, err := output.OpenQueue(filepath.Join(dir, "q"), output.QueueConfig{MaxBytes: 64 << 20})
	if err != nil {
		return err
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		output.NewCourier(output.CourierConfig{Queue: q, Sink: lines{addr}, Limit: output.Limit{Count: 20, Stable: true}}).Run(ctx)
	})
	for next < killed {
		for range 7 {
			next++
			if err := q.Put(message(next)); err != nil {
				return err
			}
		}
		if err := q.Sync(ctx); err != nil {
			return err
		}
		if _, err := noted.WriteAt(fmt.Appendf(nil, "%08d", next), 0); err != nil {
			return err
		}
	}
	for q.Backlog().Records > 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	return q.Close()
}

// kill -9, a hundred times while ten thousand records pass: none is lost.
func TestKill(t *testing.T) {
	if dir := os.Getenv("RMMWATCH_TEST_KILL"); dir != "" {
		if err := child(dir, os.Getenv("RMMWATCH_TEST_ADDR")); err != nil {
			t.Fatal(err)
		}
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); fmt.Fprintln(c, s.Text()) {
					mu.Lock()
					got[s.Text()]++
					mu.Unlock()
				}
			})
		}
	})
	dir := t.TempDir()
	kills, ends := 0, false
	for !ends {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKill$")
		cmd.Env = append(os.Environ(), "RMMWATCH_TEST_KILL="+dir, "RMMWATCH_TEST_ADDR="+ln.Addr().String())
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		var timer <-chan time.Time
		if kills < 100 {
			timer = time.After(time.Duration(20+rand.IntN(100)) * time.Millisecond)
		}
		select {
		case <-timer:
			cmd.Process.Kill()
			<-exited
			kills++
		case err := <-exited:
			if err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			ends = true
		}
	}
	ln.Close()
	wg.Wait()
	var missing, strange []string
	twice := 0
	for n := 1; n <= killed; n++ {
		id := message(n).ID
		if got[id] == 0 {
			missing = append(missing, id)
		}
		twice += max(0, got[id]-1)
		delete(got, id)
	}
	for id := range got {
		if id > message(killed+6).ID {
			strange = append(strange, id)
		}
	}
	slices.Sort(strange)
	if len(missing) > 0 || len(strange) > 0 {
		t.Errorf("%d of %d lost: %q; never sent: %q", len(missing), killed, missing, strange)
	}
	if kills < 100 {
		t.Errorf("it was over after %d kills", kills)
	}
	t.Logf("%d kills, %d delivered more than once", kills, twice)
}
