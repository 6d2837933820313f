package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// On a full disk the ledger goes on in memory, and writes when there is room
// again. That is no damage.
func TestFullDisk(t *testing.T) {
	dir := small(t, "512k")
	path := filepath.Join(dir, "ledger.db")
	l := open(t, path, Config{})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	failed := 0
	for n := range 1000 {
		l.Observe(use(n, "x", start+int64(n)))
		if err := l.Flush(); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Fatal("a full disk took everything")
	}
	if c, err := Read(path); err != nil || c.Damaged > 0 {
		t.Errorf("%v, %d damaged", err, c.Damaged)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	if c, err := Read(path); err != nil || len(c.Entries) != 1000 {
		t.Errorf("%v, %d entries", err, len(c.Entries))
	}
	if list, _ := filepath.Glob(path + ".*"); len(list) != 1 {
		t.Errorf("%q", list) // the lock alone
	}
}

// No room for a ledger at the start is told.
func TestNoRoom(t *testing.T) {
	path := filepath.Join(small(t, "8k"), "ledger.db")
	if _, err := Open(path, Config{}); !errors.Is(err, unix.ENOSPC) {
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
