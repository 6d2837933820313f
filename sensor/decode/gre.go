package decode

import "encoding/binary"

// Flags of a GRE header (RFC 2784, RFC 2890; routing from RFC 1701, acknowledgment from RFC 2637).
const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080
	greVersion  = 0x0007
)

// gre decodes a GRE header and what it carries.
func gre(p *Packet, b []byte) {
	if len(b) < 4 {
		p.Status = StatusTruncated
		return
	}
	flags, proto := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	switch flags & greVersion {
	case 0:
	case 1:
		pptp(p, flags, proto, b)
		return
	default:
		return
	}
	size := 4
	if flags&(greChecksum|greRouting) != 0 {
		size += 4 // either makes room for both checksum and offset
	}
	var key uint32
	if flags&greKey != 0 {
		if len(b) < size+4 {
			p.Status = StatusTruncated
			return
		}
		key = binary.BigEndian.Uint32(b[size:])
		size += 4
	}
	if flags&greSequence != 0 {
		size += 4
	}
	if flags&greRouting != 0 {
		size += routingLength(b[min(size, len(b)):])
	}
	if b = skip(p, b, size); b == nil {
		return
	}
	if proto == etherERSPAN || proto == etherERSPAN3 {
		erspan(p, b, proto == etherERSPAN && flags&greSequence == 0)
		return
	}
	if enter(p, TunnelGRE, key) {
		grePayload(p, proto, b)
	}
}

func grePayload(p *Packet, proto uint16, b []byte) {
	switch {
	case proto == etherPPP:
		ppp(p, b)
	case proto == etherWCCP && len(b) > 4 && b[0]>>4 != 4:
		ipv4(p, b[4:]) // version 2 puts a redirect header before the packet
	case proto == etherWCCP:
		ipv4(p, b)
	case proto >= etherMin:
		etherType(p, proto, b)
	}
}

// routingLength is the length of the source route entries of RFC 1701: each says
// its own, the last is all zero.
func routingLength(b []byte) int {
	size := 0
	for len(b)-size >= 4 {
		family, length := binary.BigEndian.Uint16(b[size:]), int(b[size+3])
		size += 4 + length
		if family == 0 && length == 0 {
			break
		}
	}
	return size
}

// pptp decodes the version 1 header (RFC 2637 section 4.1), whose key field is the
// payload length and the call id.
func pptp(p *Packet, flags, proto uint16, b []byte) {
	if len(b) < 8 {
		p.Status = StatusTruncated
		return
	}
	if flags&greKey == 0 {
		p.Status = StatusMalformed
		return
	}
	if proto == etherEoIP { // MikroTik's Ethernet over IP; its tunnel id is little-endian
		if enter(p, TunnelGRE, uint32(binary.LittleEndian.Uint16(b[6:]))) {
			ethernet(p, b[8:])
		}
		return
	}
	if proto != etherPPP {
		p.Status = StatusMalformed
		return
	}
	if binary.BigEndian.Uint16(b[4:]) == 0 {
		return // an acknowledgment alone
	}
	size, call := 8, uint32(binary.BigEndian.Uint16(b[6:]))
	if flags&greSequence != 0 {
		size += 4
	}
	if flags&greAck != 0 {
		size += 4
	}
	if b = skip(p, b, size); b != nil && enter(p, TunnelGRE, call) {
		ppp(p, b)
	}
}

// erspan decodes a mirrored frame (draft-foschiano-erspan-03). Type I has no header;
// types II and III have their version in the first bits, 1 and 2.
func erspan(p *Packet, b []byte, typeI bool) {
	if typeI {
		if enter(p, TunnelERSPAN, 0) {
			ethernet(p, b)
		}
		return
	}
	if len(b) < 8 {
		p.Status = StatusTruncated
		return
	}
	session := uint32(binary.BigEndian.Uint16(b[2:]) & 0x03ff)
	size, isIP := 8, false
	switch b[0] >> 4 {
	case 1:
	case 2:
		if size = 12; len(b) < size {
			p.Status = StatusTruncated
			return
		}
		word := binary.BigEndian.Uint16(b[10:])
		if word&1 != 0 {
			size += 8 // platform-specific subheader
		}
		switch frameType := word >> 10 & 0x1f; frameType {
		case 0:
		case 2:
			isIP = true
		default:
			return // reserved
		}
	default:
		return
	}
	if b = skip(p, b, size); b == nil || !enter(p, TunnelERSPAN, session) {
		return
	}
	if isIP {
		ip(p, b)
	} else {
		ethernet(p, b)
	}
}
