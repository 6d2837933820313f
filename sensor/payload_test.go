package sensor_test

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// talk is a conversation of one client with one server: what each of them
// sends, in turn.
type talk struct {
	t    testing.TB
	udp  bool
	port uint16
	list []capture.Frame
	seq  [2]uint32
}

// open adds a TCP handshake.
func (c *talk) open() *talk {
	c.frame(0, true, nil)
	c.frame(1, true, nil)
	return c
}

// client and server add a message, in segments of at most n bytes.
func (c *talk) client(b string, n int) *talk { return c.say(0, b, n) }
func (c *talk) server(b string, n int) *talk { return c.say(1, b, n) }

func (c *talk) say(side int, b string, n int) *talk {
	for part := range slices.Chunk([]byte(b), n) {
		c.frame(side, false, part)
	}
	return c
}

func (c *talk) frame(side int, syn bool, payload []byte) {
	c.t.Helper()
	addr := []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("203.0.113.9")}
	port := []uint16{40000, c.port}
	ip := &layers.IPv4{Version: 4, TTL: 64, Id: uint16(len(c.list)), SrcIP: addr[side].AsSlice(), DstIP: addr[1-side].AsSlice()}
	var transport gopacket.SerializableLayer
	if c.udp {
		ip.Protocol = layers.IPProtocolUDP
		u := &layers.UDP{SrcPort: layers.UDPPort(port[side]), DstPort: layers.UDPPort(port[1-side])}
		u.SetNetworkLayerForChecksum(ip)
		transport = u
	} else {
		ip.Protocol = layers.IPProtocolTCP
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(port[side]), DstPort: layers.TCPPort(port[1-side]), Window: 1000,
			Seq: c.seq[side], Ack: c.seq[1-side], SYN: syn, ACK: !syn || side == 1,
		}
		tcp.SetNetworkLayerForChecksum(ip)
		transport = tcp
	}
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, transport, gopacket.Payload(payload)); err != nil {
		c.t.Fatal(err)
	}
	c.seq[side] += uint32(len(payload))
	if syn {
		c.seq[side]++
	}
	data := bytes.Clone(buf.Bytes())
	c.list = append(c.list, capture.Frame{
		Data: data, Time: 1e18 + int64(len(c.list))*1e6, Number: uint64(len(c.list) + 1), WireLen: uint32(len(data)), Link: 1,
	})
}

// found are the indicators that the conversation shows, but for ports, each as
// tool/indicator.
func (c *talk) found() string {
	c.t.Helper()
	cfg := small()
	cfg.Alerts.MinConfidence = "low"
	r := replaySource(c.t, cfg, &frames{list: c.list}, func(uint32) string { return "memory" })
	var names []string
	for _, a := range r.alerts {
		for _, e := range a.Evidence {
			if e.Indicator.Need != detect.CondPort {
				names = append(names, a.Tool.ID+"/"+e.Indicator.ID)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

// raw is the bytes of hexadecimal digits, filled with zeros up to size.
func raw(digits string, size int) string {
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b) + strings.Repeat("\x00", max(size-len(b), 0))
}

const (
	greeting = "RFB 003.008\n"
	hamachi  = "00000180 00010000 00000000 7b7a0dad"
)

// conversations are those that show exactly the wanted indicators; say sends
// messages in segments of n bytes.
var conversations = map[string]struct {
	udp  bool
	port uint16
	want string
	say  func(c *talk, n int)
}{
	"a length that is right": {want: "hamachi/hello", say: func(c *talk, n int) {
		c.open().client(raw(hamachi, 388), n).server("ok", n).client("more", n)
	}},
	"a message longer than its length": {say: func(c *talk, n int) { c.open().client(raw(hamachi, 388)+"x", max(n, 389)) }},
	"a message that never ends":        {say: func(c *talk, n int) { c.open().client(raw(hamachi, 387), n) }},
	"sizes of both sides": {want: "splashtop/negotiation", say: func(c *talk, n int) {
		c.open().client(raw("2000c800", 4), n).server(raw("20008800000c0084000000000005 01", 140), n)
	}},
	"another size": {say: func(c *talk, n int) {
		c.open().client(raw("2000c800", 4), n).server(raw("20008800000c008400000000000501", 141), 141)
	}},
	"who opened the connection greets first": {want: "vnc/client-version vnc/reverse vnc/server-version", say: func(c *talk, n int) {
		c.open().client(greeting, n).server(greeting, n)
	}},
	"the server greets first": {want: "vnc/client-version vnc/no-password vnc/server-version", say: func(c *talk, n int) {
		c.open().server(greeting, n).client(greeting, n).server("\x01\x01", n)
	}},
	"the start was missed": {port: 900, want: "vnc/client-version", say: func(c *talk, n int) { c.client(greeting, n) }},
	"a greeting behind 250 bytes": {want: "vnc/repeater-registration", say: func(c *talk, n int) {
		c.open().client("ID:1234"+strings.Repeat("\x00", 243), n).client(greeting, n)
	}},
	"a greeting behind 249 bytes": {say: func(c *talk, n int) { c.open().client("ID:1234"+strings.Repeat("\x00", 242)+greeting, n) }},
	"a login with its length": {want: "frp/login", say: func(c *talk, n int) {
		c.open().client(raw("6f000000000000000d", 9)+`{"version":1}`, n)
	}},
	"the answer repeats the number": {udp: true, want: "wireguard/handshake wireguard/initiation", say: func(c *talk, n int) {
		c.client(raw("01000000 a1a2a3a4", 148), 148).client(raw("01000000 d837d030", 148), 148).server(raw("02000000 06f47dab d837d030", 92), 92)
	}},
	"the answer repeats an older number": {udp: true, want: "wireguard/initiation", say: func(c *talk, n int) {
		c.client(raw("01000000 a1a2a3a4", 148), 148).client(raw("01000000 d837d030", 148), 148).server(raw("02000000 06f47dab a1a2a3a4", 92), 92)
	}},
	"three datagrams": {udp: true, want: "teamviewer/peer-stream", say: func(c *talk, n int) {
		for _, b := range []string{"73", "6f", "40"} {
			c.client(raw("00000000 00000000 4426 031724 "+b, 20), 20)
		}
	}},
	"two datagrams": {udp: true, say: func(c *talk, n int) {
		for _, b := range []string{"73", "6f"} {
			c.client(raw("00000000 00000000 4426 031724 "+b, 20), 20)
		}
	}},
	"a tunnel in DNS": {udp: true, port: 53, want: "iodine/version", say: func(c *talk, n int) {
		c.client(raw("12b0010000010000000000000b76616161616b6172646c69067069726174650373656100000a0001", 0), 99)
	}},
	"a name in DNS": {udp: true, port: 53, say: func(c *talk, n int) {
		c.client(raw("12b0010000010000000000000b76616161616b6162646c69067069726174650373656100000a0001", 0), 99)
	}},
	"a WebSocket's sub-protocol": {port: 8080, want: "chisel/channel", say: func(c *talk, n int) {
		c.open().client("GET / HTTP/1.1\r\nHost: 203.0.113.9\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chisel-v3\r\n\r\n", n)
	}},
	"a protocol behind HTTP": {port: 8080, want: "tailscale/relay-channel tailscale/relay-upgrade", say: func(c *talk, n int) {
		c.open().client("GET /derp HTTP/1.1\r\nHost: 203.0.113.9\r\nUpgrade: DERP\r\n\r\n", n)
	}},
}

// What corroborates a payload is found however a message was segmented, and a
// conversation that lacks it shows nothing.
func TestCorroborated(t *testing.T) {
	for name, c := range conversations {
		if c.port == 0 {
			c.port = 8443
		}
		for _, n := range []int{1500, 100, 7, 1} {
			conversation := &talk{t: t, udp: c.udp, port: c.port}
			c.say(conversation, n)
			if got := conversation.found(); got != c.want {
				t.Errorf("%s, %d bytes at a time: %q, want %q", name, n, got, c.want)
			}
		}
	}
}

// Each message cut short by the capture, at every length, shows nothing that is
// not there, and nothing breaks.
func TestCorroboratedCut(t *testing.T) {
	whole := raw("32 0b 0a 09 31 32 33 34 35 36 37 38 39", 0)
	for n := range len(whole) + 1 {
		c := &talk{t: t, udp: true, port: 8443}
		c.client(whole, 99)
		f := &c.list[0]
		f.Data = f.Data[:14+20+8+n] // Ethernet, IPv4, UDP
		want := ""
		if n >= 8 { // the bytes of the pattern; the length stands in the header
			want = "rustdesk/register-number"
		}
		if got := c.found(); got != want {
			t.Errorf("%d bytes kept: %q, want %q", n, got, want)
		}
	}
}
