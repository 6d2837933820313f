package sensor_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	tlsparse "github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// relay is a name that the embedded rules know.
const relay = "instance-a1b2c3-relay.screenconnect.com"

// goHello is the first flight of a crypto/tls client: with the post-quantum
// key share that is its default it does not fit one segment.
func goHello(t testing.TB, name string) []byte {
	t.Helper()
	return helloWith(t, name, "h2", "http/1.1")
}

// helloWith is goHello with other protocols on offer.
func helloWith(t testing.TB, name string, alpn ...string) []byte {
	t.Helper()
	a, b := net.Pipe()
	go tls.Client(a, &tls.Config{ServerName: name, NextProtos: alpn}).Handshake()
	head := make([]byte, 5)
	if _, err := io.ReadFull(b, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(b, body); err != nil {
		t.Fatal(err)
	}
	b.Close()
	return append(head, body...)
}

// chromiumHello is the ClientHello of a recorded Chromium.
func chromiumHello(t testing.TB) []byte {
	t.Helper()
	f, err := capture.Open([]string{"../pcaps/chromium-tls.pcap"}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stream []byte
	for {
		data, _, err := f.ZeroCopyReadPacketData()
		if err != nil {
			t.Fatalf("no ClientHello in the recording: %v", err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
		if tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok && tcp.DstPort == 443 && len(tcp.Payload) > 0 {
			stream = append(stream, tcp.Payload...)
			if len(stream) > 5 && len(stream) >= 5+int(stream[3])<<8+int(stream[4]) {
				return stream[:5+int(stream[3])<<8+int(stream[4])]
			}
		}
	}
}

// wire makes frames of one TCP flow from a client to a server.
type wire struct {
	t            testing.TB
	client, host netip.AddrPort
	frames       []capture.Frame
	now          int64
}

func newWire(t testing.TB, v6 bool) *wire {
	w := &wire{t: t, client: netip.MustParseAddrPort("10.1.2.3:40000"), host: netip.MustParseAddrPort("203.0.113.9:8443"), now: 1e18}
	if v6 {
		w.client, w.host = netip.MustParseAddrPort("[fd00::3]:40000"), netip.MustParseAddrPort("[2001:db8::9]:8443")
	}
	return w
}

// segment adds a frame from the client.
func (w *wire) segment(seq uint32, syn bool, payload []byte) {
	w.t.Helper()
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(w.client.Port()), DstPort: layers.TCPPort(w.host.Port()), Seq: seq, SYN: syn, ACK: !syn, Window: 1000}
	var ip gopacket.SerializableLayer
	if w.client.Addr().Is4() {
		ip4 := &layers.IPv4{Version: 4, TTL: 64, Id: uint16(len(w.frames)), Protocol: layers.IPProtocolTCP, SrcIP: w.client.Addr().AsSlice(), DstIP: w.host.Addr().AsSlice()}
		tcp.SetNetworkLayerForChecksum(ip4)
		ip = ip4
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: w.client.Addr().AsSlice(), DstIP: w.host.Addr().AsSlice()}
		tcp.SetNetworkLayerForChecksum(ip6)
		ip = ip6
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, tcp, gopacket.Payload(payload)); err != nil {
		w.t.Fatal(err)
	}
	w.now += 1e6
	w.frames = append(w.frames, capture.Frame{
		Data: append([]byte(nil), buf.Bytes()...), Time: w.now, Number: uint64(len(w.frames) + 1), WireLen: uint32(len(buf.Bytes())), Link: 1,
	})
}

// another moves on to the next flow, on another client port.
func (w *wire) another() { w.client = netip.AddrPortFrom(w.client.Addr(), w.client.Port()+1) }

// names are the server names in the tls events of a result, in order.
func names(t testing.TB, events string) (out []string) {
	t.Helper()
	for line := range strings.Lines(events) {
		var e struct {
			TLS struct{ SNI string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.TLS.SNI != "" {
			out = append(out, e.TLS.SNI)
		}
	}
	return out
}

// wantEach demands one event with the name for each of n flows.
func wantEach(t *testing.T, r result, n int, name string) {
	t.Helper()
	got := names(t, r.events)
	for _, g := range got {
		if g != name {
			t.Fatalf("a flow named %q", g)
		}
	}
	if len(got) != n {
		t.Errorf("%d flows of %d gave their name", len(got), n)
	}
}

type hello struct {
	bytes []byte
	name  string
}

// hellos are those of the two clients that everybody has.
func hellos(t *testing.T) map[string]hello {
	chromium := hello{bytes: chromiumHello(t)}
	var h tlsparse.ClientHello
	if tlsparse.NewParser().Client(chromium.bytes, &h) != tlsparse.Done {
		t.Fatal("Chromium's hello does not parse")
	}
	chromium.name = string(h.SNI)
	return map[string]hello{"Go": {goHello(t, relay), relay}, "Chromium": chromium}
}

// A ClientHello cut in two at every offset, in both orders, over IPv4 and
// IPv6, with and without its SYN, on a port that is not TLS's.
func TestHelloCutAtEveryOffset(t *testing.T) {
	for client, h := range hellos(t) {
		for _, v6 := range []bool{false, true} {
			for _, syn := range []bool{false, true} {
				w := newWire(t, v6)
				n := 0
				for cut := 1; cut < len(h.bytes); cut++ {
					for _, swapped := range []bool{false, true} {
						if syn {
							w.segment(99, true, nil)
						}
						if swapped {
							w.segment(100+uint32(cut), false, h.bytes[cut:])
							w.segment(100, false, h.bytes[:cut])
						} else {
							w.segment(100, false, h.bytes[:cut])
							w.segment(100+uint32(cut), false, h.bytes[cut:])
						}
						w.another()
						n++
					}
				}
				t.Logf("%s, IPv6 %v, SYN %v: %d flows", client, v6, syn, n)
				wantEach(t, replayFrames(t, w.frames), n, h.name)
			}
		}
	}
}

// Three segments in every order, with overlaps, the cuts at many places.
func TestHelloInThreeSegments(t *testing.T) {
	orders := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for _, h := range hellos(t) {
		w := newWire(t, false)
		n := 0
		for a := 1; a < len(h.bytes)-1; a += 41 {
			for b := a + 1; b < len(h.bytes); b += 53 {
				overlap := min(n%7, a)
				parts := [3]struct{ from, to int }{{0, a}, {a - overlap, b}, {b, len(h.bytes)}}
				for _, order := range orders {
					w.segment(99, true, nil)
					for _, i := range order {
						w.segment(100+uint32(parts[i].from), false, h.bytes[parts[i].from:parts[i].to])
					}
					w.another()
					n++
				}
			}
		}
		wantEach(t, replayFrames(t, w.frames), n, h.name)
	}
}

// The handshake message split over two TLS records at every place.
func TestHelloOverRecords(t *testing.T) {
	for _, h := range hellos(t) {
		w := newWire(t, false)
		body := h.bytes[5:]
		record := func(b []byte) []byte {
			return append([]byte{0x16, 3, 1, byte(len(b) >> 8), byte(len(b))}, b...)
		}
		for cut := 1; cut < len(body); cut++ {
			w.segment(99, true, nil)
			stream := append(record(body[:cut]), record(body[cut:])...)
			half := len(stream) / 2
			w.segment(100, false, stream[:half])
			w.segment(100+uint32(half), false, stream[half:])
			w.another()
		}
		wantEach(t, replayFrames(t, w.frames), len(body)-1, h.name)
	}
}

// Behind what upgrades a connection to TLS the hello is found all the same,
// wherever its bytes are cut.
func TestHelloBehindOtherProtocols(t *testing.T) {
	h := goHello(t, relay)
	for name, before := range map[string]string{
		"CONNECT":            "CONNECT proxied.example:443 HTTP/1.1\r\nHost: proxied.example:443\r\n\r\n",
		"CONNECT, bare LF":   "CONNECT proxied.example:443 HTTP/1.0\n\n",
		"two proxies":        "CONNECT inner.example:3128 HTTP/1.1\r\n\r\nCONNECT proxied.example:443 HTTP/1.1\r\n\r\n",
		"SOCKS5":             "\x05\x01\x00\x05\x01\x00\x03\x0fproxied.example\x01\xbb",
		"SOCKS5, password":   "\x05\x02\x00\x02\x01\x02me\x06secret\x05\x01\x00\x01\x01\x02\x03\x04\x01\xbb",
		"SOCKS4a":            "\x04\x01\x01\xbb\x00\x00\x00\x01\x00proxied.example\x00",
		"RDP":                "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
		"CONNECT and RDP":    "CONNECT desk.example:3389 HTTP/1.1\r\n\r\n\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
		"STARTTLS":           "EHLO me.example\r\nSTARTTLS\r\n",
		"IMAP":               "a1 CAPABILITY\r\na2 STARTTLS\r\n",
		"PostgreSQL":         "\x00\x00\x00\x08\x04\xd2\x16\x2f",
		"PROXY protocol":     "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n",
		"frp":                "\x17",
		"requests, then TLS": "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\nCONNECT proxied.example:443 HTTP/1.1\r\n\r\n",
	} {
		stream := append([]byte(before), h...)
		w := newWire(t, false)
		n := 0
		for cut := 1; cut < len(stream); cut += 1 + cut/40 {
			w.segment(99, true, nil)
			w.segment(100, false, stream[:cut])
			w.segment(100+uint32(cut), false, stream[cut:])
			w.another()
			w.segment(99, true, nil)
			w.segment(100+uint32(cut), false, stream[cut:])
			w.segment(100, false, stream[:cut])
			w.another()
			n += 2
		}
		t.Run(name, func(t *testing.T) { wantEach(t, replayFrames(t, w.frames), n, relay) })
	}
}

// A capture that begins in the middle of a connection still shows the requests
// that follow, behind a keep-alive or the rest of an upload.
func TestRequestsAfterAMissedStart(t *testing.T) {
	const request = "GET /agent.ashx HTTP/1.1\r\nHost: mesh.example\r\n\r\n"
	for name, before := range map[string][]string{
		"keep-alive":      {"\x00"},
		"end of a body":   {"...the rest of an upload"},
		"two segments":    {"some bytes", "and some more"},
		"nothing":         nil,
		"a response body": {"HTTP"},
	} {
		w := newWire(t, false)
		seq := uint32(5000)
		for _, b := range append(before, request) {
			w.segment(seq, false, []byte(b))
			seq += uint32(len(b))
		}
		if r := replayFrames(t, w.frames); !strings.Contains(story(r.alerts), "meshcentral high") {
			t.Errorf("%s: %s", name, r.events)
		}
	}
}

// Requests that follow one another in one segment are all read, also behind a
// body.
func TestPipelinedRequests(t *testing.T) {
	w := newWire(t, false)
	w.segment(99, true, nil)
	w.segment(100, false, []byte("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12345GET /agent.ashx HTTP/1.1\r\nHost: c\r\n\r\n"))
	r := replayFrames(t, w.frames)
	if n := strings.Count(r.events, `"event_type":"http"`); n != 3 || !strings.Contains(story(r.alerts), "meshcentral") {
		t.Errorf("%d requests\n%s", n, r.events)
	}
}

// A certificate is the peer's own words: in an alert they are printable ASCII
// and end.
func TestCertificateInAnAlertIsPrintable(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Unix(4e9, 0),
		Subject: pkix.Name{CommonName: "MeshNodeCertificate", Organization: []string{"rtl \u202e \x1b[31m " + strings.Repeat("x", 500)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	flight := serverFlight(t, der, key)
	w := newWire(t, false)
	w.client, w.host = w.host, w.client // what the server sends
	w.segment(100, false, flight)
	r := replayFrames(t, w.frames)
	if len(r.alerts) != 1 || r.alerts[0].Tool.ID != "meshcentral" {
		t.Fatalf("%s", story(r.alerts))
	}
	value := r.alerts[0].Best().Value
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			t.Errorf("byte %#x in %q", c, value)
		}
	}
	if !strings.Contains(value, `\E2\80\AE`) || len(value) > 3*256 {
		t.Errorf("%d bytes: %q", len(value), value)
	}
}

// serverFlight is what a crypto/tls server of TLS 1.2 answers with a
// certificate.
func serverFlight(t *testing.T, der []byte, key crypto.PrivateKey) []byte {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		tls.Server(c, &tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}).Handshake()
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got recorder
	tls.Client(&recording{c, &got}, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake()
	return got
}

type recorder []byte

// recording keeps what is read from a connection.
type recording struct {
	net.Conn
	to *recorder
}

func (r *recording) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	*r.to = append(*r.to, p[:n]...)
	return n, err
}
