package sensor_test

import (
	"net"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// These are names that were lost once, found by TestOracle.

// A DNS answer that says it has more records than it carries, with nothing cut
// off by the capture, shows its question on the usual port, and is not taken
// for DNS elsewhere.
func TestShortDNSAnswerShowsItsQuestion(t *testing.T) {
	var m dns.Msg
	m.SetQuestion(relay+".", dns.TypeA)
	m.Response = true
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	raw[7] = 2 // answers
	for port, want := range map[uint16]int{53: 1, 5300: 0} {
		frame := capture.Frame{Data: udpFrame(t, port, 50_000, raw), Time: 1e18, Number: 1, Link: 1}
		frame.WireLen = uint32(len(frame.Data))
		if n := strings.Count(replayFrames(t, []capture.Frame{frame}).events, relay); n != want {
			t.Errorf("port %d: named %d times, want %d", port, n, want)
		}
	}
}

// udpFrame is a datagram from a server's port to a client's.
func udpFrame(t *testing.T, from, to uint16, payload []byte) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{203, 0, 113, 9}, DstIP: net.IP{10, 1, 2, 3}}
	udp := &layers.UDP{SrcPort: layers.UDPPort(from), DstPort: layers.UDPPort(to)}
	udp.SetNetworkLayerForChecksum(ip)
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, udp, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
