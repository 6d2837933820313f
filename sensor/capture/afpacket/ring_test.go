//go:build linux

package afpacket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// Frames arrive byte-identical, in order, with the kernel's time of each.
func TestFrames(t *testing.T) {
	namespace(t)
	r, s := open(t, Config{RingBytes: MinRing, File: 9}), newSender(t, "peer", false)
	var want [][]byte
	for i := range 400 {
		want = append(want, numbered(i, 14+i*7%9000)) // jumbo frames, too
	}
	before := time.Now().UnixNano()
	var all []got
	for i := 0; i < len(want); i += 20 { // a ring of the smallest size holds no more at once
		s.send(t, want[i:i+20]...)
		all = append(all, expect(t, r, want[i:i+20])...)
	}
	after, last, nanos := time.Now().UnixNano(), before, false
	for i, g := range all {
		if g.Number != uint64(i+1) || g.File != 9 {
			t.Fatalf("frame %d: %+v", i, g.Frame)
		}
		if g.Time < last || g.Time > after {
			t.Fatalf("frame %d: at %d, after one at %d; sent until %d", i, g.Time, last, after)
		}
		last, nanos = g.Time, nanos || g.Time%1000 != 0
	}
	if !nanos {
		t.Error("no time has nanoseconds")
	}
	if packets, drops, freezes := r.Stats(); packets != uint64(len(want)) || drops != 0 || freezes != 0 {
		t.Errorf("%d packets, %d drops, %d freezes", packets, drops, freezes)
	}
}

// Tags are where they were on the wire, whether the interface takes them off or the kernel.
func TestVLAN(t *testing.T) {
	for _, offload := range []string{"on", "off"} {
		t.Run("rxvlan "+offload, func(t *testing.T) {
			namespace(t)
			run(t, "ethtool -K eth0 rxvlan "+offload)
			run(t, "ethtool -K peer txvlan "+offload)
			r, s := open(t, Config{}), newSender(t, "peer", false)
			want := [][]byte{
				ethernet([]byte{0x81, 0x00, 0xe0, 0x05}, "a tag with a priority"),
				ethernet([]byte{0x88, 0xa8, 0x0f, 0xff, 0x81, 0x00, 0x30, 0x07}, "QinQ"),
				ethernet([]byte{0x81, 0x00, 0, 1, 0x81, 0x00, 0, 2}, "two tags of the same kind"),
				ethernet([]byte{0x81, 0x00, 0, 1, 0x88, 0xa8, 0, 2, 0x81, 0x00, 0, 3}, "three tags"),
				ethernet([]byte{0x91, 0x00, 0, 1}, "a tag that no kernel takes off"),
				ethernet([]byte{0x81, 0x00, 0, 0}, "a priority only"),
				ethernet(nil, "no tag"),
			}
			s.send(t, want...)
			expect(t, r, want)
		})
	}
}

// A TCP segment of 64 KiB, as GRO makes them, comes whole.
func TestGSO(t *testing.T) {
	namespace(t)
	r, s := open(t, Config{RingBytes: MinRing}), newSender(t, "peer", true)
	var want [][]byte
	// The kernel makes none that has 65536 bytes or more with its Ethernet header.
	for i, size := range []int{65521, 1500, 65521, 64000} {
		f := udp(1, 2, 1000, uint16(i), "")[:34]
		f[23] = 6 // TCP
		binary.BigEndian.PutUint16(f[16:], uint16(size))
		f = append(f, 0x13, 0x88, 0x01, 0xbb, 0, 0, 0, byte(i), 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0)
		for len(f) < 14+size {
			f = append(f, byte(len(f)*(i+1)))
		}
		head := make([]byte, 10) // struct virtio_net_hdr
		if size > 9000 {
			ne := binary.NativeEndian
			head[0], head[1] = 1, 1      // VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4
			ne.PutUint16(head[2:], 54)   // headers
			ne.PutUint16(head[4:], 1448) // of a segment
			ne.PutUint16(head[6:], 34)   // where the checksum starts
			ne.PutUint16(head[8:], 16)   // and lies
		}
		s.send(t, append(head, f...))
		want = append(want, f)
	}
	expect(t, r, want)
}

// The kernel drops before it copies: what the filter drops is not even counted.
func TestFilter(t *testing.T) {
	namespace(t)
	s := newSender(t, "peer", false)
	// Frames whose last byte of the EtherType is 0xb5 and whose payload
	// starts with k.
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 14, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 'k', SkipFalse: 1},
		bpf.RetConstant{Val: 1<<32 - 1},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, Config{Filter: program})
	keep, drop := ethernet(nil, "keep"), ethernet(nil, "drop")
	s.send(t, keep, drop, drop, keep)
	expect(t, r, [][]byte{keep, keep})
	if packets, drops, _ := r.Stats(); packets != 2 || drops != 0 {
		t.Errorf("%d packets, %d drops", packets, drops)
	}
}

// No frame of before the filter, however many come while rings are opened.
func TestFilterFromTheFirst(t *testing.T) {
	namespace(t)
	s := newSender(t, "peer", false)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for f := ethernet(nil, "drop"); ; {
			select {
			case <-stop:
				return
			default:
				unix.Sendto(s.fd, f, 0, &s.to)
			}
		}
	}()
	defer func() { close(stop); <-done }()
	for range 20 {
		r := open(t, Config{Filter: nothing})
		if packets, _, _ := r.Stats(); packets != 0 {
			t.Fatalf("%d frames passed a filter that drops all", packets)
		}
		r.Close()
	}
}

// What nobody reads is lost, and counted to the frame.
func TestDrops(t *testing.T) {
	namespace(t)
	r, s := open(t, Config{RingBytes: MinRing}), newSender(t, "peer", false)
	const sent = 2000
	for i := range sent {
		s.send(t, numbered(i, 1500))
	}
	all := drain(t, r, func([]got) bool { return true })
	packets, drops, freezes := r.Stats()
	if packets != sent || drops == 0 || freezes == 0 || uint64(len(all))+drops != sent {
		t.Errorf("%d were sent, %d delivered, %d counted, %d dropped, %d freezes", sent, len(all), packets, drops, freezes)
	}
	if p, d, f := r.Stats(); p != packets || d != drops || f != freezes {
		t.Errorf("asked again: %d, %d, %d; before %d, %d, %d", p, d, f, packets, drops, freezes)
	}
	// The ring works again, and each frame that it kept was whole.
	for i, g := range all {
		if !bytes.Equal(g.data, numbered(i, 1500)) {
			t.Fatalf("frame %d was damaged or out of order", i)
		}
	}
	s.send(t, ethernet(nil, "after"))
	expect(t, r, [][]byte{ethernet(nil, "after")})
}

func TestIgnoreOutgoing(t *testing.T) {
	namespace(t)
	out, in := ethernet(nil, "out"), ethernet(nil, "in")
	for _, rings := range []int{1, 2} {
		all := open(t, Config{})
		some := []*Ring{open(t, Config{IgnoreOutgoing: true, Rings: rings, Group: 5})}
		if rings == 2 {
			some = append(some, open(t, Config{IgnoreOutgoing: true, Rings: rings, Index: 1, Group: 5}))
		}
		newSender(t, "eth0", false).send(t, out)
		newSender(t, "peer", false).send(t, in)
		expect(t, all, [][]byte{out, in})
		var seen []got
		for _, r := range some {
			seen = append(seen, drain(t, r, func([]got) bool { return true })...)
		}
		if len(seen) != 1 || !bytes.Equal(seen[0].data, in) {
			t.Errorf("%d rings: %d frames, want the one that came in", rings, len(seen))
		}
		for _, r := range append(some, all) {
			r.Close()
		}
	}
}

// promiscuous reports whether somebody made eth0 so.
func promiscuous(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("ip", "-d", "link", "show", "eth0").Output()
	if err != nil {
		t.Fatal(err)
	}
	return !strings.Contains(string(out), "promiscuity 0")
}

func TestPromiscuous(t *testing.T) {
	namespace(t)
	foreign := ethernet(nil, "to somebody else")
	r := open(t, Config{Promiscuous: true})
	newSender(t, "peer", false).send(t, foreign)
	expect(t, r, [][]byte{foreign})
	on := promiscuous(t)
	r.Close()
	if off := promiscuous(t); !on || off {
		t.Errorf("promiscuous: %v while open, %v after", on, off)
	}
}

// A lone frame and a wait in vain cost no allocation.
func TestAllocations(t *testing.T) {
	namespace(t)
	r, s := open(t, Config{}), newSender(t, "peer", false)
	frames, f := make([]capture.Frame, 16), ethernet([]byte{0x81, 0, 0, 5}, "payload")
	total := 0
	if n := testing.AllocsPerRun(20, func() {
		unix.Sendto(s.fd, f, 0, &s.to)
		n, err := r.ReadBatch(frames)
		if err != nil {
			t.Error(err)
		}
		total += n
	}); n > 1 { // the sender's address
		t.Errorf("%v allocations", n)
	}
	if total == 0 {
		t.Error("no frame came")
	}
}

// Close ends a wait at once, leaves frames valid that were handed out, and may come twice.
func TestClose(t *testing.T) {
	namespace(t)
	for i := range 50 {
		r, s := open(t, Config{RingBytes: MinRing}), newSender(t, "peer", false)
		want := numbered(i, 200)
		s.send(t, want)
		done := make(chan error)
		go func() {
			frames := make([]capture.Frame, 4)
			for {
				n, err := r.ReadBatch(frames)
				if err != nil {
					done <- err
					return
				}
				time.Sleep(time.Duration(i%3) * time.Millisecond)
				for _, f := range frames[:n] {
					if !bytes.Equal(f.Data, want) {
						t.Error("a frame changed in the reader's hands")
					}
				}
			}
		}()
		time.Sleep(time.Duration(i*2) * time.Millisecond)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != io.EOF {
				t.Fatal(err)
			}
		case <-time.After(patient):
			t.Fatal("ReadBatch did not return")
		}
		if err := r.Close(); err != nil || r.FD() != -1 || r.Up() || r.mem != nil {
			t.Fatalf("closed twice: %v, %d, %v", err, r.FD(), r.Up())
		}
		if err := r.Attach(0); err == nil {
			t.Fatal("a closed ring took a program")
		}
		unix.Close(s.fd)
	}
}

// Frames are valid after Close, until the next call; without frames the memory goes at once.
func TestCloseLent(t *testing.T) {
	namespace(t)
	r, s := open(t, Config{RingBytes: MinRing}), newSender(t, "peer", false)
	want := numbered(1, 200)
	s.send(t, want)
	frames := make([]capture.Frame, 4)
	n := 0
	for end := time.Now().Add(patient); n == 0 && time.Now().Before(end); {
		var err error
		if n, err = r.ReadBatch(frames); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	s.send(t, numbered(2, 200)) // a mapped socket is still there, and blind
	if n != 1 || r.mem == nil || !bytes.Equal(frames[0].Data, want) {
		t.Fatalf("%d frames, memory gone: %v", n, r.mem == nil)
	}
	if n, err := r.ReadBatch(frames); n != 0 || err != io.EOF || r.mem != nil {
		t.Errorf("after Close: %d, %v; memory gone: %v", n, err, r.mem == nil)
	}
	if packets, _, _ := r.Stats(); packets != 1 {
		t.Errorf("%d packets after Close", packets)
	}
	if r = open(t, Config{RingBytes: MinRing}); r.Close() != nil || r.mem != nil {
		t.Error("memory is kept although no frame is in use")
	}
}

func TestOpenErrors(t *testing.T) {
	for want, c := range map[string]Config{
		"no interface":                      {},
		"524288 are the fewest":             {Interface: "lo", RingBytes: MinRing - 1},
		"300 rings for lo: 1 to 256":        {Interface: "lo", RingBytes: MinRing, Rings: 300},
		"ring 2 of 2 for lo: they are":      {Interface: "lo", RingBytes: MinRing, Rings: 2, Index: 2},
		"a filter of 5000 instructions for": {Interface: "lo", RingBytes: MinRing, Filter: make([]bpf.RawInstruction, 5000)},
	} {
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	namespace(t)
	for want, c := range map[string]Config{
		"nosuch: there is no such interface":                             {Interface: "nosuch"},
		"an.interface.of.a.long.name: no interface has a name like that": {Interface: "an.interface.of.a.long.name"},
		"attaching the filter of 1 instructions":                         {Interface: "eth0", Filter: []bpf.RawInstruction{{Op: 0xffff}}},
	} {
		c.RingBytes = MinRing
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	open(t, Config{Rings: 2, Group: 7})
	if _, err := Open(Config{Interface: "peer", RingBytes: MinRing, Rings: 2, Group: 7}); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "fanout group 7") {
		t.Errorf("a group of another interface: %v", err)
	}
	if _, err := linkType(unix.ARPHRD_INFINIBAND); err == nil || !strings.Contains(err.Error(), "32 (InfiniBand)") {
		t.Errorf("InfiniBand: %v", err)
	}
	if _, err := linkType(40000); err == nil || !strings.Contains(err.Error(), "40000") {
		t.Errorf("an unknown type: %v", err)
	}
}
