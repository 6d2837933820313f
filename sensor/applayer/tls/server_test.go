package tls

import (
	"bytes"
	gotls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// flights are a server's first bytes of every kind that crypto/tls makes.
func flights(t testing.TB) map[string][]byte {
	all := map[string][]byte{}
	client := func(c *gotls.Config) *gotls.Config {
		c.InsecureSkipVerify = true
		c.ServerName = "relay.example"
		return c
	}
	get := func(name string, c *gotls.Config, change func(*gotls.Config)) {
		s := serverConfig(t)
		s.MinVersion = gotls.VersionTLS10
		if change != nil {
			change(s)
		}
		_, all[name] = handshake(t, c, s)
	}
	get("tls13", client(&gotls.Config{NextProtos: []string{"h2"}}), nil)
	get("retry", client(&gotls.Config{CurvePreferences: []gotls.CurveID{gotls.X25519, gotls.CurveP384}}),
		func(s *gotls.Config) { s.CurvePreferences = []gotls.CurveID{gotls.CurveP384} })
	get("tls12", client(&gotls.Config{MaxVersion: gotls.VersionTLS12, NextProtos: []string{"anydesk/6.2.0/linux"}}), nil)
	get("tls10", client(&gotls.Config{MinVersion: gotls.VersionTLS10, MaxVersion: gotls.VersionTLS10}), nil)
	get("refused", client(&gotls.Config{MaxVersion: gotls.VersionTLS12}), func(s *gotls.Config) { s.MinVersion = gotls.VersionTLS13 })

	server := serverConfig(t)
	again := client(&gotls.Config{MaxVersion: gotls.VersionTLS12, ClientSessionCache: gotls.NewLRUClientSessionCache(1)})
	handshake(t, again, server)
	_, all["resumed"] = handshake(t, again, server)
	return all
}

// TestServerFlights: each kind cut everywhere and spread over records. The
// answer comes with the last byte that can teach anything, and is always the same.
func TestServerFlights(t *testing.T) {
	want := map[string]func(s *ServerFlight) bool{
		"tls13": func(s *ServerFlight) bool { return s.Version == 0x0304 && s.ALPN == nil && !s.Retry },
		"retry": func(s *ServerFlight) bool { return s.Version == 0x0304 && s.Retry },
		"tls12": func(s *ServerFlight) bool {
			return s.Version == 0x0303 && string(s.ALPN) == "anydesk/6.2.0/linux" && s.CertStatus == CertOK
		},
		"tls10":   func(s *ServerFlight) bool { return s.Version == 0x0301 && s.CertStatus == CertOK },
		"refused": func(s *ServerFlight) bool { return !s.HelloDone && s.Alerted && s.Alert == 70 },
		"resumed": func(s *ServerFlight) bool { return s.Version == 0x0303 && s.CertStatus == CertNone },
	}
	p := NewParser()
	for name, whole := range flights(t) {
		t.Run(name, func(t *testing.T) {
			var s ServerFlight
			if st := p.Server(whole, &s); st != Done || !want[name](&s) || s.HelloDone == s.Alerted {
				t.Fatalf("status %d: %s", st, describeFlight(&s))
			}
			text := describeFlight(&s)
			heads := [][]byte{whole}
			if whole[0] == recordHandshake {
				for _, size := range []int{1, 2, 3, 5, 40, 64, 200, 500, 16000} {
					heads = append(heads, rerecord(whole, size))
				}
				for at := 1; at < min(900, len(whole)); at++ {
					heads = append(heads, rerecord(whole, at, 16000))
				}
			}
			for _, head := range heads {
				if st := p.Server(head, &s); st != Done || describeFlight(&s) != text {
					t.Fatalf("other records: status %d\n%s\n%s", st, describeFlight(&s), text)
				}
			}
			for _, head := range heads[:min(4, len(heads))] {
				cutFlight(t, p, head, text)
			}
		})
	}
}

// cutFlight demands NeedMore up to some length, and then the same answer always.
func cutFlight(t *testing.T, p *Parser, head []byte, text string) {
	t.Helper()
	var s ServerFlight
	done, hello := false, false
	for n := range len(head) + 1 {
		st := p.Server(head[:n:n], &s)
		switch {
		case st == Done && describeFlight(&s) == text:
			done = true
		case st != NeedMore || done:
			t.Fatalf("cut at %d of %d: status %d: %s", n, len(head), st, describeFlight(&s))
		case s.HelloDone:
			hello = true
		case hello:
			t.Fatalf("cut at %d: the ServerHello is gone again", n)
		}
	}
	if !done {
		t.Fatal("never done")
	}
}

func TestServerShapes(t *testing.T) {
	record := func(kind byte, body string) string {
		return string([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}) + body
	}
	message := func(kind byte, body string) string {
		return string([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}) + body
	}
	random := strings.Repeat("r", 32)
	plain := message(2, "\x03\x03"+random+"\x00\x00\x2f\x00")
	tls13 := "\x00\x13\x01\x00\x00\x06\x00\x2b\x00\x02\x03\x04"
	hello13 := message(2, "\x03\x03"+random+tls13)
	retry := message(2, "\x03\x03"+retryRandom+tls13)
	change := record(20, "\x01")
	tests := []struct {
		name string
		head string
		want Status
		text string // version, hello, retry, alert, certificate
	}{
		{"no extensions", record(22, plain), NeedMore, "0303 true false 0 0"},
		{"hello request first", record(22, message(0, "")+plain), NeedMore, "0303 true false 0 0"},
		{"resumed", record(22, plain) + change, Done, "0303 true false 0 0"},
		{"ticket, then resumed", record(22, plain+message(4, "ticket")), Done, "0303 true false 0 0"},
		{"anonymous", record(22, plain+message(12, "key")), Done, "0303 true false 0 0"},
		{"supplemental data", record(22, plain+message(23, "data")+message(14, "")), Done, "0303 true false 0 0"},
		{"no certificates", record(22, plain+message(11, "\x00\x00\x00")), Done, "0303 true false 0 0"},
		{"certificate list too short", record(22, plain+message(11, "\x00\x00")), Done, "0303 true false 0 2"},
		{"certificate past its message", record(22, plain+message(11, "\x00\x00\x06\x00\x00\x07abc")), Done, "0303 true false 0 2"},
		{"certificate of junk", record(22, plain+message(11, "\x00\x00\x06\x00\x00\x03abc")), Done, "0303 true false 0 2"},
		{"two hellos", record(22, plain+plain), Done, "0303 true false 0 0"},
		{"alert after the hello", record(22, plain) + record(21, "\x02\x28"), Done, "0303 true false 40 0"},
		{"warning before the hello", record(21, "\x01\x70") + record(22, plain) + change, Done, "0303 true false 112 0"},
		{"close before the hello", record(21, "\x01\x00") + record(22, plain), Done, "0000 false false 0 0"},
		{"tls 1.3", record(22, hello13), Done, "0304 true false 0 0"},
		{"draft", record(22, strings.Replace(hello13, "\x03\x04", "\x7f\x1c", 1)), Done, "7f1c true false 0 0"},
		{"retry", record(22, retry), NeedMore, "0304 true true 0 0"},
		{"retry, change", record(22, retry) + change[:5], NeedMore, "0304 true true 0 0"},
		{"retry, change, hello", record(22, retry) + change + record(22, hello13), Done, "0304 true true 0 0"},
		{"retry, hello", record(22, retry+hello13), Done, "0304 true true 0 0"},
		{"retry, retry", record(22, retry+retry), Malformed, "0304 true true 0 0"},
		{"retry, data", record(22, retry) + record(23, "x"), Done, "0304 true true 0 0"},
		{"change first", change, NotTLS, "0000 false false 0 0"},
		{"hello cut by its length", record(22, message(2, "\x03\x03"+random+"\x00\x00")), Malformed, "0000 false false 0 0"},
		{"extensions past the end", record(22, message(2, "\x03\x03"+random+"\x00\x00\x2f\x00\x00\x09\x00")), Malformed, "0303 true false 0 0"},
		{"extension past the end", record(22, message(2, "\x03\x03"+random+"\x00\x00\x2f\x00\x00\x05\x00\x10\x00\x09\x00")), Malformed, "0303 true false 0 0"},
		{"client hello", record(22, message(1, "x")), NotTLS, "0000 false false 0 0"},
		{"client hello after a request", record(22, message(0, "")+message(1, "x")), Malformed, "0000 false false 0 0"},
		{"ticket cut off by junk", record(22, plain) + record(22, "\x04\x00\x00\x81ab") + "\xff\xff\xff\xff\xff", Done, "0303 true false 0 0"},
		{"hello cut off by junk", record(22, plain[:20]) + "\xff\xff\xff\xff\xff", Malformed, "0000 false false 0 0"},
		{"broken record behind", record(22, plain) + "HTTP/1.1 ", Malformed, "0303 true false 0 0"},
	}
	p := NewParser()
	for _, test := range tests {
		var s ServerFlight
		st := p.Server([]byte(test.head), &s)
		text := fmt.Sprintf("%04x %v %v %d %d", s.Version, s.HelloDone, s.Retry, s.Alert, s.CertStatus)
		if st != test.want || text != test.text {
			t.Errorf("%s: status %d: %s; want %d: %s", test.name, st, text, test.want, test.text)
		}
	}
}

// TestLongCertificate: a leaf above what can be joined is given up, and not
// waited for; one below it is read.
func TestLongCertificate(t *testing.T) {
	p := NewParser()
	for _, test := range []struct {
		names  int
		status CertStatus
	}{{2000, CertOK}, {4000, CertTooLong}} {
		names := make([]string, test.names)
		for i := range names {
			names[i] = fmt.Sprintf("name-%06d.example", i)
		}
		server := serverConfig(t)
		server.Certificates = []gotls.Certificate{selfSigned(t, &x509.Certificate{DNSNames: names})}
		_, head := handshake(t, &gotls.Config{InsecureSkipVerify: true, MaxVersion: gotls.VersionTLS12}, server)
		var s ServerFlight
		if st := p.Server(head, &s); st != Done || s.CertStatus != test.status || !s.HelloDone {
			t.Errorf("%d names: status %d, certificate %d", test.names, st, s.CertStatus)
		}
		n := 0
		for it := s.Cert.SANs(); ; n++ {
			if _, _, ok := it.Next(); !ok {
				break
			}
		}
		odd := rerecord(head, 1000) // records whose ends do not meet that of the scratch
		if allocs := testing.AllocsPerRun(3, func() { p.Server(odd, &s) }); allocs != 0 || s.CertStatus != test.status {
			t.Errorf("%d names: %v allocations", test.names, allocs)
		}
		// The leaf's length alone gives a leaf above the limit up.
		if st := p.Server(head[:2000], &s); (st == Done) != (test.status == CertTooLong) {
			t.Errorf("%d names: status %d after 2,000 bytes", test.names, st)
		}
		if test.status == CertOK && n != test.names {
			t.Errorf("%d of %d names", n, test.names)
		}
	}
}

// rawName makes a Name of attributes given as OID, tag and bytes; a leading '+'
// in the OID joins the attribute to the relative name before.
func rawName(t *testing.T, attributes ...any) []byte {
	t.Helper()
	var sets [][]byte
	for i := 0; i < len(attributes); i += 3 {
		text := attributes[i].(string)
		var oid asn1.ObjectIdentifier
		for _, arc := range strings.Split(strings.TrimPrefix(text, "+"), ".") {
			n := 0
			fmt.Sscan(arc, &n)
			oid = append(oid, n)
		}
		id, err := asn1.Marshal(oid)
		if err != nil {
			t.Fatal(err)
		}
		pair := der(tagSequence, append(id, der(byte(attributes[i+1].(int)), []byte(attributes[i+2].(string)))...))
		if text[0] == '+' {
			sets[len(sets)-1] = append(sets[len(sets)-1], pair...)
		} else {
			sets = append(sets, pair)
		}
	}
	var all []byte
	for _, set := range sets {
		all = append(all, der(tagSet, set)...)
	}
	return der(tagSequence, all)
}

func der(tag byte, content []byte) []byte {
	n := len(content)
	if n < 0x80 {
		return append([]byte{tag, byte(n)}, content...)
	}
	return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, content...)
}

func TestNames(t *testing.T) {
	many := []any{}
	for i := range maxAttributes + 1 {
		many = append(many, "2.5.4.11", 0x13, fmt.Sprint(i))
	}
	tests := []struct {
		name string
		raw  []byte
		want string
	}{
		{"AnyDesk", rawName(t, "2.5.4.6", 0x13, "DE", "2.5.4.10", 0x0c, "philandro Software GmbH", "2.5.4.3", 0x0c, "AnyNet Relay"), "CN=AnyNet Relay, O=philandro Software GmbH, C=DE"},
		{"empty", rawName(t), ""},
		{"all types", rawName(t, "2.5.4.3", 0x13, "a", "2.5.4.5", 0x13, "b", "2.5.4.7", 0x13, "c", "2.5.4.8", 0x13, "d", "2.5.4.9", 0x13, "e",
			"2.5.4.11", 0x13, "f", "0.9.2342.19200300.100.1.25", 0x16, "g", "0.9.2342.19200300.100.1.1", 0x13, "h", "1.2.840.113549.1.9.1", 0x16, "i@j"),
			"emailAddress=i@j, UID=h, DC=g, OU=f, STREET=e, ST=d, L=c, serialNumber=b, CN=a"},
		{"other types", rawName(t, "2.5.4.99", 0x13, "x", "1.3.6.1.4.1.311.60.2.1.3", 0x13, "US", "2.999.1", 0x13, "y"), "2.999.1=y, 1.3.6.1.4.1.311.60.2.1.3=US, 2.5.4.99=x"},
		{"joined", rawName(t, "2.5.4.6", 0x13, "DE", "2.5.4.3", 0x13, "a", "+2.5.4.11", 0x13, "b"), "CN=a+OU=b, C=DE"},
		{"BMP", rawName(t, "2.5.4.3", tagBMPString, "\x00S\x00\xfc\x4e\x2d\xd8\x3d\xde\x00"), "CN=Sü中😀"},
		{"BMP, odd and half", rawName(t, "2.5.4.3", tagBMPString, "\x00a\xd8\x3d\x00b\x00"), "CN=a\uFFFDb"},
		{"Universal", rawName(t, "2.5.4.3", tagUniversalString, "\x00\x00\x00a\x00\x01\xf6\x00\xff\xff\xff\xff"), "CN=a😀\uFFFD"},
		{"T61", rawName(t, "2.5.4.3", tagT61String, "M\xfcller", "2.5.4.10", tagT61String, "plain"), "O=plain, CN=Müller"},
		{"special", rawName(t, "2.5.4.3", 0x0c, ` a,b+c"d\e<f>g;h `, "2.5.4.10", 0x0c, "#x#", "2.5.4.11", 0x0c, " "), `OU=\ , O=\#x#, CN=\ a\,b\+c\"d\\e\<f\>g\;h\ `},
		{"control", rawName(t, "2.5.4.3", 0x0c, "a\x00\x1b[2J\r\n\x7f\xff\u0085z"), `CN=a\00\1b[2J\0d\0a\7f\ff\c2\85z`},
		{"too many", rawName(t, many...), "OU=15, OU=14, OU=13, OU=12, OU=11, OU=10, OU=9, OU=8, OU=7, OU=6, OU=5, OU=4, OU=3, OU=2, OU=1, OU=0"},
	}
	for _, test := range tests {
		p := NewParser()
		var d DN
		rest, ok := p.name(append(bytes.Clone(test.raw), "rest"...), &d)
		if got := string(AppendDN(nil, &d)); !ok || string(rest) != "rest" || got != test.want {
			t.Errorf("%s: %v\n%s, want\n%s", test.name, ok, got, test.want)
		}
		if d.Truncated != (test.name == "too many") {
			t.Errorf("%s: truncated %v", test.name, d.Truncated)
		}
		for n := range test.raw {
			var d DN
			if _, ok := p.name(test.raw[:n], &d); ok {
				t.Errorf("%s: cut at %d is taken", test.name, n)
			}
		}
	}
	var d DN
	p := NewParser()
	p.name(tests[0].raw, &d)
	if string(d.Get(AttrO)) != "philandro Software GmbH" || d.Get(AttrOU) != nil || len(d.Attributes()) != 3 {
		t.Error("Get or Attributes")
	}
	// The converted strings of a hostile name end at the text memory, nothing grows.
	wide := rawName(t, "2.5.4.3", tagBMPString, strings.Repeat("\x4e\x2d", 2000), "2.5.4.10", tagBMPString, "\x00x")
	d = DN{}
	if p.name(wide, &d); cap(p.text) != maxText || len(d.Get(AttrCN)) < maxText-4 || len(d.Get(AttrO)) > 3 {
		t.Errorf("%d bytes of text", cap(p.text))
	}
}

// TestCertificateOracle: crypto/x509 reads the same certificates.
func TestCertificateOracle(t *testing.T) {
	templates := []*x509.Certificate{
		{Subject: pkix.Name{CommonName: "plain"}},
		{Subject: pkix.Name{CommonName: "CN, with=all+of\"it", Organization: []string{"O1", "O2 #"}, OrganizationalUnit: []string{"ü"}, Country: []string{"DE"}, Locality: []string{"L"}, Province: []string{"P"}, StreetAddress: []string{"S"}, SerialNumber: "77"}},
		{Subject: pkix.Name{}, DNSNames: []string{"only.san.example"}, SerialNumber: new(big.Int).Lsh(big.NewInt(1), 150)},
		{DNSNames: []string{"a.example", "*.b.example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 7).To4(), net.ParseIP("2001:db8::7")}, EmailAddresses: []string{"x@y.example"}},
		{NotBefore: time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		{NotBefore: time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)},
		{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, DNSNames: []string{"after.others.example"}},
		{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: []byte("\x30\x0b\x82\x09a.example")}}},
	}
	for i, template := range templates {
		raw := selfSigned(t, template).Certificate[0]
		want, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		p := NewParser()
		var c Certificate
		if st := p.certificate(raw, &c); st != CertOK {
			t.Fatalf("%d: status %d", i, st)
		}
		var dns []string
		var ips []net.IP
		for it := c.SANs(); ; {
			kind, value, ok := it.Next()
			if !ok {
				break
			}
			if kind == SANDNS {
				dns = append(dns, string(value))
			} else {
				ips = append(ips, net.IP(value))
			}
		}
		// pkix writes names as RFC 4514 does, without our space and with OIDs for serialNumber.
		name := strings.ReplaceAll(want.Subject.String(), "SERIALNUMBER=", "serialNumber=")
		if got := strings.ReplaceAll(string(AppendDN(nil, &c.Subject)), ", ", ","); got != strings.ReplaceAll(name, ", ", ",") {
			t.Errorf("%d: subject %s, crypto/x509 says %s", i, got, name)
		}
		if !bytes.Equal(AppendDN(nil, &c.Issuer), AppendDN(nil, &c.Subject)) {
			t.Errorf("%d: issuer %s", i, AppendDN(nil, &c.Issuer))
		}
		if !slices.Equal(dns, want.DNSNames) || fmt.Sprint(ips) != fmt.Sprint(want.IPAddresses) {
			t.Errorf("%d: names %q %v, want %q %v", i, dns, ips, want.DNSNames, want.IPAddresses)
		}
		if c.NotBefore != want.NotBefore.Unix() || c.NotAfter != want.NotAfter.Unix() {
			t.Errorf("%d: valid %d to %d, want %d to %d", i, c.NotBefore, c.NotAfter, want.NotBefore.Unix(), want.NotAfter.Unix())
		}
		if new(big.Int).SetBytes(c.Serial).Cmp(want.SerialNumber) != 0 {
			t.Errorf("%d: serial %x", i, c.Serial)
		}
		for n := range raw {
			var cut Certificate
			if st := p.certificate(raw[:n:n], &cut); st != CertMalformed {
				t.Fatalf("%d: cut at %d: status %d", i, n, st)
			}
		}
	}
}

func TestSANs(t *testing.T) {
	// An email address, an address of five bytes, two names, junk, a name.
	c := Certificate{names: []byte("\x81\x03a@b\x87\x05\x01\x02\x03\x04\x05\x82\x01x\x87\x04\x01\x02\x03\x04\x82\x00\x82\x7fshort")}
	text := ""
	for it := c.SANs(); ; {
		kind, value, ok := it.Next()
		if !ok {
			break
		}
		text += fmt.Sprintf("%d:%x ", kind, value)
	}
	if text != "0:78 1:01020304 0: " {
		t.Error(text)
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]int64{
		"240229235958Z": 1709251198, "700101000000Z": 0, "491231235959Z": 2524607999, "500101000000Z": -631152000,
		"2402292359Z": 1709251140, "240301005958+0100": 1709251198, "240229185958-0500": 1709251198,
		"20240229235958Z": 1709251198, "99991231235959Z": 253402300799,
		"": NoTime, "Z": NoTime, "240230000000Z": NoTime, "241301000000Z": NoTime, "240001000000Z": NoTime, "240229240000Z": NoTime,
		"240229236000Z": NoTime, "240229235960Z": NoTime, "240229235958": NoTime, "24022923595xZ": NoTime, "240229235958+01": NoTime, "240229235958*0100": NoTime,
	} {
		tag := byte(tagUTCTime)
		if len(text) == 15 && text[14] == 'Z' {
			tag = tagGeneralizedTime
		}
		if got := unixTime(tag, []byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if unixTime(tagInteger, []byte("240229235958Z")) != NoTime {
		t.Error("an INTEGER is no time")
	}
}

func TestServerAllocs(t *testing.T) {
	p := NewParser()
	dst := make([]byte, 0, 4096)
	for name, whole := range flights(t) {
		for _, head := range [][]byte{whole, rerecord(whole, 1)} {
			var s ServerFlight
			if n := testing.AllocsPerRun(100, func() {
				p.Server(head, &s)
				dst = s.JA3S(s.AppendJA3S(dst[:0]))
				dst = AppendDN(AppendDN(dst, &s.Cert.Subject), &s.Cert.Issuer)
				for it := s.Cert.SANs(); ; {
					if _, _, ok := it.Next(); !ok {
						break
					}
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	}
}

func BenchmarkServer(b *testing.B) {
	p := NewParser()
	all := flights(b)
	for _, name := range []string{"tls12", "tls13"} {
		b.Run(name, func(b *testing.B) {
			var s ServerFlight
			b.ReportAllocs()
			for b.Loop() {
				if p.Server(all[name], &s) != Done {
					b.Fatal("not done")
				}
			}
		})
	}
}
