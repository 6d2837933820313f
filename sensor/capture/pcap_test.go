package capture

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

func TestPcapVariants(t *testing.T) {
	const sec, frac = 1700000000, 123456
	micro, nano := int64(sec*1e9+frac*1000), int64(sec*1e9+frac)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, v := range []struct {
			name    string
			magic   uint32
			extra   int
			snap    uint32
			network uint32
			link    uint32
			time    int64
		}{
			{"microseconds", magicMicro, 0, 65535, 1, 1, micro},
			{"nanoseconds", magicNano, 0, 65535, 1, 1, nano},
			{"modified", magicModified, 8, 65535, 1, 1, micro},
			{"ixia hardware", magicIxiaHW, 0, 65535, 1, 1, nano},
			{"ixia software", magicIxiaSW, 0, 65535, 1, 1, micro},
			{"snaplen 0", magicMicro, 0, 0, 276, 276, micro},
			{"captured more than snaplen", magicMicro, 0, 5, 113, 113, micro},
			{"frame check sequence", magicMicro, 0, 65535, 0x24000001, 1, micro},
			{"reserved bits", magicMicro, 0, 65535, 0x00030065, 101, micro},
		} {
			t.Run(v.name+" "+order.String(), func(t *testing.T) {
				c := pcapFile(order, v.magic, 4, v.snap, v.network)
				for _, n := range []int{60, 0, 1, 17, 300} {
					c.packet(sec, frac, payload(n), uint32(n+3), v.extra, v.link, v.time)
				}
				c.check(t)
			})
		}
	}
}

// TestPcapOldVersions: before 2.3 the two lengths stood the other way round,
// and in 2.3 they stand either way.
func TestPcapOldVersions(t *testing.T) {
	for _, minor := range []uint16{2, 3} {
		c := pcapFile(binary.LittleEndian, magicMicro, minor, 65535, 1)
		c.u32(1, 0, 100, 60)
		c.data = append(c.data, payload(60)...)
		c.want(Frame{Data: payload(60), Time: 1e9, WireLen: 100, Link: 1})
		c.mark()
		c.check(t)
	}
	c := pcapFile(binary.LittleEndian, magicMicro, 3, 65535, 1)
	c.packet(1, 0, payload(60), 100, 0, 1, 1e9)
	c.check(t)
}

func TestPcapTimes(t *testing.T) {
	c := pcapFile(binary.LittleEndian, magicMicro, 4, 65535, 1)
	c.packet(math.MaxUint32, math.MaxUint32, nil, 0, 0, 1, math.MaxUint32*1e9+math.MaxUint32*1e3)
	c.packet(0, 1_000_000, nil, 0, 0, 1, 1e9)
	c.check(t)
}

// TestPcapDamage: the file ends at the damaged record, and says so.
func TestPcapDamage(t *testing.T) {
	c := pcapFile(binary.LittleEndian, magicMicro, 4, 65535, 1)
	c.packet(1, 0, payload(60), 60, 0, 1, 1e9)
	c.packet(1, 0, payload(MaxFrame), MaxFrame, 0, 1, 1e9)
	at := len(c.data)
	c.u32(1, 0, MaxFrame+1, 60)
	c.data = append(c.data, payload(MaxFrame+100)...)
	got, damage := readStream(t, bytes.NewReader(c.data), 8)
	same(t, got, c.frames)
	if damage == nil || damage.Truncated || damage.Offset != int64(at) || !strings.Contains(damage.Error(), "262145 captured bytes") {
		t.Errorf("damage %v, want it at %d", damage, at)
	}

	old := pcapFile(binary.LittleEndian, magicMicro, 4, 65535, 1)
	old.data[4] = 1
	if _, damage := readStream(t, bytes.NewReader(old.data), 8); damage == nil || damage.Truncated || damage.Offset != 0 {
		t.Errorf("version 1: %v", damage)
	}
}

// TestPcapLongFrame: a link type whose frames may be longer than MaxFrame is
// read on, with those frames cut.
func TestPcapLongFrame(t *testing.T) {
	const dbus = 231
	c := pcapFile(binary.LittleEndian, magicMicro, 4, 0, dbus)
	c.packet(1, 0, payload(60), 60, 0, dbus, 1e9)
	c.packet(1, 0, payload(3*MaxFrame), 3*MaxFrame, 0, dbus, 1e9)
	c.packet(1, 0, payload(60), 60, 0, dbus, 1e9)
	c.frames[1].Data = c.frames[1].Data[:MaxFrame]
	got, damage := readStream(t, bytes.NewReader(c.data), 8)
	if damage != nil {
		t.Error(damage)
	}
	same(t, got, c.frames)

	cut := c.marks[2].offset - 5
	got, damage = readStream(t, bytes.NewReader(c.data[:cut]), 8)
	same(t, got, c.frames[:2])
	if damage == nil || !damage.Truncated || damage.Offset != int64(c.marks[1].offset) {
		t.Errorf("cut inside the long frame: %v, want it at %d", damage, c.marks[1].offset)
	}
}

// TestPcapgo compares with gopacket's reader, over gopacket's writer.
func TestPcapgo(t *testing.T) {
	var file bytes.Buffer
	w := pcapgo.NewWriterNanos(&file)
	w.WriteFileHeader(65535, layers.LinkTypeEthernet)
	for i := range 2000 {
		data := payload(i % 1500)
		w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), int64(i*999)), CaptureLength: len(data), Length: len(data) + i%3}, data)
	}
	oracle, err := pcapgo.NewReader(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var want []Frame
	for {
		data, ci, err := oracle.ReadPacketData()
		if err != nil {
			break
		}
		want = append(want, Frame{Data: data, Time: ci.Timestamp.UnixNano(), Number: uint64(len(want) + 1), WireLen: uint32(ci.Length), Link: uint32(oracle.LinkType())})
	}
	if len(want) != 2000 {
		t.Fatalf("the oracle read %d packets", len(want))
	}
	got, damage := readStream(t, bytes.NewReader(file.Bytes()), 100)
	if damage != nil {
		t.Error(damage)
	}
	same(t, got, want)
}
