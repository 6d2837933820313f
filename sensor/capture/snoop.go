package capture

const snoopMagic = "snoop\x00\x00\x00"

// snoop reads a snoop file of version 2 (RFC 1761), what Solaris writes. All
// its numbers are big-endian.
type snoop struct {
	link  uint32
	ready bool // the file's header has been read
}

// snoopLink is the LINKTYPE_ number of a snoop datalink type.
func snoopLink(datalink uint32) (link uint32, ok bool) {
	switch datalink {
	case 0, 4: // IEEE 802.3, Ethernet
		return 1, true
	case 2: // IEEE 802.5 Token Ring
		return 6, true
	case 8: // FDDI
		return 10, true
	case 12: // Sun ATM
		return 123, true
	}
	return 0, false
}

// open reads the file's header.
func (s *snoop) open(w *window) error {
	b := w.buf[w.pos:w.end]
	if len(b) < 16 {
		return errMore
	}
	const big = order(true)
	if version := big.u32(b[8:]); version != 2 {
		return damaged(0, "snoop version %d is not known: 2 is", version)
	}
	datalink := big.u32(b[12:])
	link, ok := snoopLink(datalink)
	if !ok {
		return damaged(0, "snoop datalink type %d is not read here", datalink)
	}
	*s = snoop{link: link, ready: true}
	w.pos += 16
	return nil
}

// read fills frames as pcap.read does.
func (s *snoop) read(w *window, frames []Frame, number uint64, file uint32) (int, error) {
	if !s.ready {
		if err := s.open(w); err != nil {
			return 0, err
		}
	}
	const big, header = order(true), 24
	for n := range frames {
		b := w.buf[w.pos:w.end]
		if len(b) < header {
			return n, errMore
		}
		wire, captured, length := big.u32(b), big.u32(b[4:]), big.u32(b[8:])
		if captured > MaxFrame {
			return n, damaged(w.offset(), "a packet claims %d captured bytes, more than the %d that it can have", captured, MaxFrame)
		}
		if length < header+captured || length > header+captured+maxRecord-MaxFrame-header {
			return n, damaged(w.offset(), "a packet of %d captured bytes in a record of %d", captured, length)
		}
		if len(b) < int(length) {
			return n, errMore
		}
		end := header + captured
		frames[n] = Frame{
			Data:    b[header:end:end],
			Time:    int64(big.u32(b[16:]))*1e9 + int64(big.u32(b[20:]))*1000,
			Number:  number + uint64(n) + 1,
			WireLen: wire,
			Link:    s.link,
			File:    file,
		}
		w.pos += int(length)
	}
	return len(frames), nil
}
