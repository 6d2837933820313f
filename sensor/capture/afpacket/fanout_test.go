//go:build linux

package afpacket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// onlyIPv4 is a filter.
func onlyIPv4(t testing.TB) []bpf.RawInstruction {
	t.Helper()
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x800, SkipFalse: 1},
		bpf.RetConstant{Val: 1<<32 - 1},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// fanned is a frame and the ring that it came from.
type fanned struct {
	ring int
	data []byte
}

// drainAll reads the rings in turn until at least n frames came and then none for a while.
func drainAll(t testing.TB, rings []*Ring, n int) (all []fanned) {
	t.Helper()
	batch := make([]capture.Frame, 64)
	quiet := 0
	for end := time.Now().Add(patient); len(all) < n || quiet < 3*len(rings); {
		for i, r := range rings {
			k, err := r.ReadBatch(batch)
			if err != nil {
				t.Fatal(err)
			}
			if quiet++; k > 0 {
				quiet = 0
			}
			for _, f := range batch[:k] {
				all = append(all, fanned{i, bytes.Clone(f.Data)})
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%d frames, want %d", len(all), n)
		}
	}
	return all
}

// All that two hosts say to each other, fragments too, is on one ring; no frame
// is on both, and none on neither.
func TestFanout(t *testing.T) {
	namespace(t)
	var rings []*Ring
	for i := range 2 {
		rings = append(rings, open(t, Config{Rings: 2, Index: i, Group: 42}))
	}
	s := newSender(t, "peer", false)
	const flows = 100
	want := map[string]int{}
	send := func(f []byte) {
		s.send(t, f)
		want[string(f)]++
	}
	for i := range flows {
		host := byte(10 + i) // each flow has addresses of its own, and ports
		out := udp(host, 2, uint16(1000+i), 443, fmt.Sprint("request ", i))
		back := udp(2, host, 443, uint16(1000+i), fmt.Sprint("answer ", i))
		send(out)
		send(back)
		send(append(bytes.Clone(out[:12]), append([]byte{0x81, 0, 0, 5}, out[12:]...)...))
		// In fragments: the whole comes, as DEFRAG says.
		whole := udp(host, 2, uint16(1000+i), 443, fmt.Sprintf("%01600d", i))
		binary.BigEndian.PutUint16(whole[18:], uint16(i+1))
		for _, f := range fragments(whole, 800) {
			s.send(t, f)
		}
	}
	all := drainAll(t, rings, 4*flows)
	if len(all) != 4*flows {
		t.Errorf("%d frames, want %d", len(all), 4*flows)
	}
	home, seen := map[uint16]int{}, [2]int{}
	for _, f := range all {
		ip := f.data[14:]
		if f.data[12] == 0x81 {
			ip = f.data[18:]
		}
		port := binary.BigEndian.Uint16(ip[20:])
		if port == 443 {
			port = binary.BigEndian.Uint16(ip[22:])
		}
		if r, ok := home[port]; ok && r != f.ring {
			t.Errorf("flow %d is on both rings", port)
		}
		home[port] = f.ring
		seen[f.ring]++
		if len(ip) < 1600 {
			want[string(f.data)]--
		}
	}
	for f, n := range want {
		if n != 0 {
			t.Errorf("%d too few of % x", n, f)
		}
	}
	if len(home) != flows || seen[0] < flows/2 || seen[1] < flows/2 {
		t.Errorf("%d flows, %d frames on one ring and %d on the other", len(home), seen[0], seen[1])
	}
}

// fragments cuts an Ethernet frame with an IPv4 datagram.
func fragments(f []byte, size int) (out [][]byte) {
	payload := f[34:]
	for at := 0; at < len(payload); at += size {
		end := min(at+size, len(payload))
		part := append(bytes.Clone(f[:34]), payload[at:end]...)
		flags := uint16(at / 8)
		if end < len(payload) {
			flags |= 0x2000
		}
		binary.BigEndian.PutUint16(part[16:], uint16(20+end-at))
		binary.BigEndian.PutUint16(part[20:], flags)
		part[24], part[25] = 0, 0
		sum := uint32(0)
		for i := 14; i < 34; i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
		binary.BigEndian.PutUint16(part[24:], ^uint16(sum+sum>>16))
		out = append(out, part)
	}
	return out
}
