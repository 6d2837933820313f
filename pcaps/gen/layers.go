package main

import (
	"encoding/binary"
	"net/netip"
)

// EtherTypes that the layers below name. etherFrame says that what follows is a whole Ethernet frame.
const (
	etherFrame   = 0x6558
	etherQinQ    = 0x88a8
	etherMPLS    = 0x8847
	etherPPPoE   = 0x8864
	etherERSPAN2 = 0x88be
	etherERSPAN3 = 0x22eb
)

// inner is a packet on its way out through the layers: its bytes, and the EtherType that tells what they are.
type inner struct {
	ether    uint16
	data     []byte
	src, dst mac
	number   uint32 // of the packet, for layers that count
}

// layer puts one header in front of a packet. A stack of them is an encapsulation, innermost first.
type layer func(inner) inner

// wrap takes a bare IP packet through the layers.
func wrap(p []byte, number uint32, layers []layer) []byte {
	in := inner{ether: etherIPv4, data: p, number: number}
	if p[0]>>4 == 6 {
		in.ether = etherIPv6
		in.src, in.dst = hostMAC(netip.AddrFrom16([16]byte(p[8:24]))), hostMAC(netip.AddrFrom16([16]byte(p[24:40])))
	} else {
		in.src, in.dst = hostMAC(netip.AddrFrom4([4]byte(p[12:16]))), hostMAC(netip.AddrFrom4([4]byte(p[16:20])))
	}
	for _, l := range layers {
		in = l(in)
	}
	return in.data
}

// under returns in with header in front of its bytes, now to be taken for ether.
func (in inner) under(header []byte, ether uint16) inner {
	in.data = append(header[:len(header):len(header)], in.data...)
	in.ether = ether
	return in
}

func ethernet(in inner) inner {
	return in.under(appendEthernet(nil, in.dst, in.src, 0, in.ether), etherFrame)
}

// tag is an 802.1Q or 802.1ad tag.
func tag(ether, vlan uint16) layer {
	return func(in inner) inner {
		return in.under(binary.BigEndian.AppendUint16([]byte{byte(vlan >> 8), byte(vlan)}, in.ether), ether)
	}
}

// mpls is a label; the innermost of a stack is its bottom.
func mpls(label uint32) layer {
	return func(in inner) inner {
		entry := label<<12 | 64
		if in.ether != etherMPLS {
			entry |= 1 << 8
		}
		return in.under(binary.BigEndian.AppendUint32(nil, entry), etherMPLS)
	}
}

// pppProtocol is the PPP protocol number of an EtherType.
func pppProtocol(ether uint16) []byte {
	if ether == etherIPv6 {
		return []byte{0x00, 0x57}
	}
	return []byte{0x00, 0x21}
}

func pppoe(in inner) inner {
	n := len(in.data) + 2
	return in.under(append([]byte{0x11, 0, 0x12, 0x34, byte(n >> 8), byte(n)}, pppProtocol(in.ether)...), etherPPPoE)
}

// ppp is the link type PPP, with its address and control bytes.
func ppp(in inner) inner {
	return in.under(append([]byte{0xff, 0x03}, pppProtocol(in.ether)...), 0)
}

// The ends of every tunnel below.
var (
	tunnelFrom = netip.MustParseAddr("192.0.2.1")
	tunnelTo   = netip.MustParseAddr("192.0.2.2")
)

// inIP puts a packet into IPv4 between the tunnel's ends.
func inIP(in inner, proto byte) inner {
	header := appendIP(nil, tunnelFrom, tunnelTo, proto, len(in.data), uint16(in.number))
	in.src, in.dst = hostMAC(tunnelFrom), hostMAC(tunnelTo)
	return in.under(header, etherIPv4)
}

// inUDP puts a packet into UDP and IPv4 between the tunnel's ends.
func inUDP(in inner, port uint16) inner {
	in.data = appendUDP(nil, netip.AddrPortFrom(tunnelFrom, 49152+uint16(in.number%1000)),
		netip.AddrPortFrom(tunnelTo, port), uint16(in.number), in.data, sum(in.data))
	in.ether, in.src, in.dst = etherIPv4, hostMAC(tunnelFrom), hostMAC(tunnelTo)
	return in
}

// ipInIP is IPv4 in IPv4 (RFC 2003) or IPv6 in IPv4 (RFC 4213).
func ipInIP(in inner) inner {
	if in.ether == etherIPv6 {
		return inIP(in, protoIPv6)
	}
	return inIP(in, 4)
}

// gre is RFC 2784 without options, greKeyed RFC 2890 with key and sequence number.
func gre(in inner) inner {
	return inIP(in.under([]byte{0, 0, byte(in.ether >> 8), byte(in.ether)}, 0), protoGRE)
}

func greKeyed(in inner) inner {
	header := binary.BigEndian.AppendUint32([]byte{0x30, 0, byte(in.ether >> 8), byte(in.ether)}, 0x2a)
	return inIP(in.under(binary.BigEndian.AppendUint32(header, in.number), 0), protoGRE)
}

// erspan puts a frame into ERSPAN type I (no header of its own), II or III, session 7.
func erspan(kind int) layer {
	return func(in inner) inner {
		ether, flags := uint16(etherERSPAN2), byte(0x10)
		var header []byte
		switch kind {
		case 1:
			flags = 0
		case 2:
			header = []byte{0x10, 20, 0, 7, 0, 0, 0, 1}
		case 3:
			ether = etherERSPAN3
			header = []byte{0x20, 20, 0, 7, 0, 0, 0, byte(in.number), 0, 0, 0, 0}
		}
		out := []byte{flags, 0, byte(ether >> 8), byte(ether)}
		if flags != 0 {
			out = binary.BigEndian.AppendUint32(out, in.number)
		}
		return inIP(in.under(append(out, header...), 0), protoGRE)
	}
}

func vxlan(vni uint32) layer {
	return func(in inner) inner {
		return inUDP(in.under(binary.BigEndian.AppendUint32([]byte{8, 0, 0, 0}, vni<<8), 0), 4789)
	}
}

// geneve carries one option of four bytes, as real deployments do.
func geneve(vni uint32) layer {
	return func(in inner) inner {
		header := binary.BigEndian.AppendUint32([]byte{2, 0, byte(in.ether >> 8), byte(in.ether)}, vni<<8)
		return inUDP(in.under(append(header, 0x01, 0x08, 0x01, 0x01, 0, 0, 0, 1), 0), 6081)
	}
}

// sll and sll2 are what `tcpdump -i any` writes, old and new.
func sll(in inner) inner {
	header := append([]byte{0, 4, 0, 1, 0, 6}, in.src[:]...)
	return in.under(append(header, 0, 0, byte(in.ether>>8), byte(in.ether)), 0)
}

func sll2(in inner) inner {
	header := append([]byte{byte(in.ether >> 8), byte(in.ether), 0, 0, 0, 0, 0, 3, 0, 1, 4, 6}, in.src[:]...)
	return in.under(append(header, 0, 0), 0)
}

// loopback is the link type NULL of a little-endian BSD host.
func loopback(in inner) inner {
	family := byte(2)
	if in.ether == etherIPv6 {
		family = 30
	}
	return in.under([]byte{family, 0, 0, 0}, 0)
}

// radiotap is an 802.11 data frame to the access point, without encryption.
func radiotap(in inner) inner {
	header := []byte{0, 0, 8, 0, 0, 0, 0, 0, 0x08, 0x01, 0, 0}
	for _, a := range []mac{gatewayMAC, in.src, in.dst} {
		header = append(header, a[:]...)
	}
	header = append(header, byte(in.number<<4), byte(in.number>>4), 0xaa, 0xaa, 3, 0, 0, 0)
	return in.under(append(header, byte(in.ether>>8), byte(in.ether)), 0)
}
