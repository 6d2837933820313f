package events

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/http"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

func TestHello(t *testing.T) {
	m := meta(t)
	m.Carried, m.Encrypted = true, dns.DoH
	h := clientHello(t, []byte("dns.google"), true, "h2", "http/1.1")
	e := one(t, func(w *Writer) { w.Hello(m, h, tls.OverTCP, "1") })
	if e.EventType != "tls" || e.AppProto != "tls" || e.TLS["sni"] != "dns.google" || e.TLS["version"] != "TLS 1.2" {
		t.Errorf("%+v", e)
	}
	if s, _ := e.TLS["ja4"].(string); !strings.HasPrefix(s, "t12d0203h2_") {
		t.Errorf("ja4 %q", s)
	}
	want := []map[string]string{{"tls.alpn": "h2"}, {"tls.alpn": "http/1.1"}, {"tls.ech": "inner"}, {"dns.encrypted": "doh"}, {"carried": "true"}}
	if !reflect.DeepEqual(e.Metadata.Flowvars, want) {
		t.Errorf("flowvars %v", e.Metadata.Flowvars)
	}

	e = one(t, func(w *Writer) { w.Hello(meta(t), clientHello(t, nil, false, "h3"), tls.OverQUIC, "2") })
	if e.EventType != "quic" || e.AppProto != "quic" || e.QUIC["version"] != "2" || e.TLS != nil {
		t.Errorf("%+v", e)
	}
	if _, has := e.QUIC["sni"]; has {
		t.Error("an SNI where there is none")
	}
}

// certificate makes a certificate with a subject and alternative names.
func certificate(t testing.TB, subject string, names ...string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x0a1b), NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(2e9, 0),
		Subject: pkix.Name{CommonName: subject, Organization: []string{"Cloud, Inc."}}, DNSNames: names,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestFlight(t *testing.T) {
	s := flight(t, certificate(t, "AnyNet\u202eRelay", "a.example", "b\n.example"), "h2")
	e := one(t, func(w *Writer) { w.Flight(meta(t), s) })
	for key, want := range map[string]any{
		"version": "TLS 1.2", "subject": `CN=AnyNet\E2\80\AERelay, O=Cloud\, Inc.`, "issuerdn": `CN=AnyNet\E2\80\AERelay, O=Cloud\, Inc.`,
		"serial": "0A:1B", "notbefore": "2001-09-09T01:46:40", "notafter": "2033-05-18T03:33:20",
	} {
		if e.TLS[key] != want {
			t.Errorf("%s is %v, want %v", key, e.TLS[key], want)
		}
	}
	if got := e.vars("tls.san"); !slices.Equal(got, []string{"a.example", `b\x0a.example`}) {
		t.Errorf("names %q", got)
	}
	if got := e.vars("tls.server_alpn"); !slices.Equal(got, []string{"h2"}) {
		t.Errorf("ALPN %q", got)
	}
	if hash, _ := e.TLS["ja3s"].(map[string]any); hash["string"] != "771,49199,16" {
		t.Errorf("%v", hash)
	}
}

// A certificate with thousands of names says how many are not shown.
func TestManyNames(t *testing.T) {
	var names []string
	for i := range maxVars + 44 {
		names = append(names, fmt.Sprintf("h%d.example", i))
	}
	s := flight(t, certificate(t, "x", names...), "h2")
	e := one(t, func(w *Writer) { w.Flight(meta(t), s) })
	if got := e.vars("tls.san"); len(got) != maxVars-1 || got[9] != "h9.example" {
		t.Errorf("%d names", len(got))
	}
	if got := e.vars("more"); !slices.Equal(got, []string{"45"}) {
		t.Errorf("more: %q", got)
	}
}

func TestDNS(t *testing.T) {
	name, target := labels("a.b", "net"), labels("x\n", "example")
	service := append([]byte{0, 1}, labels("svc", "example")...)
	alpn := []byte("\x02h2\x05a, \"b")
	service = append(service, 0, 1, 0, byte(len(alpn)))
	service = append(service, alpn...)
	service = append(service, 0, 3, 0, 2, 0x20, 0xfb)
	service = append(service, 0, 4, 0, 8, 192, 0, 2, 1, 192, 0, 2, 2)
	service = append(service, 0, 5, 0, 1, 0)
	msg := dnsMessage(t, 0x8580, [][]byte{name},
		record(name, dns.TypeCNAME, target), record(target, dns.TypeA, []byte{192, 0, 2, 9}),
		record(target, dns.TypeHTTPS, service), record(target, 16, []byte("\x01x")))
	e := one(t, func(w *Writer) { w.DNS(meta(t), msg, dns.KindDNS) })
	for key, want := range map[string]any{
		"type": "answer", "rrname": `a\.b.net`, "rrtype": "A", "rcode": "NOERROR", "flags": "8580",
		"qr": true, "aa": true, "rd": true, "ra": true, "id": 4660.0, "version": 2.0, "opcode": 0.0,
	} {
		if e.DNS[key] != want {
			t.Errorf("%s is %v, want %v", key, e.DNS[key], want)
		}
	}
	var data []any
	for _, a := range e.DNS["answers"].([]any) {
		data = append(data, a.(map[string]any)["rrtype"], a.(map[string]any)["rdata"])
	}
	want := []any{
		"CNAME", `x\010.example`, "A", "192.0.2.9",
		"HTTPS", `1 svc.example. alpn=h2,a\x2c\x20"b port=8443 ipv4hint=192.0.2.1,192.0.2.2 ech`, "TXT", nil,
	}
	if !reflect.DeepEqual(data, want) {
		t.Errorf("answers %q\nwant %q", data, want)
	}
}

// One event a question; queries have no answers, and multicast its own name.
func TestQuestions(t *testing.T) {
	msg := dnsMessage(t, 0, [][]byte{labels("a", "local"), labels("b", "local")})
	for kind, app := range map[dns.Kind]string{dns.KindDNS: "dns", dns.KindMDNS: "mdns", dns.KindLLMNR: "llmnr"} {
		events, _ := written(t, func(w *Writer) { w.DNS(meta(t), msg, kind) })
		if len(events) != 2 || events[0].DNS["rrname"] != "a.local" || events[1].DNS["rrname"] != "b.local" {
			t.Fatalf("%+v", events)
		}
		if e := events[0]; e.AppProto != app || e.EventType != "dns" || e.DNS["type"] != "query" || e.DNS["rcode"] != nil || e.DNS["answers"] != nil {
			t.Errorf("%+v", e)
		}
	}
	e := one(t, func(w *Writer) {
		w.DNS(meta(t), dnsMessage(t, 0x8403, nil, record(labels("a", "local"), 1, []byte{10, 0, 0, 1})), dns.KindMDNS)
	})
	if e.DNS["rcode"] != "NXDOMAIN" || e.DNS["rrname"] != nil || len(e.DNS["answers"].([]any)) != 1 {
		t.Errorf("%+v", e.DNS)
	}
	if rcode(16) != "16" {
		t.Error("a code beyond the names")
	}
}

func request(t testing.TB, head string) *http.RequestHead {
	t.Helper()
	r := new(http.RequestHead)
	if st := http.Request([]byte(head), r); st != http.Done {
		t.Fatalf("request: status %d of %q", st, head)
	}
	return r
}

func TestRequest(t *testing.T) {
	m := meta(t)
	m.Carried = true
	r := request(t, "GET http://a.example:8080/x?\"\xe9 HTTP/1.1\r\nHost: b.example\r\nUser-Agent: AnyDesk/7\\1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: v1\r\n\r\n")
	e := one(t, func(w *Writer) { w.Request(m, r) })
	want := map[string]any{
		"hostname": "a.example", "http_port": 8080.0, "url": `http://a.example:8080/x?"\xe9`, "http_user_agent": `AnyDesk/7\\1`,
		"http_method": "GET", "protocol": "HTTP/1.1",
	}
	if !reflect.DeepEqual(e.HTTP, want) {
		t.Errorf("%v", e.HTTP)
	}
	vars := []map[string]string{{"http.upgrade": "websocket"}, {"http.websocket_protocol": "v1"}, {"http.host_header": "b.example"}, {"carried": "true"}}
	if !reflect.DeepEqual(e.Metadata.Flowvars, vars) {
		t.Errorf("flowvars %v", e.Metadata.Flowvars)
	}
}

// What is longer than servers accept is cut.
func TestLongText(t *testing.T) {
	r := request(t, "GET /"+strings.Repeat("a", 9000)+" HTTP/1.1\r\n\r\n")
	e := one(t, func(w *Writer) { w.Request(meta(t), r) })
	if url := e.HTTP["url"].(string); len(url) != maxText {
		t.Errorf("%d bytes", len(url))
	}
}

// A certificate's own limits: a long name, a long serial number, no dates.
func TestOddCertificate(t *testing.T) {
	s := flight(t, certificate(t, strings.Repeat("\xc3\xa9", maxText)), "h2")
	s.Cert.Serial, s.Cert.NotBefore, s.Cert.NotAfter = make([]byte, 200), tls.NoTime, tls.NoTime
	e := one(t, func(w *Writer) { w.Flight(meta(t), s) })
	if dn := e.TLS["subject"].(string); len(dn) > 3*maxText || len(dn) < maxText {
		t.Errorf("a subject of %d bytes", len(dn))
	}
	if n := strings.Count(e.TLS["serial"].(string), "00"); n != maxSerial {
		t.Errorf("%d bytes of the serial number", n)
	}
	for _, key := range []string{"notbefore", "notafter"} {
		if e.TLS[key] != nil {
			t.Errorf("%s: %v", key, e.TLS[key])
		}
	}
}

// Hostile names in every place give lines that are valid for Suricata 7 and 8.
func TestSchemas(t *testing.T) {
	schemas := testshared.Schemas(t)
	for _, name := range hostile {
		_, lines := written(t, func(w *Writer) { writeAll(t, w, name) })
		if len(lines) != 7 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, line := range lines {
			if err := schemas.Line(line); err != nil {
				t.Errorf("%v\n%s", err, line)
			}
		}
	}
}

// writeAll writes an event of each kind with a name of at most 255 bytes in
// every place that takes one.
func writeAll(t testing.TB, w *Writer, name string) {
	m := meta(t)
	h := clientHello(t, []byte(name), false, name)
	w.Hello(m, h, tls.OverTCP, "")
	w.Hello(m, h, tls.OverQUIC, "1")
	label := name[:min(len(name), 63)]
	if label != "" {
		question, target := labels(label, "example"), labels(label)
		service := append(append([]byte{0, 1}, target...), 0, 1)
		service = append(service, size16(size8([]byte(name)))...)
		w.DNS(m, dnsMessage(t, 0x8000, [][]byte{question, question},
			record(question, dns.TypeCNAME, target), record(question, dns.TypeHTTPS, service)), dns.KindDNS)
	}
	w.Request(m, &http.RequestHead{
		Method: []byte(name), Target: []byte(name), Host: []byte(name), HostHeader: []byte(name + "."), UserAgent: []byte(name),
		Upgrade: []byte(name), WebSocketProtocol: []byte(name), Major: 255, Minor: 255,
	})
	w.Flight(m, flightOnce(t, name))
	w.Request(m, &http.RequestHead{})
}

// flightOnce is a flight whose ALPN is name; making keys for each would be slow.
func flightOnce(t testing.TB, name string) *tls.ServerFlight {
	if fixedCertificate == nil {
		fixedCertificate = certificate(t, "a\n\u202e\x00\"b", "a\n.example")
	}
	return flight(t, fixedCertificate, name)
}

var fixedCertificate []byte

// Whatever the names are, each event is one line of printable JSON, and the
// names can be read back.
func FuzzNames(f *testing.F) {
	for _, s := range hostile {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, name []byte) {
		if len(name) == 0 || len(name) > 255 {
			return
		}
		events, _ := written(t, func(w *Writer) { writeAll(t, w, string(name)) })
		want := printable.Text(name)
		if len(events) != 7 || events[0].TLS["sni"] != want || events[1].QUIC["sni"] != want || events[4].HTTP["hostname"] != want {
			t.Fatalf("%q: %+v", name, events)
		}
		if got := events[0].vars("tls.alpn"); !slices.Equal(got, []string{want}) {
			t.Fatalf("%q: ALPN %q", name, got)
		}
	})
}

// failing is an output that takes some bytes and then nothing more.
type failing struct {
	room  int
	calls int
}

func (f *failing) Write(b []byte) (int, error) {
	f.calls++
	if f.room -= len(b); f.room < 0 {
		return 0, fmt.Errorf("full at call %d", f.calls)
	}
	return len(b), nil
}

// The first error of the output is what Flush returns, again and again, and the
// output is left alone from then on.
func TestFailingOutput(t *testing.T) {
	out := &failing{room: 100 << 10}
	w := New(out, func(uint32) string { return "a.pcap" })
	h, m := clientHello(t, []byte("a.example"), false, "h2"), meta(t)
	for range 2000 {
		w.Hello(m, h, tls.OverTCP, "")
	}
	for range 2 {
		if err := w.Flush(); err == nil || err.Error() != "full at call 2" {
			t.Errorf("%v", err)
		}
	}
	if out.calls != 2 {
		t.Errorf("%d writes", out.calls)
	}
	short := New(shortWriter{}, func(uint32) string { return "a.pcap" })
	short.Hello(m, h, tls.OverTCP, "")
	if err := short.Flush(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v", err)
	}
}

type shortWriter struct{}

func (shortWriter) Write(b []byte) (int, error) { return len(b) / 2, nil }

// The file's name is asked for again when the file changes.
func TestFiles(t *testing.T) {
	var out strings.Builder
	w := New(&out, func(file uint32) string { return fmt.Sprintf("/var/%d.pcap", file) })
	h, m := clientHello(t, nil, false), meta(t)
	for _, file := range []uint32{0, 1, 1, 0} {
		m.File = file
		w.Hello(m, h, tls.OverTCP, "")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var files []string
	for line := range strings.Lines(out.String()) {
		_, rest, _ := strings.Cut(line, `"pcap_filename":"`)
		files = append(files, rest[:1])
	}
	if got := strings.Join(files, ""); got != "0110" {
		t.Error(got)
	}
}

// measured are the events whose cost is watched.
func measured(t testing.TB) map[string]func(*Writer) {
	m := meta(t)
	h := clientHello(t, []byte("instance-a1b2c3-relay.screenconnect.com"), false, "h2", "http/1.1")
	q := dnsMessage(t, 0x100, [][]byte{labels("relay-3185a847", "net", "anydesk", "com")})
	r := request(t, "GET /fakeurl.htm HTTP/1.1\r\nHost: 192.0.2.1\r\nUser-Agent: NetSupport Manager/1.3\r\n\r\n")
	s := flightOnce(t, "h2")
	return map[string]func(*Writer){
		"hello":   func(w *Writer) { w.Hello(m, h, tls.OverTCP, "") },
		"flight":  func(w *Writer) { w.Flight(m, s) },
		"dns":     func(w *Writer) { w.DNS(m, q, dns.KindDNS) },
		"request": func(w *Writer) { w.Request(m, r) },
	}
}

// An event costs the Community ID's two allocations and, for TLS, one for the
// name of the version; nothing of its own.
func TestAllocations(t *testing.T) {
	m := meta(t)
	id := testing.AllocsPerRun(100, func() { _ = m.Flow.Tuple().CommunityID() })
	version := testing.AllocsPerRun(100, func() { _ = tls.VersionName(0x0303) })
	for name, write := range measured(t) {
		most := id
		if name == "hello" || name == "flight" {
			most += version
		}
		w := New(io.Discard, func(uint32) string { return "a.pcap" })
		write(w)
		if n := testing.AllocsPerRun(100, func() { write(w) }); n > most {
			t.Errorf("%s: %v allocations, of which %v are others'", name, n, most)
		}
	}
}

func BenchmarkEvents(b *testing.B) {
	for name, write := range measured(b) {
		b.Run(name, func(b *testing.B) {
			w := New(io.Discard, func(uint32) string { return "a.pcap" })
			b.ReportAllocs()
			for b.Loop() {
				write(w)
			}
		})
	}
}
