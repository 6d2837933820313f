package file_test

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/output/file"
)

// fills sends until the file takes no more, frees it and sends on: no half line
// stays, and what was delivered is there.
func fills(t *testing.T, path string, free func()) {
	t.Helper()
	s := newSink(t, file.Config{Path: path})
	r := run{t: t}
	r.send(s, 1)
	for try := 0; ; try++ {
		batch := r.batch(7)
		n, err := s.Send(context.Background(), batch)
		if err != nil {
			if n != 0 || !strings.Contains(err.Error(), path) {
				t.Errorf("%d, %v", n, err)
			}
			break
		}
		if try > 10000 {
			t.Fatal("it never is full")
		}
		r.delivered(batch)
	}
	same(t, r.sent, ids(t, path))
	free()
	r.send(s, 7)
	same(t, r.sent, ids(t, path))
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 && err != unix.EPERM {
			t.Fatal(err)
		}
		t.Skipf("no file system of our own to fill (%v); TestSizeLimit does the same with a limit", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 100<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	fills(t, filepath.Join(dir, "eve.json"), func() { os.Remove(ballast) })
}

// The same without rights: the kernel takes part of a write, and then no more.
// The limit is the process's, so that a process of its own has it.
func TestSizeLimit(t *testing.T) {
	if os.Getenv("RMMWATCH_LIMITED") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSizeLimit$")
		cmd.Env = append(os.Environ(), "RMMWATCH_LIMITED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	lift := func() { unix.Setrlimit(unix.RLIMIT_FSIZE, &old) }
	defer lift()
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100_001, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	fills(t, filepath.Join(t.TempDir(), "eve.json"), lift)
}

// A named pipe without a reader is an error that passes; one that loses its
// reader too, and the line that was cut does not spoil the next.
func TestFifo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSink(t, file.Config{Path: path})
	r := run{t: t}
	if n, err := s.Send(context.Background(), r.batch(1)); n != 0 || err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("%d, %v", n, err)
	}
	for range 2 {
		reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.send(s, 2)
		reader.Close()
		if n, err := s.Send(context.Background(), r.batch(1)); n != 0 || err == nil {
			t.Errorf("%d, %v", n, err)
		}
	}
}
