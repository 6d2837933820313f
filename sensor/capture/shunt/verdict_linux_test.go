package shunt

import (
	"encoding/binary"
	"errors"
	"math/rand"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
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
// model. Whatever flow the frame could be of is in the map.
func agree(t fataler, s *Shunt, frame []byte) {
	t.Helper()
	m := judge(frame)
	added := false
	if m.counts || m.syn {
		err := s.Add(m.key)
		if added = err == nil; !added && (err != ErrPasses || m.counts) {
			t.Fatal(err)
		}
	}
	before, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	kept := run(t, s, frame)
	after, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	want := Counts{Closed: m.syn && added}
	n := uint64(len(frame))
	if m.counts {
		want.Packets[m.dir], want.Bytes[m.dir] = 1, m.payload
		before.Dropped, before.DroppedBytes = before.Dropped+1, before.DroppedBytes+n
	} else {
		before.Passed, before.PassedBytes = before.Passed+1, before.PassedBytes+n
	}
	got, found := s.Remove(m.key)
	got.Last = 0
	if (kept == 0) != m.counts || kept != 0 && kept != 0xffffffff || found != added || got != want || after != before {
		t.Fatalf("% x\nkept %d, %+v, %+v\nwant %+v, %+v\nmodel %+v", frame, kept, got, after, want, before, m)
	}
}

// Every frame of the list, cut at every length: the verdict is the model's, and
// a frame that ends before its packet does always passes.
func TestCut(t *testing.T) {
	s := open(t, Config{Flows: 16})
	for _, c := range named {
		frame := build(t, c.spec)
		for n := 1; n <= len(frame); n++ {
			agree(t, s, frame[:n])
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
			frame := anyFrame(t, rt)
			agree(rt, s, frame)
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

// anyFrame draws a frame.
func anyFrame(t *testing.T, rt *rapid.T) []byte {
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
	changes := rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(rt, "changes")
	for _, at := range rapid.SliceOfN(rapid.IntRange(0, len(frame)-1), 0, changes).Draw(rt, "at") {
		frame[at] = rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 0x45, 0x60, 6, 17, 255})).Draw(rt, "byte")
	}
	if cut := rapid.IntRange(-200, len(frame)-1).Draw(rt, "cut"); cut > 0 {
		frame = frame[:cut]
	}
	return frame
}

// Addresses that differ in any one word, in either direction, have the order
// of the flow table.
func TestOrder(t *testing.T) {
	s := open(t, Config{Flows: 16})
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		frame := build(t, spec{six: r.Intn(2) == 0, ports: [2]uint16{uint16(r.Uint32()), uint16(r.Uint32())}, flags: 16, payload: []byte("x")})
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
		agree(t, s, frame)
	}
}

// A new connection closes the flow: its SYN and all that follows pass, and the
// counts wait for Remove.
func TestClose(t *testing.T) {
	s := open(t, Config{Flows: 16})
	sp := spec{ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 100)}
	data, k := build(t, sp), key(sp)
	sp.flags, sp.payload = 2, nil
	syn := build(t, sp)
	if err := s.Add(k); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		frame []byte
		kept  bool
	}{{data, false}, {data, false}, {syn, true}, {data, true}, {data, true}}
	for i, step := range steps {
		if kept := run(t, s, step.frame) != 0; kept != step.kept {
			t.Errorf("step %d: kept %v", i, kept)
		}
	}
	if err := s.Add(k); err != ErrExists {
		t.Errorf("added over a closed flow: %v", err)
	}
	if c, ok := s.Remove(k); !ok || !c.Closed || c.Packets != [2]uint64{2} || c.Bytes != [2]uint64{200} {
		t.Errorf("%+v, %v", c, ok)
	}
	if _, ok := s.Remove(k); ok {
		t.Error("removed twice")
	}
	if err := s.Add(k); err != nil || run(t, s, data) != 0 {
		t.Errorf("not counted again: %v", err)
	}
}

// After a silence longer than idle the next packet passes and closes the flow.
// The slot's clock is put back instead of waiting.
func TestIdle(t *testing.T) {
	for _, udp := range []bool{false, true} {
		s := open(t, Config{Flows: 16, Idle: time.Hour, IdleUDP: time.Minute})
		sp := spec{udp: udp, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 100)}
		frame, k := build(t, sp), key(sp)
		if err := s.Add(k); err != nil {
			t.Fatal(err)
		}
		limit := time.Hour
		if udp {
			limit = time.Minute
		}
		ago := func(d time.Duration) {
			c, _ := s.Take(k)
			var b [8]byte
			binary.NativeEndian.PutUint64(b[:], uint64(c.Last-int64(d)))
			slot, _ := s.find(k)
			if _, err := s.mem.WriteAt(b[:], int64(slot)*slotSize+slotLast); err != nil {
				t.Fatal(err)
			}
		}
		added, _ := s.Take(k)
		ago(limit - 30*time.Second)
		if run(t, s, frame) != 0 {
			t.Fatal("passed before the limit")
		}
		c, _ := s.Take(k)
		if c.Closed || c.Last < added.Last || c.Packets[0] != 1 {
			t.Fatalf("%+v after %+v", c, added)
		}
		ago(limit + time.Second)
		for range 2 {
			if run(t, s, frame) == 0 {
				t.Error("counted after the limit")
			}
		}
		if c, _ = s.Take(k); !c.Closed || c.Packets[0] != 1 {
			t.Errorf("%+v", c)
		}
	}
}

// A full map refuses and counts that; a slot that comes free is used again, empty.
func TestFull(t *testing.T) {
	s := open(t, Config{Flows: 3})
	sp := spec{ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 100)}
	at := func(i int) (Key, []byte) {
		sp.ports[0] = uint16(40000 + i)
		return key(sp), build(t, sp)
	}
	for i := range 5000 { // every slot several times
		k, frame := at(i)
		err := s.Add(k)
		if i < 3 && err != nil || i >= 3 && err != ErrFull {
			t.Fatalf("%d: %v", i, err)
		}
		if i < 3 {
			continue
		}
		if run(t, s, frame) == 0 {
			t.Fatal("a refused flow is not counted anywhere")
		}
		old, oldFrame := at(i - 3)
		if run(t, s, oldFrame) != 0 {
			t.Fatal("an older flow passed")
		}
		if c, ok := s.Remove(old); !ok || c.Packets != [2]uint64{1} {
			t.Fatalf("%d: %+v, %v", i, c, ok)
		}
		if err := s.Add(k); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := s.Stats(); err != nil || st.Refused != 4997 || st.Flows != 3 {
		t.Errorf("%+v, %v", st, err)
	}
}

// The clock of Counts.Last becomes wall-clock time with WallOffset.
func TestWallClock(t *testing.T) {
	s := open(t, Config{Flows: 3})
	sp := spec{ports: [2]uint16{40000, 443}, flags: 16}
	if err := s.Add(key(sp)); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	run(t, s, build(t, sp))
	after := time.Now()
	offset, err := WallOffset()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := s.Take(key(sp))
	const slack = int64(50 * time.Millisecond) // of a clock that is being slewed, on a busy machine
	if at := c.Last + offset; at < before.UnixNano()-slack || at > after.UnixNano()+slack {
		t.Errorf("%v is not between %v and %v", time.Unix(0, at), before, after)
	}
}

// The verifier takes the program, and what it refuses is said with its log.
func TestVerifier(t *testing.T) {
	s := open(t, Config{})
	info, err := s.prog.Info()
	if err != nil {
		t.Fatal(err)
	}
	insns, err := info.Instructions()
	if err != nil {
		t.Fatal(err)
	}
	verified, _ := info.VerifiedInstructions()
	t.Logf("%d instructions, %d looked at by the verifier", len(insns), verified)
	spec := ebpf.ProgramSpec{Type: ebpf.SocketFilter, Instructions: lookUp(mapFDs{s.flows.FD(), s.slots.FD(), s.stats.FD()}, 1, 1), License: "Apache-2.0"}
	spec.Instructions = append(spec.Instructions, verdict(s.stats.FD())...)
	_, err = ebpf.NewProgram(&spec) // it looks up a key that was never written
	err = explain(err)
	var refused *ebpf.VerifierError
	if !errors.Is(err, ErrKernel) || !errors.As(err, &refused) || len(refused.Log) == 0 {
		t.Errorf("%+v", err)
	}
	if err := explain(unix.EPERM); !errors.Is(err, ErrRights) {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{Flows: -1}, {Flows: maxFlows + 1}, {Idle: -1}, {IdleUDP: -1}} {
		if s, err := Load(cfg); err == nil {
			s.Close()
			t.Errorf("%+v was taken", cfg)
		}
	}
}
