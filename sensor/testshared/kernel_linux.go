package testshared

import (
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// probing is set in the environment of the process that tries a filter.
const probing = "RMMWATCH_PROBE_FILTER"

// patience is how long a filter of one instruction may take to be attached:
// thousands of times what it takes.
const patience = 20 * time.Second

func init() {
	if os.Getenv(probing) != "" {
		tryFilter()
		os.Exit(0)
	}
}

// tryFilter attaches a filter that takes everything to a socket. What it returns
// does not matter: it returns.
func tryFilter() {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	all := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16}}
	unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(all)), Filter: &all[0]})
}

// FiltersHang reports whether the kernel does not attach a packet filter any more.
// It tries once in a process.
var FiltersHang = sync.OnceValue(filtersHang)

func filtersHang() bool {
	self, err := os.Executable()
	if err != nil {
		return false
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), probing+"=1")
	if cmd.Start() != nil {
		return false
	}
	done := make(chan struct{})
	go func() { // it stays behind when the process does: nothing can end that
		cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
		return false
	case <-time.After(patience):
		return true
	}
}

// KernelFilters skips a test that attaches a packet filter or loads an eBPF
// program where the kernel can do neither any more: Linux 6.18 has been seen to
// wait for itself for ever after programs were loaded and freed a thousand times
// a second (bpf_prog_pack_alloc holds the lock that the workers of a full queue
// want), and a process that asks then cannot be killed. That is a fault of the
// machine until it is started anew, so it does not fail in CI either: a run
// that hangs says less.
func KernelFilters(t testing.TB) {
	t.Helper()
	if FiltersHang() {
		t.Skipf("the kernel of this machine did not attach a packet filter within %v: it hangs until the machine is started anew", patience)
	}
}
