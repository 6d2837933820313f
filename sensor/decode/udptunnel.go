package decode

import "encoding/binary"

// UDP ports of tunnels. Anybody may use these ports for anything, so the port is
// only the reason to look.
const (
	portL2TP     = 1701
	portGTPU     = 2152
	portTeredo   = 3544
	portGRE      = 4754 // RFC 8086
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portGENEVE   = 6081
	portMPLS     = 6635 // RFC 7510
	portVXLANOld = 8472 // Linux's default before the assignment; also OTV
	portTZSP     = 37008
)

// tunnelPort returns which of the two ports names a tunnel, or 0. Senders take any
// source port or the tunnel's own, so an answer to one may have only that.
func tunnelPort(src, dst uint16) uint16 {
	if isTunnelPort(dst) {
		return dst
	}
	if isTunnelPort(src) {
		return src
	}
	return 0
}

func isTunnelPort(port uint16) bool {
	switch port {
	case portL2TP, portGTPU, portTeredo, portGRE, portVXLAN, portVXLANGPE, portGENEVE, portVXLANOld, portMPLS, portTZSP:
		return true
	}
	return false
}

// udpTunnel decodes b as the tunnel of a port. It reports false, with p as it was,
// when b does not have the tunnel's structure with an IP packet inside: the datagram
// is then plain UDP. whole says that the capture did not cut b; a tunnel that it did
// cut before the inner addresses is StatusTruncated, not a flow between tunnel ends.
func udpTunnel(p *Packet, port uint16, b []byte, whole bool) bool {
	outer := *p
	p.Proto = 0                // until an IP header is reached
	p.Status = StatusMalformed // until the tunnel's own proves good
	switch port {
	case portVXLAN, portVXLANOld, portVXLANGPE:
		vxlan(p, port == portVXLANGPE, b)
	case portGENEVE:
		geneve(p, b)
	case portGTPU:
		gtp(p, b)
	case portTeredo:
		teredo(p, b)
	case portL2TP:
		l2tp(p, b)
	case portTZSP:
		tzsp(p, b)
	case portGRE:
		p.Status = StatusOther
		gre(p, b)
	case portMPLS:
		p.Status = StatusOther
		mpls(p, b)
	}
	switch p.Status {
	case StatusTransport, StatusFragment, StatusTooDeep:
		return true
	case StatusOther:
		if p.Proto != 0 {
			return true
		}
	case StatusTruncated:
		if !whole {
			return true
		}
	}
	*p = outer
	return false
}

// inside enters a tunnel whose header of size bytes proved good and returns what
// follows it, or nil.
func inside(p *Packet, t Tunnel, id uint32, b []byte, size int) []byte {
	p.Status = StatusOther
	if !enter(p, t, id) {
		return nil
	}
	return skip(p, b, size)
}

// cut sets the status of a tunnel header that b is too short for.
func cut(p *Packet) { p.Status = StatusTruncated }

// vxlan decodes VXLAN (RFC 7348 section 5) with the group policy bit, or its generic
// protocol extension (draft-ietf-nvo3-vxlan-gpe), which says what it carries.
func vxlan(p *Packet, gpe bool, b []byte) {
	const flagVNI, flagNext, flagPolicy = 0x08, 0x04, 0x80
	if len(b) < 8 {
		cut(p)
		return
	}
	if b[0]&flagVNI == 0 || b[0]&^(flagVNI|flagNext|flagPolicy) != 0 {
		return
	}
	gpe = gpe || b[0]&flagNext != 0
	next, vni := b[3], binary.BigEndian.Uint32(b[4:])>>8
	switch b = inside(p, TunnelVXLAN, vni, b, 8); {
	case b == nil:
	case gpe:
		nextProtocol(p, next, b)
	default:
		ethernet(p, b)
	}
}

// geneve decodes GENEVE (RFC 8926 section 3.4); its options are skipped.
func geneve(p *Packet, b []byte) {
	if len(b) < 8 {
		cut(p)
		return
	}
	size, proto := 8+int(b[0]&0x3f)*4, binary.BigEndian.Uint16(b[2:])
	if b[0]>>6 != 0 || proto < etherMin {
		return
	}
	if b = inside(p, TunnelGENEVE, binary.BigEndian.Uint32(b[4:])>>8, b, size); b != nil {
		etherType(p, proto, b)
	}
}

// gtp decodes the user plane of GTP version 1 (3GPP TS 29.281 section 5).
func gtp(p *Packet, b []byte) {
	const dataMessage = 255
	if len(b) < 8 {
		cut(p)
		return
	}
	if b[0]&0xf0 != 0x30 || b[1] != dataMessage { // version 1, not GTP'
		return
	}
	size := 8
	if b[0]&0x07 != 0 { // sequence, N-PDU number and next extension come together
		size = 12
		for next := size - 1; b[0]&0x04 != 0; { // extension headers of length*4, ending with the next type
			if next >= len(b) {
				cut(p)
				return
			}
			if b[next] == 0 {
				break
			}
			if size >= len(b) {
				cut(p)
				return
			}
			if b[size] == 0 {
				return
			}
			size += int(b[size]) * 4
			next = size - 1
		}
	}
	if b = inside(p, TunnelGTP, binary.BigEndian.Uint32(b[4:]), b, size); b != nil {
		ip(p, b)
	}
}

// teredo decodes IPv6 behind optional authentication and origin headers (RFC 4380
// section 5.1.1).
func teredo(p *Packet, b []byte) {
	if len(b) < 4 {
		cut(p)
		return
	}
	size := 0
	if binary.BigEndian.Uint16(b) == 1 {
		size = 4 + int(b[2]) + int(b[3]) + 9 // identifier, authentication, nonce and confirmation
	}
	if len(b) < size+2 {
		cut(p)
		return
	}
	if binary.BigEndian.Uint16(b[size:]) == 0 {
		size += 8
	}
	if len(b) <= size {
		cut(p)
		return
	}
	if b[size]>>4 != 6 {
		return
	}
	if b = inside(p, TunnelTeredo, 0, b, size); b != nil {
		ipv6(p, b)
	}
}

// l2tp decodes a data message of L2TP version 2 (RFC 2661 section 3.1): PPP.
func l2tp(p *Packet, b []byte) {
	const control, length, sequence, offset, reserved = 0x8000, 0x4000, 0x0800, 0x0200, 0x34f0
	if len(b) < 6 {
		cut(p)
		return
	}
	flags := binary.BigEndian.Uint16(b)
	if flags&0x000f != 2 || flags&(control|reserved) != 0 {
		return
	}
	size := 2
	if flags&length != 0 {
		size += 2
	}
	if len(b) < size+4 {
		cut(p)
		return
	}
	session := binary.BigEndian.Uint32(b[size:])
	size += 4
	if flags&sequence != 0 {
		size += 4
	}
	if flags&offset != 0 {
		if len(b) < size+2 {
			cut(p)
			return
		}
		size += 2 + int(binary.BigEndian.Uint16(b[size:]))
	}
	if b = inside(p, TunnelL2TP, session, b, size); b != nil {
		ppp(p, b)
	}
}

// tzsp decodes the TaZmen sniffer protocol, in which MikroTik routers mirror frames:
// a header, tagged fields up to an end tag, the frame.
func tzsp(p *Packet, b []byte) {
	const tagPad, tagEnd = 0, 1
	const carriesEthernet, carriesDot11 = 1, 18
	if len(b) < 4 {
		cut(p)
		return
	}
	carries := binary.BigEndian.Uint16(b[2:])
	if b[0] != 1 || b[1] > 1 || carries != carriesEthernet && carries != carriesDot11 {
		return
	}
	size := 4
	for {
		if size+1 >= len(b) {
			cut(p)
			return
		}
		tag := b[size]
		size++
		if tag == tagEnd {
			break
		}
		if tag != tagPad {
			size += 1 + int(b[size])
		}
	}
	switch b = inside(p, TunnelTZSP, 0, b, size); {
	case b == nil:
	case carries == carriesEthernet:
		ethernet(p, b)
	default:
		dot11(p, b, false)
	}
}
