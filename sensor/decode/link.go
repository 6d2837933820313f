package decode

import "encoding/binary"

// LINKTYPE_ numbers (https://www.tcpdump.org/linktypes.html). 12 and 14 are the
// DLT_RAW of the BSDs, which old writers put into files unmapped; 149 is what
// macOS wrote for PKTAP before it had a number.
const (
	linkNull      = 0
	linkEthernet  = 1
	linkPPP       = 9
	linkFDDI      = 10
	linkRawBSD    = 12
	linkRawOpen   = 14
	linkPPPHDLC   = 50
	linkPPPEther  = 51
	linkRaw       = 101
	linkCHDLC     = 104
	linkDot11     = 105
	linkLoop      = 108
	linkSLL       = 113
	linkPFLog     = 117
	linkPrism     = 119
	linkRadiotap  = 127
	linkPKTAPUser = 149
	linkAVS       = 163
	linkPPI       = 192
	linkIPv4      = 228
	linkIPv6      = 229
	linkPKTAP     = 258
	linkSLL2      = 276
)

// otherLink decodes a frame of any link type but Ethernet.
func otherLink(p *Packet, link uint32, b []byte) {
	switch link {
	case linkPPI, linkPKTAP, linkPKTAPUser: // say inside which link type follows
		if link, b = unwrap(p, link, b); p.Status != StatusOther {
			return
		}
	}
	switch link {
	case linkEthernet: // inside one of the above
		ethernet(p, b)
	case linkSLL:
		sll(p, b)
	case linkSLL2:
		sll2(p, b)
	case linkRaw, linkRawBSD, linkRawOpen:
		ip(p, b)
	case linkIPv4:
		ipv4(p, b)
	case linkIPv6:
		ipv6(p, b)
	case linkNull, linkLoop:
		null(p, b)
	case linkPPP:
		ppp(p, b)
	case linkPPPHDLC:
		if len(b) > 0 && b[0] == 0xff {
			ppp(p, b) // RFC 1662
		} else {
			cHDLC(p, b)
		}
	case linkPPPEther:
		pppoe(p, b)
	case linkCHDLC:
		cHDLC(p, b)
	case linkFDDI:
		if b = skip(p, b, 13); b != nil { // frame control and two addresses
			etherType(p, etherLLC, b)
		}
	case linkPFLog:
		pfLog(p, b)
	case linkDot11:
		dot11(p, b, false)
	case linkRadiotap:
		radiotap(p, b)
	case linkPrism, linkAVS:
		prism(p, b)
	default:
		p.Status, p.TunnelID = StatusUnknownLink, link
	}
}

// skip returns b without its first n bytes, a header that was looked at or not; or
// nil, with the status set, when b is shorter.
func skip(p *Packet, b []byte, n int) []byte {
	if len(b) < n {
		p.Status = StatusTruncated
		return nil
	}
	return b[n:]
}

// unwrap takes off a pseudo-header that names the link type of the rest: PPI
// (CACE, version 1.0.10) or Apple's PKTAP. Both are little-endian. They do not nest.
func unwrap(p *Packet, link uint32, b []byte) (uint32, []byte) {
	if len(b) < 12 {
		p.Status = StatusTruncated
		return link, b
	}
	var size uint32
	if link == linkPPI {
		size, link = uint32(binary.LittleEndian.Uint16(b[2:])), binary.LittleEndian.Uint32(b[4:])
	} else {
		size, link = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[8:])
	}
	if size < 8 || size > 4096 { // neither writes more than a few hundred bytes
		p.Status = StatusMalformed
		return link, b
	}
	if link == linkPPI || link == linkPKTAP || link == linkPKTAPUser {
		p.Status = StatusMalformed
	}
	return link, skip(p, b, int(size))
}

// sll decodes Linux "cooked" frames, version 1.
func sll(p *Packet, b []byte) {
	if len(b) < 16 {
		p.Status = StatusTruncated
		return
	}
	cooked(p, binary.BigEndian.Uint16(b[14:]), b[16:])
}

// sll2 decodes version 2, which `tcpdump -i any` writes today.
func sll2(p *Packet, b []byte) {
	if len(b) < 20 {
		p.Status = StatusTruncated
		return
	}
	cooked(p, binary.BigEndian.Uint16(b), b[20:])
}

// cooked goes on with the protocol of a cooked header: an EtherType, or one of
// Linux's ETH_P_ values below 0x0600, of which only 802.2 can hold IP.
func cooked(p *Packet, proto uint16, b []byte) {
	const eth802_2 = 4
	if proto == eth802_2 || proto >= etherMin {
		etherType(p, proto, b)
	}
}

// null decodes BSD loopback frames: the address family in the byte order of the
// machine that captured (NULL) or in network order (LOOP), of which one is always
// below 0x10000.
func null(p *Packet, b []byte) {
	if len(b) < 4 {
		p.Status = StatusTruncated
		return
	}
	family := binary.LittleEndian.Uint32(b)
	if family >= 1<<16 {
		family = binary.BigEndian.Uint32(b)
	}
	addressFamily(p, family, b[4:])
}

// pfLog decodes OpenBSD's packet filter log: its length, unpadded, then the family.
func pfLog(p *Packet, b []byte) {
	if len(b) < 2 {
		p.Status = StatusTruncated
		return
	}
	if rest := skip(p, b, (int(b[0])+3)&^3); rest != nil {
		addressFamily(p, uint32(b[1]), rest)
	}
}

// addressFamily goes on with what an AF_ number says; AF_INET6 is another number
// on every system.
func addressFamily(p *Packet, family uint32, b []byte) {
	switch family {
	case 2:
		ipv4(p, b)
	case 10, 24, 28, 30: // Linux; NetBSD, OpenBSD and BSD/OS; FreeBSD; macOS
		ipv6(p, b)
	}
}

// cHDLC decodes Cisco HDLC: address, control, EtherType.
func cHDLC(p *Packet, b []byte) {
	if len(b) < 4 {
		p.Status = StatusTruncated
		return
	}
	if proto := binary.BigEndian.Uint16(b[2:]); proto >= etherMin {
		etherType(p, proto, b[4:])
	}
}

// ppp decodes a PPP frame, with or without the address and control bytes, which
// may be compressed away as may the upper byte of the protocol (RFC 1661 section 6.5, 6.6).
func ppp(p *Packet, b []byte) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	if len(b) < 2 {
		p.Status = StatusTruncated
		return
	}
	proto := uint16(b[0])
	if proto&1 != 0 { // only the lower byte of a protocol is odd
		b = b[1:]
	} else {
		proto = binary.BigEndian.Uint16(b)
		b = b[2:]
	}
	switch proto {
	case 0x0021:
		ipv4(p, b)
	case 0x0057:
		ipv6(p, b)
	case 0x0281, 0x0283: // MPLS unicast and multicast, RFC 3032 section 4.3
		mpls(p, b)
	}
}

// pppoe decodes a PPPoE session frame (RFC 2516 section 4). Discovery has another
// EtherType; its payload is not PPP.
func pppoe(p *Packet, b []byte) {
	if len(b) < 6 {
		p.Status = StatusTruncated
		return
	}
	if b[0] != 0x11 || b[1] != 0 {
		return // not version 1, type 1, or not session data
	}
	if !enter(p, TunnelPPPoE, uint32(binary.BigEndian.Uint16(b[2:]))) {
		return
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if b = b[6:]; length < len(b) {
		b = b[:length]
	}
	if ppp(p, b); p.Status == StatusTruncated && len(b) == length {
		p.Status = StatusMalformed
	}
}
