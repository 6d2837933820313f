package detect

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
)

// rules loads indicators given as YAML flow mappings, without the tests gate.
func rules(t testing.TB, indicators ...string) *Ruleset {
	t.Helper()
	file := "tool: t\nname: T\nclass: rmm\nindicators:\n  - " + strings.Join(indicators, "\n  - ") +
		"\ntests: {match: [{name: a.b, indicator: x}], no_match: [{name: a.b}]}\n"
	r := &fileReader{file: "test"}
	tool := r.tool(r.document([]byte(file)))
	if len(r.errs) > 0 {
		t.Fatal(r.done())
	}
	rs, err := compile([]*Tool{tool})
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// show lists hits as id, and what has matched when that is not all.
func show(hits []Hit) string {
	var out []string
	for i := range hits {
		s := hits[i].Indicator.ID
		if !hits[i].Complete() {
			s += "(" + hits[i].Matched.String() + ")"
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func list(s ...string) (out [][]byte) {
	for _, v := range s {
		out = append(out, []byte(v))
	}
	return out
}

func attrs(s string) (out []Attribute) {
	parts, _, _ := splitName(s)
	for _, p := range parts {
		out = append(out, Attribute{[]byte(p[0]), []byte(p[1])})
	}
	return out
}

const (
	ja3  = "e7d705a3286e19ea42f587b344ee6865"
	ja4  = "t13d1516h2_8daaf6152771_e5627efa2ab1"
	ja4b = "t13d1516h2_8daaf6152771_000000000000"
)

func TestMatchStages(t *testing.T) {
	rs := rules(t,
		`{id: name, confidence: high, domain: [relay.x.example]}`,
		`{id: hello, confidence: high, tls: {ja4: [`+ja4+`], alpn: [h2, "x/*"], no_sni: true}}`,
		`{id: hello-cert, confidence: high, tls: {alpn: [x], issuer: ["CN=X CA"]}}`,
		`{id: nosni-cert, confidence: high, tls: {no_sni: true, subject: ["CN=X Relay, O=Xyz"]}}`,
		`{id: name-port, confidence: high, domain: [relay.x.example], port: [tcp/8041]}`,
		`{id: name-alpn, confidence: high, domain: [relay.x.example], tls: {alpn: [y]}}`,
		`{id: san, confidence: high, tls: {san: ["*.san.example"]}}`,
		`{id: san-subject, confidence: high, tls: {san: ["*.san.example"], subject: ["O=Xyz"]}}`,
		`{id: web, confidence: high, http: {path: ["/agent*"], agent: ["X *"]}}`,
		`{id: web-host, confidence: high, http: {host: ["*.x.example"], method: [POST]}}`,
		`{id: ja3, confidence: high, tls: {ja3: [`+ja3+`]}}`,
		`{id: port, confidence: low, port: [tcp/8041]}`,
		`{id: ip, confidence: low, ip: [192.0.2.0/24, "2001:db8::/32"]}`,
		`{id: ip-one, confidence: low, ip: [192.0.2.0, 203.0.113.9]}`,
		`{id: ip-port, confidence: low, ip: [192.0.2.7], port: [udp/4000-4005]}`,
	)
	tcp, udp := uint8(6), uint8(17)
	v4 := netip.MustParseAddr("192.0.2.7")
	for _, c := range []struct {
		what string
		f    Fields
		want string
	}{
		{"name in DNS", Fields{Kind: KindDNS, Proto: udp, ServerPort: 53, Names: list("relay.x.example")}, "name"},
		{"name, other port", Fields{Kind: KindSNI, Proto: tcp, ServerPort: 443, Names: list("relay.x.example")}, "name"},
		{"name, the port", Fields{Kind: KindSNI, Proto: tcp, ServerPort: 8041, Names: list("relay.x.example")}, "name name-port"},
		{"name of a request waits for ALPN", Fields{Kind: KindConnect, Proto: tcp, Names: list("relay.x.example")}, "name name-alpn(domain)"},
		{"name and ALPN", Fields{Kind: KindQUIC, Names: list("relay.x.example"), ALPN: list("z", "y")}, "name name-alpn"},
		{"ALPN waits for a name", Fields{Kind: KindSNI, ALPN: list("y")}, "name-alpn(tls.alpn)"},
		{"whole hello", Fields{Kind: KindSNI, JA4: []byte(ja4), ALPN: list("x/1"), NoSNI: true}, "hello nosni-cert(tls.no_sni)"},
		{"hello with a name", Fields{Kind: KindSNI, JA4: []byte(ja4), ALPN: list("h2"), Names: list("a.b")}, ""},
		{"hello with other ALPN", Fields{Kind: KindSNI, JA4: []byte(ja4), ALPN: list("h3")}, ""},
		{"hello without JA4", Fields{Kind: KindSNI, ALPN: list("h2"), NoSNI: true}, "nosni-cert(tls.no_sni)"},
		{"ALPN waits for a certificate", Fields{Kind: KindSNI, ALPN: list("x")}, "hello-cert(tls.alpn)"},
		{"its certificate", Fields{Kind: KindCert, Issuer: attrs("O=Q, CN=x ca")}, "hello-cert(tls.issuer)"},
		{"subject in another order", Fields{Kind: KindCert, Subject: attrs("O=Xyz, C=DE, CN=X Relay")}, "nosni-cert(tls.subject)"},
		{"subject with a part missing", Fields{Kind: KindCert, Subject: attrs("CN=X Relay")}, ""},
		{"SAN", Fields{Kind: KindCert, SAN: list("q.example", "a.san.example")}, "san"},
		{"SAN is not a name", Fields{Kind: KindCert, Names: list("a.san.example")}, ""},
		{"SAN and subject", Fields{Kind: KindCert, SAN: list("a.san.example"), Subject: attrs("O=Xyz")}, "san san-subject"},
		{"request", Fields{Kind: KindHTTP, Path: []byte("/agent.ashx"), Agent: []byte("x 1")}, "web"},
		{"request, path in another case", Fields{Kind: KindHTTP, Path: []byte("/Agent"), Agent: []byte("x 1")}, ""},
		{"request without agent", Fields{Kind: KindHTTP, Path: []byte("/agent")}, ""},
		{"host", Fields{Kind: KindHTTP, Method: []byte("POST"), Host: []byte("A.x.example:80")}, "web-host"},
		{"host, other method", Fields{Kind: KindHTTP, Method: []byte("GET"), Host: []byte("a.x.example")}, ""},
		{"host in SNI is not a request", Fields{Kind: KindSNI, Names: list("a.x.example"), Host: []byte("a.x.example"), Method: []byte("POST")}, ""},
		{"JA3", Fields{Kind: KindSNI, JA3: []byte(ja3)}, "ja3"},
		{"port alone", Fields{Kind: KindFlow, Proto: tcp, ServerPort: 8041}, "port"},
		{"port of the other protocol", Fields{Kind: KindFlow, Proto: udp, ServerPort: 8041}, ""},
		{"port of a hello", Fields{Kind: KindSNI, Proto: tcp, ServerPort: 8041}, ""},
		{"address", Fields{Kind: KindFlow, Proto: tcp, ServerAddr: v4}, "ip"},
		{"first address of a network", Fields{Kind: KindFlow, Proto: tcp, ServerAddr: netip.MustParseAddr("192.0.2.0")}, "ip ip-one"},
		{"mapped address", Fields{Kind: KindFlow, ServerAddr: netip.AddrFrom16(v4.As16())}, "ip"},
		{"address and port", Fields{Kind: KindFlow, Proto: udp, ServerPort: 4005, ServerAddr: v4}, "ip ip-port"},
		{"IPv6", Fields{Kind: KindFlow, ServerAddr: netip.MustParseAddr("2001:db8::7%eth0")}, "ip"},
		{"other address", Fields{Kind: KindFlow, Proto: udp, ServerPort: 4005, ServerAddr: netip.MustParseAddr("192.0.3.7")}, ""},
		{"address of a hello", Fields{Kind: KindSNI, ServerAddr: v4}, ""},
	} {
		if got := show(rs.Match(&c.f, nil)); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	if !rs.NeedJA3() || !rs.NeedJA4([]byte("t13d1516h2")) || rs.NeedJA4([]byte("t13d1516h1")) {
		t.Error("what must be computed")
	}
	for _, c := range []struct {
		proto uint8
		port  uint16
		want  bool
	}{{6, 8041, true}, {17, 8041, false}, {6, 8042, false}, {17, 4000, false}, {1, 8041, false}} {
		if rs.PortOfInterest(c.proto, c.port) != c.want {
			t.Errorf("port of interest: %+v", c)
		}
	}
}

func TestMatchNothingNeeded(t *testing.T) {
	rs := rules(t, `{id: name, confidence: high, domain: [a.b.example]}`)
	if rs.NeedJA3() || rs.NeedJA4([]byte(ja4[:10])) {
		t.Error("a set of names needs more than names")
	}
	if rs := rules(t, `{id: x, confidence: high, tls: {ja4: [`+ja4+`]}}`); show(rs.Match(&Fields{Kind: KindSNI, JA4: []byte(ja4b)}, nil)) != "" {
		t.Error("JA4 matches by its prefix")
	}
	empty, err := compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := Fields{Kind: KindSNI, Names: list("a.b.example"), ALPN: list("h2"), Payload: []magic.Hit{{ID: 7}}}
	if got := empty.Match(&f, nil); len(got) != 0 {
		t.Error(got)
	}
}

func TestPayloads(t *testing.T) {
	rs := rules(t,
		`{id: both, confidence: high, payload: [{proto: tcp, from: client, hex: "1724"}, {proto: tcp, from: server, hex: "1130"}]}`,
		`{id: client, confidence: high, payload: {proto: tcp, from: client, hex: "1724"}}`,
		`{id: port, confidence: high, payload: {proto: tcp, from: client, hex: "1724"}, port: [tcp/5938]}`,
		`{id: wireguard, confidence: high, payload: {proto: udp, from: any, hex: "01000000", size: 148}}`,
	)
	match := func(proto uint8, from magic.Side, port uint16, head string, size uint32) []Hit {
		hits, _ := rs.Magic().Match(&magic.Message{Proto: proto, From: from, Head: []byte(head), Size: size}, nil)
		return rs.Match(&Fields{Kind: KindPayload, Proto: proto, ServerPort: port, Payload: hits}, nil)
	}
	first := match(6, magic.FromClient, 443, "\x17\x24\x00", 0)
	if got := show(first); got != "both(payload) client" {
		t.Errorf("client: %s", got)
	}
	second := match(6, magic.FromServer, 443, "\x11\x30\x00", 0)
	if got := show(second); got != "both(payload)" {
		t.Errorf("server: %s", got)
	}
	var held Held
	for i := range first {
		if first[i].Indicator == second[0].Indicator {
			first[i].Join(&held)
		}
	}
	second[0].Join(&held)
	if got := show(second); got != "both" {
		t.Errorf("merged: %s", got)
	}
	if got := show(match(6, magic.FromClient, 5938, "\x17\x24\x00", 0)); got != "both(payload) client port" {
		t.Errorf("on the port: %s", got)
	}
	if got := show(match(17, magic.FromServer, 0, "\x01\x00\x00\x00", 148)); got != "wireguard" {
		t.Errorf("datagram: %s", got)
	}
	if got := show(match(17, magic.FromServer, 0, "\x01\x00\x00\x00", 149)); got != "" {
		t.Errorf("datagram of another size: %s", got)
	}
}

// A payload is shown with all that it asks for.
func TestPayloadText(t *testing.T) {
	rs := rules(t, `{id: p, confidence: high, payload: [`+
		`{proto: tcp, from: client, at: 1, hex: "81 82", mask: "ff 1f", length: {at: 0, type: u16le, shift: 2, add: -3}, same: 4, first: true}, `+
		`{proto: udp, from: any, text: "A\n", size: 9, count: 2, same: 0}]}`)
	for i, want := range []string{
		"tcp from client at 1: 81 82, mask ff 1f, length in u16le at 0 >> 2 -3, same bytes at 4, before the other side",
		`udp from any at 0: "A\n", message of 9 bytes, 2 datagrams, same bytes at 0`,
	} {
		if got := rs.Tools()[0].Indicators[0].Payload[i].String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestHitDetails: which name, which pattern, which tenant; a capture is
// preferred over a match without one.
func TestHitDetails(t *testing.T) {
	rs := rules(t, `{id: x, confidence: high, domain: ["*.x.example", "i-{tenant}.x.example", "*.y.example"], tls: {alpn: ["x/*"]}}`)
	name := []byte("I-Acme.x.example")
	dst := make([]Hit, 1, 8) // an entry of another call
	f := Fields{Kind: KindSNI, Names: [][]byte{[]byte("q"), []byte("a.y.example"), name}, ALPN: list("h2", "x/1")}
	hits := rs.Match(&f, dst)
	if len(hits) != 2 || &hits[0] != &dst[0] || hits[0].Indicator != nil {
		t.Fatalf("%+v", hits)
	}
	h := hits[1]
	if h.Name != 2 || h.Pattern != 1 || string(h.Tenant) != "Acme" || &h.Tenant[0] != &name[2] || cap(h.Tenant) != 4 {
		t.Errorf("%+v %q", h, h.Tenant)
	}
	if got := h.ALPN(&f); string(got) != "x/1" || h.ALPN(&Fields{}) != nil {
		t.Errorf("ALPN %q", got)
	}
	if got := h.Indicator.Need.String(); got != "domain+tls.alpn" {
		t.Error(got)
	}
}

// TestMatchHostile: any bytes in any field, and a message with thousands of
// names, only cost time in proportion.
func TestMatchHostile(t *testing.T) {
	rs := rules(t,
		`{id: name, confidence: high, domain: ["*.x.example"]}`,
		`{id: globs, confidence: high, http: {path: ["*a*a*a*a*b"], agent: ["?*x"]}}`,
		`{id: cert, confidence: high, tls: {subject: ["CN=*a*a*a*b?"], san: ["*.x.example"]}}`,
	)
	long := bytes.Repeat([]byte("a"), 1<<16)
	var names [][]byte
	for range 5000 {
		names = append(names, []byte("\xff.x.example"))
	}
	for kind := KindFlow; kind <= KindPayload+1; kind++ {
		f := Fields{
			Kind: kind, Proto: 255, Names: names, ALPN: append(names, nil, long), JA3: long, JA4: []byte{}, NoSNI: true,
			Subject: []Attribute{{nil, nil}, {[]byte("cn"), long}}, SAN: names, Method: long, Host: long, Path: long, Agent: long,
			Payload: []magic.Hit{{ID: 0}, {ID: 1 << 31}, {ID: 1<<32 - 1}}, Upgrade: long, WebSocket: long,
		}
		if hits := rs.Match(&f, nil); len(hits) > 2 {
			t.Errorf("kind %d: %s", kind, show(hits))
		}
	}
}

func TestMatchAllocs(t *testing.T) {
	rs := manyPatterns(t, 1000)
	hit := []byte("relay-eu7-acme.r5.example.org")
	miss := []byte("relay-eu7.r5.example.org.evil.example")
	hello := Fields{Kind: KindSNI, Names: [][]byte{hit, miss}, ALPN: list("h2", "http/1.1"), JA3: []byte(ja3), JA4: []byte(ja4), NoSNI: true}
	cert := Fields{Kind: KindCert, Names: [][]byte{hit}, SAN: [][]byte{hit, miss}, Subject: attrs("CN=abc, O=b")}
	request := Fields{Kind: KindHTTP, Names: [][]byte{miss}, Host: miss, Path: []byte("/x"), Agent: []byte("y")}
	flow := Fields{Kind: KindFlow, Proto: 6, ServerPort: 443, ServerAddr: netip.MustParseAddr("2001:db8::1")}
	all := rules(t,
		`{id: a, confidence: low, domain: ["*-{tenant}.r5.example.org"], ip: ["2001:db8::/32"]}`,
		`{id: b, confidence: low, tls: {alpn: ["h?"], subject: ["CN=*abc"]}}`,
		`{id: c, confidence: low, tls: {san: ["*.example.org"], issuer: ["O=bbb"]}}`,
		`{id: d, confidence: low, http: {path: ["/*"], agent: ["Y*"]}}`,
		`{id: e, confidence: low, ip: ["2001:db8::/32", 192.0.2.0/24], port: [tcp/443]}`,
		`{id: f, confidence: low, tls: {ja4: [`+ja4+`]}}`,
	)
	dst := make([]Hit, 0, 8)
	for _, set := range []*Ruleset{rs, all} {
		for _, f := range []*Fields{&hello, &cert, &request, &flow} {
			if n := testing.AllocsPerRun(100, func() { set.Match(f, dst[:0]); set.NeedJA4(ja4a) }); n != 0 {
				t.Errorf("kind %d: %v allocations", f.Kind, n)
			}
		}
	}
}

var ja4a = []byte(ja4[:10])

// TestAddrOfInterest: no address that an ip condition holds for is left out,
// and nearly all others are.
func TestAddrOfInterest(t *testing.T) {
	var c compiler
	c.rs = &Ruleset{}
	in := &Indicator{}
	for _, p := range []string{"192.0.2.0/24", "10.0.0.0/8", "239.255.255.235/32", "2001:db8::/32", "fd00::/8", "::ffff:0:0/112"} {
		in.IP = append(in.IP, netip.MustParsePrefix(p))
	}
	c.addresses(in)
	for addr, want := range map[string]bool{
		"192.0.2.7": true, "10.0.0.0": true, "10.255.255.255": true, "11.0.0.0": false, "9.255.255.255": false, "239.255.1.1": true,
		"192.1.2.7": false, "2001:db8::1": true, "2001:db9::1": true, "2002:db8::1": false, "fd12::1": true, "fc00::1": false, "::1": true,
	} {
		b := netip.MustParseAddr(addr).As16()
		if got := c.rs.AddrOfInterest(binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}
