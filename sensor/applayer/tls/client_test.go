package tls

import (
	"bytes"
	gotls "crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// clients are crypto/tls configurations of every shape of hello that it makes.
func clients() map[string]*gotls.Config {
	cache := gotls.NewLRUClientSessionCache(4)
	all := map[string]*gotls.Config{
		"default":  {ServerName: "www.example.com"},
		"address":  {ServerName: "192.0.2.1"},
		"alpn":     {ServerName: "a.example", NextProtos: []string{"anydesk/6.2.0/linux", "h2"}},
		"tls10":    {ServerName: "old.example", MaxVersion: gotls.VersionTLS10, MinVersion: gotls.VersionTLS10},
		"tls12":    {ServerName: "twelve.example", MaxVersion: gotls.VersionTLS12},
		"only13":   {ServerName: "thirteen.example", MinVersion: gotls.VersionTLS13},
		"small":    {ServerName: "x25519.example", CurvePreferences: []gotls.CurveID{gotls.X25519}},
		"no ticks": {ServerName: "noticket.example", SessionTicketsDisabled: true},
		"longest":  {ServerName: strings.Repeat("a23456789012345678901234567890123456789012345678901234567890.", 4) + "example"},
		"resuming": {ServerName: "again.example", ClientSessionCache: cache},
		"upper":    {ServerName: "UPPER.Example"},
	}
	for _, c := range all {
		c.InsecureSkipVerify = true
	}
	return all
}

// TestClientOracle: crypto/tls writes hellos and reads them too; both readings agree.
func TestClientOracle(t *testing.T) {
	p := NewParser()
	resumed := false
	for name, config := range clients() {
		rounds := 1
		if config.ClientSessionCache != nil {
			rounds = 2
		}
		for range rounds {
			var info *gotls.ClientHelloInfo
			server := serverConfig(t)
			server.MinVersion = gotls.VersionTLS10
			server.GetConfigForClient = func(i *gotls.ClientHelloInfo) (*gotls.Config, error) { info = i; return nil, nil }
			sent, _ := handshake(t, config, server)
			var h ClientHello
			if st := p.Client(sent, &h); st != Done {
				t.Fatalf("%s: status %d", name, st)
			}
			compare(t, name, &h, info)
			resumed = resumed || h.PSK
		}
	}
	if !resumed {
		t.Error("no hello offered a pre-shared key")
	}
}

func compare(t *testing.T, name string, h *ClientHello, info *gotls.ClientHelloInfo) {
	t.Helper()
	check := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %s is %v, crypto/tls says %v", name, what, got, want)
		}
	}
	var protos []string
	for it := h.ALPNs(); ; {
		proto, ok := it.Next()
		if !ok {
			break
		}
		protos = append(protos, string(proto))
	}
	var exts []uint16
	for b := h.Extensions; len(b) > 0; b = b[4+be16(b[2:]):] {
		exts = append(exts, u16(b))
	}
	check("SNI", string(h.SNI), info.ServerName)
	check("HasSNI", h.HasSNI, info.ServerName != "")
	check("ALPN", protos, info.SupportedProtos)
	check("suites", list(h.CipherSuites), info.CipherSuites)
	check("groups", list(h.Groups), widen(info.SupportedCurves))
	check("signatures", list(h.SigAlgs), widen(info.SignatureSchemes))
	check("points", h.PointFormats, info.SupportedPoints)
	check("extensions", exts, info.Extensions)
	check("version", h.Version, slices.Max(info.SupportedVersions))
	if len(protos) > 0 {
		check("first ALPN", string(h.FirstALPN()), protos[0])
	}
}

func list(b []byte) (codes []uint16) {
	for ; len(b) >= 2; b = b[2:] {
		codes = append(codes, u16(b))
	}
	return codes
}

func widen[T ~uint16](values []T) (codes []uint16) {
	for _, v := range values {
		codes = append(codes, uint16(v))
	}
	return codes
}

// TestClientCut: a hello cut anywhere asks for more, and with any tail the answer stays.
func TestClientCut(t *testing.T) {
	p := NewParser()
	for name, config := range clients() {
		whole := hello(t, config)
		for _, head := range [][]byte{whole, rerecord(whole, 1), rerecord(whole, 3, 100, 7)} {
			var h ClientHello
			for n := range head {
				if st := p.Client(head[:n:n], &h); st != NeedMore {
					t.Fatalf("%s: %d of %d bytes: status %d, want NeedMore", name, n, len(head), st)
				}
			}
			if st := p.Client(head, &h); st != Done {
				t.Fatalf("%s: status %d", name, st)
			}
			want := describe(&h)
			for _, tail := range []string{"\x14\x03\x03\x00\x01\x01", "\x16\x03\x03", "GET / HTTP/1.1", "\x00"} {
				if st := p.Client(append(slices.Clone(head), tail...), &h); st != Done || describe(&h) != want {
					t.Fatalf("%s: with %q behind: status %d", name, tail, st)
				}
			}
		}
		for n := range len(whole) - recordHeader {
			var h ClientHello
			if st := ParseClientHello(whole[recordHeader:][:n:n], &h); st != NeedMore {
				t.Fatalf("%s: message cut at %d: status %d", name, n, st)
			}
		}
	}
}

// TestClientRecords: however a hello is spread over records, it is the same hello.
func TestClientRecords(t *testing.T) {
	p := NewParser()
	whole := bigHello(t)
	var h ClientHello
	if st := ParseClientHello(whole[recordHeader:], &h); st != Done {
		t.Fatalf("status %d", st)
	}
	want := describe(&h)
	if len(whole) < 1500 || string(h.SNI) != "instance-x1-relay.screenconnect.com" {
		t.Fatalf("not the hello that this test is about: %d bytes, %q", len(whole), h.SNI)
	}
	check := func(what string, head []byte) {
		t.Helper()
		if st := p.Client(head, &h); st != Done || describe(&h) != want {
			t.Fatalf("%s: status %d\n%s\n%s", what, st, describe(&h), want)
		}
	}
	check("one record", whole)
	if !inside(h.SNI, whole) {
		t.Error("a hello in one record was copied")
	}
	for size := 1; size < len(whole); size++ {
		check(fmt.Sprintf("records of %d", size), rerecord(whole, size))
		check(fmt.Sprintf("split at %d", size), rerecord(whole, size, len(whole)))
	}
	for n := range maxEmpty + 1 {
		check(fmt.Sprintf("%d empty records first", n), append(bytes.Repeat([]byte{22, 3, 1, 0, 0}, n), whole...))
	}
	for n := range maxEmpty + 1 {
		check(fmt.Sprintf("%d empty records inside", n), between(whole, 9, n))
	}
	for _, head := range [][]byte{
		append(bytes.Repeat([]byte{22, 3, 1, 0, 0}, maxEmpty+1), whole...),
		between(whole, 9, maxEmpty+1),
	} {
		if st := p.Client(head, &h); st == Done || st == NeedMore {
			t.Errorf("more than %d empty records: status %d", maxEmpty, st)
		}
	}
}

// between splits a one-record hello at a payload offset, with n empty records between.
func between(whole []byte, at, n int) []byte {
	payload := whole[recordHeader:]
	head := []byte{22, 3, 1, 0, byte(at)}
	head = append(head, payload[:at]...)
	head = append(head, bytes.Repeat([]byte{22, 3, 1, 0, 0}, n)...)
	rest := payload[at:]
	return append(append(head, 22, 3, 1, byte(len(rest)>>8), byte(len(rest))), rest...)
}

func TestClientRefuses(t *testing.T) {
	p := NewParser()
	whole := bigHello(t)
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], to)
		return b
	}
	split := rerecord(whole, 20, 5000)
	tests := []struct {
		name string
		head []byte
		want Status
	}{
		{"nothing", nil, NeedMore},
		{"http", []byte("GET / HTTP/1.1\r\n"), NotTLS},
		{"tpkt", []byte("\x03\x00\x00\x13\x0e\xe0"), NotTLS},
		{"record version 3.4", change(1, 3, 4), Done},
		{"record version 3.5", change(1, 3, 5), NotTLS},
		{"record version 2.0", change(1, 2, 0), NotTLS},
		{"record too long", change(3, 0x48, 1), NotTLS},
		{"longest record", change(3, 0x48, 0), Done},
		{"server hello", change(5, 2), NotTLS},
		{"client key exchange", change(5, 16), NotTLS},
		{"alert first", []byte{21, 3, 1, 0, 2, 2, 40}, NotTLS},
		{"second record is no handshake", overwrite(split, 25, 23), Malformed},
		{"second record has no version", overwrite(split, 26, 9), Malformed},
		{"second record too long", overwrite(split, 28, 0x50), Malformed},
		{"session id past the end", change(43, 255, 255), Done}, // 255 bytes, then suites: see below
		{"message longer than 64 KiB", overwrite(split, 6, 1), Malformed},
	}
	for _, test := range tests {
		var h ClientHello
		got := p.Client(test.head, &h)
		if test.name == "session id past the end" {
			if got == NotTLS || got == NeedMore {
				t.Errorf("%s: status %d", test.name, got)
			}
			continue
		}
		if got != test.want {
			t.Errorf("%s: status %d, want %d", test.name, got, test.want)
		}
	}
}

func overwrite(b []byte, at int, to byte) []byte {
	b = bytes.Clone(b)
	b[at] = to
	return b
}

func TestServerNames(t *testing.T) {
	tests := []struct {
		name, body, sni string
		has             bool
	}{
		{"plain", "\x00\x0e\x00\x00\x0ba.b.example", "a.b.example", true},
		{"empty body", "", "", true},
		{"empty list", "\x00\x00", "", true},
		{"empty name", "\x00\x03\x00\x00\x00", "", true},
		{"as it is", "\x00\x0a\x00\x00\x07A\x00\xff.B\r\n", "A\x00\xff.B\r\n", true},
		{"trailing dot", "\x00\x05\x00\x00\x02a.", "a.", true},
		{"other type first", "\x00\x0d\x07\x00\x03xyz\x00\x00\x04name", "name", true},
		{"only another type", "\x00\x06\x07\x00\x03xyz", "", true},
		{"two names", "\x00\x0c\x00\x00\x03one\x00\x00\x03two", "one", true},
		{"list longer than the body", "\x00\xff\x00\x00\x04name", "name", true},
		{"name longer than the list", "\x00\x07\x00\x00\xffname", "", true},
		{"bytes behind the list", "\x00\x07\x00\x00\x04namejunk", "name", true},
	}
	for _, test := range tests {
		c := testHello{version: 0x0303, exts: []testExt{{0, []byte(test.body)}, {0, []byte("\x00\x09\x00\x00\x06second")}}}
		h := c.parse(t, Done)
		if string(h.SNI) != test.sni || h.HasSNI != test.has {
			t.Errorf("%s: %q %v", test.name, h.SNI, h.HasSNI)
		}
	}
}

func TestHelloShapes(t *testing.T) {
	h := testHello{version: 0x0300, suites: []uint16{5}, noExts: true}.parse(t, Done)
	if h.HasSNI || h.Version != 0x0300 || string(h.AppendJA3(nil)) != "768,5,,," || string(h.AppendJA4(nil, 't'))[:10] != "ts3i010000" {
		t.Errorf("no extensions: %s", describe(h))
	}
	h = testHello{version: 0x0303, exts: []testExt{{43, []byte{6, 0x3a, 0x3a, 3, 4, 3, 3}}}, tail: []byte("junk")}.parse(t, Done)
	if h.Version != 0x0304 {
		t.Errorf("GREASE in supported_versions: %04x", h.Version)
	}
	h = testHello{version: 0xfefd, exts: []testExt{{43, []byte{6, 0x0a, 0x0a, 0xfe, 0xfc, 0xfe, 0xfd}}}}.parse(t, Done)
	if h.Version != 0xfefc {
		t.Errorf("DTLS counts downwards: %04x", h.Version)
	}
	h = testHello{version: 0x0303, exts: []testExt{{43, []byte{2, 0x3a, 0x3a}}, {35, nil}}}.parse(t, Done)
	if h.Version != 0x0303 || h.Ticket {
		t.Errorf("only GREASE: %04x, ticket %v", h.Version, h.Ticket)
	}
	h = testHello{version: 0x0303, exts: []testExt{{35, []byte("t")}, {41, []byte("p")}}}.parse(t, Done)
	if !h.Ticket || !h.PSK {
		t.Error("ticket or PSK not seen")
	}
	// The extension block ends inside an extension: what came before is kept.
	h = testHello{version: 0x0303, noExts: true, tail: []byte("\x00\x0f\x00\x00\x00\x07\x00\x05\x00\x00\x02a.\x00\x10\x00\xff")}.parse(t, Malformed)
	if string(h.SNI) != "a." || string(h.AppendJA3(nil)) != "771,,0,," {
		t.Errorf("before the defect: %s", describe(h))
	}
	// The last extension reaches one byte past the block, into what follows it.
	testHello{version: 0x0303, noExts: true, tail: []byte("\x00\x06\x00\x10\x00\x03\x00\x00junk")}.parse(t, Malformed)
	testHello{version: 0x0303, noExts: true, tail: []byte{9}}.parse(t, Malformed)
	testHello{version: 0x0303, noExts: true, tail: []byte{0, 9, 0, 0}}.parse(t, Malformed)
	// Every vector of the fixed part reaching past the end.
	body := testHello{version: 0x0303, suites: []uint16{1, 2}, noExts: true}.message()
	for n := messageHeader; n < len(body); n++ {
		b := bytes.Clone(body[:n])
		b[3] = byte(n - messageHeader)
		var h ClientHello
		if st := ParseClientHello(b, &h); st != Malformed {
			t.Errorf("body of %d bytes: status %d", n-messageHeader, st)
		}
	}
	long := []byte{1, 1, 0, 0}
	var none ClientHello
	if st := ParseClientHello(long, &none); st != Malformed {
		t.Errorf("64 KiB message: status %d", st)
	}
	if st := ParseClientHello([]byte{2}, &none); st != NotTLS {
		t.Errorf("ServerHello: status %d", st)
	}
}

func TestSSLv2(t *testing.T) {
	// Built as RFC 5246 appendix E.2 lays it out: two specs, a 16-byte challenge.
	head := append([]byte{0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16, 0, 0, 5, 7, 0, 0xc0}, make([]byte, 16)...)
	p := NewParser()
	var h ClientHello
	for n := range head {
		if st := p.Client(head[:n], &h); st != NeedMore {
			t.Fatalf("%d bytes: status %d", n, st)
		}
	}
	if st := p.Client(head, &h); st != Done || !h.SSLv2 || h.Version != 0x0301 || !bytes.Equal(h.V2CipherSpecs, head[11:17]) {
		t.Fatalf("status %d: %s", st, describe(&h))
	}
	if len(h.AppendJA3(nil)) != 0 || len(h.JA3(nil)) != 0 || len(h.AppendJA4(nil, 't')) != 0 {
		t.Error("an SSLv2 hello has no fingerprint")
	}
	for _, at := range []int{0, 1, 2, 3, 4, 6, 8, 10} { // a wrong constant or length
		if st := p.Client(overwrite(head, at, 0x77), &h); st != NotTLS {
			t.Errorf("byte %d wrong: status %d", at, st)
		}
	}
}

func TestLooksLike(t *testing.T) {
	whole := bigHello(t)
	for _, head := range [][]byte{whole, rerecord(whole, 1)} {
		for n := range 6 {
			if st := LooksLikeClientHello(head[:n]); st != NeedMore {
				t.Errorf("%d bytes: status %d", n, st)
			}
		}
		if LooksLikeClientHello(head[:6]) != Done || LooksLikeServerFlight(head[:6]) != NotTLS {
			t.Error("six bytes of a hello")
		}
	}
	_, flight := handshake(t, &gotls.Config{InsecureSkipVerify: true}, serverConfig(t))
	for n := range 6 {
		if st := LooksLikeServerFlight(flight[:n]); st != NeedMore {
			t.Errorf("%d bytes of a flight: status %d", n, st)
		}
	}
	if LooksLikeServerFlight(flight[:6]) != Done || LooksLikeClientHello(flight[:6]) != NotTLS {
		t.Error("six bytes of a flight")
	}
	alert := []byte{21, 3, 3, 0, 2, 2, 40}
	for n := range alert {
		if st := LooksLikeServerFlight(alert[:n]); st != NeedMore {
			t.Errorf("%d bytes of an alert: status %d", n, st)
		}
		if st := LooksLikeServerFlight(overwrite(alert, n, 0x55)[:n+1]); st != NotTLS && n < 6 {
			t.Errorf("alert with byte %d wrong: status %d", n, st)
		}
	}
}

func TestClientAllocs(t *testing.T) {
	p := NewParser()
	whole := bigHello(t)
	var h ClientHello
	dst := make([]byte, 0, 4096)
	for name, head := range map[string][]byte{"one record": whole, "1-byte records": rerecord(whole, 1)} {
		if n := testing.AllocsPerRun(100, func() {
			p.Client(head, &h)
			dst = h.AppendJA3(dst[:0])
			dst = h.JA3(dst)
			dst = h.AppendJA4(dst, OverTCP)
			h.ECH()
			for it := h.ALPNs(); ; {
				if _, ok := it.Next(); !ok {
					break
				}
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkClient(b *testing.B) {
	p := NewParser()
	var h ClientHello
	for name, head := range map[string][]byte{"go": bigHello(b), "go1ByteRecords": rerecord(bigHello(b), 1), "chromium": chromium()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p.Client(head, &h) != Done {
					b.Fatal("no hello")
				}
			}
		})
	}
	p.Client(chromium(), &h)
	dst := make([]byte, 0, 1024)
	b.Run("JA3", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = h.JA3(dst[:0])
		}
	})
	b.Run("JA4", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = h.AppendJA4(dst[:0], OverTCP)
		}
	})
	b.Run("JA4a", func(b *testing.B) {
		for b.Loop() {
			h.JA4a(OverTCP)
		}
	})
}
