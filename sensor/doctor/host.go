package doctor

import (
	"errors"
	"fmt"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/capture/afpacket"
	"github.com/rmmwatch/rmmwatch/sensor/capture/shunt"
	"github.com/rmmwatch/rmmwatch/sensor/config"
)

// host is what is known of the machine.
type host struct {
	release      string // of the kernel: 6.12.3-amd64
	cpus         int    // that the process may use at one time
	available    int64  // bytes of memory; -1 where unknown
	memlock      uint64 // bytes that may be locked
	jit          string // of net.core.bpf_jit_enable; "" where unknown
	unprivileged string // of kernel.unprivileged_bpf_disabled; "" where unknown
	landlock     int    // ABI; 0 for none
	now          time.Time
	synced       bool
	socket       error // why no ring can be opened
	shunt        error // why the shunt cannot be loaded; not tried where it is off
}

// checkHost judges the machine for a configuration.
func checkHost(h host, c *config.Config, built time.Time) []Finding {
	return []Finding{
		checkSocket(h.socket), checkShunt(h.shunt, &c.Capture), checkKernel(h.release), checkJIT(h.jit), checkUnprivileged(h.unprivileged),
		checkLandlock(h.landlock), checkMemory(h, &c.Capture), checkLocked(h, &c.Capture), checkCores(h.cpus, &c.Capture), checkClock(h.now, built, h.synced),
	}
}

// asUser is how to ask with the rights that the unit gives.
const asUser = "run as root, by the unit, or with setpriv as in docs/operations.md"

func checkSocket(err error) Finding {
	if err != nil {
		return Finding{Failure, "right to capture", err.Error(), asUser}
	}
	return Finding{OK, "right to capture", "CAP_NET_RAW: a packet ring could be opened", ""}
}

func checkShunt(err error, c *config.Capture) Finding {
	const subject = "right to shunt"
	level := Warning
	if c.Shunt == "on" {
		level = Failure
	}
	filtered := len(c.Ignore.Networks)+len(c.Ignore.Ports)+len(c.Ignore.VLANs) > 0 || c.BPFFile != ""
	switch {
	case c.Shunt == "off":
		return Finding{OK, subject, "the shunt is off: every packet comes up", ""}
	case filtered:
		return Finding{level, subject, "the shunt is not used: a socket has one program, and ignore or bpf_file is it", "take ignore and bpf_file away, or set `shunt: off`"}
	case errors.Is(err, shunt.ErrRights):
		return Finding{level, subject, err.Error(), "give CAP_BPF and CAP_NET_ADMIN: " + asUser + ", or set `shunt: off`"}
	case errors.Is(err, shunt.ErrKernel):
		return Finding{level, subject, err.Error(), "a newer kernel, or `shunt: off`"}
	case err != nil:
		return Finding{level, subject, err.Error(), "set `shunt: off` if it is not needed"}
	}
	return Finding{OK, subject, "CAP_BPF: the shunt could be loaded", ""}
}

// checkKernel wants what the ring needs (TPACKET_V3, Linux 3.2) and the shunt (5.8).
func checkKernel(release string) Finding {
	const subject = "kernel"
	major, minor, ok := version(release)
	switch {
	case !ok:
		return Finding{Warning, subject, fmt.Sprintf("the version %q cannot be read", release), "Linux 5.8 or later is wanted"}
	case older(major, minor, 3, 2):
		return Finding{Failure, subject, "Linux " + release + " has no packet rings of version 3", "use 5.8 or later"}
	case older(major, minor, 5, 8):
		return Finding{Warning, subject, "Linux " + release + " has no shunt", "use 5.8 or later: the sensor works, with more load"}
	}
	return Finding{OK, subject, "Linux " + release, ""}
}

func version(release string) (major, minor int, ok bool) {
	n, err := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return major, minor, n == 2 && err == nil
}

// older reports whether Linux a.b came before c.d.
func older(a, b, c, d int) bool { return a < c || a == c && b < d }

func checkJIT(value string) Finding {
	const subject = "BPF JIT"
	switch value {
	case "0":
		return Finding{Warning, subject, "net.core.bpf_jit_enable is 0: filters and the shunt are interpreted, at several times the cost", "sysctl -w net.core.bpf_jit_enable=1"}
	case "":
		return Finding{OK, subject, "net.core.bpf_jit_enable cannot be read here, as in a network namespace or without rights", ""}
	}
	return Finding{OK, subject, "net.core.bpf_jit_enable is " + value, ""}
}

// checkUnprivileged: BPF for everybody is a way into the kernel that the sensor
// does not need.
func checkUnprivileged(value string) Finding {
	const subject = "unprivileged BPF"
	switch value {
	case "0":
		return Finding{Warning, subject, "kernel.unprivileged_bpf_disabled is 0: every user may load programs into the kernel", "sysctl -w kernel.unprivileged_bpf_disabled=2"}
	case "":
		return Finding{OK, subject, "kernel.unprivileged_bpf_disabled is not there", ""}
	}
	return Finding{OK, subject, "kernel.unprivileged_bpf_disabled is " + value, ""}
}

func checkLandlock(abi int) Finding {
	if abi == 0 {
		return Finding{Warning, "Landlock", "the kernel does not have it: the sensor cannot confine itself to its files", "Linux 5.13 or later with `landlock` in lsm= of the kernel's command line"}
	}
	return Finding{OK, "Landlock", fmt.Sprintf("ABI %d", abi), ""}
}

// ringBytes is what all rings take.
func ringBytes(c *config.Capture) int64 {
	ring := max(c.RingMiB<<20/c.Workers, afpacket.MinRing)
	return int64(ring) * int64(c.Workers) * int64(max(1, len(c.Interfaces)))
}

func checkMemory(h host, c *config.Capture) Finding {
	const subject = "ring memory"
	want := ringBytes(c)
	found := fmt.Sprintf("rings of %s take %s", count(max(1, len(c.Interfaces)), "interface"), size(want))
	if h.available < 0 {
		return Finding{Warning, subject, found + "; free memory cannot be told", ""}
	}
	found += " of " + size(h.available) + " that are available"
	switch {
	case want > h.available:
		return Finding{Failure, subject, found, "lower ring_mib (a sensor that runs has its rings already)"}
	case want > h.available/2: // flow tables and the file cache need the rest
		return Finding{Warning, subject, found, "lower ring_mib, or give the machine more memory (a sensor that runs has its rings already)"}
	}
	return Finding{OK, subject, found, ""}
}

// shuntLocked is the memory of the shunt's maps with their default size, in bytes
// (shunt.Config.Flows), with room for the per-CPU counters.
const shuntLocked = 64 << 20

// checkLocked: rings are not locked memory; maps were until Linux 5.11.
func checkLocked(h host, c *config.Capture) Finding {
	const subject = "locked memory"
	major, minor, ok := version(h.release)
	if c.Shunt == "off" || ok && !older(major, minor, 5, 11) {
		return Finding{OK, subject, "RLIMIT_MEMLOCK does not matter here", ""}
	}
	if h.memlock < shuntLocked {
		return Finding{Warning, subject, fmt.Sprintf("RLIMIT_MEMLOCK is %d KiB: before Linux 5.11 the shunt's maps of some 50 MiB need more", h.memlock>>10), "LimitMEMLOCK=infinity in the unit"}
	}
	return Finding{OK, subject, "RLIMIT_MEMLOCK is enough for the shunt", ""}
}

func checkCores(cpus int, c *config.Capture) Finding {
	found := fmt.Sprintf("%s an interface on %s", count(c.Workers, "worker"), count(cpus, "core"))
	if c.Workers > cpus {
		return Finding{Warning, "cores", found + ": they take turns, each with memory of its own", "`workers: 0` takes one a core"}
	}
	return Finding{OK, "cores", found, ""}
}

// checkClock: alerts carry wall-clock time, and certificates are judged by it.
func checkClock(now, built time.Time, synced bool) Finding {
	stamp := now.UTC().Format(time.RFC3339)
	switch {
	case now.UTC().Year() < built.UTC().Year():
		return Finding{Failure, "clock", fmt.Sprintf("%s is before the program was built (%d)", stamp, built.UTC().Year()), "set the clock: timedatectl set-ntp true"}
	case !synced:
		return Finding{Warning, "clock", stamp + ", not synchronised", "run chrony or systemd-timesyncd: timedatectl set-ntp true"}
	}
	return Finding{OK, "clock", stamp + ", synchronised", ""}
}
