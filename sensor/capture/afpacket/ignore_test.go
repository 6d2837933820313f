//go:build linux

package afpacket

import (
	"bytes"
	"net/netip"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/capture/filter"
)

// tagged puts tags behind the addresses of a frame.
func tagged(f []byte, tags ...byte) []byte {
	return append(append(bytes.Clone(f[:12]), tags...), f[12:]...)
}

// The kernel drops what Compile says, with the outer tag beside the frame or in it, and keeps all else.
func TestIgnore(t *testing.T) {
	program, err := filter.Compile(filter.Ignore{
		Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.9/32"), netip.MustParsePrefix("2001:db8::/33")},
		Ports:    []uint16{53}, VLANs: []uint16{7},
	})
	if err != nil {
		t.Fatal(err)
	}
	v6 := append([]byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x86\xdd\x60\x00\x00\x00\x00\x08\x11\x40"), make([]byte, 40)...)
	copy(v6[22:], "\x20\x01\x0d\xb8\x7f")
	v6other := bytes.Clone(v6)
	v6other[26] = 0x80
	late := udp(1, 2, 53, 53, "not a first fragment")
	late[21] = 1
	plain := udp(1, 2, 1000, 2000, "kept")
	keep := [][]byte{
		plain, late, v6other, ethernet(nil, "what is it"), plain[:20],
		tagged(plain, 0x81, 0, 0, 8), tagged(plain, 0x88, 0xa8, 0, 8, 0x81, 0, 0, 9), tagged(plain, 0x81, 0, 0x10, 6),
	}
	drop := [][]byte{
		udp(9, 2, 1, 2, ""), udp(1, 9, 1, 2, ""), udp(1, 2, 53, 2, ""), udp(1, 2, 1, 53, ""), v6,
		tagged(plain, 0x81, 0, 0xe0, 7), tagged(plain, 0x88, 0xa8, 0, 7), tagged(plain, 0x88, 0xa8, 0, 8, 0x81, 0, 0x20, 7),
		tagged(plain, 0x91, 0, 0, 7), tagged(udp(9, 2, 1, 2, ""), 0x81, 0, 0, 8),
		tagged(udp(1, 2, 1, 53, ""), 0x88, 0xa8, 0, 8, 0x81, 0, 0, 9), tagged(v6, 0x88, 0xa8, 0, 8, 0x81, 0, 0, 9),
	}
	for _, offload := range []string{"on", "off"} {
		namespace(t)
		run(t, "ethtool -K eth0 rxvlan "+offload)
		all, r, s := open(t, Config{}), open(t, Config{Filter: program}), newSender(t, "peer", false)
		both := slices.Concat(drop[:6], keep, drop[6:])
		s.send(t, both...)
		expect(t, all, both)
		expect(t, r, keep)
	}
	namespace(t) // and on an interface without a link layer
	fd := tun(t, "tun0", unix.ARPHRD_NONE)
	run(t, "ip link set tun0 up")
	r := open(t, Config{Interface: "tun0", Filter: program})
	for _, f := range [][]byte{udp(9, 2, 1, 2, ""), plain, udp(1, 2, 1, 53, ""), v6, late, v6other} {
		if _, err := unix.Write(fd, f[14:]); err != nil {
			t.Fatal(err)
		}
	}
	got := drain(t, r, func(g []got) bool { return len(g) >= 3 })
	if len(got) != 3 || !bytes.Equal(got[0].data, plain[14:]) || !bytes.Equal(got[1].data, late[14:]) || !bytes.Equal(got[2].data, v6other[14:]) {
		t.Errorf("%d frames of a raw IP interface", len(got))
	}
}

// What tcpdump -ddd prints for an interface, with its tags, does the same in the kernel, also joined.
func TestTcpdump(t *testing.T) {
	namespace(t)
	if _, err := exec.LookPath("tcpdump"); err != nil {
		skipOrFail(t, err)
	}
	out, err := exec.Command("tcpdump", "-ddd", "-i", "eth0", "udp port 2000 or (vlan 8 and udp)").Output()
	if err != nil {
		t.Fatal(err)
	}
	program, err := filter.ParseFile(out)
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	ignore, err := filter.Compile(filter.Ignore{Ports: []uint16{53}})
	if err != nil {
		t.Fatal(err)
	}
	joined, err := filter.Join(ignore, program)
	if err != nil {
		t.Fatal(err)
	}
	a, b := udp(1, 2, 1, 2000, "a port"), tagged(udp(1, 2, 1, 2, "a tag"), 0x81, 0, 0, 8)
	no, dns := udp(1, 2, 1, 2, "neither"), udp(1, 2, 53, 2000, "ignored")
	p, j, s := open(t, Config{Filter: program}), open(t, Config{Filter: joined}), newSender(t, "peer", false)
	s.send(t, no, a, dns, b, no)
	expect(t, p, [][]byte{a, dns, b})
	expect(t, j, [][]byte{a, b})
}

// BenchmarkRing is a sender on veth and the reader of the other end, on cores of
// their own if there are as many; packets/s is mostly the sender's rate.
func BenchmarkRing(b *testing.B) {
	namespace(b)
	r, s := open(b, Config{RingBytes: 64 << 20, Filter: []bpf.RawInstruction{{Op: unix.BPF_RET, K: 1<<32 - 1}}}), newSender(b, "peer", false)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for f := numbered(1, 512); ; {
			select {
			case <-stop:
				return
			default:
				unix.Sendto(s.fd, f, 0, &s.to)
			}
		}
	}()
	frames := make([]capture.Frame, 128)
	total, bytes := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		n, err := r.ReadBatch(frames)
		if err != nil {
			b.Fatal(err)
		}
		for i := range frames[:n] {
			bytes += int(frames[i].Data[12])
		}
		total += n
	}
	b.StopTimer()
	close(stop)
	<-done
	_, drops, _ := r.Stats()
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(float64(drops), "drops")
}
