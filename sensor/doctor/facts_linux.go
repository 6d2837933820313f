package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture/afpacket"
	"github.com/rmmwatch/rmmwatch/sensor/capture/shunt"
	"github.com/rmmwatch/rmmwatch/sensor/config"
)

// live reports whether this system runs a live sensor.
const live = true

// trialFlows is how many flows the shunt is loaded for: enough to see that it can
// be, and next to no memory.
const trialFlows = 64

// readHost asks the machine. mode is that of the shunt.
func readHost(mode string) host {
	h := host{
		cpus: min(runtime.NumCPU(), runtime.GOMAXPROCS(0)), available: available(), now: time.Now(),
		jit: sysctl("net/core/bpf_jit_enable"), unprivileged: sysctl("kernel/unprivileged_bpf_disabled"), landlock: landlock(),
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		h.release = unix.ByteSliceToString(name.Release[:])
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		h.memlock = limit.Cur
	}
	var t unix.Timex // no modes: it is only read
	state, err := unix.Adjtimex(&t)
	h.synced = err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
	h.socket = tryRing("lo", nil)
	if mode != "off" {
		h.shunt = tryShunt("")
	}
	return h
}

// tryRing opens the smallest ring on an interface for a moment, and use uses it.
func tryRing(name string, use func(*afpacket.Ring) error) error {
	ring, err := afpacket.Open(afpacket.Config{Interface: name, RingBytes: afpacket.MinRing})
	if err != nil {
		return err
	}
	if use != nil {
		err = use(ring)
	}
	err = errors.Join(err, ring.Close())
	ring.ReadBatch(nil) // io.EOF: it releases the memory
	return err
}

// tryShunt loads the shunt for a moment, and attaches it where an interface is named.
func tryShunt(name string) error {
	s, err := shunt.Load(shunt.Config{Flows: trialFlows})
	if err != nil {
		return err
	}
	defer s.Close()
	if name == "" {
		return nil
	}
	return tryRing(name, func(r *afpacket.Ring) error { return r.Attach(s.FD()) })
}

// readLink asks for an interface of the thread's network namespace.
func readLink(name string, c *config.Config) link {
	l := askLink(name)
	if l.err != nil || !l.found {
		return l
	}
	l.offloads, l.changeable, l.offloadErr = askOffloads(name)
	l.ring = tryRing(name, nil)
	if l.ring == nil && c.Capture.Shunt != "off" {
		// Whether it can be loaded at all is another check.
		if err := tryShunt(name); err != nil && !errors.Is(err, shunt.ErrRights) && !errors.Is(err, shunt.ErrKernel) {
			l.shunt = err
		}
	}
	return l
}

// available is MemAvailable of /proc/meminfo, in bytes.
func available() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return -1
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			if kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err == nil {
				return kib << 10
			}
		}
	}
	return -1
}

// sysctl is a value below /proc/sys, "" where it is not to be had.
func sysctl(path string) string {
	raw, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// landlock is the kernel's ABI of Landlock (landlock_create_ruleset(2) with
// LANDLOCK_CREATE_RULESET_VERSION), 0 for none.
func landlock() int {
	abi, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(abi)
}

// freeSpace is how many bytes a user without privileges may still write.
func freeSpace(folder string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, fmt.Errorf("statfs: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
