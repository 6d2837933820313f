package systemd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manager listens as the service manager does, and returns what it hears.
func manager(t *testing.T) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

// The turns of a life, as the manager hears them.
func TestTurns(t *testing.T) {
	hear := manager(t)
	for _, c := range []struct {
		tell func() error
		want string
	}{
		{Ready, "READY=1"},
		{Stopping, "STOPPING=1"},
		{func() error { return Status("3 interfaces\nREADY=0\x7f") }, "STATUS=3 interfaces READY=0 "},
	} {
		if err := c.tell(); err != nil {
			t.Error(err)
		}
		if got := hear(); got != c.want {
			t.Errorf("the manager hears %q, want %q", got, c.want)
		}
	}
}

// A reload carries the monotonic clock in microseconds: not before the last
// moment and not after the next.
func TestReloading(t *testing.T) {
	hear := manager(t)
	before := monotonic(t)
	if err := Reloading(); err != nil {
		t.Fatal(err)
	}
	after := monotonic(t)
	first, rest, _ := strings.Cut(hear(), "\n")
	usec, found := strings.CutPrefix(strings.TrimSuffix(rest, "\n"), "MONOTONIC_USEC=")
	at, err := strconv.ParseInt(usec, 10, 64)
	if first != "RELOADING=1" || !found || err != nil || at < before || at > after {
		t.Errorf("the manager hears %q and %q, and the clock was %d to %d", first, rest, before, after)
	}
}

// monotonic is CLOCK_MONOTONIC in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano() / 1000
}

// Outside of a service nothing happens; a manager that is gone is an error that
// names the message.
func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	for _, tell := range []func() error{Ready, Reloading, Stopping, func() error { return Status("") }} {
		if err := tell(); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := Ready(); err == nil || !strings.Contains(err.Error(), "READY") {
		t.Errorf("a manager that is gone: %v", err)
	}
}

func TestAbstract(t *testing.T) {
	for name, want := range map[string]bool{"": false, "/run/systemd/notify": false, "@/org/x": true} { // any order
		t.Setenv("NOTIFY_SOCKET", name)
		if Abstract() != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// The interval is half the limit, and only this process's limit.
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		fails     bool
	}{
		{"", "", 0, false},
		{"30000000", "", 15 * time.Second, false},
		{"30000000", strconv.Itoa(os.Getpid()), 15 * time.Second, false},
		{"30000000", "1", 0, false},
		{"soon", "", 0, true},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		got, err := Interval()
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%q for %q: %v, %v", c.usec, c.pid, got, err)
		}
	}
}

// The watchdog hears of a process that is alive, and nothing of one that is stuck.
func TestWatchdog(t *testing.T) {
	hear := manager(t)
	ctx, cancel := context.WithCancel(context.Background())
	var asked, told atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		Watchdog(ctx, time.Millisecond, func() bool { return asked.Add(1) <= 3 }, func(error) { told.Add(1) })
	}()
	for range 3 {
		if got := hear(); got != "WATCHDOG=1" {
			t.Errorf("the manager hears %q", got)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); asked.Load() < 6 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if err := Ready(); err != nil {
		t.Fatal(err)
	}
	if got := hear(); got != "READY=1" || asked.Load() < 6 {
		t.Errorf("a stuck process says %q (asked %d times)", got, asked.Load())
	}
	cancel()
	<-done
	if told.Load() != 0 {
		t.Errorf("%d errors", told.Load())
	}
	Watchdog(context.Background(), 0, nil, nil) // returns: nobody watches
}

// A manager that cannot be reached is told of, and does not end the watch.
func TestWatchdogFails(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	Watchdog(ctx, time.Millisecond, func() bool { return true }, func(err error) {
		if n++; n == 2 {
			cancel()
		}
	})
	if n < 2 {
		t.Errorf("told of %d failures", n)
	}
}
