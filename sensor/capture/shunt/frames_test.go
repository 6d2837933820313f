package shunt

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// spec says how to build a frame.
type spec struct {
	six, back, udp bool
	tags           []layers.EthernetType
	options        bool // IP options in IPv4, a destination options header in IPv6
	fragment       bool
	ports          [2]uint16
	flags          byte // TCP
	payload        []byte
	pad            int // bytes behind the IP packet
}

var (
	addrs4 = [2]net.IP{{10, 1, 2, 3}, {192, 0, 2, 200}}
	addrs6 = [2]net.IP{net.ParseIP("2001:db8::ff00:1"), net.ParseIP("2001:db8:8000::1")}
)

// build serialises a frame with gopacket.
func build(t testing.TB, s spec) []byte {
	t.Helper()
	from, to := 0, 1
	if s.back {
		from, to = 1, 0
	}
	inner := layers.EthernetTypeIPv4
	if s.six {
		inner = layers.EthernetTypeIPv6
	}
	types := append(append([]layers.EthernetType{}, s.tags...), inner)
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: types[0]}
	out := []gopacket.SerializableLayer{eth}
	for i := range s.tags {
		out = append(out, &layers.Dot1Q{VLANIdentifier: uint16(10 + i), Type: types[i+1]})
	}
	proto := layers.IPProtocolTCP
	if s.udp {
		proto = layers.IPProtocolUDP
	}
	var network gopacket.NetworkLayer
	if s.six {
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: addrs6[from], DstIP: addrs6[to]}
		network, out = ip, append(out, ip)
		if s.options || s.fragment {
			next := layers.IPProtocolIPv6Destination
			body := gopacket.Payload{byte(proto), 0, 1, 4, 0, 0, 0, 0}
			if s.fragment {
				next, body = layers.IPProtocolIPv6Fragment, gopacket.Payload{byte(proto), 0, 0, 1, 0, 0, 0, 7}
			}
			ip.NextHeader, out = next, append(out, body)
		}
	} else {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: addrs4[from], DstIP: addrs4[to], Id: 7}
		if s.options {
			ip.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: make([]byte, 5)}, {OptionType: 0, OptionLength: 1}}
		}
		if s.fragment {
			ip.Flags = layers.IPv4MoreFragments
		}
		network, out = ip, append(out, ip)
	}
	if s.udp {
		udp := &layers.UDP{SrcPort: layers.UDPPort(s.ports[from]), DstPort: layers.UDPPort(s.ports[to])}
		udp.SetNetworkLayerForChecksum(network)
		out = append(out, udp)
	} else {
		f := func(bit byte) bool { return s.flags&bit != 0 }
		tcp := &layers.TCP{SrcPort: layers.TCPPort(s.ports[from]), DstPort: layers.TCPPort(s.ports[to]), Seq: 1, Window: 1000,
			FIN: f(1), SYN: f(2), RST: f(4), PSH: f(8), ACK: f(16)}
		if s.options {
			tcp.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}
		}
		tcp.SetNetworkLayerForChecksum(network)
		out = append(out, tcp)
	}
	out = append(out, gopacket.Payload(s.payload))
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, out...); err != nil {
		t.Fatal(err)
	}
	b := append([]byte{}, buf.Bytes()...)
	return append(b, make([]byte, s.pad)...)
}

// named are frames whose fate is written down here, not computed.
var named = []struct {
	name    string
	spec    spec
	counted int // payload bytes, -1: it passes
}{
	{"TCP data", spec{ports: [2]uint16{40000, 443}, flags: 24, payload: make([]byte, 1000)}, 1000},
	{"TCP data back", spec{back: true, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 77)}, 77},
	{"pure ACK, padded to 60", spec{ports: [2]uint16{40000, 443}, flags: 16, pad: 6}, 0},
	{"TCP with options", spec{options: true, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 10)}, 10},
	{"IPv6 TCP", spec{six: true, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 9)}, 9},
	{"IPv6 TCP back, padded", spec{six: true, back: true, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 9), pad: 4}, 9},
	{"one tag", spec{tags: []layers.EthernetType{0x8100}, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 5)}, 5},
	{"two tags", spec{tags: []layers.EthernetType{0x88a8, 0x8100}, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 5)}, 5},
	{"three tags", spec{tags: []layers.EthernetType{0x88a8, 0x8100, 0x8100}, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 5)}, -1},
	{"MPLS", spec{tags: []layers.EthernetType{0x8847}, ports: [2]uint16{40000, 443}, flags: 16}, -1},
	{"FIN", spec{ports: [2]uint16{40000, 443}, flags: 17}, -1},
	{"RST", spec{ports: [2]uint16{40000, 443}, flags: 4}, -1},
	{"SYN ACK", spec{ports: [2]uint16{40000, 443}, flags: 18}, -1},
	{"fragment", spec{fragment: true, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 8)}, -1},
	{"IPv6 fragment", spec{six: true, fragment: true, ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 8)}, -1},
	{"IPv6 extension header", spec{six: true, options: true, ports: [2]uint16{40000, 443}, flags: 16}, -1},
	{"QUIC short header", spec{udp: true, ports: [2]uint16{50000, 443}, payload: append([]byte{0x41}, make([]byte, 1199)...)}, 1200},
	{"QUIC short header, IPv6", spec{udp: true, six: true, back: true, ports: [2]uint16{50000, 443}, payload: []byte{0x5f, 1, 2}}, 3},
	{"QUIC long header", spec{udp: true, ports: [2]uint16{50000, 443}, payload: append([]byte{0xc3}, make([]byte, 1199)...)}, -1},
	{"one byte of UDP, padded", spec{udp: true, ports: [2]uint16{50000, 443}, payload: []byte{0}, pad: 17}, 1},
	{"UDP of nothing", spec{udp: true, ports: [2]uint16{50000, 443}, pad: 18}, -1},
	{"DNS question", spec{udp: true, ports: [2]uint16{50000, 53}, payload: make([]byte, 30)}, -1},
	{"DNS answer", spec{udp: true, back: true, ports: [2]uint16{50000, 53}, payload: make([]byte, 30)}, -1},
	{"DNS over QUIC", spec{udp: true, ports: [2]uint16{50000, 853}, payload: make([]byte, 30)}, -1},
	{"mDNS", spec{udp: true, ports: [2]uint16{5353, 5353}, payload: make([]byte, 30)}, -1},
	{"LLMNR", spec{udp: true, ports: [2]uint16{50000, 5355}, payload: make([]byte, 30)}, -1},
	{"VXLAN", spec{udp: true, ports: [2]uint16{50000, 4789}, payload: make([]byte, 60)}, -1},
	{"GENEVE", spec{udp: true, ports: [2]uint16{6081, 50000}, payload: make([]byte, 60)}, -1},
}
