package dns

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
)

// wire packs a name in presentation form with the oracle: names are equal when
// their wire forms are, whatever each side chose to escape.
func wire(t testing.TB, name string) string {
	t.Helper()
	var b [256]byte
	n, err := mdns.PackDomainName(mdns.Fqdn(name), b[:], 0, nil, false)
	if err != nil {
		t.Fatalf("name %q: %v", name, err)
	}
	return string(b[:n])
}

// TestOracle packs random messages with miekg/dns and compares every field.
func TestOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1035))
	var m Message
	for i := range 6_000 {
		want := randomMessage(r)
		msg, err := want.Pack()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if st := Parse(msg, &m); st != Done || m.Trailing != 0 {
			t.Fatalf("message %d: status %d, trailing %d:\n%v", i, st, m.Trailing, want)
		}
		// Unpack again: Pack completes the message (extended response codes).
		if err := want.Unpack(msg); err != nil {
			t.Fatal(err)
		}
		if diff := compare(t, &m, want); diff != "" {
			t.Fatalf("message %d: %s:\n%v", i, diff, want)
		}
	}
}

// compare returns the first difference between what we and the oracle read.
func compare(t testing.TB, m *Message, want *mdns.Msg) string {
	if m.ID != want.Id || m.Response() != want.Response || int(m.Opcode) != want.Opcode || int(m.RCode) != want.Rcode || m.EDNS != (want.IsEdns0() != nil) {
		return "header"
	}
	for bit, set := range map[uint16]bool{FlagAA: want.Authoritative, FlagTC: want.Truncated, FlagRD: want.RecursionDesired, FlagRA: want.RecursionAvailable, FlagAD: want.AuthenticatedData, FlagCD: want.CheckingDisabled} {
		if (m.Flags&bit != 0) != set {
			return fmt.Sprintf("flag %04x", bit)
		}
	}
	if int(m.QDCount) != len(want.Question) || int(m.ANCount) != len(want.Answer) || int(m.NSCount) != len(want.Ns) || int(m.ARCount) != len(want.Extra) {
		return "counts"
	}
	if m.NumQuestions != min(len(want.Question), MaxQuestions) || m.NumQuestions+m.NumAnswers+m.Unstored != len(want.Question)+len(want.Answer) {
		return "stored"
	}
	for i, q := range m.Questions[:m.NumQuestions] {
		w := want.Question[i]
		if wire(t, string(m.Name(q.Name))) != wire(t, w.Name) || q.Type != w.Qtype || q.Class != w.Qclass&0x7fff {
			return fmt.Sprintf("question %d is %q", i, m.Name(q.Name))
		}
	}
	for i := range m.NumAnswers {
		if diff := compareAnswer(t, m, &m.Answers[i], want.Answer[i]); diff != "" {
			return fmt.Sprintf("answer %d: %s", i, diff)
		}
	}
	return ""
}

func compareAnswer(t testing.TB, m *Message, a *Answer, rr mdns.RR) string {
	h := rr.Header()
	if wire(t, string(m.Name(a.Owner))) != wire(t, h.Name) || a.Type != h.Rrtype || a.Class != h.Class&0x7fff || a.TTL != h.Ttl {
		return fmt.Sprintf("header of %q", m.Name(a.Owner))
	}
	var target string
	switch rr := rr.(type) {
	case *mdns.A:
		if !rr.A.Equal(net.IP(a.Data)) {
			return "address"
		}
		return ""
	case *mdns.AAAA:
		if !rr.AAAA.Equal(net.IP(a.Data)) {
			return "address"
		}
		return ""
	case *mdns.CNAME:
		target = rr.Target
	case *mdns.DNAME:
		target = rr.Target
	case *mdns.NS:
		target = rr.Ns
	case *mdns.PTR:
		target = rr.Ptr
	case *mdns.MX:
		target = rr.Mx
		if a.Priority != rr.Preference {
			return "preference"
		}
	case *mdns.SRV:
		target = rr.Target
		if a.Priority != rr.Priority || a.Port != rr.Port {
			return "SRV numbers"
		}
	case *mdns.HTTPS:
		return compareService(t, m, a, &rr.SVCB)
	case *mdns.SVCB:
		return compareService(t, m, a, rr)
	default:
		return ""
	}
	if got := string(m.Name(a.Target)); wire(t, got) != wire(t, target) {
		return fmt.Sprintf("target %q, want %q", got, target)
	}
	return ""
}

func compareService(t testing.TB, m *Message, a *Answer, rr *mdns.SVCB) string {
	if wire(t, string(m.Name(a.Target))) != wire(t, rr.Target) || a.Priority != rr.Priority {
		return "service target or priority"
	}
	var alpn []string
	var v4, v6 []byte
	var port uint16
	var ech bool
	for _, kv := range rr.Value {
		switch kv := kv.(type) {
		case *mdns.SVCBAlpn:
			alpn = kv.Alpn
		case *mdns.SVCBPort:
			port = kv.Port
		case *mdns.SVCBECHConfig:
			ech = true
		case *mdns.SVCBIPv4Hint:
			for _, ip := range kv.Hint {
				v4 = append(v4, ip.To4()...)
			}
		case *mdns.SVCBIPv6Hint:
			for _, ip := range kv.Hint {
				v6 = append(v6, ip.To16()...)
			}
		}
	}
	var got []string
	for id, rest := NextALPN(a.ALPN); id != nil; id, rest = NextALPN(rest) {
		got = append(got, string(id))
	}
	if strings.Join(got, "\x00") != strings.Join(alpn, "\x00") || a.Port != port || a.ECH != ech || !bytes.Equal(a.IPv4Hint, v4) || !bytes.Equal(a.IPv6Hint, v6) {
		return "service parameters"
	}
	return ""
}

func randomMessage(r *rand.Rand) *mdns.Msg {
	m := new(mdns.Msg)
	m.Id, m.Response, m.Compress = uint16(r.Uint32()), r.IntN(3) > 0, r.IntN(4) > 0
	m.Opcode = []int{OpcodeQuery, OpcodeNotify, OpcodeUpdate}[r.IntN(3)]
	m.Authoritative, m.Truncated, m.RecursionDesired = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0
	m.AuthenticatedData, m.CheckingDisabled = r.IntN(2) == 0, r.IntN(2) == 0
	pool := make([]string, 4)
	for i := range pool {
		pool[i] = randomName(r, pool[:i])
	}
	for range 1 + max(0, r.IntN(12)-6) {
		m.Question = append(m.Question, mdns.Question{Name: pool[r.IntN(4)], Qtype: 1 + uint16(r.IntN(65)), Qclass: mdns.ClassINET | uint16(r.IntN(2))<<15})
	}
	section := func(most int) (out []mdns.RR) {
		for range r.IntN(most + 1) {
			out = append(out, randomRR(r, pool))
		}
		return out
	}
	m.Answer, m.Ns, m.Extra = section([]int{3, 3, 45}[r.IntN(3)]), section(3), section(3)
	if m.Response {
		m.RecursionAvailable, m.Rcode = r.IntN(2) == 0, r.IntN(12)
	}
	if r.IntN(2) == 0 {
		m.SetEdns0(4096, r.IntN(2) == 0)
		if m.Response && r.IntN(3) == 0 {
			m.Rcode = 16 + r.IntN(8)
		}
	}
	return m
}

// randomName makes a name of any bytes, now and then the longest or the root,
// and mostly one that ends in another, so that it compresses.
func randomName(r *rand.Rand, others []string) string {
	var b strings.Builder
	octets, most := 1, 255
	if len(others) > 0 && r.IntN(3) > 0 {
		tail := others[r.IntN(len(others))]
		var buf [256]byte
		n, _ := mdns.PackDomainName(tail, buf[:], 0, nil, false)
		if octets = n; n < 150 {
			most = n + 60
		}
		for octets < most && r.IntN(4) > 0 {
			octets += randomLabel(r, &b, most-octets)
		}
		if tail == "." && b.Len() > 0 {
			return b.String()
		}
		return b.String() + tail
	}
	for octets < most && r.IntN(6) > 0 {
		octets += randomLabel(r, &b, most-octets)
	}
	if b.Len() == 0 {
		return "."
	}
	return b.String()
}

// randomLabel appends a label that takes at most room octets and returns how many it took.
func randomLabel(r *rand.Rand, b *strings.Builder, room int) int {
	if room < 2 {
		return room
	}
	n := 1 + r.IntN(min(63, room-1))
	any := r.IntN(3) == 0
	for range n {
		if any {
			fmt.Fprintf(b, `\%03d`, r.IntN(256))
		} else {
			b.WriteByte("abcXYZ019-_"[r.IntN(11)])
		}
	}
	b.WriteByte('.')
	return 1 + n
}

func randomRR(r *rand.Rand, pool []string) mdns.RR {
	h := mdns.RR_Header{Name: pool[r.IntN(4)], Class: mdns.ClassINET | uint16(r.IntN(2))<<15, Ttl: r.Uint32()}
	name := pool[r.IntN(4)]
	ip4 := func() net.IP { return net.IPv4(192, 0, 2, byte(r.Uint32())).To4() }
	ip6 := func() net.IP { return append(net.ParseIP("2001:db8::")[:15:15], byte(r.Uint32())) }
	service := mdns.SVCB{Priority: uint16(r.Uint32()), Target: name}
	for _, kv := range []mdns.SVCBKeyValue{
		&mdns.SVCBAlpn{Alpn: []string{"h3", "h2", "anydesk/6.2.0/linux"}[r.IntN(3):]},
		&mdns.SVCBNoDefaultAlpn{},
		&mdns.SVCBPort{Port: uint16(r.Uint32())},
		&mdns.SVCBIPv4Hint{Hint: []net.IP{ip4(), ip4()}[r.IntN(2):]},
		&mdns.SVCBECHConfig{ECH: []byte("config")},
		&mdns.SVCBIPv6Hint{Hint: []net.IP{ip6(), ip6()}[r.IntN(2):]},
		&mdns.SVCBLocal{KeyCode: 65300, Data: []byte("private")},
	} {
		if r.IntN(2) == 0 {
			service.Value = append(service.Value, kv)
		}
	}
	of := func(typ uint16) mdns.RR_Header { h.Rrtype = typ; return h }
	switch r.IntN(12) {
	case 0:
		return &mdns.A{Hdr: of(TypeA), A: ip4()}
	case 1:
		return &mdns.AAAA{Hdr: of(TypeAAAA), AAAA: ip6()}
	case 2:
		return &mdns.CNAME{Hdr: of(TypeCNAME), Target: name}
	case 3:
		return &mdns.DNAME{Hdr: of(TypeDNAME), Target: name}
	case 4:
		return &mdns.NS{Hdr: of(TypeNS), Ns: name}
	case 5:
		return &mdns.PTR{Hdr: of(TypePTR), Ptr: name}
	case 6:
		return &mdns.MX{Hdr: of(TypeMX), Preference: uint16(r.Uint32()), Mx: name}
	case 7:
		return &mdns.SRV{Hdr: of(TypeSRV), Priority: uint16(r.Uint32()), Weight: 7, Port: uint16(r.Uint32()), Target: name}
	case 8:
		service.Hdr = of(TypeHTTPS)
		return &mdns.HTTPS{SVCB: service}
	case 9:
		service.Hdr = of(TypeSVCB)
		return &service
	case 10:
		return &mdns.SOA{Hdr: of(mdns.TypeSOA), Ns: name, Mbox: pool[0], Serial: 1}
	}
	return &mdns.TXT{Hdr: of(mdns.TypeTXT), Txt: []string{"v=1", "x"}}
}
