package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// captureCase is one small capture: what it holds, how it is written, what the sensor must say about it.
type captureCase struct {
	name    string // the file is pcaps/<name>.pcap
	holds   string
	yields  string
	record  func(*tape)
	reshape reshape                               // nil: as recorded
	layers  []layer                               // nil: Ethernet
	link    uint32                                // of layers; Ethernet when those are nil
	format  func(packets []packet) []byte         // nil: a classic capture file
	damage  func(file []byte, packets int) []byte // nil: none
}

// fileName is where the case is kept in pcaps/.
func (c *captureCase) fileName() string {
	if c.format != nil {
		return c.name + ".pcapng"
	}
	return c.name + ".pcap"
}

// row is the case's line in the index of pcaps/README.md.
func (c *captureCase) row() string {
	return fmt.Sprintf("| `%s` | %s | %s | %s |", c.fileName(), c.linkName(), c.holds, c.yields)
}

func (c *captureCase) linkName() string {
	if c.format != nil {
		return "several"
	}
	names := map[uint32]string{0: "null", 9: "PPP", linkEthernet: "Ethernet", linkRaw: "raw IP",
		113: "SLL", 127: "radiotap", linkSLL2: "SLL2"}
	return names[c.linkType()]
}

func (c *captureCase) linkType() uint32 {
	if c.layers == nil {
		return linkEthernet
	}
	return c.link
}

// bytes makes the capture.
func (c *captureCase) bytes() ([]byte, error) {
	t := newTape(c.name)
	c.record(t)
	if t.err != nil {
		return nil, fmt.Errorf("case %s: %w", c.name, t.err)
	}
	packets := t.packets
	if c.reshape != nil {
		packets = c.reshape(packets)
	}
	if c.format != nil {
		return c.format(packets), nil
	}
	layers := c.layers
	if layers == nil {
		layers = []layer{ethernet}
	}
	var file bytes.Buffer
	w := newPcapWriter(&file, c.linkType())
	for i, p := range packets {
		w.write(wrap(p.data, uint32(i), layers), p.at)
	}
	if err := w.flush(); err != nil {
		return nil, fmt.Errorf("case %s: %w", c.name, err)
	}
	out := file.Bytes()
	if c.damage != nil {
		out = c.damage(out, len(packets))
	}
	return out, nil
}

// recordAt is the offset of the n-th packet's record header in a classic capture file.
func recordAt(file []byte, n int) int {
	at := 24
	for range n {
		at += 16 + int(binary.LittleEndian.Uint32(file[at+8:]))
	}
	return at
}

// cutShort ends the file inside its last packet.
func cutShort(file []byte, packets int) []byte {
	return file[:recordAt(file, packets-1)+16+20]
}

// badLength gives the packet after two thirds of the file a length that no capture has.
func badLength(file []byte, packets int) []byte {
	at := recordAt(file, packets*2/3)
	binary.LittleEndian.PutUint32(file[at+8:], 0xfffffff0)
	return file
}

// snapped keeps only the first n bytes of each packet, as a capture with a short snap length does.
func snapped(n int) func([]byte, int) []byte {
	return func(file []byte, packets int) []byte {
		out := append([]byte(nil), file[:24]...)
		binary.LittleEndian.PutUint32(out[16:], uint32(n))
		for at := 24; at < len(file); {
			length := int(binary.LittleEndian.Uint32(file[at+8:]))
			kept := min(length, n)
			header := append([]byte(nil), file[at:at+16]...)
			binary.LittleEndian.PutUint32(header[8:], uint32(kept))
			out = append(append(out, header...), file[at+16:at+16+kept]...)
			at += 16 + length
		}
		return out
	}
}

// mixedLinks writes a pcapng file with three interfaces of different link types and clocks, over which the packets
// take turns.
func mixedLinks(packets []packet) []byte {
	interfaces := []struct {
		link   uint16
		digits byte // of a second that its clock counts
		layers []layer
	}{
		{linkEthernet, 6, []layer{ethernet}},
		{linkSLL2, 9, []layer{sll2}},
		{linkRaw, 7, nil},
	}
	section := binary.LittleEndian.AppendUint32(nil, 0x1a2b3c4d)
	section = append(section, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	file := appendBlock(nil, 0x0a0d0d0a, section)
	for _, i := range interfaces {
		b := binary.LittleEndian.AppendUint16(nil, i.link)
		b = append(b, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, i.digits, 0, 0, 0, 0, 0, 0, 0) // snaplen, if_tsresol, end
		file = appendBlock(file, 1, b)
	}
	for n, p := range packets {
		which := n % len(interfaces)
		i := interfaces[which]
		ticks := p.at.UnixNano()
		for range 9 - i.digits {
			ticks /= 10
		}
		data := wrap(p.data, uint32(n), i.layers)
		var b []byte
		for _, v := range []uint32{uint32(which), uint32(ticks >> 32), uint32(ticks), uint32(len(data)), uint32(len(data))} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		file = appendBlock(file, 6, append(b, data...))
	}
	return file
}

// appendBlock appends a pcapng block, padded to four bytes, its length before and after.
func appendBlock(file []byte, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(len(body) + 12)
	file = binary.LittleEndian.AppendUint32(file, kind)
	file = binary.LittleEndian.AppendUint32(file, n)
	return binary.LittleEndian.AppendUint32(append(file, body...), n)
}
