package output_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// On a full disk the queue goes on in memory, delivers from there, and writes
// again when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		if os.Getenv("CI") != "" && os.Geteuid() == 0 {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("a file system of its own needs root: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	var mu sync.Mutex
	var logs []string
	path := filepath.Join(dir, "q")
	q, err := output.OpenQueue(path, output.QueueConfig{MaxBytes: 64 << 20, Log: func(text string, err error) {
		mu.Lock()
		defer mu.Unlock()
		logs = append(logs, text)
	}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, q, 1, 11)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	for n := 11; n < 1000; n++ {
		m := message(n)
		m.Body = append(m.Body, make([]byte, 1000)...)
		if err := q.Put(m); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, func() bool { return q.Backlog().Failing != "" })
	if err := q.Sync(context.Background()); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("Sync: %v", err)
	}
	b := peek(t, q, output.Limit{Count: 500, Bytes: 64 << 20})
	if len(b.Messages) != 500 || b.Messages[499].ID != "m00500" {
		t.Fatalf("%d records", len(b.Messages))
	}
	q.Advance(b, 500)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return q.Backlog().Failing == "" })
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, path, output.QueueConfig{})
	if b := peek(t, q, all); len(b.Messages) != 499 || b.Messages[0].ID != "m00501" {
		t.Errorf("%d records, lost %+v", len(b.Messages), q.Backlog().Lost)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(logs, "; "); strings.Count(got, "cannot be written") != 1 || strings.Count(got, "written again") != 1 {
		t.Error(got)
	}
}

// wait waits for what must come.
func wait(t *testing.T, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
