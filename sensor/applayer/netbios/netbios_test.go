package netbios

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
)

// encode is RFC 1001 section 14.1, written independently of the parser: a name in
// text form, as miekg/dns takes it.
func encode(name string, suffix byte) string {
	var b strings.Builder
	for _, c := range []byte((name + strings.Repeat(" ", 15))[:15] + string(rune(suffix))) {
		b.WriteByte('A' + c/16)
		b.WriteByte('A' + c%16)
	}
	return b.String() + "."
}

// Records of the name service have types that miekg/dns does not know.
func rr(name string, typ uint16, data string) mdns.RR {
	return &mdns.RFC3597{Hdr: mdns.RR_Header{Name: name, Rrtype: typ, Class: 1, Ttl: 300}, Rdata: data}
}

func pack(t testing.TB, m *mdns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// registration is what a host broadcasts when it starts.
func registration(t testing.TB, opcode int, name string, suffix byte, flags string) []byte {
	m := new(mdns.Msg)
	m.Opcode, m.RecursionDesired, m.Compress = opcode, true, true
	m.Question = []mdns.Question{{Name: encode(name, suffix), Qtype: typeNB, Qclass: 1}}
	m.Extra = []mdns.RR{rr(encode(name, suffix), typeNB, flags+"0a010203")}
	return pack(t, m)
}

func answer(t testing.TB, name string, typ uint16, data string, question bool) []byte {
	m := new(mdns.Msg)
	m.Response, m.Authoritative = true, true
	if question {
		m.Question = []mdns.Question{{Name: encode(name, 0), Qtype: typ, Qclass: 1}}
	}
	m.Answer = []mdns.RR{rr(encode(name, 0), typ, data)}
	return pack(t, m)
}

// status is a node status of a group, a service and a computer, in this order.
var status = "03" + own("WORKGROUP", 0, "8400") + own("DESK-17", 0x20, "0400") + own("DESK-17", 0, "0400") + "000000000000"

// own is a name of a node status, in hexadecimal.
func own(name string, suffix byte, flags string) string {
	return hex.EncodeToString([]byte((name + strings.Repeat(" ", 15))[:15]+string(rune(suffix)))) + flags
}

func TestParse(t *testing.T) {
	host := netip.MustParseAddr("10.1.2.3")
	for _, c := range []struct {
		name  string
		bytes []byte
		kind  Kind
		want  string
		group bool
		addr  netip.Addr
	}{
		{"registration", registration(t, 5, "DESK-17", 0, "0000"), Registration, "DESK-17", false, host},
		{"refresh", registration(t, 8, "DESK-17", 0, "6000"), Registration, "DESK-17", false, host},
		{"a group", registration(t, 5, "WORKGROUP", 0, "8000"), Registration, "WORKGROUP", true, host},
		{"answer", answer(t, "FIFTEEN-LETTERS", typeNB, "00000a010203", false), Answer, "FIFTEEN-LETTERS", false, host},
		{"answer that repeats the question", answer(t, "DESK-17", typeNB, "00000a010203", true), Answer, "DESK-17", false, host},
		{"node status", answer(t, "*", typeNBSTAT, status, false), NodeStatus, "DESK-17", false, netip.Addr{}},
		{"node status without a computer", answer(t, "*", typeNBSTAT, "00000000000000", false), Other, "", false, netip.Addr{}},
		{"question", pack(t, &mdns.Msg{Question: []mdns.Question{{Name: encode("X", 0), Qtype: typeNB, Qclass: 1}}}), Other, "", false, netip.Addr{}},
	} {
		var p Packet
		if st := Parse(c.bytes, &p); st != Done || p.Kind != c.kind || string(p.Name.Trim()) != c.want || p.Group != c.group || p.Addr != c.addr {
			t.Errorf("%s: status %d, %+v %q", c.name, st, p, p.Name.Trim())
		}
		if n := testing.AllocsPerRun(5, func() { Parse(c.bytes, &p) }); n > 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
		for n := range c.bytes {
			if st := Parse(c.bytes[:n:n], &p); st == Done && c.kind != Other && p.Kind != Other || st == Malformed {
				t.Errorf("%s, %d bytes: status %d, %+v", c.name, n, st, p)
			}
		}
	}
}

// What is not of the name service, or breaks it, says nothing.
func TestDamaged(t *testing.T) {
	good := registration(t, 5, "DESK-17", 0, "0000")
	change := func(at int, to ...byte) []byte {
		b := slices.Clone(good)
		copy(b[at:], to)
		return b
	}
	pointer := 12 + 34 + 4
	for _, c := range []struct {
		name  string
		bytes []byte
		want  Status
	}{
		{"an ordinary name", pack(t, new(mdns.Msg).SetQuestion("www.example.com.", 1)), NotNetBIOS},
		{"a letter beyond P", change(13, 'Q'), NotNetBIOS},
		{"another operation", change(2, 0x78^0x08, 0), NotNetBIOS},
		{"a pointer elsewhere", change(pointer, 0xc0, 0x0d), Malformed},
		{"a pointer to itself", change(12, 0xc0, 0x0c), Malformed},
		{"another type", change(12+34, 0, 1), Malformed},
		{"another class", change(pointer+4, 0, 3), Malformed},
		{"no address", change(pointer+10, 0, 2), Malformed},
		{"many records", change(4, 0, 9, 0, 9), NotNetBIOS},
	} {
		var p Packet
		if st := Parse(c.bytes, &p); st != c.want || p.Kind != Other {
			t.Errorf("%s: status %d, %+v", c.name, st, p)
		}
	}
}

// FuzzParse holds what is Done against miekg/dns, which knows nothing of NetBIOS
// and reads the same name and address.
func FuzzParse(f *testing.F) {
	f.Add(registration(f, 5, "DESK-17", 0, "0000"))
	f.Add(answer(f, "DESK-17", typeNB, "00000a010203", true))
	f.Add(answer(f, "*", typeNBSTAT, status, false))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = slices.Clip(b)
		var p Packet
		if Parse(b, &p) != Done || p.Kind != Registration && p.Kind != Answer {
			return
		}
		var m mdns.Msg
		if m.Unpack(b) != nil {
			return // it reads records that we do not
		}
		section := m.Extra
		if p.Kind == Answer {
			section = m.Answer
		}
		if len(section) == 0 {
			t.Fatalf("%+v, but %v", p, m)
		}
		got, ok := section[0].(*mdns.NIMLOC) // whose number is that of NetBIOS's addresses
		if !ok {
			t.Fatalf("%+v, but %v", p, section[0])
		}
		addr := p.Addr.As4()
		if want := hexOf(binary.BigEndian.Uint32(addr[:])); !strings.HasPrefix(strings.ToLower(got.Locator)[4:], want) {
			t.Fatalf("%v, but %v", p.Addr, got.Locator)
		}
		if want := strings.ToUpper(strings.TrimSuffix(encode(string(p.Name.Text[:]), 0), "AA.")); !strings.HasPrefix(strings.ToUpper(got.Hdr.Name), want) {
			t.Fatalf("%q, but %q", p.Name.Text, got.Hdr.Name)
		}
	})
}

func hexOf(n uint32) string { return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, n)) }
