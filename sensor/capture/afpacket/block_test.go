//go:build linux

package afpacket

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// slot is a frame as the kernel writes it into a block.
type slot struct {
	data        []byte
	wire        uint32
	sec, nsec   uint32
	status      uint32
	tci         uint16
	tpid        uint16
	mac, caught int // other than what is right
}

// synthetic is a block with frames, laid out as tpacket_rcv does.
func synthetic(slots ...slot) []byte {
	mem := make([]byte, blockSize)
	ne := binary.NativeEndian
	ne.PutUint32(mem[blockStatus:], unix.TP_STATUS_USER)
	ne.PutUint32(mem[blockFrames:], uint32(len(slots)))
	ne.PutUint32(mem[blockFirst:], blockHeader)
	pos := blockHeader
	for i, s := range slots {
		const mac = 86 // header, sockaddr_ll, reserve, aligned
		h := mem[pos:]
		size := (mac + len(s.data) + 7) &^ 7
		if i < len(slots)-1 {
			ne.PutUint32(h[frameNext:], uint32(size))
		}
		ne.PutUint32(h[frameSec:], s.sec)
		ne.PutUint32(h[frameNsec:], s.nsec)
		ne.PutUint32(h[frameCaught:], uint32(len(s.data)+s.caught))
		ne.PutUint32(h[frameWire:], max(s.wire, uint32(len(s.data))))
		ne.PutUint32(h[frameStatus:], s.status)
		ne.PutUint16(h[frameMAC:], uint16(mac+s.mac))
		ne.PutUint32(h[frameVLAN:], uint32(s.tci))
		ne.PutUint16(h[frameTPID:], s.tpid)
		copy(h[mac:], s.data)
		pos += size
	}
	ne.PutUint32(mem[blockLength:], uint32(pos))
	return mem
}

// readAll walks a block, size frames at a time.
func readAll(mem []byte, size int) (frames []capture.Frame, b block) {
	l := lane{link: linkEthernet, file: 3}
	b.open(mem)
	batch := make([]capture.Frame, size)
	for b.left > 0 {
		n := b.read(batch, &l)
		frames = append(frames, batch[:n]...)
		if n == 0 {
			break
		}
	}
	return frames, b
}

func ethernet(tags []byte, payload string) []byte {
	b := []byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02")
	b = append(b, tags...)
	return append(append(b, 0x88, 0xb5), payload...)
}

func TestBlock(t *testing.T) {
	const valid, tpid = unix.TP_STATUS_VLAN_VALID, unix.TP_STATUS_VLAN_TPID_VALID
	plain := ethernet(nil, "payload")
	slots := []slot{
		{data: plain, sec: 1700000000, nsec: 123456789},
		{data: plain, status: valid | tpid, tci: 0x6005, tpid: 0x88a8},
		{data: plain, status: valid, tci: 7},
		{data: plain, tci: 7, tpid: 0x8100}, // not valid: no tag
		{data: plain[:12], wire: 1500, status: valid, tci: 7},
		{data: plain[:11], wire: 1500, status: valid, tci: 7}, // no place for a tag
		{data: nil, wire: 60},
		{data: plain, sec: 1<<32 - 1, nsec: 1<<32 - 1},
	}
	want := [][]byte{
		plain,
		ethernet([]byte{0x88, 0xa8, 0x60, 0x05}, "payload"),
		ethernet([]byte{0x81, 0x00, 0, 7}, "payload"),
		plain,
		ethernet([]byte{0x81, 0x00, 0, 7}, "")[:16],
		plain[:11],
		nil,
		plain,
	}
	wire := []uint32{21, 25, 25, 21, 1504, 1500, 60, 21}
	for size := 1; size <= len(slots)+1; size++ {
		frames, b := readAll(synthetic(slots...), size)
		if len(frames) != len(slots) || b.damaged != 0 {
			t.Fatalf("%d frames at a time: %d frames, %d damaged", size, len(frames), b.damaged)
		}
		for i, f := range frames {
			if !bytes.Equal(f.Data, want[i]) || f.WireLen != wire[i] {
				t.Errorf("frame %d: % x (%d on the wire), want % x (%d)", i, f.Data, f.WireLen, want[i], wire[i])
			}
			if f.Number != uint64(i+1) || f.Link != linkEthernet || f.File != 3 || cap(f.Data) != len(f.Data) {
				t.Errorf("frame %d: %+v", i, f)
			}
			if at := int64(slots[i].sec)*1e9 + int64(slots[i].nsec); f.Time != at {
				t.Errorf("frame %d: time %d, want %d", i, f.Time, at)
			}
		}
	}
}

// A header that contradicts itself ends its block; frames before it are whole,
// and those from it on are counted.
func TestBlockDamage(t *testing.T) {
	good := slot{data: ethernet(nil, "payload")}
	ne := binary.NativeEndian
	second := blockHeader + int(ne.Uint32(synthetic(good, good)[blockHeader:]))
	for _, c := range []struct {
		name   string
		change func([]byte)
		whole  int
		lost   uint64
	}{
		{"nothing", func([]byte) {}, 3, 0},
		{"length beyond the block", func(m []byte) { ne.PutUint32(m[blockLength:], 1<<32-1) }, 3, 0},
		{"length within the header", func(m []byte) { ne.PutUint32(m[blockLength:], 8) }, 0, 3},
		{"length within the second frame", func(m []byte) { ne.PutUint32(m[blockLength:], uint32(second)+90) }, 1, 2},
		{"first beyond the block", func(m []byte) { ne.PutUint32(m[blockFirst:], 1<<32-1) }, 0, 3},
		{"data beyond the block", func(m []byte) { ne.PutUint32(m[second+frameCaught:], blockSize) }, 1, 2},
		{"data of 4 GiB", func(m []byte) { ne.PutUint32(m[second+frameCaught:], 1<<32-1) }, 1, 2},
		{"data within the header", func(m []byte) { ne.PutUint16(m[second+frameMAC:], 47) }, 1, 2},
		{"data far off", func(m []byte) { ne.PutUint16(m[second+frameMAC:], 1<<16-1) }, 1, 2},
		{"next is itself", func(m []byte) { ne.PutUint32(m[second+frameNext:], 0) }, 1, 2},
		{"next is far off", func(m []byte) { ne.PutUint32(m[second+frameNext:], 1<<32-1) }, 2, 1},
		{"no frames", func(m []byte) { ne.PutUint32(m[blockFrames:], 0) }, 0, 0},
	} {
		mem := synthetic(good, good, good)
		c.change(mem)
		frames, b := readAll(mem, 2)
		if len(frames) != c.whole || b.damaged != c.lost {
			t.Errorf("%s: %d frames and %d lost, want %d and %d", c.name, len(frames), b.damaged, c.whole, c.lost)
		}
	}
	mem := synthetic(good)
	ne.PutUint32(mem[blockFrames:], 1<<32-1) // a count that no block can have
	if frames, b := readAll(mem, 2); len(frames) != 0 || b.damaged != 1<<32-1 {
		t.Errorf("%d frames, %d lost", len(frames), b.damaged)
	}
}

// FuzzBlock demands that every frame lies in the block, after a header, and that each of
// the block's frames is delivered or counted.
func FuzzBlock(f *testing.F) {
	vlan := slot{data: ethernet(nil, "payload"), status: unix.TP_STATUS_VLAN_VALID, tci: 5}
	f.Add(synthetic(vlan, slot{data: ethernet(nil, "x")})[:512])
	f.Add(synthetic()[:blockHeader])
	f.Fuzz(func(t *testing.T, in []byte) {
		mem := make([]byte, max(len(in), blockHeader))
		copy(mem, in)
		claimed := uint64(binary.NativeEndian.Uint32(mem[blockFrames:]))
		frames, b := readAll(mem, 16)
		if got := uint64(len(frames)) + b.damaged; got != claimed {
			t.Fatalf("%d frames were claimed, %d delivered or counted", claimed, got)
		}
		for _, fr := range frames {
			if len(fr.Data) > len(mem)-frameHeader+vlanTag || len(fr.Data) != cap(fr.Data) {
				t.Fatalf("a frame of %d bytes in a block of %d", len(fr.Data), len(mem))
			}
		}
	})
}

func TestBlockAllocations(t *testing.T) {
	mem := synthetic(slot{data: ethernet(nil, "payload")}, slot{data: ethernet(nil, "payload"), status: unix.TP_STATUS_VLAN_VALID})
	var b block
	l, frames := lane{link: linkEthernet}, make([]capture.Frame, 4)
	if n := testing.AllocsPerRun(100, func() {
		b.open(mem)
		b.read(frames, &l)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkBlock walks a block that is in the cache: ns/frame is the walker's
// own cost.
func BenchmarkBlock(b *testing.B) {
	for _, c := range []struct {
		name   string
		status uint32
	}{{"plain", 0}, {"vlan", unix.TP_STATUS_VLAN_VALID}} {
		b.Run(c.name, func(b *testing.B) {
			slots := make([]slot, 256)
			for i := range slots {
				slots[i] = slot{data: ethernet(nil, string(make([]byte, 500))), status: c.status}
			}
			mem := synthetic(slots...)
			var bl block
			l, frames := lane{link: linkEthernet}, make([]capture.Frame, 128)
			b.ReportAllocs()
			for b.Loop() {
				bl.open(mem)
				for bl.left > 0 {
					bl.read(frames, &l)
				}
			}
			if bl.damaged != 0 {
				b.Fatal("damaged")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/frame")
		})
	}
}
