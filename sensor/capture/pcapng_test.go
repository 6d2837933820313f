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

var (
	littleEndian binary.AppendByteOrder = binary.LittleEndian
	bigEndian    binary.AppendByteOrder = binary.BigEndian
)

// TestPcapng reads a file of every kind of block, cut at every length.
func TestPcapng(t *testing.T) {
	allBlocks(littleEndian, bigEndian).check(t)
	allBlocks(bigEndian, littleEndian).check(t)
}

// allBlocks is a file of two sections with every kind of block.
func allBlocks(first, second binary.AppendByteOrder) *capfile {
	c := &capfile{}
	c.section(first)
	c.iface(1, 100)
	c.iface(276, 0, c.option(2, []byte("eth0")), c.option(optTimeResolution, []byte{9}), c.option(optTimeOffset, c.body(uint64(1000))), c.option(0, nil))
	c.enhanced(0, 1700000000_000001, payload(61), 99, nil, Frame{Time: 1700000000_000001_000, Link: 1})
	c.enhanced(1, 1700000000_000000001, payload(3), 3, c.option(1, []byte("a comment")), Frame{Time: 1700001000_000000001, Link: 276})
	c.block(4, c.body(uint16(0), uint16(0))) // name resolution
	c.block(5, c.body(uint32(0), uint32(0), uint32(0)))
	c.block(10, c.body(uint32(0x544c534b), uint32(2), []byte{1, 2, 0, 0})) // secrets
	c.block(0x80001234, []byte("unknown"))
	// Simple packets have the snap length of interface 0 and no time.
	c.want(Frame{Data: payload(60), WireLen: 60, Time: 1700001000_000000001, Link: 1})
	c.block(blockSimplePacket, c.body(uint32(60), payload(60)))
	c.want(Frame{Data: payload(100), WireLen: 1500, Time: 1700001000_000000001, Link: 1})
	c.block(blockSimplePacket, c.body(uint32(1500), payload(100)))
	c.want(Frame{Data: payload(5), WireLen: 6, Time: math.MaxInt64, Link: 276})
	c.block(blockPacket, c.body(uint16(1), uint16(7), uint32(0xfffffff0), uint32(0), uint32(5), uint32(6), payload(5)))

	c.section(second)
	c.iface(101, 0)
	c.want(Frame{Data: payload(9), WireLen: 9, Link: 101}) // no time in this section yet
	c.block(blockSimplePacket, c.body(uint32(9), payload(9)))
	c.enhanced(0, 7, payload(8), 8, nil, Frame{Time: 7000, Link: 101})
	// No packets, but tshark's numbers count them.
	c.block(blockCustom, c.body(uint32(32473), "data"))
	c.block(blockCustomNoCopy, c.body(uint32(32473)))
	c.block(blockJournal, []byte("__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=hi\n"))
	c.block(blockSysdigEvent, make([]byte, 40))
	c.enhanced(0, 8, payload(8), 8, nil, Frame{Time: 8000, Link: 101, Number: 12})
	return c
}

// TestPcapngUnpadded: some writers leave the padding out of a block's length.
func TestPcapngUnpadded(t *testing.T) {
	c := &capfile{}
	c.section(littleEndian)
	c.iface(1, 0)
	c.enhanced(0, 1, payload(61), 61, nil, Frame{Time: 1000, Link: 1})
	start := c.marks[1].offset
	littleEndian.(binary.ByteOrder).PutUint32(c.data[start+4:], 12+20+61)
	littleEndian.(binary.ByteOrder).PutUint32(c.data[len(c.data)-4:], 12+20+61)
	c.enhanced(0, 2, payload(4), 4, nil, Frame{Time: 2000, Link: 1})
	c.check(t)
}

// TestPcapngDamage: the file ends at the damaged block; tshark, too, does not
// give out a packet whose block says two lengths.
func TestPcapngDamage(t *testing.T) {
	put := littleEndian.(binary.ByteOrder).PutUint32
	for _, tc := range []struct {
		name   string
		break_ func(block []byte)
		reason string
	}{
		{"trailer", func(b []byte) { put(b[len(b)-4:], 16) }, "says 16 at its end"},
		{"length 8", func(b []byte) { put(b[4:], 8) }, "fewer than its own frame of 12"},
		{"length 28", func(b []byte) { put(b[4:], 28) }, "32 are the fewest"},
		{"length 13, which is 16 with its padding", func(b []byte) { put(b[4:], 13) }, "a packet block of 13 bytes"},
		{"length 89", func(b []byte) { put(b[4:], 89); put(b[20:], 61) }, "61 captured bytes in a block of 89"},
		{"captured beyond the block", func(b []byte) { put(b[20:], 61) }, "61 captured bytes in a block of 92"},
		{"captured 2 GB", func(b []byte) { put(b[20:], 1<<31) }, "more than the 262144 that link type 1 can have"},
		{"interface", func(b []byte) { put(b[8:], 1) }, "a packet of interface 1 in a section that described 1"},
		{"interface, negative", func(b []byte) { put(b[8:], math.MaxUint32) }, "a packet of interface 4294967295"},
		{"section's byte order", func(b []byte) { put(b, blockSection) }, "byte-order magic"},
		{"section's length", func(b []byte) { put(b, blockSection); put(b[4:], 16); put(b[8:], byteOrderMagic) }, "28 are the fewest"},
		{"section's version", func(b []byte) { put(b, blockSection); put(b[8:], byteOrderMagic); put(b[12:], 2) }, "version 2.0"},
		{"interface block's length", func(b []byte) { put(b, blockInterface); put(b[4:], 16) }, "20 to"},
		{"unknown block's trailer", func(b []byte) { put(b, 77); put(b[len(b)-4:], 16) }, "says 16 at its end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &capfile{}
			c.section(littleEndian)
			c.iface(1, 0)
			c.enhanced(0, 1, payload(60), 60, nil, Frame{Time: 1000, Link: 1})
			at := len(c.data)
			c.enhanced(0, 1, payload(60), 60, nil, Frame{Time: 1000, Link: 1})
			tc.break_(c.data[at:])
			c.enhanced(0, 1, payload(60), 60, nil, Frame{Time: 1000, Link: 1})
			got, damage := readStream(t, bytes.NewReader(c.data), 8)
			same(t, got, c.frames[:1])
			if damage == nil || damage.Truncated || damage.Offset != int64(at) || !strings.Contains(damage.Reason, tc.reason) {
				t.Errorf("damage %v, want it at %d: %s", damage, at, tc.reason)
			}
		})
	}
}

// TestPcapngLongBlocks: blocks that are longer than maxRecord are passed over,
// and a packet in one is delivered.
func TestPcapngLongBlocks(t *testing.T) {
	const dbus = 231
	c := &capfile{}
	c.section(bigEndian)
	c.iface(dbus, 0)
	c.block(77, payload(5*maxRecord))
	c.enhanced(0, 1, payload(60), 60, nil, Frame{Time: 1000, Link: dbus})
	var options []byte
	for range 10 {
		options = append(options, c.option(1, payload(math.MaxUint16))...)
	}
	c.enhanced(0, 2, payload(61), 61, options, Frame{Time: 2000, Link: dbus})
	c.enhanced(0, 3, payload(MaxFrame+5), MaxFrame+5, nil, Frame{Time: 3000, Link: dbus})
	c.enhanced(0, 4, payload(3*MaxFrame), 3*MaxFrame, nil, Frame{Time: 4000, Link: dbus})
	c.frames[2].Data, c.frames[3].Data = c.frames[2].Data[:MaxFrame], c.frames[3].Data[:MaxFrame]
	c.enhanced(0, 5, payload(1), 1, nil, Frame{Time: 5000, Link: dbus})
	got, damage := readStream(t, bytes.NewReader(c.data), 8)
	if damage != nil {
		t.Error(damage)
	}
	same(t, got, c.frames)

	// The end of a long block, cut and damaged.
	end := c.marks[2].offset
	for _, cut := range []int{end - 1, end - 4, end - 5, end - 2*maxRecord} {
		_, damage := readStream(t, bytes.NewReader(c.data[:cut]), 8)
		if damage == nil || !damage.Truncated || damage.Offset != int64(c.marks[1].offset) {
			t.Errorf("cut %d before the end of a long block: %v", end-cut, damage)
		}
	}
	c.data[end-1]++
	c.data[end-2]++
	_, damage = readStream(t, bytes.NewReader(c.data), 8)
	if damage == nil || damage.Truncated || damage.Offset != int64(c.marks[1].offset) {
		t.Errorf("another length at the end of a long block: %v", damage)
	}
}

// TestPcapngOptions: a list of options that contradicts itself leaves what it
// said before, or the defaults.
func TestPcapngOptions(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options []byte
		time    int64
	}{
		{"none", nil, 5000},
		{"longer than the block", []byte{9, 0, 200, 0, 9, 0, 0, 0}, 5000},
		{"after a good one", []byte{9, 0, 1, 0, 9, 0, 0, 0, 14, 0, 8, 0, 1, 0, 0, 0}, 5},
		{"after the end", []byte{0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0}, 5000},
		{"wrong length", []byte{9, 0, 2, 0, 9, 9, 0, 0}, 5000},
		{"not padded", []byte{9, 0, 1, 0, 9}, 5},
	} {
		c := &capfile{}
		c.section(littleEndian)
		c.iface(1, 0, tc.options)
		c.enhanced(0, 5, nil, 0, nil, Frame{Time: tc.time, Link: 1})
		got, damage := readStream(t, bytes.NewReader(c.data), 8)
		if damage != nil {
			t.Errorf("%s: %v", tc.name, damage)
		}
		same(t, got, c.frames)
	}
}

func TestPcapngTooManyInterfaces(t *testing.T) {
	c := &capfile{}
	c.section(littleEndian)
	c.iface(1, 0)
	one := bytes.Clone(c.data[c.marks[0].offset:])
	data := append(c.data, bytes.Repeat(one, maxInterfaces)...)
	_, damage := readStream(t, bytes.NewReader(data), 8)
	if want := int64(c.marks[0].offset + maxInterfaces*len(one)); damage == nil || damage.Truncated || damage.Offset != want {
		t.Errorf("damage %v, want it at %d", damage, want)
	}
}

// TestNgWriter compares with gopacket's reader, over gopacket's writer.
func TestNgWriter(t *testing.T) {
	var file bytes.Buffer
	w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := w.AddInterface(pcapgo.NgInterface{Name: "tun0", LinkType: layers.LinkTypeRaw, TimestampResolution: 9})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		data := payload(i % 1500)
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), int64(i*999)), CaptureLength: len(data), Length: len(data) + i%3, InterfaceIndex: (i % 2) * raw}
		if err := w.WritePacket(ci, data); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	oracle, err := pcapgo.NewNgReader(bytes.NewReader(file.Bytes()), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	var want []Frame
	for {
		data, ci, err := oracle.ReadPacketData()
		if err != nil {
			break
		}
		link := ci.AncillaryData[0].(layers.LinkType)
		want = append(want, Frame{Data: data, Time: ci.Timestamp.UnixNano(), Number: uint64(len(want) + 1), WireLen: uint32(ci.Length), Link: uint32(link)})
	}
	if len(want) != 2000 || want[0].Link == want[1].Link {
		t.Fatalf("the oracle read %d packets", len(want))
	}
	got, damage := readStream(t, bytes.NewReader(file.Bytes()), 100)
	if damage != nil {
		t.Error(damage)
	}
	same(t, got, want)
}
