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
	dir := small(t, "512k")
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

// What a full disk did not take is lost at the end, and that is said.
func TestFullDiskAtTheEnd(t *testing.T) {
	q := open(t, filepath.Join(small(t, "256k"), "q"), output.QueueConfig{})
	for n := range 1000 {
		m := message(n)
		m.Body = append(m.Body, make([]byte, 1000)...)
		if err := q.Put(m); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, func() bool { return q.Backlog().Failing != "" })
	err := q.Close()
	b := q.Backlog()
	if b.Lost.Full == 0 || b.Records+int(b.Lost.Full) != 1000 || err == nil || !strings.Contains(err.Error(), "are lost") {
		t.Errorf("%v, %+v", err, b)
	}
}

// No room for a queue is no damage.
func TestNoRoom(t *testing.T) {
	dir := small(t, "16k")
	path := filepath.Join(dir, "q")
	if _, err := output.OpenQueue(path, output.QueueConfig{}); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(path + ".damaged"); err == nil {
		t.Error("it was called damaged")
	}
}

// small mounts a small file system.
func small(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") != "" && os.Geteuid() == 0 && err != unix.EPERM { // a container may forbid root to mount
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("a file system of its own needs root: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
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
