package shunt

import (
	"encoding/binary"
	"math/rand"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"
)

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// run gives the program one frame by BPF_PROG_TEST_RUN and returns how many
// bytes it keeps. The kernel takes an Ethernet header off before a socket
// filter sees the rest, so that the frame goes behind one.
func run(t fataler, s *Shunt, frame []byte) uint32 {
	t.Helper()
	kept, err := s.prog.Run(&ebpf.RunOptions{Data: behind(frame)})
	if err != nil {
		t.Fatalf("%d bytes: %v", len(frame), err)
	}
	return kept
}

func behind(frame []byte) []byte {
	return append([]byte{0: 2, 6: 2, 12: 0x88, 13: 0xb5}, frame...)
}

// The frames of known fate: dropped and counted as written, or passed and not
// counted; none is dropped before its flow is added.
func TestNamed(t *testing.T) {
	for _, c := range named {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, Config{Flows: 16})
			frame := build(t, c.spec)
			if kept := run(t, s, frame); kept != 0xffffffff {
				t.Fatalf("kept %d bytes of a flow that nobody added", kept)
			}
			m := judge(frame)
			k := key(c.spec)
			if k.valid() {
				if err := s.Add(k); err != nil {
					t.Fatal(err)
				}
			} else if err := s.Add(k); err != ErrPasses {
				t.Fatalf("added %+v: %v", k, err)
			}
			kept := run(t, s, frame)
			counts, _ := s.Take(k)
			dir := 0
			if c.spec.back {
				dir = 1
			}
			var want Counts
			if c.counted >= 0 {
				want.Packets[dir], want.Bytes[dir] = 1, uint64(c.counted)
			}
			if (kept == 0) != (c.counted >= 0) || counts.Packets != want.Packets || counts.Bytes != want.Bytes {
				t.Errorf("kept %d and counted %+v, want %+v", kept, counts, want)
			}
			if m.counts != (c.counted >= 0) || m.counts && (m.key != k || m.dir != dir || m.payload != uint64(c.counted)) {
				t.Errorf("the model says %+v", m)
			}
		})
	}
}

// key is the key of a spec's flow; the lower endpoint comes first in addrs4 and addrs6.
func key(s spec) Key {
	var a, b [16]byte
	if s.six {
		copy(a[:], addrs6[0].To16())
		copy(b[:], addrs6[1].To16())
	} else {
		copy(a[:], addrs4[0].To16())
		copy(b[:], addrs4[1].To16())
	}
	be := binary.BigEndian
	k := Key{Lo: Addr{be.Uint64(a[:]), be.Uint64(a[8:])}, Hi: Addr{be.Uint64(b[:]), be.Uint64(b[8:])}, LoPort: s.ports[0], HiPort: s.ports[1], Proto: 6}
	if s.udp {
		k.Proto = 17
	}
	return k
}

// agree runs one frame and holds verdict, counts and statistics against the
// model. Its flow is in the map, if it could be of one, and so is another: that
// of the frame before it was damaged.
func agree(t fataler, s *Shunt, frame []byte, before Key) {
	t.Helper()
	m := judge(frame)
	added := map[Key]bool{}
	for _, k := range []Key{m.key, before} {
		switch err := s.Add(k); {
		case err == nil:
			added[k] = true
		case err == ErrPasses && (k != m.key || !m.counts):
		case err != ErrExists || m.key != before:
			t.Fatal(k, err)
		}
	}
	was, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	kept := run(t, s, frame)
	is, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if m.counts {
		was.Dropped, was.DroppedBytes = was.Dropped+1, was.DroppedBytes+uint64(len(frame))
	} else {
		was.Passed, was.PassedBytes = was.Passed+1, was.PassedBytes+uint64(len(frame))
	}
	if (kept == 0) != m.counts || kept != 0 && kept != 0xffffffff || is != was {
		t.Fatalf("% x\nkept %d, %+v\nwant %+v\nmodel %+v", frame, kept, is, was, m)
	}
	for k := range added {
		want := Counts{}
		if k == m.key {
			want.Closed = m.syn
			if m.counts {
				want.Packets[m.dir], want.Bytes[m.dir] = 1, m.payload
			}
		}
		got, _ := s.Remove(k)
		if got.Last = 0; got != want {
			t.Fatalf("% x\n%+v: %+v, want %+v\nmodel %+v", frame, k, got, want, m)
		}
	}
}

// Every frame of the list, cut at every length: the verdict is the model's, and
// a frame that ends before its packet does always passes.
func TestCut(t *testing.T) {
	s := open(t, Config{Flows: 16})
	for _, c := range named {
		frame := build(t, c.spec)
		for n := 1; n <= len(frame); n++ {
			agree(t, s, frame[:n], key(c.spec))
			if n < packetEnd(c.spec, frame) && judge(frame[:n]).counts {
				t.Fatalf("%s cut at %d is counted", c.name, n)
			}
		}
	}
}

// packetEnd is where the IP packet of a frame ends and its padding begins.
func packetEnd(s spec, frame []byte) int {
	ip := 14 + 4*len(s.tags)
	if s.six {
		return ip + 40 + int(binary.BigEndian.Uint16(frame[ip+4:]))
	}
	return ip + int(binary.BigEndian.Uint16(frame[ip+2:]))
}

// Random frames, good ones with bytes changed, and endpoints in any order.
func TestModel(t *testing.T) {
	s := open(t, Config{Flows: 16})
	var counted, closed, passed int
	rapid.Check(t, func(rt *rapid.T) {
		for range 20 {
			frame, before := anyFrame(t, rt)
			agree(rt, s, frame, before)
			switch m := judge(frame); {
			case m.counts:
				counted++
			case m.syn:
				closed++
			default:
				passed++
			}
		}
	})
	if counted == 0 || closed == 0 || passed == 0 {
		t.Errorf("%d counted, %d closed, %d passed: the frames do not reach all", counted, closed, passed)
	}
}

// tpids are the tags that the program skips, and one that it does not know.
var tpids = []layers.EthernetType{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300, 0x9400}

// anyFrame draws a frame, and the flow that it was of before it was damaged.
func anyFrame(t *testing.T, rt *rapid.T) ([]byte, Key) {
	port := rapid.OneOf(rapid.Uint16(), rapid.SampledFrom([]uint16{53, 443, 853, 5353, 5355, 4789, 6081, 8472}))
	sp := spec{
		six: rapid.Bool().Draw(rt, "six"), back: rapid.Bool().Draw(rt, "back"), udp: rapid.Bool().Draw(rt, "udp"),
		tags:     rapid.SliceOfN(rapid.SampledFrom(tpids), 0, 3).Draw(rt, "tags"),
		options:  rapid.IntRange(0, 3).Draw(rt, "options") == 0,
		fragment: rapid.IntRange(0, 9).Draw(rt, "fragment") == 0,
		ports:    [2]uint16{port.Draw(rt, "port"), port.Draw(rt, "port")},
		flags:    rapid.OneOf(rapid.SampledFrom([]byte{16, 24, 2}), rapid.Byte()).Draw(rt, "flags"),
		payload:  rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(rt, "payload"),
		pad:      rapid.IntRange(0, 20).Draw(rt, "pad"),
	}
	frame := build(t, sp)
	before := judge(build(t, spec{six: sp.six, udp: sp.udp, ports: sp.ports, flags: 16, payload: []byte{0}})).key
	changes := rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(rt, "changes")
	for _, at := range rapid.SliceOfN(rapid.IntRange(0, len(frame)-1), 0, changes).Draw(rt, "at") {
		frame[at] = rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 0x45, 0x60, 6, 17, 255})).Draw(rt, "byte")
	}
	if cut := rapid.IntRange(-200, len(frame)-1).Draw(rt, "cut"); cut > 0 {
		frame = frame[:cut]
	}
	return frame, before
}

// Addresses that differ in any one word, in either direction, have the order
// of the flow table.
func TestOrder(t *testing.T) {
	s := open(t, Config{Flows: 16})
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		ports := [2]uint16{uint16(r.Uint32()), uint16(r.Uint32())}
		if r.Intn(4) == 0 {
			ports[1] = ports[0]
		}
		frame := build(t, spec{six: r.Intn(2) == 0, ports: ports, flags: 16, payload: []byte("x")})
		src, n := frame[26:], 4
		if frame[12] == 0x86 {
			src, n = frame[22:], 16
		}
		copy(src[n:2*n], src[:n])
		if i := r.Intn(n + 1); i < n { // else the ports decide
			src[i], src[n+i] = byte(r.Uint32()), byte(r.Uint32())
		}
		m := judge(frame)
		be := binary.BigEndian
		var a, b Addr
		if n == 4 {
			a, b = Addr{0, 0xffff<<32 | uint64(be.Uint32(src))}, Addr{0, 0xffff<<32 | uint64(be.Uint32(src[4:]))}
		} else {
			a, b = Addr{be.Uint64(src), be.Uint64(src[8:])}, Addr{be.Uint64(src[16:]), be.Uint64(src[24:])}
		}
		k, hiLo := NewKey(a, b, be.Uint16(src[2*n:]), be.Uint16(src[2*n+2:]), 6)
		if k != m.key || hiLo != (m.dir == 1) {
			t.Fatalf("%+v %v, the model says %+v", k, hiLo, m)
		}
		agree(t, s, frame, k)
	}
}
