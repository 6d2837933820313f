package decode

import "encoding/binary"

// dot11 decodes an 802.11 frame (IEEE 802.11-2020 section 9.2.3) down to its 802.2
// header. Only unencrypted data frames can show IP; of an A-MSDU only the first
// subframe is decoded, of a fragmented frame only the first part. padded says that
// the radio aligned the end of the header to four bytes.
func dot11(p *Packet, b []byte, padded bool) {
	const typeData, noData, qos = 0x08, 0x40, 0x80           // first byte of the frame control
	const bothDS, protected, order = 0x03, 0x40, 0x80        // second byte
	const fragmentNumber, aggregated, subframe = 15, 128, 14 // sequence control, QoS control, A-MSDU subframe header
	if len(b) < 2 {
		p.Status = StatusTruncated
		return
	}
	if b[0]&0x0f != typeData || b[0]&noData != 0 || b[1]&protected != 0 {
		return
	}
	if len(b) < 24+6+2 {
		p.Status = StatusTruncated // the shortest header, with LLC, is as long
		return
	}
	if b[22]&fragmentNumber != 0 {
		return
	}
	size, extra := 24, 0
	if b[1]&bothDS == bothDS {
		size += 6
	}
	if b[0]&qos != 0 {
		if b[size]&aggregated != 0 {
			extra = subframe
		}
		size += 2
		if b[1]&order != 0 {
			size += 4 // HT control
		}
	}
	if padded {
		size = (size + 3) &^ 3
	}
	if b = skip(p, b, size+extra); b != nil {
		etherType(p, etherLLC, b)
	}
}

// radiotap takes off the header that capture drivers put before an 802.11 frame
// (https://www.radiotap.org). A frame check sequence may follow the frame; the IP
// header says where the packet ends, so it needs no care.
func radiotap(p *Packet, b []byte) {
	const presentTSFT, presentFlags, presentMore = 1 << 0, 1 << 1, 1 << 31
	const flagPadded = 0x20
	if len(b) < 8 {
		p.Status = StatusTruncated
		return
	}
	size, present := int(binary.LittleEndian.Uint16(b[2:])), binary.LittleEndian.Uint32(b[4:])
	if b[0] != 0 || size < 8 {
		p.Status = StatusMalformed
		return
	}
	frame := skip(p, b, size)
	if frame == nil {
		return
	}
	fields := 8
	for word := present; word&presentMore != 0; fields += 4 {
		if fields+4 > size {
			p.Status = StatusMalformed
			return
		}
		word = binary.LittleEndian.Uint32(b[fields:])
	}
	if present&presentTSFT != 0 {
		fields = (fields+7)&^7 + 8
	}
	padded := present&presentFlags != 0 && fields < size && b[fields]&flagPadded != 0
	dot11(p, frame, padded)
}

// prism takes off a Prism or AVS header: the same link type was used for both, told
// apart by AVS's magic number. Prism is in the byte order of the machine.
func prism(p *Packet, b []byte) {
	const avsMagic, avsMask = 0x80211000, 0xfffff000
	if len(b) < 8 {
		p.Status = StatusTruncated
		return
	}
	size := binary.BigEndian.Uint32(b[4:])
	if binary.BigEndian.Uint32(b)&avsMask != avsMagic && size >= 1<<16 {
		size = binary.LittleEndian.Uint32(b[4:])
	}
	if size < 8 || size > 4096 {
		p.Status = StatusMalformed
		return
	}
	if b = skip(p, b, int(size)); b != nil {
		dot11(p, b, false)
	}
}
