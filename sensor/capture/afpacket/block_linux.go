package afpacket

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// Offsets in a block (struct tpacket_block_desc) and in the header of a frame
// (struct tpacket3_hdr), in bytes; linux/if_packet.h.
const (
	blockStatus = 8
	blockFrames = 12
	blockFirst  = 16
	blockLength = 20
	blockHeader = 48

	frameNext    = 0
	frameSec     = 4
	frameNsec    = 8
	frameCaught  = 12
	frameWire    = 16
	frameStatus  = 20
	frameMAC     = 24 // where the link layer starts, from the frame's header
	frameVLAN    = 32
	frameTPID    = 36
	frameHeader  = 48
	vlanTag      = 4
	macAddresses = 12
	cacheLine    = 64
)

// lane is what the frames of a ring have in common.
type lane struct {
	number uint64 // frames so far
	link   uint32
	file   uint32
}

// block walks the frames of one block. Lengths and offsets in it are checked
// against the block: what contradicts itself is never followed.
type block struct {
	mem     []byte // as far as the kernel wrote
	pos     uint64 // the next frame's header
	left    uint32 // frames to come
	damaged uint64 // frames given up in all blocks, because of their headers
	touched uint64 // keeps read's early loads alive; means nothing
}

// open starts a block.
func (b *block) open(mem []byte) {
	length := uint64(binary.NativeEndian.Uint32(mem[blockLength:]))
	b.mem = mem[:min(length, uint64(len(mem)))]
	b.pos = uint64(binary.NativeEndian.Uint32(mem[blockFirst:]))
	b.left = binary.NativeEndian.Uint32(mem[blockFrames:])
	if most := uint64(len(b.mem)) / frameHeader; uint64(b.left) > most {
		b.damaged += uint64(b.left) - most // keeps the count of a crafted header sane
		b.left = uint32(most)
	}
}

// read fills frames with the block's next ones. They alias the block. A VLAN
// tag that the kernel took off is put back where it was on the wire, by moving
// the addresses before it into the headroom, as libpcap does.
func (b *block) read(frames []capture.Frame, l *lane) (n int) {
	mem, pos, touched := b.mem, b.pos, uint64(0)
	for n < len(frames) && b.left > 0 {
		if pos+frameHeader > uint64(len(mem)) {
			b.giveUp()
			break
		}
		h := mem[pos : pos+frameHeader : pos+frameHeader]
		next := uint64(binary.NativeEndian.Uint32(h[frameNext:]))
		mac := uint64(binary.NativeEndian.Uint16(h[frameMAC:]))
		caught := uint64(binary.NativeEndian.Uint32(h[frameCaught:]))
		wire := binary.NativeEndian.Uint32(h[frameWire:])
		start := pos + mac
		end := start + caught
		if mac < frameHeader || end > uint64(len(mem)) || b.left > 1 && next < frameHeader {
			b.giveUp()
			break
		}
		flags := binary.NativeEndian.Uint32(h[frameStatus:])
		if flags&unix.TP_STATUS_VLAN_VALID != 0 && l.link == linkEthernet && caught >= macAddresses && mac >= frameHeader+vlanTag {
			start -= vlanTag
			wire += vlanTag
			restore(mem[start:end], flags, h)
		}
		l.number++
		frames[n] = capture.Frame{
			Data:    mem[start:end:end],
			Time:    int64(binary.NativeEndian.Uint32(h[frameSec:]))*1e9 + int64(binary.NativeEndian.Uint32(h[frameNsec:])),
			Number:  l.number,
			WireLen: wire,
			Link:    l.link,
			File:    l.file,
		}
		if start+cacheLine < end {
			// The headers were written by another core. Asked for here, they arrive
			// while the next frame's place is waited for: nothing needs the sum.
			touched += uint64(mem[start]) + uint64(mem[start+cacheLine])
		}
		n++
		b.left--
		pos += next
	}
	b.pos = pos
	b.touched += touched
	return n
}

// giveUp drops the rest of the block.
func (b *block) giveUp() {
	b.damaged += uint64(b.left)
	b.left = 0
}

// restore writes the tag of the frame with header h into data, whose first four
// bytes are headroom.
func restore(data []byte, flags uint32, h []byte) {
	copy(data, data[vlanTag:vlanTag+macAddresses])
	tpid := uint16(unix.ETH_P_8021Q)
	if flags&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = binary.NativeEndian.Uint16(h[frameTPID:])
	}
	binary.BigEndian.PutUint16(data[macAddresses:], tpid)
	binary.BigEndian.PutUint16(data[macAddresses+2:], uint16(binary.NativeEndian.Uint32(h[frameVLAN:])))
}
