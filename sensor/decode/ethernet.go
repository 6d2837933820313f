package decode

import "encoding/binary"

// EtherTypes. Values below etherMin are the length of an 802.3 frame, whose
// payload starts with an 802.2 header.
const (
	etherLLC      = 0
	etherMin      = 0x0600
	etherIPv4     = 0x0800
	etherERSPAN3  = 0x22eb
	etherEoIP     = 0x6400 // only in GRE
	etherBridged  = 0x6558 // transparent Ethernet bridging, inside tunnels
	etherVLAN     = 0x8100
	etherIPv6     = 0x86dd
	etherPPP      = 0x880b
	etherWCCP     = 0x883e
	etherMPLS     = 0x8847
	etherMPLSMC   = 0x8848
	etherPPPoE    = 0x8864
	etherServiceV = 0x88a8 // 802.1ad
	etherERSPAN   = 0x88be
	etherPBB      = 0x88e7 // 802.1ah
	etherMetaData = 0x8909 // Cisco: security group tag
	etherVNTag    = 0x8926
	etherNSH      = 0x894f
	etherQinQ1    = 0x9100 // in use for outer tags before 802.1ad
	etherQinQ2    = 0x9200
	etherQinQ3    = 0x9300
)

// ethernet decodes an Ethernet frame without preamble. A trailing frame check
// sequence or padding does no harm: the IP header says where the packet ends.
func ethernet(p *Packet, b []byte) {
	if len(b) < 14 {
		p.Status = StatusTruncated
		return
	}
	switch et := binary.BigEndian.Uint16(b[12:]); et {
	case etherIPv4:
		ipv4(p, b[14:])
	case etherIPv6:
		ipv6(p, b[14:])
	default:
		etherType(p, et, b[14:])
	}
}

// etherType decodes what follows an EtherType. Tags of every kind are taken off in
// the loop, so a frame of nothing but tags costs its length, not stack.
func etherType(p *Packet, et uint16, b []byte) {
	for {
		header := 4
		switch et {
		case etherIPv4:
			ipv4(p, b)
			return
		case etherIPv6:
			ipv6(p, b)
			return
		case etherVLAN, etherServiceV, etherQinQ1, etherQinQ2, etherQinQ3:
			if len(b) >= 4 {
				addVLAN(p, binary.BigEndian.Uint16(b)&0x0fff)
			}
		case etherVNTag:
			header = 6
		case etherMetaData: // version, how many options of four bytes, options
			if len(b) >= 2 {
				header = 4 + 4*int(b[1])
			}
		case etherBridged:
			header = 14
		case etherMPLS, etherMPLSMC:
			mpls(p, b)
			return
		case etherPPPoE:
			pppoe(p, b)
			return
		case etherPBB:
			pbb(p, b)
			return
		case etherNSH:
			nsh(p, b)
			return
		default:
			if et >= etherMin {
				return
			}
			if header = snap(p, b); header == 0 {
				return
			}
		}
		// Each of these headers ends with the EtherType of what follows.
		if len(b) < header {
			p.Status = StatusTruncated
			return
		}
		et, b = binary.BigEndian.Uint16(b[header-2:]), b[header:]
	}
}

// addVLAN keeps the first tags and counts all.
func addVLAN(p *Packet, id uint16) {
	if int(p.NumVLAN) < len(p.VLAN) {
		p.VLAN[p.NumVLAN] = id
	}
	if p.NumVLAN < 255 {
		p.NumVLAN++
	}
}

// snap returns the length of an 802.2 header that ends with an EtherType: SNAP with
// the OUI of RFC 1042 or of IEEE 802.1H. It returns 0 for the rest: spanning tree,
// Cisco's protocols, Novell's raw frames (which start with ff ff), IS-IS.
func snap(p *Packet, b []byte) int {
	const header = 8
	if len(b) < header {
		if len(b) < 3 || b[0] == 0xaa && b[1] == 0xaa && b[2] == 0x03 {
			p.Status = StatusTruncated
		}
		return 0
	}
	oui := binary.BigEndian.Uint64(b) >> 16
	if oui != 0xaaaa03_000000 && oui != 0xaaaa03_0000f8 {
		return 0
	}
	if binary.BigEndian.Uint16(b[6:]) < etherMin {
		return 0 // an 802.2 header in an 802.2 header
	}
	return header
}

// pbb decodes the service tag of provider backbone bridging: the customer's whole frame follows.
func pbb(p *Packet, b []byte) {
	if len(b) < 4 {
		p.Status = StatusTruncated
		return
	}
	if enter(p, TunnelPBB, binary.BigEndian.Uint32(b)&0xffffff) {
		ethernet(p, b[4:])
	}
}

// nsh decodes a network service header (RFC 8300 section 2).
func nsh(p *Packet, b []byte) {
	if len(b) < 8 {
		p.Status = StatusTruncated
		return
	}
	size := int(b[1]&0x3f) * 4
	if b[0]>>6 != 0 || size < 8 {
		p.Status = StatusMalformed
		return
	}
	next, path := b[3], binary.BigEndian.Uint32(b[4:])>>8
	if b = skip(p, b, size); b == nil || !enter(p, TunnelNSH, path) {
		return
	}
	nextProtocol(p, next, b)
}

// nextProtocol decodes by the one-byte numbers that NSH and VXLAN-GPE share
// (RFC 8300 section 2.2).
func nextProtocol(p *Packet, next uint8, b []byte) {
	switch next {
	case 1:
		ipv4(p, b)
	case 2:
		ipv6(p, b)
	case 3:
		ethernet(p, b)
	case 4:
		nsh(p, b)
	case 5:
		mpls(p, b)
	}
}

// mpls decodes a label stack (RFC 3032) of any height and then guesses, because no
// header says what comes: IP by its version nibble, else an Ethernet pseudowire with
// or without control word (RFC 4448 section 4.6).
func mpls(p *Packet, b []byte) {
	for {
		if len(b) < 4 {
			p.Status = StatusTruncated
			return
		}
		entry := binary.BigEndian.Uint32(b)
		b = b[4:]
		if entry&0x100 == 0 { // not the bottom of the stack
			continue
		}
		if !enter(p, TunnelMPLS, entry>>12) {
			return
		}
		break
	}
	if len(b) == 0 {
		p.Status = StatusTruncated
		return
	}
	switch version, bridged := b[0]>>4, likelyEthernet(b); {
	case b[0] == 0x45, version == 4 && !bridged: // 45 would be a multicast address, 46 to 4f may be anyone's
		ipv4(p, b)
	case version == 6 && !bridged:
		ipv6(p, b)
	case version == 0 && len(b) > 4 && likelyEthernet(b[4:]):
		ethernet(p, b[4:])
	case bridged:
		ethernet(p, b)
	case len(b) < 4+15:
		p.Status = StatusTruncated // too little to tell
	}
}

// likelyEthernet reports whether b, where no header says so, has a well-known
// EtherType at its place and, for IP, the version after it.
func likelyEthernet(b []byte) bool {
	if len(b) < 15 {
		return false
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case etherIPv4:
		return b[14]>>4 == 4
	case etherIPv6:
		return b[14]>>4 == 6
	case 0x0806, etherVLAN, etherServiceV, etherQinQ1, etherMPLS, 0x8863, etherPPPoE:
		return true
	}
	return false
}
