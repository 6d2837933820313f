package sensor_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

const relayAnswer = relay + ". 60 IN A 203.0.113.9"

// datagram adds a UDP frame.
func (w *wire) datagram(from, to netip.AddrPort, payload []byte) {
	w.t.Helper()
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Id: uint16(len(w.frames)), Protocol: layers.IPProtocolUDP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	udp.SetNetworkLayerForChecksum(ip)
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, udp, gopacket.Payload(payload)); err != nil {
		w.t.Fatal(err)
	}
	w.now += 1e6
	w.frames = append(w.frames, capture.Frame{
		Data: append([]byte(nil), buf.Bytes()...), Time: w.now, Number: uint64(len(w.frames) + 1), WireLen: uint32(len(buf.Bytes())), Link: 1,
	})
}

// told adds the answer to the wire's client's question for name.
func (w *wire) told(name string, change func(*dns.Msg), records ...string) {
	w.t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	m.Response = true
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	if change != nil {
		change(m)
	}
	b, err := m.Pack()
	if err != nil {
		w.t.Fatal(err)
	}
	w.datagram(netip.MustParseAddrPort("10.0.0.53:53"), netip.AddrPortFrom(w.client.Addr(), 50_000), b)
}

// byDNS lists the evidence of flows that DNS named, with the number of the packet.
func byDNS(alerts []*alert.Alert) (out []string) {
	for _, a := range alerts {
		for i := range a.Evidence {
			if e := &a.Evidence[i]; e.Kind == detect.KindDNSName {
				out = append(out, fmt.Sprintf("%s %s %d", e.Indicator.ID, e.Value, e.FirstFrame.Number))
			}
		}
	}
	return out
}

// bytesOf is what a client says that nobody knows.
func bytesOf(n int) []byte { return []byte(strings.Repeat("\xc1\x02\xfe", n)) }

// A flow is named when its first packet comes before TTL and grace are over, to the
// nanosecond, however late it says what it is.
func TestNamedWithinTTL(t *testing.T) {
	for _, c := range []struct {
		after, hello int64 // nanoseconds from the answer to the SYN, and from there to the bytes
		want         bool
	}{
		{1e9, 1e6, true}, {120e9, 1e6, true}, {120e9, 30e9, true}, {120e9 + 1, 1e6, false}, {-1, 1e9, false},
	} {
		w := newWire(t, false)
		begin := w.now + 10e9
		first := func() { w.told(relay, nil, relayAnswer) }
		then := func() {
			w.segment(99, true, nil)
			w.frames[len(w.frames)-1].Time = begin + c.after
		}
		if c.after < 0 {
			first, then = then, first
		}
		first()
		then()
		for i := range w.frames {
			if w.frames[i].Time < begin-5e9 {
				w.frames[i].Time = begin // the answer
			}
		}
		w.segment(100, false, bytesOf(20))
		w.frames[2].Time = max(begin, begin+c.after) + c.hello
		if got := byDNS(replayFrames(t, w.frames).alerts); len(got) > 0 != c.want {
			t.Errorf("%d ns after the answer, bytes %d ns later: %q", c.after, c.hello, got)
		}
	}
}

// What is no answer to this client names nothing.
func TestNotNamed(t *testing.T) {
	for name, c := range map[string]struct { // any order
		asked   string
		change  func(*dns.Msg)
		records []string
		want    bool
	}{
		"as usual":            {relay, nil, []string{relayAnswer}, true},
		"a question":          {relay, func(m *dns.Msg) { m.Response = false }, []string{relayAnswer}, false},
		"an error":            {relay, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }, []string{relayAnswer}, false},
		"without recursion":   {relay, func(m *dns.Msg) { m.RecursionDesired = false }, []string{relayAnswer}, false},
		"another's record":    {relay, nil, []string{"other.example. 60 IN A 203.0.113.9"}, false},
		"another address":     {relay, nil, []string{relay + ". 60 IN A 203.0.113.10"}, false},
		"no rule knows it":    {"www.example.com", nil, []string{"www.example.com. 60 IN A 203.0.113.9"}, false},
		"a stray alias":       {"www.example.com", nil, []string{"www.example.com. 60 IN A 203.0.113.9", "x.example. 60 IN CNAME " + relay + "."}, false},
		"an alias":            {"help.example", nil, []string{"help.example. 60 IN CNAME " + relay + ".", relayAnswer}, true},
		"marketing":           {"anydesk.com", nil, []string{"anydesk.com. 60 IN A 203.0.113.9"}, false},
		"two questions":       {relay, func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }, []string{relayAnswer}, false},
		"another class":       {relay, nil, []string{relay + ". 60 CH A 203.0.113.9"}, false},
		"an address hint":     {relay, nil, []string{relay + ". 60 IN HTTPS 1 . ipv4hint=203.0.113.9"}, true},
		"a hint of no record": {relay, nil, []string{"x.example. 60 IN HTTPS 1 . ipv4hint=203.0.113.9"}, false},
	} {
		w := newWire(t, false)
		w.told(c.asked, c.change, c.records...)
		w.segment(99, true, nil)
		w.segment(100, false, bytesOf(20))
		if got := byDNS(replayFrames(t, w.frames).alerts); len(got) > 0 != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Whatever a flow shows, its own name wins, and what cannot be known is not guessed.
func TestWhichFlowsAreNamed(t *testing.T) {
	request := func(host string) []byte { return []byte("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n") }
	initial := append([]byte("\xc0\x00\x00\x00\x01\x08abcdefgh\x00\x00\x44\xb0"), bytesOf(400)...)
	for name, c := range map[string]struct { // any order
		port     uint16
		syn      bool
		segments [][]byte
		want     bool
	}{
		"unknown bytes":              {9000, true, [][]byte{bytesOf(20)}, true},
		"unknown, start not seen":    {9000, false, [][]byte{bytesOf(20), bytesOf(3000)}, false},
		"TLS without SNI, midstream": {9000, false, [][]byte{helloWith(t, "192.0.2.7", "h2")}, true},
		"TLS with SNI":               {9000, true, [][]byte{helloWith(t, "www.example.com", "h2")}, false},
		"HTTP with a name":           {80, true, [][]byte{request("www.example.com"), request("203.0.113.9")}, false},
		"HTTP to an address":         {80, true, [][]byte{request("203.0.113.9:80"), request("www.example.com")}, true},
		"a proxy":                    {3128, true, [][]byte{[]byte("CONNECT 192.0.2.7:443 HTTP/1.1\r\n\r\n"), bytesOf(20)}, false},
		"SOCKS":                      {1080, true, [][]byte{{5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 7, 1, 187}, bytesOf(20)}, false},
		"mail":                       {25, true, [][]byte{[]byte("EHLO x\r\n"), []byte("MAIL FROM:<a@b>\r\n")}, false},
		"bytes on the port of mail":  {25, true, [][]byte{bytesOf(400), bytesOf(480), bytesOf(480), bytesOf(480)}, true},
		"half a hello":               {443, true, [][]byte{helloWith(t, "192.0.2.7", "h2")[:200]}, false},
	} {
		w := newWire(t, false)
		w.host = netip.AddrPortFrom(w.host.Addr(), c.port)
		w.told(relay, nil, relayAnswer)
		if c.syn {
			w.segment(99, true, nil)
		}
		seq := uint32(100)
		for _, s := range c.segments {
			w.segment(seq, false, s)
			seq += uint32(len(s))
		}
		if got := byDNS(replayFrames(t, w.frames).alerts); len(got) > 0 != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, c := range map[string]struct { // any order
		payload []byte
		times   int
		server  bool
		want    bool
	}{
		"a datagram":               {bytesOf(20), 1, false, true},
		"QUIC that is not opened":  {initial, 10, false, true},
		"the beginning of QUIC":    {initial, 2, false, false},
		"only the server is heard": {bytesOf(20), 3, true, false},
	} {
		w := newWire(t, false)
		w.told(relay, nil, relayAnswer)
		from, to := netip.AddrPortFrom(w.client.Addr(), 40_000), netip.AddrPortFrom(w.host.Addr(), 443)
		if c.server {
			from, to = to, from
		}
		for range c.times {
			w.datagram(from, to, c.payload)
		}
		if got := byDNS(replayFrames(t, w.frames).alerts); len(got) > 0 != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// An alias is anybody's text: it is shown escaped, and cannot forge a second arrow.
func TestHostileAlias(t *testing.T) {
	w := newWire(t, false)
	alias := `\027[31m\032->\032x\".example`
	w.told(alias, nil, alias+". 60 IN CNAME "+relay+".", relayAnswer)
	w.segment(99, true, nil)
	w.segment(100, false, bytesOf(20))
	r := replayFrames(t, w.frames)
	want := `\027[31m\032->\032x".example -> ` + relay
	if got := byDNS(r.alerts); len(got) == 0 || !strings.Contains(got[0], " "+want+" ") || strings.Count(got[0], " -> ") != 1 {
		t.Errorf("%q, want %q", got, want)
	}
	for _, c := range []byte(r.eve[:len(r.eve)-1]) {
		if (c < ' ' || c > '~') && c != '\n' {
			t.Fatalf("byte %#x in %q", c, r.eve)
		}
	}
}

// A host that turns out to answer questions asked for others: its own flows are not
// named, also by what it was told before that was known.
func TestResolverIsNotNamed(t *testing.T) {
	for _, answers := range []bool{false, true} {
		w := newWire(t, false)
		w.told(relay, nil, relayAnswer)
		if answers {
			b := w.frames[0].Data[14+20+8:]
			w.datagram(netip.AddrPortFrom(w.client.Addr(), 53), netip.MustParseAddrPort("10.1.9.9:50001"), b)
		}
		w.segment(99, true, nil)
		w.segment(100, false, bytesOf(20))
		if got := byDNS(replayFrames(t, w.frames).alerts); len(got) > 0 == answers {
			t.Errorf("the host answers: %v, %q", answers, got)
		}
	}
}
