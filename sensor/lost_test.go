package sensor_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// These are names that were lost once, found by TestOracle.

// A request head that is padded beyond what is read shows its host: servers
// that take longer heads would answer it.
func TestPaddedHeadShowsItsHost(t *testing.T) {
	w := newWire(t, false)
	head := "GET / HTTP/1.1\r\nHost: " + relay + "\r\nX: " + strings.Repeat("x", 20_000) + "\r\n\r\n"
	w.segment(99, true, nil)
	for at := 0; at < len(head); at += 1400 {
		w.segment(100+uint32(at), false, []byte(head[at:min(at+1400, len(head))]))
	}
	r := replayFrames(t, w.frames)
	if n := strings.Count(r.events, `"hostname":"`+relay+`"`); n != 1 || len(r.alerts) != 1 {
		t.Errorf("%d events, %d alerts: %s", n, len(r.alerts), r.events)
	}
}

// The preface of HTTP/2 in the clear is no request of HTTP/1.
func TestHTTP2PrefaceIsNoRequest(t *testing.T) {
	w := newWire(t, false)
	w.segment(99, true, nil)
	w.segment(100, false, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	w.segment(133, false, []byte("\x00\x00\x00\x04\x01\x00\x00\x00\x00"))
	if r := replayFrames(t, w.frames); r.events != "" {
		t.Errorf("events: %s", r.events)
	}
}

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

// DNS messages that follow one another over TCP are each seen once, wherever
// the segments cut them, in both directions.
func TestDNSMessagesOverTCPCutAnywhere(t *testing.T) {
	for _, answer := range []bool{false, true} {
		var stream []byte
		for _, name := range []string{"one.example.", "two.example.", "three.example."} {
			var m dns.Msg
			m.SetQuestion(name, dns.TypeA)
			m.Response = answer
			raw, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(raw))), raw...)
		}
		for cut := 1; cut < len(stream); cut++ {
			w := newWire(t, false)
			w.host = netip.AddrPortFrom(w.host.Addr(), 53)
			if answer {
				w.client, w.host = w.host, w.client
			}
			w.segment(100, false, stream[:cut])
			w.segment(100+uint32(cut), false, stream[cut:])
			events := replayFrames(t, w.frames).events
			for _, name := range []string{"one", "two", "three"} {
				if n := strings.Count(events, `"rrname":"`+name+`.example"`); n != 1 {
					t.Fatalf("answer %v, cut at %d: %s seen %d times", answer, cut, name, n)
				}
			}
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

// A control byte in a path, which some servers answer, does not hide the
// request.
func TestControlBytesInAPath(t *testing.T) {
	w := newWire(t, false)
	w.segment(99, true, nil)
	w.segment(100, false, []byte("GET /\x1b[31m HTTP/1.1\r\nHost: "+relay+"\r\n\r\n"))
	if r := replayFrames(t, w.frames); len(r.alerts) != 1 || !strings.Contains(r.events, `"url":"/\\x1b[31m"`) {
		t.Errorf("%d alerts, events: %s", len(r.alerts), r.events)
	}
}
