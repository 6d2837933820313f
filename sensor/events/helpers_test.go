package events

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// hostile are names that do harm where they are shown as they are.
var hostile = []string{
	"a\nb", "a\r\n\r\nb", "a\x1b[31mb", `a"b`, `a\b`, "a\x00b", "a\u202eb", "a\xff\xfeb", "a b,c", "</script>", strings.Repeat("x", 255), "\x7f",
}

// meta is a packet of a flow from 10.1.2.3 to port 443 of another host.
func meta(t testing.TB) Meta {
	t.Helper()
	p := decode.Packet{
		Status: decode.StatusTransport, Proto: decode.ProtoTCP, Flags: decode.SYN,
		Src: decode.AddrFrom(netip.MustParseAddr("10.1.2.3")), SrcPort: 50000,
		Dst: decode.AddrFrom(netip.MustParseAddr("192.0.2.1")), DstPort: 443,
		NumVLAN: 1, VLAN: [4]uint16{7},
	}
	table := flow.New(flow.Config{Flows: 4, SmallHeads: 2, LargeHeads: 1}, func(*flow.Flow) {})
	f, _, _ := table.Get(table.Locate(&p), &p, 1772632931_123456789)
	return Meta{Flow: f, Time: f.First(), Number: 62}
}

// event is what tests read of a line.
type event struct {
	EventType string `json:"event_type"`
	AppProto  string `json:"app_proto"`
	SrcIP     string `json:"src_ip"`
	File      string `json:"pcap_filename"`
	Metadata  struct{ Flowvars []map[string]string }
	DNS       map[string]any
	TLS       map[string]any
	QUIC      map[string]any
	HTTP      map[string]any
}

// vars returns the values of a flowvar.
func (e *event) vars(key string) (out []string) {
	for _, v := range e.Metadata.Flowvars {
		if s, ok := v[key]; ok {
			out = append(out, s)
		}
	}
	return out
}

// written returns the events that write wrote, each proven to be one line of
// printable JSON.
func written(t testing.TB, write func(*Writer)) (events []event, lines [][]byte) {
	t.Helper()
	var b bytes.Buffer
	w := New(&b, func(uint32) string { return "captures/a b.pcap" })
	write(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	lines = slices.Collect(bytes.Lines(b.Bytes()))
	for _, line := range lines {
		for _, c := range line[:len(line)-1] {
			if c < ' ' || c > '~' {
				t.Fatalf("byte %#x in %q", c, line)
			}
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if e.File != "a b.pcap" || e.SrcIP != "10.1.2.3" {
			t.Errorf("%s", line)
		}
		events = append(events, e)
	}
	return events, lines
}

// one is written where one event is wanted.
func one(t testing.TB, write func(*Writer)) event {
	t.Helper()
	events, lines := written(t, write)
	if len(events) != 1 {
		t.Fatalf("%d events: %q", len(events), lines)
	}
	return events[0]
}

// size16 is b behind its length in two bytes.
func size16(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

func size8(b []byte) []byte { return append([]byte{byte(len(b))}, b...) }

// message is a handshake message.
func message(kind byte, body []byte) []byte {
	return append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func extension(kind uint16, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, kind), size16(body)...)
}

// helloBytes is a ClientHello message with these names.
func helloBytes(sni []byte, ech bool, alpn ...string) []byte {
	body := append([]byte{3, 3}, make([]byte, 32+1)...)
	body = append(body, 0, 4, 0x13, 1, 0xc0, 0x2f, 1, 0)
	ext := extension(0, size16(append([]byte{0}, size16(sni)...)))
	var list []byte
	for _, a := range alpn {
		list = append(list, size8([]byte(a))...)
	}
	ext = append(ext, extension(16, size16(list))...)
	if ech {
		ext = append(ext, extension(0xfe0d, []byte{1})...)
	}
	return message(1, append(body, size16(ext)...))
}

func clientHello(t testing.TB, sni []byte, ech bool, alpn ...string) *tls.ClientHello {
	t.Helper()
	h := new(tls.ClientHello)
	if st := tls.ParseClientHello(helloBytes(sni, ech, alpn...), h); st != tls.Done {
		t.Fatalf("hello: status %d", st)
	}
	return h
}

// flight is a TLS 1.2 server's ServerHello and certificate.
func flight(t testing.TB, der []byte, alpn string) *tls.ServerFlight {
	t.Helper()
	body := append([]byte{3, 3}, make([]byte, 32+1)...)
	body = append(body, 0xc0, 0x2f, 0)
	body = append(body, size16(extension(16, size16(size8([]byte(alpn)))))...)
	cert := append([]byte{0}, size16(der)...)
	chain := append([]byte{0}, size16(cert)...)
	var head []byte
	for _, m := range [][]byte{message(2, body), message(11, chain)} {
		for len(m) > 0 {
			n := min(len(m), 1<<14)
			head = append(append(head, 22, 3, 3), size16(m[:n])...)
			m = m[n:]
		}
	}
	s := new(tls.ServerFlight)
	if st := tls.NewParser().Server(head, s); st != tls.Done || s.CertStatus != tls.CertOK {
		t.Fatalf("flight: status %d, certificate %d", st, s.CertStatus)
	}
	return s
}

// labels is a DNS name on the wire.
func labels(name ...string) (b []byte) {
	for _, l := range name {
		b = append(b, size8([]byte(l))...)
	}
	return append(b, 0)
}

// record is a resource record of class IN and an hour.
func record(name []byte, kind uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(slices.Clone(name), kind)
	return append(append(b, 0, 1, 0, 0, 0x0e, 0x10), size16(data)...)
}

// dnsMessage is a message with questions for type A and answers.
func dnsMessage(t testing.TB, flags uint16, questions [][]byte, answers ...[]byte) *dns.Message {
	t.Helper()
	b := binary.BigEndian.AppendUint16([]byte{0x12, 0x34}, flags)
	b = append(b, 0, byte(len(questions)), 0, byte(len(answers)), 0, 0, 0, 0)
	for _, q := range questions {
		b = append(append(b, q...), 0, 1, 0, 1)
	}
	for _, a := range answers {
		b = append(b, a...)
	}
	m := new(dns.Message)
	if st := dns.Parse(b, m); st != dns.Done {
		t.Fatalf("message: status %d of %x", st, b)
	}
	return m
}
