package decode

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// stack serializes layers, with lengths and checksums.
func stack(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

var (
	macA, macB = net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	ipA4, ipB4 = net.IP{192, 0, 2, 1}, net.IP{198, 51, 100, 2}
	ipA6, ipB6 = net.ParseIP("2001:db8::1"), net.ParseIP("2001:db8:0:1::2")
)

func eth(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: t}
}

func v4(proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, IHL: 5, TTL: 63, Id: 0x1234, Protocol: proto, SrcIP: ipA4, DstIP: ipB4}
}

func v6(next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 63, NextHeader: next, SrcIP: ipA6, DstIP: ipB6}
}

func tcpOver(ip gopacket.NetworkLayer) *layers.TCP {
	l := &layers.TCP{SrcPort: 50123, DstPort: 443, Seq: 0x01020304, Ack: 0x05060708, ACK: true, PSH: true, Window: 1024}
	l.SetNetworkLayerForChecksum(ip)
	return l
}

func udpOver(ip gopacket.NetworkLayer, src, dst layers.UDPPort) *layers.UDP {
	l := &layers.UDP{SrcPort: src, DstPort: dst}
	l.SetNetworkLayerForChecksum(ip)
	return l
}

// commonFrames are the shapes that nearly all traffic has.
func commonFrames(t testing.TB) map[string][]byte {
	payload := gopacket.Payload(make([]byte, 512))
	four, six, outer := v4(layers.IPProtocolTCP), v6(layers.IPProtocolTCP), v4(layers.IPProtocolUDP)
	u := v4(layers.IPProtocolUDP)
	return map[string][]byte{
		"IPv4-TCP": stack(t, eth(layers.EthernetTypeIPv4), four, tcpOver(four), payload),
		"IPv4-UDP": stack(t, eth(layers.EthernetTypeIPv4), u, udpOver(u, 50123, 53), payload),
		"VLAN-IPv6-TCP": stack(t, eth(layers.EthernetTypeDot1Q),
			&layers.Dot1Q{VLANIdentifier: 42, Type: layers.EthernetTypeIPv6}, six, tcpOver(six), payload),
		"VXLAN-IPv4-TCP": stack(t, eth(layers.EthernetTypeIPv4), outer, udpOver(outer, 50123, 4789),
			&layers.VXLAN{ValidIDFlag: true, VNI: 4711}, eth(layers.EthernetTypeIPv4), four, tcpOver(four), payload),
	}
}

func BenchmarkDecode(b *testing.B) {
	frames := commonFrames(b)
	for _, name := range []string{"IPv4-TCP", "IPv4-UDP", "VLAN-IPv6-TCP", "VXLAN-IPv4-TCP"} {
		b.Run(name, func(b *testing.B) {
			var d Decoder
			var p Packet
			frame := frames[name]
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(linkEthernet, frame, &p)
			}
			if p.Status != StatusTransport || len(p.Payload) != 512 {
				b.Fatalf("%+v", p)
			}
		})
	}
}
