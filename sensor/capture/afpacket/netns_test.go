//go:build linux

package afpacket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// patient is how long tests wait for what must happen.
const patient = 30 * time.Second

// namespace puts the test's thread into a network namespace of its own, with a
// pair of interfaces, eth0 and peer. The thread, and the namespace with it, ends with the test.
func namespace(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skipOrFail(t, "network namespaces need root")
	}
	for _, tool := range []string{"ip", "ethtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			skipOrFail(t, "interfaces are made by iproute2 and ethtool: ", err)
		}
	}
	testshared.KernelFilters(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		skipOrFail(t, "a network namespace: ", err)
	}
	for _, which := range []string{"all", "default"} { // no frames but the test's
		os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
	}
	pair(t)
}

// skipOrFail skips the test, except in CI, where everything must be there.
func skipOrFail(t testing.TB, why ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why...)
	}
	t.Skip(why...)
}

func pair(t testing.TB) {
	t.Helper()
	run(t, "ip link add eth0 mtu 9000 type veth peer name peer mtu 9000")
	run(t, "ip link set peer up")
	run(t, "ip link set eth0 up")
}

func run(t testing.TB, command string) {
	t.Helper()
	args := strings.Fields(command)
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

func open(t testing.TB, c Config) *Ring {
	t.Helper()
	if c.Interface == "" {
		c.Interface = "eth0"
	}
	if c.RingBytes == 0 {
		c.RingBytes = 4 << 20
	}
	r, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// sender sends frames out of an interface as they are.
type sender struct {
	fd int
	to unix.SockaddrLinklayer
}

func newSender(t testing.TB, name string, vnet bool) *sender {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if vnet {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
			t.Fatal(err)
		}
	}
	in, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return &sender{fd: fd, to: unix.SockaddrLinklayer{Ifindex: in.Index, Halen: 6}}
}

func (s *sender) send(t testing.TB, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		if err := unix.Sendto(s.fd, f, 0, &s.to); err != nil {
			t.Fatalf("sending %d bytes: %v", len(f), err)
		}
	}
}

// got is a copy of a frame.
type got struct {
	capture.Frame
	data []byte
}

// drain reads until done says enough, or a while passed in which nothing came
// after it did.
func drain(t testing.TB, r *Ring, done func([]got) bool) (all []got) {
	t.Helper()
	frames := make([]capture.Frame, 64)
	quiet := 0
	for end := time.Now().Add(patient); time.Now().Before(end); {
		n, err := r.ReadBatch(frames)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:n] {
			all = append(all, got{f, bytes.Clone(f.Data)})
		}
		if n > 0 {
			quiet = 0
		} else if quiet++; quiet >= 3 && done(all) {
			return all
		}
	}
	t.Fatalf("%d frames in %v", len(all), patient)
	return nil
}

// expect reads exactly the frames of want.
func expect(t testing.TB, r *Ring, want [][]byte) []got {
	t.Helper()
	all := drain(t, r, func(g []got) bool { return len(g) >= len(want) })
	if len(all) != len(want) {
		t.Fatalf("%d frames, want %d", len(all), len(want))
	}
	for i, g := range all {
		if !bytes.Equal(g.data, want[i]) {
			t.Fatalf("frame %d: %d bytes % x, want %d: % x", i, len(g.data), g.data[:min(64, len(g.data))], len(want[i]), want[i][:min(64, len(want[i]))])
		}
		if int(g.WireLen) != len(want[i]) || g.Link != linkEthernet {
			t.Fatalf("frame %d: %+v", i, g.Frame)
		}
	}
	return all
}

// numbered is a frame that is unlike any other.
func numbered(i, size int) []byte {
	f := ethernet(nil, fmt.Sprintf("frame %08d ", i))
	for len(f) < size {
		f = append(f, byte(i+len(f)))
	}
	return f
}

// udp is an IPv4 frame between two hosts.
func udp(src, dst byte, sport, dport uint16, payload string) []byte {
	b := []byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00")
	b = binary.BigEndian.AppendUint16(b, uint16(28+len(payload)))
	b = append(b, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, src, 10, 0, 0, dst)
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[24:], ^uint16(sum+sum>>16))
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}
