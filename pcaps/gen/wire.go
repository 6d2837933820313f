package main

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// IP protocol numbers, TCP flags and EtherTypes as the header writers need them.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoIPv6   = 41
	protoGRE    = 47
	protoICMPv6 = 58

	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagPSH = 0x08
	flagACK = 0x10

	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherIPv6 = 0x86dd
)

// mac is an Ethernet address.
type mac [6]byte

// macOf derives a locally administered Ethernet address from n.
func macOf(n uint32) mac {
	return mac{0x02, 0x00, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// tcpHeader is what differs between the segments of one TCP flow.
type tcpHeader struct {
	seq, ack uint32
	flags    byte
}

// synOptions is what a SYN carries: MSS 1460, window scale 7.
var synOptions = []byte{2, 4, 0x05, 0xb4, 1, 3, 3, 7}

// appendEthernet appends an Ethernet header, tagged when vlan is not 0.
func appendEthernet(b []byte, dst, src mac, vlan uint16, etherType uint16) []byte {
	b = append(b, dst[:]...)
	b = append(b, src[:]...)
	if vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, etherVLAN)
		b = binary.BigEndian.AppendUint16(b, vlan)
	}
	return binary.BigEndian.AppendUint16(b, etherType)
}

// appendIP appends an IPv4 or IPv6 header for n bytes of payload; id is used by IPv4 only.
func appendIP(b []byte, src, dst netip.Addr, proto byte, n int, id uint16) []byte {
	if src.Is6() {
		b = append(b, 0x60, 0, 0, 0, byte(n>>8), byte(n), proto, 64)
		s, d := src.As16(), dst.As16()
		b = append(b, s[:]...)
		return append(b, d[:]...)
	}
	at, total := len(b), 20+n
	s, d := src.As4(), dst.As4()
	b = append(b, 0x45, 0, byte(total>>8), byte(total), byte(id>>8), byte(id), 0x40, 0, 64, proto, 0, 0,
		s[0], s[1], s[2], s[3], d[0], d[1], d[2], d[3])
	binary.BigEndian.PutUint16(b[at+10:], ^fold(sum(b[at:])))
	return b
}

// appendTCP appends an IP packet with one TCP segment. payloadSum is sum(payload), known beforehand for templates.
func appendTCP(b []byte, src, dst netip.AddrPort, h tcpHeader, payload []byte, payloadSum uint64) []byte {
	var options []byte
	if h.flags&flagSYN != 0 {
		options = synOptions
	}
	n := 20 + len(options) + len(payload)
	b = appendIP(b, src.Addr(), dst.Addr(), protoTCP, n, uint16(h.seq>>3)+1)
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, h.seq)
	b = binary.BigEndian.AppendUint32(b, h.ack)
	b = append(b, byte(20+len(options))<<2, h.flags, 0x40, 0, 0, 0, 0, 0)
	b = append(b, options...)
	total := pseudoSum(src.Addr(), dst.Addr(), protoTCP, n) + sum(b[at:]) + payloadSum
	binary.BigEndian.PutUint16(b[at+16:], ^fold(total))
	return append(b, payload...)
}

// appendUDP appends an IP packet with one UDP datagram; id numbers the IPv4 packet.
func appendUDP(b []byte, src, dst netip.AddrPort, id uint16, payload []byte, payloadSum uint64) []byte {
	n := 8 + len(payload)
	b = appendIP(b, src.Addr(), dst.Addr(), protoUDP, n, id)
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = append(b, byte(n>>8), byte(n), 0, 0)
	check := ^fold(pseudoSum(src.Addr(), dst.Addr(), protoUDP, n) + sum(b[at:]) + payloadSum)
	if check == 0 {
		check = 0xffff // RFC 768: zero on the wire means "no checksum"
	}
	binary.BigEndian.PutUint16(b[at+6:], check)
	return append(b, payload...)
}

// appendEcho appends an IP packet with an ICMP or ICMPv6 echo request or reply.
func appendEcho(b []byte, src, dst netip.Addr, reply bool, id, seq uint16, payload []byte) []byte {
	kind, proto := byte(8), byte(protoICMP)
	if reply {
		kind = 0
	}
	n := 8 + len(payload)
	total := uint64(0)
	if src.Is6() {
		kind, proto = 128, protoICMPv6
		if reply {
			kind = 129
		}
		total = pseudoSum(src, dst, proto, n)
	}
	b = appendIP(b, src, dst, proto, n, seq)
	at := len(b)
	b = append(b, kind, 0, 0, 0, byte(id>>8), byte(id), byte(seq>>8), byte(seq))
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[at+2:], ^fold(total+sum(b[at:])))
	return b
}

// appendARP appends an ARP request of src for dst, or dst's answer to it.
func appendARP(b []byte, op byte, srcMAC mac, src netip.Addr, dstMAC mac, dst netip.Addr) []byte {
	s, d := src.As4(), dst.As4()
	b = append(b, 0, 1, 8, 0, 6, 4, 0, op)
	b = append(append(b, srcMAC[:]...), s[:]...)
	return append(append(b, dstMAC[:]...), d[:]...)
}

// pseudoSum is the unfolded sum of the pseudo header of RFC 793 and RFC 8200.
func pseudoSum(src, dst netip.Addr, proto byte, n int) uint64 {
	s, d := src.As16(), dst.As16()
	if src.Is4() {
		return sum(s[12:]) + sum(d[12:]) + uint64(proto) + uint64(n)
	}
	return sum(s[:]) + sum(d[:]) + uint64(proto) + uint64(n)
}

// sum adds b up as big-endian 16-bit words, an odd last byte padded with zero, eight bytes at a time: one's
// complement sums may be taken in any width that is a multiple of 16 bits (RFC 1071). The result is small enough
// that several can be added before fold.
func sum(b []byte) uint64 {
	var s, carry uint64
	for len(b) >= 8 {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(tail[:]), carry)
	}
	return uint64(fold(s)) + carry
}

// fold reduces a sum to 16 bits with end-around carry.
func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
