package decode

import (
	"encoding/binary"
	"net/netip"
)

// Addr is an IPv6 address, or an IPv4 address in its IPv4-mapped form
// (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), as two big-endian words:
// comparable, hashable and free of pointers.
type Addr struct{ Hi, Lo uint64 }

// mapped4 is the upper half of Lo of an IPv4-mapped address.
const mapped4 = 0xffff << 32

// Addr4 makes an Addr of the four bytes at b.
func Addr4(b []byte) Addr {
	return Addr{Lo: mapped4 | uint64(binary.BigEndian.Uint32(b))}
}

// Addr16 makes an Addr of the sixteen bytes at b.
func Addr16(b []byte) Addr {
	_ = b[15]
	return Addr{Hi: binary.BigEndian.Uint64(b), Lo: binary.BigEndian.Uint64(b[8:])}
}

// Is4 reports whether a is an IPv4 address.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == 0xffff }

// Netip returns a as a netip.Addr, unmapped.
func (a Addr) Netip() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b).Unmap()
}

// AddrFrom is the Addr of a netip.Addr; its zone is dropped.
func AddrFrom(ip netip.Addr) Addr {
	b := ip.As16()
	return Addr16(b[:])
}

// Status is what the decoder made of a frame. Malformed input is a status,
// never an error: the caller counts it and goes on.
type Status uint8

const (
	StatusOther       Status = iota // not IP, or an IP protocol that is not inspected (ICMP, ESP, OSPF ...)
	StatusTransport                 // TCP or UDP, all header fields valid
	StatusFragment                  // an IP fragment; Frag is valid, Payload is the fragment's own payload
	StatusTruncated                 // the capture cut the frame inside a header
	StatusMalformed                 // a header contradicts itself or its length
	StatusTooDeep                   // more nested tunnels or extension headers than MaxDepth
	StatusUnknownLink               // a link type that is not decoded
	NumStatus
)

// Tunnel is the innermost encapsulation a packet came in.
type Tunnel uint8

const (
	TunnelNone   Tunnel = iota
	TunnelGRE           // TunnelID: the key, or 0; of PPTP the call id, of EoIP the tunnel id
	TunnelERSPAN        // TunnelID: the session id, 0 for type I
	TunnelVXLAN         // TunnelID: the VNI
	TunnelGENEVE        // TunnelID: the VNI
	TunnelIPIP          // IPv4, IPv6 or Ethernet directly in IPv4 or IPv6
	TunnelMPLS          // TunnelID: the bottom label
	TunnelPPPoE         // TunnelID: the session id
	TunnelGTP           // TunnelID: the tunnel endpoint identifier
	TunnelTeredo        // TunnelID: 0
	TunnelL2TP          // TunnelID: tunnel id << 16 | session id
	TunnelTZSP          // TunnelID: 0
	TunnelPBB           // TunnelID: the I-SID (IEEE 802.1ah)
	TunnelNSH           // TunnelID: the service path identifier
	NumTunnel
)

// TCP flag bits, as on the wire.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// IP protocol numbers that the sensor looks into.
const (
	ProtoTCP = 6
	ProtoUDP = 17
)

// Fragment identifies an IP fragment (RFC 791 section 3.2, RFC 8200 section 4.5).
type Fragment struct {
	ID     uint32 // identification: 16 bits for IPv4
	Offset uint32 // of this fragment's payload in the datagram's, in bytes
	More   bool   // more fragments follow
}

// Packet is the innermost IP packet of a frame: small values and one view.
// Payload aliases the frame's data (or the reassembly buffer), with the same
// lifetime. Fields below a comment are valid under the status that it names.
type Packet struct {
	// StatusTransport: the transport payload. StatusFragment: the fragment's own.
	// Shorter than PayloadLen when a snap length cut it.
	Payload []byte

	// StatusTransport and StatusFragment
	Src, Dst Addr

	PayloadLen uint32 // length of the whole payload by the headers, without link padding

	// StatusTransport
	Seq, Ack         uint32 // TCP only
	SrcPort, DstPort uint16
	Checksum         uint16 // transport checksum as captured, not verified
	Flags            uint8  // TCP only

	Proto  uint8 // IP protocol of the innermost header; StatusTransport, StatusFragment and StatusOther (0: not IP)
	Status Status
	TTL    uint8  // or hop limit; StatusTransport, StatusFragment
	IPID   uint16 // IPv4 identification; for IPv6 the low half of the fragment header's, or 0 without one

	// always valid
	NumVLAN  uint8 // how many VLAN tags the frame had, of any depth, outer and inner; only the first len(VLAN) are kept
	Tunnel   Tunnel
	Depth    uint8     // how many encapsulations were walked through, VLAN tags not counted; at most MaxDepth
	VLAN     [4]uint16 // VLAN identifiers, outermost first
	TunnelID uint32    // see Tunnel; StatusUnknownLink: the link type, the inner one where a pseudo-header names it

	Frag Fragment // StatusFragment
}
