package dns

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
)

func pack(t testing.TB, m *mdns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rrs(t testing.TB, lines ...string) (out []mdns.RR) {
	t.Helper()
	for _, l := range lines {
		rr, err := mdns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rr)
	}
	return out
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// response is a compressed response with a record of every type that is taken apart.
func response(t testing.TB) []byte {
	r := new(mdns.Msg)
	r.SetQuestion("Relay.example.com.", mdns.TypeHTTPS)
	r.Response, r.Compress, r.Authoritative, r.RecursionAvailable = true, true, true, true
	r.Answer = rrs(t,
		"Relay.example.com. 300 IN CNAME edge.example.net.",
		"edge.example.net. 60 IN A 192.0.2.7",
		"edge.example.net. 61 IN AAAA 2001:db8::7",
		`edge.example.net. 62 IN HTTPS 1 . alpn="h3,h2" port="8443" ipv4hint="192.0.2.8,192.0.2.9" ech="AEX+DQBB" ipv6hint="2001:db8::8"`,
		"edge.example.net. 63 IN SVCB 0 alias.example.com.",
		"edge.example.net. 64 IN MX 10 mail.example.com.",
		"_rfb._tcp.example.net. 65 IN SRV 1 2 5900 vnc.example.com.",
		"7.2.0.192.in-addr.arpa. 66 IN PTR edge.example.net.",
		"edge.example.net. 67 IN NS ns.example.com.",
		"edge.example.net. 68 IN DNAME other.example.",
		`edge.example.net. 69 IN TXT "v=1"`)
	r.Ns = rrs(t, "example.net. 70 IN NS ns.example.net.")
	r.Extra = rrs(t, "ns.example.net. 71 IN A 192.0.2.53")
	r.SetEdns0(1232, false)
	r.Rcode = mdns.RcodeBadVers // 16: needs the extended bits
	return pack(t, r)
}

func TestResponse(t *testing.T) {
	msg := response(t)
	var m Message
	if st := Parse(msg, &m); st != Done {
		t.Fatalf("status %d, want Done", st)
	}
	if !m.Response() || m.Opcode != OpcodeQuery || m.RCode != mdns.RcodeBadVers || !m.EDNS || m.Flags&FlagAA == 0 || m.Flags&FlagTC != 0 {
		t.Errorf("header: %04x opcode %d rcode %d edns %v", m.Flags, m.Opcode, m.RCode, m.EDNS)
	}
	if q := m.Questions[0]; m.NumQuestions != 1 || string(m.Name(q.Name)) != "Relay.example.com" || q.Type != TypeHTTPS || q.Class != ClassIN {
		t.Errorf("question %d %q %d %d", m.NumQuestions, m.Name(q.Name), q.Type, q.Class)
	}
	want := []struct {
		owner, target   string
		typ, prio, port uint16
		addr            string
	}{
		{"Relay.example.com", "edge.example.net", TypeCNAME, 0, 0, ""},
		{"edge.example.net", "", TypeA, 0, 0, "192.0.2.7"},
		{"edge.example.net", "", TypeAAAA, 0, 0, "2001:db8::7"},
		{"edge.example.net", "", TypeHTTPS, 1, 8443, ""},
		{"edge.example.net", "alias.example.com", TypeSVCB, 0, 0, ""},
		{"edge.example.net", "mail.example.com", TypeMX, 10, 0, ""},
		{"_rfb._tcp.example.net", "vnc.example.com", TypeSRV, 1, 5900, ""},
		{"7.2.0.192.in-addr.arpa", "edge.example.net", TypePTR, 0, 0, ""},
		{"edge.example.net", "ns.example.com", TypeNS, 0, 0, ""},
		{"edge.example.net", "other.example", TypeDNAME, 0, 0, ""},
		{"edge.example.net", "", mdns.TypeTXT, 0, 0, ""},
	}
	if m.NumAnswers != len(want) {
		t.Fatalf("%d answers, want %d", m.NumAnswers, len(want))
	}
	for i, w := range want {
		a := &m.Answers[i]
		if string(m.Name(a.Owner)) != w.owner || string(m.Name(a.Target)) != w.target || a.Type != w.typ || a.Class != ClassIN || a.Priority != w.prio || a.Port != w.port {
			t.Errorf("answer %d: %q -> %q type %d class %d priority %d port %d, want %+v", i, m.Name(a.Owner), m.Name(a.Target), a.Type, a.Class, a.Priority, a.Port, w)
		}
		if i > 0 && a.TTL != uint32(59+i) {
			t.Errorf("answer %d: TTL %d", i, a.TTL)
		}
		if ip, _ := netip.AddrFromSlice(a.Data); w.addr != "" && ip.String() != w.addr {
			t.Errorf("answer %d: address %v, want %s", i, ip, w.addr)
		}
	}
	testService(t, &m.Answers[3])
	for i := range m.NumAnswers {
		if a := &m.Answers[i]; i != 3 && (a.ALPN != nil || a.IPv4Hint != nil || a.IPv6Hint != nil || a.ECH) {
			t.Errorf("answer %d has service parameters", i)
		}
	}
}

func testService(t *testing.T, a *Answer) {
	t.Helper()
	var ids []string
	for id, rest := NextALPN(a.ALPN); id != nil; id, rest = NextALPN(rest) {
		ids = append(ids, string(id))
	}
	if strings.Join(ids, " ") != "h3 h2" || !a.ECH {
		t.Errorf("alpn %q, ech %v", ids, a.ECH)
	}
	if string(a.IPv4Hint) != "\xc0\x00\x02\x08\xc0\x00\x02\x09" || len(a.IPv6Hint) != 16 || a.IPv6Hint[15] != 8 {
		t.Errorf("hints %x %x", a.IPv4Hint, a.IPv6Hint)
	}
}

// TestTruncated cuts a good message at every length: what is complete stays
// usable, and nothing else is ever invented.
func TestTruncated(t *testing.T) {
	for _, msg := range [][]byte{benchQuery(t), response(t)} {
		var whole, m Message
		Parse(msg, &whole)
		questionEnd := headerLen + int(whole.Questions[0].Name.len) + 2 + 4
		for n := range len(msg) {
			want, questions := Partial, 1
			if n < questionEnd {
				want, questions = NotDNS, 0
			}
			if st := Parse(msg[:n:n], &m); st != want || m.NumQuestions != questions {
				t.Fatalf("%d of %d bytes: status %d, %d questions, want %d, %d", n, len(msg), st, m.NumQuestions, want, questions)
			}
			for i := range m.NumAnswers {
				if string(m.Name(m.Answers[i].Target)) != string(whole.Name(whole.Answers[i].Target)) {
					t.Fatalf("%d of %d bytes: answer %d changed", n, len(msg), i)
				}
			}
		}
	}
}

func TestTrailingBytes(t *testing.T) {
	var m Message
	if st := Parse(append(response(t), "xyz"...), &m); st != Done || m.Trailing != 3 {
		t.Errorf("status %d, trailing %d, want Done, 3", st, m.Trailing)
	}
	msg := response(t)
	if st := Parse(append(msg, make([]byte, 1<<17)...), &m); st != Done || m.Trailing != 0xffff-len(msg) {
		t.Errorf("more than a datagram holds: status %d, trailing %d", st, m.Trailing)
	}
}

func TestLimits(t *testing.T) {
	q := new(mdns.Msg)
	for range MaxQuestions + 2 {
		q.Question = append(q.Question, mdns.Question{Name: "_rfb._tcp.local.", Qtype: mdns.TypePTR, Qclass: mdns.ClassINET | 1<<15})
	}
	q.Response = true
	for range 40 {
		q.Answer = append(q.Answer, rrs(t, "_rfb._tcp.local. 10 IN PTR Desk._rfb._tcp.local.")...)
		q.Answer[len(q.Answer)-1].Header().Class |= 1 << 15
	}
	var m Message
	st := Parse(pack(t, q), &m)
	if st != Done || m.NumQuestions != MaxQuestions || m.NumAnswers != MaxAnswers || m.Unstored != 2+8 {
		t.Errorf("status %d: %d questions, %d answers, %d not stored", st, m.NumQuestions, m.NumAnswers, m.Unstored)
	}
	if m.Questions[3].Class != ClassIN || m.Answers[31].Class != ClassIN {
		t.Error("the top bit of mDNS is left in the class")
	}
}

// TestNameSpace fills a message with the longest names there are: answers
// without room are counted, the message is still read to its end.
func TestNameSpace(t *testing.T) {
	label := func(c string, n int) string { return strings.Repeat(c, n) }
	long := label(`\001`, 63) + "." + label(`\002`, 63) + "." + label(`\003`, 63) + "." + label(`\004`, 61) + "."
	r := new(mdns.Msg)
	r.SetQuestion(long, mdns.TypeA)
	r.Response = true
	for range 20 {
		r.Answer = append(r.Answer, &mdns.CNAME{Hdr: mdns.RR_Header{Name: long, Rrtype: mdns.TypeCNAME, Class: 1}, Target: long})
	}
	var m Message
	st := Parse(pack(t, r), &m)
	if st != Done || m.NumAnswers+m.Unstored != 20 || m.NumAnswers < 2 {
		t.Errorf("status %d: %d answers stored, %d not", st, m.NumAnswers, m.Unstored)
	}
	for range MaxQuestions - 1 {
		r.Question = append(r.Question, r.Question[0])
	}
	st = Parse(pack(t, r), &m)
	if st != Done || m.NumQuestions == 0 || m.NumAnswers < 2 {
		t.Errorf("with long questions too: status %d: %d questions, %d answers stored", st, m.NumQuestions, m.NumAnswers)
	}
	if n := m.Name(m.Answers[0].Target); len(n) != maxName || string(n)+"." != long {
		t.Errorf("the longest name has %d bytes, want %d", len(n), maxName)
	}
}

// TestSharedNames: owners that point at a name already read cost no room.
func TestSharedNames(t *testing.T) {
	var m Message
	Parse(benchResponse(t), &m)
	if want := len(m.Name(m.Questions[0].Name)) + len(m.Name(m.Answers[0].Target)); m.used != want {
		t.Errorf("%d bytes of names, want %d", m.used, want)
	}
}

// TestHostile: each message is one step away from a good one.
func TestHostile(t *testing.T) {
	const (
		query = "abcd 0100 0001 0000 0000 0000 "
		reply = "abcd 8180 0001 0001 0000 0000 "
		name  = "03777777 00 "
		quest = name + "0001 0001 "
		owner = "c00c "
	)
	label63 := "3f" + strings.Repeat("61", 63)
	tests := []struct {
		name, msg string
		want      Status
	}{
		{"good query", query + quest, Done},
		{"good reply", reply + quest + owner + "0001 0001 00000000 0004 c0000201", Done},
		{"mDNS response without question", "0000 8400 0000 0001 0000 0000" + name + "0001 8001 00000000 0004 c0000201", Done},
		{"update that deletes a set", "abcd 2800 0001 0001 0000 0000" + name + "0006 0001" + owner + "0001 00ff 00000000 0000", Done},
		{"Z bit, which servers ignore", "abcd 0140 0001 0000 0000 0000 " + quest, Done},
		{"status opcode", "abcd 1100 0001 0000 0000 0000 " + quest, NotDNS},
		{"query with a response code", "abcd 0103 0001 0000 0000 0000 " + quest, NotDNS},
		{"query with RA", "abcd 0180 0001 0000 0000 0000 " + quest, NotDNS},
		{"query without question", "abcd 0100 0000 0001 0000 0000" + name + "0001 0001 00000000 0004 c0000201", NotDNS},
		{"response code 12", "abcd 818c 0001 0000 0000 0000 " + quest, NotDNS},
		{"64 questions", "abcd 0100 0040 0000 0000 0000 " + quest, NotDNS},
		{"4096 answers", "abcd 8100 0001 1000 0000 0000 " + quest, NotDNS},
		{"1024 authority records", "abcd 8100 0001 0000 0400 0000 " + quest, NotDNS},
		{"1024 additional records", "abcd 8100 0001 0000 0000 0400 " + quest, NotDNS},
		{"header alone", reply, NotDNS},
		{"type 0", query + name + "0000 0001", NotDNS},
		{"unassigned type", query + name + "0400 0001", NotDNS},
		{"class 0", query + name + "0001 0000", NotDNS},
		{"class 2", query + name + "0001 0002", NotDNS},
		{"second question of type 0", "abcd 0100 0002 0000 0000 0000 " + quest + name + "0000 0001", Malformed},
		{"nine questions, the ninth broken", "abcd 0100 0009 0000 0000 0000 " + strings.Repeat(quest, 8) + "40", Malformed},
		{"label type 01", query + "41" + strings.Repeat("61", 65) + "00 0001 0001", Malformed},
		{"label type 10", query + "81" + strings.Repeat("61", 65) + "00 0001 0001", Malformed},
		{"255 octets", query + strings.Repeat(label63, 3) + "3d" + strings.Repeat("61", 61) + "00 0001 0001", Done},
		{"256 octets", query + strings.Repeat(label63, 3) + "3e" + strings.Repeat("61", 62) + "00 0001 0001", Malformed},
		{"pointer to itself", query + "c00c 0001 0001", Malformed},
		{"pointer forward", query + "c00e 0377777700 0001 0001", Malformed},
		{"pointer into the header", query + "c004 0001 0001", Malformed},
		{"owner that points into the header", reply + quest + "c004 0001 0001 00000000 0004 c0000201", Malformed},
		{"owner that points at the header after an answer", "abcd 8180 0001 0002 0000 0000" + quest + owner + "0001 0001 00000000 0004 c0000201 c000 0001 0001 00000000 0004 c0000201", Malformed},
		{"pointer back and then forward", "abcd 8180 0001 0002 0000 0000" + "00 0001 0001" + "00 0010 0001 00000000 0003 c01e00" + "c01c 0001 0001 00000000 0004 c0000201", Malformed},
		{"pointer into its own labels", query + "0161 c00c 0001 0001", Malformed},
		{"owner that points forward", reply + quest + "c030 0001 0001 00000000 0004 c0000201", Malformed},
		{"owner that runs into itself", reply + "00 0001 0001" + "02c010 c010" + "0001 0001 00000000 0004 c0000201", Malformed},
		{"record of type 0", reply + quest + owner + "0000 0001 00000000 0000", Malformed},
		{"record of class 0", reply + quest + owner + "0001 0000 00000000 0004 c0000201", Malformed},
		{"A of 5 bytes", reply + quest + owner + "0001 0001 00000000 0005 c000020101", Malformed},
		{"A of 0 bytes", reply + quest + owner + "0001 0001 00000000 0000", Malformed},
		{"AAAA of 4 bytes", reply + quest + owner + "001c 0001 00000000 0004 c0000201", Malformed},
		{"data beyond the end", reply + quest + owner + "0001 0001 00000000 ffff c0000201", Partial},
		{"CNAME with a rest", reply + quest + owner + "0005 0001 00000000 0003 c00c00", Malformed},
		{"CNAME cut by its data", reply + quest + owner + "0005 0001 00000000 0003 0361 6100", Malformed},
		{"MX of 1 byte", reply + quest + owner + "000f 0001 00000000 0001 00", Malformed},
		{"SRV of 5 bytes", reply + quest + owner + "0021 0001 00000000 0005 0000000000", Malformed},
		{"HTTPS of 1 byte", reply + quest + owner + "0041 0001 00000000 0001 00", Malformed},
		{"HTTPS keys descend", reply + quest + owner + "0041 0001 00000000 000d 0001 00 0003 0002 01bb 0000 0000", Malformed},
		{"HTTPS value too long", reply + quest + owner + "0041 0001 00000000 0009 0001 00 0001 0009 0268", Malformed},
		{"HTTPS empty alpn identifier", reply + quest + owner + "0041 0001 00000000 0008 0001 00 0001 0001 00", Malformed},
		{"HTTPS port of 1 byte", reply + quest + owner + "0041 0001 00000000 0008 0001 00 0003 0001 00", Malformed},
		{"HTTPS hint of 3 bytes", reply + quest + owner + "0041 0001 00000000 000a 0001 00 0004 0003 c00002", Malformed},
		{"HTTPS hint of 15 bytes", reply + quest + owner + "0041 0001 00000000 0016 0001 00 0006 000f" + strings.Repeat("00", 15), Malformed},
		{"OPT as answer", reply + quest + "00 0029 04d0 00000000 0000", Malformed},
		{"OPT of a name", "abcd 0100 0001 0000 0000 0001 " + quest + owner + "0029 04d0 00000000 0000", Malformed},
		{"OPT as authority", "abcd 0100 0001 0000 0001 0000 " + quest + "00 0029 04d0 00000000 0000", Malformed},
		{"two OPT", "abcd 0100 0001 0000 0000 0002 " + quest + "00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000", Malformed},
		{"additional padding, as dnscrypt-proxy sends it", "abcd 0100 0001 0000 0000 0001 " + quest + "00 0000 0000 00000000 0004 000c0000", Done},
		{"authority name broken", "abcd 8180 0001 0000 0001 0000 " + quest + "80", Malformed},
		{"nothing but authority", "abcd 8180 0000 0000 0001 0000 " + name + "0001 0001 00000000 0004 c0000201", NotDNS},
		{"authority name points into the header", "abcd 8180 0001 0000 0001 0000 " + quest + "c004 0001 0001 00000000 0000", Malformed},
		{"authority name points forward", "abcd 8180 0001 0000 0001 0000 " + quest + "c040 0001 0001 00000000 0000", Malformed},
		{"authority name too long", "abcd 8180 0001 0000 0001 0000 " + quest + strings.Repeat(label63, 4) + "00 0002 0001 00000000 0001 00", Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Message
			if st := Parse(unhex(t, tt.msg), &m); st != tt.want {
				t.Errorf("status %d, want %d", st, tt.want)
			}
		})
	}
}

// TestPointerChain leads a name through n pointers: 126 are as many as the
// labels of the longest name could need.
func TestPointerChain(t *testing.T) {
	for n, want := range map[int]Status{maxJump: Done, maxJump + 1: Malformed} {
		msg := unhex(t, "abcd 8180 0001 0002 0000 0000 00 0001 0001")
		// The first answer, of a type whose data is not looked at, carries the chain.
		msg = append(msg, unhex(t, "00 0010 0001 00000000")...)
		msg = be.AppendUint16(msg, uint16(1+2*(n-1)))
		at := len(msg)
		msg = append(msg, 0)
		for range n - 1 {
			next := len(msg)
			msg = append(msg, 0xc0|byte(at>>8), byte(at))
			at = next
		}
		msg = append(msg, 0xc0|byte(at>>8), byte(at))
		msg = append(msg, unhex(t, "0001 0001 00000000 0004 c0000201")...)
		var m Message
		if st := Parse(msg, &m); st != want {
			t.Errorf("%d pointers: status %d, want %d", n, st, want)
		}
	}
}

func TestTCP(t *testing.T) {
	one, two := benchQuery(t), response(t)
	frame := func(b []byte) []byte { return append(be.AppendUint16(nil, uint16(len(b))), b...) }
	head := append(frame(one), frame(two)...)
	for n := range len(head) + 1 {
		msg, rest, st := TCP(head[:n])
		if n < 2+len(one) {
			if st != NeedMore || n >= 2 && string(msg) != string(head[2:n]) {
				t.Fatalf("%d bytes: status %d, message %x", n, st, msg)
			}
			continue
		}
		if st != Done || string(msg) != string(one) || len(rest) != n-2-len(one) {
			t.Fatalf("%d bytes: status %d, %d bytes of message, rest %d", n, st, len(msg), len(rest))
		}
		msg, rest, st = TCP(rest)
		if n < len(head) && st != NeedMore || n == len(head) && (st != Done || string(msg) != string(two) || len(rest) != 0) {
			t.Fatalf("%d bytes: second message: status %d", n, st)
		}
	}
	for _, s := range []string{"\x00\x10", "\x00\x0cabcdefghijkl", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaa"} {
		if _, _, st := TCP([]byte(s)); st != NotDNS {
			t.Errorf("%q: status %d, want NotDNS", s, st)
		}
	}
}

func TestKindOf(t *testing.T) {
	tests := []struct {
		src, dst uint16
		want     Kind
	}{
		{40000, 53, KindDNS}, {53, 5353, KindDNS}, {5355, 53, KindDNS}, {40000, 8053, KindDNS},
		{5353, 5353, KindMDNS}, {40000, 5353, KindMDNS}, {5353, 40000, KindMDNS},
		{40000, 5355, KindLLMNR}, {5355, 40000, KindLLMNR},
		{137, 137, KindNone}, {40000, 137, KindNone},
	}
	for _, tt := range tests {
		if got := KindOf(tt.src, tt.dst); got != tt.want {
			t.Errorf("KindOf(%d, %d) = %d, want %d", tt.src, tt.dst, got, tt.want)
		}
	}
}
