package capture

import (
	"encoding/binary"
	"math/bits"
)

// The magic numbers of pcap files, read in the writer's byte order.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // Kuznetzov's patch: eight more bytes in each record's header
	magicIxiaHW   = 0x1c0001ac // Ixia lcap: nanoseconds, four more bytes in the file's header
	magicIxiaSW   = 0x1c0001ab // Ixia lcap: microseconds, likewise
)

// order is a byte order: false is little-endian.
type order bool

func (big order) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if big {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (big order) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (big order) u64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if big {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// Which of the two lengths of a record comes first: that changed in version
// 2.3, and not in every program that wrote 2.3.
const (
	capturedFirst = iota
	wireFirst
	smallerIsCaptured
)

// pcap reads a pcap file (draft-ietf-opsawg-pcap) and its variants.
type pcap struct {
	big     order
	lengths uint8
	header  int   // bytes before a record's data
	unit    int64 // nanoseconds in a unit of the second time field
	link    uint32
	longest uint32 // the captured length beyond which a record is damaged
	ready   bool   // the file's header has been read
}

// open reads the file's header.
func (p *pcap) open(w *window) error {
	b := w.buf[w.pos:w.end]
	if len(b) < 24 {
		return errMore
	}
	big := order(b[0] == 0xa1 || b[0] == 0x1c) // the magic number's upper byte
	*p = pcap{big: big, header: 16, unit: 1000}
	size := 24
	switch big.u32(b) {
	case magicNano:
		p.unit = 1
	case magicModified:
		p.header = 24
	case magicIxiaHW:
		p.unit, size = 1, 28
	case magicIxiaSW:
		size = 28
	}
	if len(b) < size {
		return errMore
	}
	major, minor := big.u16(b[4:]), big.u16(b[6:])
	switch {
	case major < 2:
		return damaged(w.offset(), "pcap version %d.%d is not known: 2.0 and later are", major, minor)
	case major == 2 && minor < 3 || major == 543: // 543 is what DG/UX wrote
		p.lengths = wireFirst
	case major == 2 && minor == 3:
		p.lengths = smallerIsCaptured
	}
	// The upper half says the length of the frame check sequence.
	p.link = big.u32(b[20:]) & 0xffff
	p.longest = longest(p.link)
	p.ready = true
	w.pos += size
	return nil
}

// read fills frames with the whole records in the window. It returns errMore
// where the window ends inside a record, and a *DamageError, again on every
// call, at a damaged one.
func (p *pcap) read(w *window, frames []Frame, number uint64, file uint32) (int, error) {
	if !p.ready {
		if err := p.open(w); err != nil {
			return 0, err
		}
	}
	buf, pos := w.buf[:w.end], w.pos
	big, header, unit, link := p.big, p.header, p.unit, p.link
	for n := range frames {
		rec := buf[pos:]
		if len(rec) < header || len(rec) < 16 {
			w.pos = pos
			return n, errMore
		}
		captured, wire := big.u32(rec[8:]), big.u32(rec[12:])
		if p.lengths != capturedFirst && (p.lengths == wireFirst || captured > wire) {
			captured, wire = wire, captured
		}
		size := header + int(captured)
		if captured > MaxFrame {
			if captured > p.longest {
				w.pos = pos
				return n, damaged(w.offset(), "a packet claims %d captured bytes, more than the %d that link type %d can have", captured, p.longest, link)
			}
			size = header + MaxFrame
		}
		if len(rec) < size {
			w.pos = pos
			return n, errMore
		}
		f := &frames[n]
		f.Data = rec[header:size:size]
		f.Time = int64(big.u32(rec))*1e9 + int64(big.u32(rec[4:]))*unit
		f.Number = number + uint64(n) + 1
		f.WireLen = wire
		f.Link = link
		f.File = file
		pos += size
		if captured > MaxFrame {
			w.pos = pos
			w.drop(int64(captured-MaxFrame), w.offset()-int64(size))
			return n + 1, nil
		}
	}
	w.pos = pos
	return len(frames), nil
}

// longest is the most bytes that a record of a link type can have captured
// before it is taken for damage; the same limits as libpcap's. What is beyond
// MaxFrame is not delivered.
func longest(link uint32) uint32 {
	switch link {
	case 189, 220, 231, 249: // USB_LINUX, USB_LINUX_MMAPPED, DBUS, USBPCAP
		return 128 << 20
	case 279: // EBHSCR
		return 8 << 20
	}
	return MaxFrame
}
