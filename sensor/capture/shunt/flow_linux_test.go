package shunt

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// UDP of the ports that always pass does so even if its flow were in the map,
// where Add does not put it.
func TestPorts(t *testing.T) {
	s := open(t, Config{Flows: 4, IdleUDP: 1 << 62}) // the slot below has no time
	slot := uint32(4)
	for _, port := range passPorts {
		for _, back := range []bool{false, true} {
			sp := spec{udp: true, back: back, ports: [2]uint16{port, 50000}, payload: make([]byte, 20)}
			k := key(sp)
			if err := s.Add(k); err != ErrPasses {
				t.Errorf("%d: %v", port, err)
			}
			var b [keySize]byte
			k.put(&b)
			if err := s.flows.Put(&b, slot); err != nil {
				t.Fatal(err)
			}
			if run(t, s, build(t, sp)) == 0 || s.read(slot).Packets != [2]uint64{} {
				t.Errorf("port %d, back %v: counted", port, back)
			}
			if err := s.flows.Delete(&b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Every header byte of the list's frames, set to what lengths and versions get wrong.
func TestDamaged(t *testing.T) {
	s := open(t, Config{Flows: 16})
	for _, c := range named {
		if c.counted < 0 {
			continue // it passes as it is
		}
		good := build(t, c.spec)
		for at := 12; at < min(len(good), 85); at++ {
			for _, v := range []byte{0, 8, 0x20, 0x44, 0x4f, 0x60, 0x65, 0xb0, 0xff, good[at] - 1, good[at] + 1} {
				frame := slices.Clone(good)
				frame[at] = v
				agree(t, s, frame, key(c.spec))
			}
		}
	}
}

// An IPv4 header that says it is shorter than its addresses does not make ports
// of an address.
func TestShortHeader(t *testing.T) {
	s := open(t, Config{Flows: 4})
	frame := build(t, spec{ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 100)})
	frame[14] = 0x44
	frame[14+20+8], frame[14+20+9] = 0x50, 16 // where the TCP header would have its length and flags
	agree(t, s, frame, key(spec{ports: [2]uint16{0xc000, 0x02c8}}))
}

// A packet that is counted after its flow was removed is known, and stays
// known when its slot is used again.
func TestLate(t *testing.T) {
	s := open(t, Config{Flows: 4})
	k := key(spec{ports: [2]uint16{40000, 443}})
	if err := s.Add(k); err != nil {
		t.Fatal(err)
	}
	slot, _ := s.find(k)
	s.Remove(k)
	if !s.write(slot, slotPackets+8, []byte{0: 2, 7: 0}) {
		t.Fatal("not written")
	}
	want := s.read(slot).Packets[1]
	for range 3 * spare {
		if st, err := s.Stats(); err != nil || st.Late != want || want == 0 {
			t.Fatalf("%+v, %v, want %d", st, err, want)
		}
		if err := s.Add(k); err != nil {
			t.Fatal(err)
		}
		s.Remove(k)
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
	spec.Instructions = append(spec.Instructions, verdict(s.stats.FD(), asm.Mov.Imm32(asm.R0, -1))...)
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
