package decode

import "encoding/binary"

// IP protocol numbers besides TCP and UDP.
const (
	protoHopByHop = 0
	protoIPv4     = 4
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoAH       = 51
	protoDestOpts = 60
	protoEtherIP  = 97
	protoMobility = 135
	protoMPLS     = 137
	protoHIP      = 139
	protoShim6    = 140
)

// ip decodes a packet of which only its own first bits say the version.
func ip(p *Packet, b []byte) {
	switch {
	case len(b) == 0:
		p.Status = StatusTruncated
	case b[0]>>4 == 4:
		ipv4(p, b)
	case b[0]>>4 == 6:
		ipv6(p, b)
	}
}

// ipv4 decodes an IPv4 packet (RFC 791 section 3.1). b may be longer than the
// packet, by link padding or a frame check sequence, or shorter, cut by a snap length.
func ipv4(p *Packet, b []byte) {
	if len(b) < 20 {
		p.Status = StatusTruncated
		return
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b) // captured before segmentation offload filled it in
	}
	if b[0]>>4 != 4 || header < 20 || total < header {
		p.Status = StatusMalformed
		return
	}
	if len(b) < header {
		p.Status = StatusTruncated
		return
	}
	p.TTL = b[8]
	p.IPID = binary.BigEndian.Uint16(b[4:])
	p.Src = Addr4(b[12:16])
	p.Dst = Addr4(b[16:20])
	proto, frag := b[9], binary.BigEndian.Uint16(b[6:])
	b = b[header:min(total, len(b))]
	if frag&0x3fff != 0 { // an offset, or more fragments
		p.Frag = Fragment{ID: uint32(p.IPID), Offset: uint32(frag&0x1fff) * 8, More: frag&0x2000 != 0}
		fragment(p, proto, b, total-header)
		return
	}
	ipPayload(p, proto, b, total-header)
}

// ipv6 decodes an IPv6 packet (RFC 8200 section 3).
func ipv6(p *Packet, b []byte) {
	if len(b) < 40 {
		p.Status = StatusTruncated
		return
	}
	if b[0]>>4 != 6 {
		p.Status = StatusMalformed
		return
	}
	p.TTL = b[7]
	p.IPID = 0
	p.Src = Addr16(b[8:24])
	p.Dst = Addr16(b[24:40])
	next, n := b[6], int(binary.BigEndian.Uint16(b[4:]))
	b = b[40:]
	if n == 0 { // a jumbogram, or captured before offload filled it in
		n = jumboLength(next, b)
	}
	b = b[:min(n, len(b))]
	if next == ProtoTCP || next == ProtoUDP {
		ipPayload(p, next, b, n)
	} else {
		extensions(p, next, b, n)
	}
}

// jumboLength is the payload length of an IPv6 packet whose header says 0: that of
// the jumbo payload option where it comes first in the hop-by-hop header, as every
// sender puts it (RFC 2675 section 2), else all that was captured.
func jumboLength(next uint8, b []byte) int {
	if next == protoHopByHop && len(b) >= 8 && b[2] == 0xc2 && b[3] == 4 {
		if n := binary.BigEndian.Uint32(b[4:]); n > 0xffff && n <= 1<<30 {
			return int(n)
		}
	}
	return len(b)
}

// extensions walks the IPv6 extension headers from the one called next, and IPv4's
// only one, the authentication header. n is the declared length of b.
func extensions(p *Packet, next uint8, b []byte, n int) {
	for range maxExtensions {
		switch next {
		case protoHopByHop, protoRouting, protoDestOpts, protoMobility, protoHIP, protoShim6, protoAH, protoFragment:
		default:
			ipPayload(p, next, b, n)
			return
		}
		p.Proto = next
		if len(b) < 8 {
			p.Status = short(8, n)
			return
		}
		size := 8
		switch next {
		case protoFragment: // RFC 8200 section 4.5; the length byte is reserved
			id, offset := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint16(b[2:])
			p.IPID = uint16(id)
			if offset&0xfff9 != 0 { // else an atomic fragment, whole in itself (RFC 6946)
				p.Frag = Fragment{ID: id, Offset: uint32(offset & 0xfff8), More: offset&1 != 0}
				fragment(p, b[0], b[8:], n-8)
				return
			}
		case protoAH: // RFC 4302 section 2.2
			size += int(b[1]) * 4
		default:
			size += int(b[1]) * 8
		}
		if len(b) < size {
			p.Status = short(size, n)
			return
		}
		next, b, n = b[0], b[size:], n-size
	}
	p.Status = StatusTooDeep
}

// fragment ends the decoding at a part of a datagram; p.Frag has been set.
func fragment(p *Packet, proto uint8, b []byte, n int) {
	p.Proto = proto
	p.Payload, p.PayloadLen = b, uint32(n)
	p.Status = StatusFragment
}

// ipPayload decodes the payload of a whole IP packet, after IPv6's extension
// headers. n is its declared length, at least that of b.
func ipPayload(p *Packet, proto uint8, b []byte, n int) {
	p.Proto = proto
	switch proto {
	case ProtoTCP:
		tcp(p, b, n)
	case ProtoUDP:
		udp(p, b, n)
	case protoAH:
		extensions(p, proto, b, n)
	case protoIPv4, protoIPv6, protoGRE, protoEtherIP, protoMPLS:
		ipTunnel(p, proto, b, len(b) == n)
	}
}

// ipTunnel decodes a tunnel that has an IP protocol number. whole says that the
// capture did not cut b: a header that ends early is then the sender's doing.
func ipTunnel(p *Packet, proto uint8, b []byte, whole bool) {
	switch proto {
	case protoIPv4: // RFC 2003
		if enter(p, TunnelIPIP, 0) {
			ipv4(p, b)
		}
	case protoIPv6: // RFC 2473, RFC 4213
		if enter(p, TunnelIPIP, 0) {
			ipv6(p, b)
		}
	case protoGRE:
		gre(p, b)
	case protoMPLS: // RFC 4023
		mpls(p, b)
	case protoEtherIP: // RFC 3378
		if enter(p, TunnelIPIP, 0) {
			if b = skip(p, b, 2); b != nil {
				ethernet(p, b)
			}
		}
	}
	if whole && p.Status == StatusTruncated {
		p.Status = StatusMalformed
	}
}
