package doctor

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// alone runs f as root on a thread with network and mount namespaces of its own,
// which end with it.
func alone(t *testing.T, f func()) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("CI") != "" {
		skip = t.Fatalf
	}
	if os.Geteuid() != 0 {
		skip("namespaces need root")
	}
	for _, tool := range []string{"ip", "ethtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip("%s is not installed", tool)
		}
	}
	testshared.KernelFilters(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			t.Error(err)
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Error(err)
			return
		}
		f()
	})
	wg.Wait()
}

// sh runs a command on the thread's namespaces.
func sh(t *testing.T, command string) string {
	t.Helper()
	args := strings.Fields(command)
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// ip and ethtool make interfaces, and what is found is what they say.
func TestLinks(t *testing.T) {
	_, _, cfg := good()
	alone(t, func() {
		look := func(name string) []Finding {
			t.Helper()
			l := readLink(name, &cfg)
			l.dropped = 0 // of the kernel's own greetings, as IPv6's
			return checkLink(l, &cfg)
		}
		expect(t, look("eth0"), "failure|interface eth0|no such interface|ip link")
		sh(t, "ip link add eth0 mtu 1400 type veth peer name peer")
		sh(t, "ethtool -K eth0 gro off")
		expect(t, look("eth0"), "failure|interface eth0|down|ip link set dev eth0 up; warning|MTU eth0|1400|")
		sh(t, "ip link set eth0 up mtu 1500")
		expect(t, look("eth0"), "failure|interface eth0|no carrier|cable")
		sh(t, "ip link set peer up")
		expect(t, look("eth0"), "")
		sh(t, "ethtool -K eth0 gro on")
		list := look("eth0")
		expect(t, list, "warning|offloads eth0|gro is on|ethtool -K eth0 gro off")
		for _, f := range list { // what it advises works
			if f.Subject == "offloads eth0" {
				sh(t, f.Do)
			}
		}
		expect(t, look("eth0"), "")
		if l := askLink("eth0"); l.kind != "veth" {
			t.Errorf("%+v", l)
		}
		if exec.Command("ip", "link", "add", "dum", "type", "dummy").Run() == nil { // not every kernel has them
			sh(t, "ip link set dum up")
			sh(t, "ethtool -K dum gro off")
			expect(t, look("dum"), "warning|interface dum|dummy|mirrors")
		}
		if exec.Command("ip", "link", "add", "gre", "type", "ip6gre", "local", "::1", "remote", "::2").Run() == nil {
			if l := readLink("gre", &cfg); l.ring == nil || !strings.Contains(l.ring.Error(), "GRE over IPv6") {
				t.Errorf("%+v", l)
			}
		}
	})
}

// Every feature is on or off as ethtool says.
func TestOffloads(t *testing.T) {
	alone(t, func() {
		sh(t, "ip link add eth0 type veth peer name peer")
		for _, name := range []string{"lo", "eth0"} {
			on, changeable, err := askOffloads(name)
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			for kernel, tool := range map[string]string{"rx-gro": "generic-receive-offload", "rx-lro": "large-receive-offload", "rx-gro-hw": "rx-gro-hw",
				"rx-vlan-hw-parse": "rx-vlan-offload", "rx-gro-list": "rx-gro-list", "highdma": "highdma", "rx-udp-gro-forwarding": "rx-udp-gro-forwarding"} { // any order
				for line := range strings.Lines(sh(t, "ethtool -k "+name)) {
					if value, ok := strings.CutPrefix(strings.TrimSpace(line), tool+": "); ok {
						asked++
						if slices.Contains(on, kernel) != strings.HasPrefix(value, "on") || slices.Contains(changeable, kernel) == strings.Contains(value, "[fixed]") {
							t.Errorf("%s: %s is %s; on %v, changeable %v", name, tool, value, on, changeable)
						}
					}
				}
			}
			if asked < 7 {
				t.Errorf("ethtool knew %d", asked)
			}
		}
		if _, _, err := askOffloads("nosuch"); err == nil {
			t.Error("no error")
		}
	})
}

// Counters are those of /proc, and each is where linux/if_link.h has it.
func TestCounters(t *testing.T) {
	alone(t, func() {
		sh(t, "ip link add eth0 type veth peer name peer")
		sh(t, "ip link set peer up")
		sh(t, "ip link set eth0 up")
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		peer, err := net.InterfaceByName("peer")
		if err != nil {
			t.Error(err)
			return
		}
		for range 300 { // far more than the kernel's own greetings
			if err := unix.Sendto(fd, make([]byte, 60), 0, &unix.SockaddrLinklayer{Ifindex: peer.Index, Halen: 6}); err != nil {
				t.Error(err)
				return
			}
		}
		sh(t, "ip link set peer down") // now they stand still
		l := askLink("eth0")
		raw, err := os.ReadFile("/proc/thread-self/net/dev")
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(raw)) {
			if f := strings.Fields(line); f[0] == "eth0:" && f[2] != strconv.FormatUint(l.packets, 10) {
				t.Errorf("%s, %+v", line, l)
			}
		}
		if l.packets < 300 || !l.found || !l.up || l.mtu != 1500 {
			t.Errorf("%+v", l)
		}
	})
	var stats []byte
	want := map[string]uint64{}
	for i, name := range strings.Fields("rx_packets tx_packets rx_bytes tx_bytes rx_errors tx_errors rx_dropped tx_dropped multicast collisions " +
		"rx_length_errors rx_over_errors rx_crc_errors rx_frame_errors rx_fifo_errors rx_missed_errors tx_aborted_errors") {
		stats = binary.NativeEndian.AppendUint64(stats, uint64(100+i))
		want[name] = uint64(100 + i)
	}
	message := attribute(attribute(make([]byte, unix.SizeofIfInfomsg), unix.IFLA_IFNAME, []byte("x\x00")), unix.IFLA_STATS64, stats)
	l := link{name: "x"}
	if !l.read(message) || l.packets != want["rx_packets"] || l.dropped != want["rx_dropped"] || l.fifo != want["rx_fifo_errors"] || l.missed != want["rx_missed_errors"] {
		t.Errorf("%+v, want %v", l, want)
	}
	for n := range message { // cut anywhere: no panic
		l.read(append(message[:n:n], make([]byte, max(0, unix.SizeofIfInfomsg-n))...))
	}
}

// A full disk, one that is nearly full, and one that is read-only.
func TestDisk(t *testing.T) {
	dir := t.TempDir()
	alone(t, func() {
		if err := unix.Mount("none", dir, "tmpfs", 0, "size=8m"); err != nil {
			t.Error(err)
			return
		}
		c := parse(t, "state: "+dir+"\noutputs: [{file: {path: \"-\", queue: {max_mib: 64}}}]")
		expect(t, checkStorage(c), "warning|disk|8 MiB free, and the queues may take 64 MiB|max_mib")
		c.Outputs[0].Queue.MaxMiB = 8
		expect(t, checkStorage(c), "")
		// What a queue has already is part of its bound, and not free any more.
		c.Outputs[0].Queue.MaxMiB = 6
		queue := delivery.QueueFile(dir, "file")
		if err := errors.Join(os.MkdirAll(filepath.Dir(queue), 0o700), os.WriteFile(queue, make([]byte, 4<<20), 0o600)); err != nil {
			t.Error(err)
		}
		expect(t, checkStorage(c), "")
		if err := os.Rename(queue, filepath.Join(dir, "other")); err != nil {
			t.Error(err)
		}
		expect(t, checkStorage(c), "warning|disk|4 MiB free, and the queues may take 6 MiB|max_mib")
		if err := os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 4<<20), 0o600); err != nil {
			t.Error(err)
		}
		expect(t, checkStorage(c), "failure|state|the disk is full|make room")
		if err := unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "size=8m"); err != nil {
			t.Error(err)
		}
		expect(t, checkStorage(c), "failure|state|read-only|rmmwatch")
		c = parse(t, "state: "+t.TempDir()+"\noutputs: [{file: {path: "+dir+"/new, queue: {max_mib: 1}}}]")
		expect(t, checkStorage(c), "failure|output file|read-only|sensor's user")
	})
}

// The machine is asked: what is known of it otherwise is what is found.
func TestHost(t *testing.T) {
	testshared.KernelFilters(t)
	h := readHost("off")
	raw, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil || h.release != strings.TrimSpace(string(raw)) {
		t.Errorf("%q, %q, %v", h.release, raw, err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	if total := int64(info.Totalram) * int64(info.Unit); h.available <= 0 || h.available > total {
		t.Errorf("%d bytes of %d", h.available, total)
	}
	if os.Geteuid() != 0 && h.socket == nil {
		t.Log("a ring without root: this process has CAP_NET_RAW")
	}
}

// Without rights it says which.
func TestNoRights(t *testing.T) {
	_, _, cfg := good()
	alone(t, func() {
		var none [2]unix.CapUserData
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			t.Error(err)
			return
		}
		h := readHost("auto")
		expect(t, []Finding{checkSocket(h.socket), checkShunt(h.shunt, &cfg.Capture)}, "failure|right to capture|CAP_NET_RAW|setpriv; warning|right to shunt|CAP_BPF|CAP_NET_ADMIN")
		if l := readLink("lo", &cfg); l.ring == nil {
			t.Errorf("%+v", l)
		}
		if _, _, err := askOffloads("lo"); err != nil {
			t.Error("offloads need a right:", err)
		}
		if l := askLink("lo"); l.err != nil || !l.found {
			t.Errorf("%+v", l)
		}
	})
}
