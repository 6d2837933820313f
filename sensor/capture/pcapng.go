package capture

// Block types of pcapng (draft-ietf-opsawg-pcapng, section 10.1).
const (
	blockSection         = 0x0a0d0d0a // reads the same in both byte orders
	blockInterface       = 1
	blockPacket          = 2 // obsolete
	blockSimplePacket    = 3
	blockEnhancedPacket  = 6
	blockJournal         = 9 // a systemd journal entry
	blockCustom          = 0x00000bad
	blockCustomNoCopy    = 0x40000bad
	blockSysdigEvent     = 0x204
	blockSysdigEvent2    = 0x216
	blockSysdigEvent2Big = 0x221

	byteOrderMagic = 0x1a2b3c4d

	optTimeResolution = 9
	optTimeOffset     = 14

	// maxInterfaces bounds the memory of one section's interfaces, which a
	// capture may describe in 20 bytes each.
	maxInterfaces = 1 << 16
)

// iface is one interface of a section.
type iface struct {
	clock
	link    uint32
	longest uint32
	snap    uint32 // 0: unlimited
}

// pcapng reads a pcapng file (draft-ietf-opsawg-pcapng).
type pcapng struct {
	big        order
	interfaces []iface // of the current section; reused
	last       int64   // time of the section's last packet: simple packets have none of their own
	count      uint64  // frames so far, as tshark numbers them
	trailer    uint32  // not 0: the block that says this length ends with the next four bytes
}

// reset starts a new file.
func (g *pcapng) reset() {
	*g = pcapng{interfaces: g.interfaces[:0]}
}

// read fills frames with the packets of the whole blocks in the window. It
// returns errMore where the window ends inside a block, and a *DamageError,
// again on every call, at a damaged one.
func (g *pcapng) read(w *window, frames []Frame, file uint32) (int, error) {
	if g.trailer != 0 {
		if err := g.lateTrailer(w); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(frames) {
		b, big := w.buf[w.pos:w.end], g.big
		if len(b) >= 32 && big.u32(b) == blockEnhancedPacket {
			// The common case: an enhanced packet block that is whole and
			// sound. What is wrong with any other is found out by block.
			length := roundUp(big.u32(b[4:]))
			id, captured := big.u32(b[8:]), big.u32(b[20:])
			if length >= 32 && length <= uint64(len(b)) && uint64(captured) <= length-32 &&
				captured <= MaxFrame && uint64(id) < uint64(len(g.interfaces)) &&
				roundUp(big.u32(b[length-4:])) == length {
				in := &g.interfaces[id]
				g.last = in.time(uint64(big.u32(b[12:]))<<32 | uint64(big.u32(b[16:])))
				g.count++
				f := &frames[n]
				f.Data = b[28 : 28+captured : 28+captured]
				f.Time = g.last
				f.Number = g.count
				f.WireLen = big.u32(b[24:])
				f.Link = in.link
				f.File = file
				w.pos += int(length)
				n++
				continue
			}
		}
		got, err := g.block(w, b, &frames[n], file)
		if err != nil {
			return n, err
		}
		if got {
			n++
		}
		if g.trailer != 0 { // the rest of the block is still to come
			return n, errMore
		}
	}
	return n, nil
}

// roundUp is a block's length with the padding to four bytes that some writers
// leave out of it, as tshark takes it.
func roundUp(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }

// block reads the block at the start of b, which is the window. It reports
// whether that was a packet and filled f.
func (g *pcapng) block(w *window, b []byte, f *Frame, file uint32) (got bool, err error) {
	if len(b) < 12 {
		return false, errMore
	}
	kind := g.big.u32(b)
	if kind == blockSection {
		return false, g.section(w, b)
	}
	length := roundUp(g.big.u32(b[4:]))
	if length < 12 {
		return false, damaged(w.offset(), "a block says it has %d bytes, fewer than its own frame of 12", g.big.u32(b[4:]))
	}
	switch kind {
	case blockEnhancedPacket, blockPacket, blockSimplePacket:
		err := g.packet(w, b, kind, length, f, file)
		return err == nil, err
	case blockInterface:
		return false, g.describe(w, b, length)
	case blockCustom, blockCustomNoCopy, blockJournal, blockSysdigEvent, blockSysdigEvent2, blockSysdigEvent2Big:
		// No packets, but tshark numbers them as frames.
		g.count++
	}
	return false, g.pass(w, b, length)
}

// section starts a section: its own byte order, its own interfaces. The
// section's length is not needed, and often not known to its writer.
func (g *pcapng) section(w *window, b []byte) error {
	if len(b) < 16 {
		return errMore
	}
	big := order(false)
	if big.u32(b[8:]) != byteOrderMagic {
		big = true
	}
	if big.u32(b[8:]) != byteOrderMagic {
		return damaged(w.offset(), "a pcapng section without the byte-order magic 1a2b3c4d")
	}
	length := roundUp(big.u32(b[4:]))
	if length < 28 {
		return damaged(w.offset(), "a section header of %d bytes: 28 are the fewest", big.u32(b[4:]))
	}
	if major := big.u16(b[12:]); major != 1 {
		return damaged(w.offset(), "pcapng version %d.%d is not known: 1.x is", major, big.u16(b[14:]))
	}
	g.big = big
	g.interfaces = g.interfaces[:0]
	g.last = 0
	return g.pass(w, b, length)
}

// describe adds an interface to the section.
func (g *pcapng) describe(w *window, b []byte, length uint64) error {
	if length < 20 || length > maxRecord {
		return damaged(w.offset(), "an interface description of %d bytes: 20 to %d can be", g.big.u32(b[4:]), maxRecord)
	}
	if uint64(len(b)) < length {
		return errMore
	}
	if len(g.interfaces) == maxInterfaces {
		return damaged(w.offset(), "more than %d interfaces in one section", maxInterfaces)
	}
	if err := g.pass(w, b, length); err != nil {
		return err
	}
	in := iface{link: uint32(g.big.u16(b[8:])), snap: g.big.u32(b[12:])}
	in.longest = longest(in.link)
	resolution, offset := uint8(6), int64(0)
	// A list of options that contradicts itself ends there: what it said
	// before holds, as do the defaults.
	for opts := b[16 : length-4]; len(opts) >= 4; {
		code, size := g.big.u16(opts), int(g.big.u16(opts[2:]))
		opts = opts[4:]
		if code == 0 || size > len(opts) {
			break
		}
		switch {
		case code == optTimeResolution && size == 1:
			resolution = opts[0]
		case code == optTimeOffset && size == 8:
			offset = int64(g.big.u64(opts))
		}
		opts = opts[min((size+3)&^3, len(opts)):]
	}
	in.clock = newClock(resolution, offset)
	g.interfaces = append(g.interfaces, in)
	return nil
}

// packet reads a packet block of any kind into f. A block that is longer than
// the buffer, by options or by a frame beyond MaxFrame, is delivered when its
// frame is there; the rest is dropped as it comes.
func (g *pcapng) packet(w *window, b []byte, kind uint32, length uint64, f *Frame, file uint32) error {
	header := uint64(28)
	if kind == blockSimplePacket {
		header = 12
	}
	if length < header+4 {
		return damaged(w.offset(), "a packet block of %d bytes: %d are the fewest", g.big.u32(b[4:]), header+4)
	}
	if uint64(len(b)) < header {
		return errMore
	}
	id := uint32(0) // simple packets belong to the first interface
	switch kind {
	case blockEnhancedPacket:
		id = g.big.u32(b[8:])
	case blockPacket:
		id = uint32(g.big.u16(b[8:]))
	}
	if uint64(id) >= uint64(len(g.interfaces)) {
		return damaged(w.offset(), "a packet of interface %d in a section that described %d", id, len(g.interfaces))
	}
	in := &g.interfaces[id]
	var captured, wire uint32
	time := g.last
	if kind == blockSimplePacket {
		wire = g.big.u32(b[8:])
		captured = wire
		if in.snap != 0 {
			captured = min(captured, in.snap)
		}
	} else {
		captured, wire = g.big.u32(b[20:]), g.big.u32(b[24:])
		time = in.time(uint64(g.big.u32(b[12:]))<<32 | uint64(g.big.u32(b[16:])))
	}
	if captured > in.longest {
		return damaged(w.offset(), "a packet claims %d captured bytes, more than the %d that link type %d can have", captured, in.longest, in.link)
	}
	if uint64(captured) > length-header-4 {
		return damaged(w.offset(), "a packet claims %d captured bytes in a block of %d", captured, g.big.u32(b[4:]))
	}
	end := header + uint64(min(captured, MaxFrame))
	need := end
	if length <= maxRecord {
		need = length
	}
	if uint64(len(b)) < need {
		return errMore
	}
	if err := g.pass(w, b, length); err != nil {
		return err
	}
	g.last = time
	g.count++
	*f = Frame{Data: b[header:end:end], Time: time, Number: g.count, WireLen: wire, Link: in.link, File: file}
	return nil
}

// pass ends the block at the start of b: at once where it is whole, otherwise
// what is missing will be dropped as it comes.
func (g *pcapng) pass(w *window, b []byte, length uint64) error {
	if length > uint64(len(b)) {
		g.trailer = g.big.u32(b[4:])
		w.drop(int64(length-4), w.offset())
		return nil
	}
	if got := g.big.u32(b[length-4:]); roundUp(got) != length {
		return mismatch(w.offset(), g.big.u32(b[4:]), got)
	}
	w.pos += int(length)
	return nil
}

// lateTrailer reads the second copy of the length of a block whose end was
// not in the window.
func (g *pcapng) lateTrailer(w *window) error {
	if w.end-w.pos < 4 {
		return errMore
	}
	if got := g.big.u32(w.buf[w.pos:w.end]); roundUp(got) != roundUp(g.trailer) {
		return mismatch(w.start, g.trailer, got)
	}
	w.pos += 4
	g.trailer = 0
	return nil
}

func mismatch(offset int64, length, trailer uint32) error {
	return damaged(offset, "a block of %d bytes says %d at its end", length, trailer)
}
