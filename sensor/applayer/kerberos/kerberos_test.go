package kerberos

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"slices"
	"testing"
)

// What Go's own ASN.1 writes, by the module of RFC 4120 appendix A. A
// GeneralString is written by hand: encoding/asn1 knows none.
type (
	principalName struct {
		Type  int             `asn1:"explicit,tag:0"`
		Names []asn1.RawValue `asn1:"explicit,tag:1"`
	}
	hostAddress struct {
		Type  int    `asn1:"explicit,tag:0"`
		Value []byte `asn1:"explicit,tag:1"`
	}
	paData struct {
		Type  int    `asn1:"explicit,tag:1"`
		Value []byte `asn1:"explicit,tag:2"`
	}
	kdcBody struct {
		Options asn1.BitString `asn1:"explicit,tag:0"`
		Client  principalName  `asn1:"explicit,optional,tag:1"`
		Realm   asn1.RawValue  // its tag and all: encoding/asn1 does not put a RawValue into another element
		Server  principalName  `asn1:"explicit,tag:3"`
		Nonce   int            `asn1:"explicit,tag:7"`
		Etypes  []int          `asn1:"explicit,tag:8"`
		Addrs   []hostAddress  `asn1:"explicit,optional,omitempty,tag:9"`
	}
	kdcReq struct {
		Version int      `asn1:"explicit,tag:1"`
		Type    int      `asn1:"explicit,tag:2"`
		Pre     []paData `asn1:"explicit,optional,omitempty,tag:3"`
		Body    kdcBody  `asn1:"explicit,tag:4"`
	}
)

func general(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagGeneralString, Bytes: []byte(s)}
}

// field is an element of context tag n that holds v.
func field(t testing.TB, n int, v asn1.RawValue) asn1.RawValue {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: n, IsCompound: true, Bytes: b}
}

// request makes the bytes of an AS-REQ or TGS-REQ.
func request(t testing.TB, typ int, client []string, addrs ...hostAddress) []byte {
	t.Helper()
	body := kdcBody{
		Options: asn1.BitString{Bytes: []byte{0x40, 0x81, 0, 0x10}, BitLength: 32}, Realm: field(t, 2, general("CORP.EXAMPLE")),
		Server: principalName{2, []asn1.RawValue{general("krbtgt"), general("CORP.EXAMPLE")}}, Nonce: 1 << 30, Etypes: []int{18, 17, 23}, Addrs: addrs,
	}
	if client != nil {
		body.Client = principalName{Type: 1}
		for _, s := range client {
			body.Client.Names = append(body.Client.Names, general(s))
		}
	}
	inner, err := asn1.Marshal(kdcReq{5, typ, []paData{{128, []byte{0x30, 5, 0xa0, 3, 1, 1, 0xff}}, {2, bytes.Repeat([]byte{0x5a}, 200)}}, body})
	if err != nil {
		t.Fatal(err)
	}
	outer, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassApplication, Tag: typ, IsCompound: true, Bytes: inner})
	if err != nil {
		t.Fatal(err)
	}
	return outer
}

// stream puts the length of TCP before a message.
func stream(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

func TestMachine(t *testing.T) {
	netbios := hostAddress{20, []byte("DESK-17         ")}
	ip := hostAddress{2, []byte{10, 1, 2, 3}}
	for _, c := range []struct {
		name   string
		typ    int
		client []string
		addrs  []hostAddress
		want   string
	}{
		{"a machine account", ASRequest, []string{"DESK-17$"}, nil, "DESK-17"},
		{"a person at a machine", ASRequest, []string{"alice"}, []hostAddress{netbios}, "DESK-17"},
		{"a person, other addresses first", ASRequest, []string{"alice"}, []hostAddress{ip, netbios}, "DESK-17"},
		{"a person", ASRequest, []string{"alice"}, []hostAddress{ip}, ""},
		{"a service", ASRequest, []string{"host", "web-1$"}, nil, ""},
		{"a ticket for a service", TGSRequest, nil, []hostAddress{netbios}, "DESK-17"},
		{"nobody", TGSRequest, nil, nil, ""},
		{"only the sign", ASRequest, []string{"$"}, nil, ""},
		{"an empty name", ASRequest, []string{""}, []hostAddress{{20, nil}}, ""},
	} {
		b := request(t, c.typ, c.client, c.addrs...)
		var r Request
		if st := Parse(b, &r); st != Done || string(r.Machine()) != c.want || string(r.Realm) != "CORP.EXAMPLE" || int(r.Type) != c.typ {
			t.Errorf("%s: status %d, %q, want %q", c.name, st, r.Machine(), c.want)
		}
		if st := Stream(append(stream(b), "more"...), &r); st != Done || string(r.Machine()) != c.want {
			t.Errorf("%s, over TCP: status %d, %q", c.name, st, r.Machine())
		}
	}
}

// A request that is cut off anywhere is Partial and tells nothing else than the
// whole.
func TestTruncated(t *testing.T) {
	whole := request(t, ASRequest, []string{"DESK-17$"}, hostAddress{20, []byte("DESK-17         ")})
	named := 0
	for n := range whole {
		for i, parse := range []func([]byte, *Request) Status{Parse, Stream} {
			b := whole[:n:n]
			if i == 1 {
				b = slices.Clip(stream(whole)[:4+n])
			}
			var r Request
			if st := parse(b, &r); st != Partial {
				t.Fatalf("%d bytes: status %d", n, st)
			}
			if m := r.Machine(); m != nil && string(m) != "DESK-17" {
				t.Fatalf("%d bytes: %q", n, m)
			} else if m != nil {
				named++
			}
		}
	}
	if named == 0 {
		t.Error("what is cut behind the name does not tell it")
	}
}

func TestNotKerberos(t *testing.T) {
	good := request(t, ASRequest, []string{"DESK-17$"})
	reply := slices.Clone(good)
	reply[0] = 0x6b // AS-REP
	other := slices.Clone(good)
	other[0] = 0x60 | TGSRequest // and inside the type of an AS-REQ
	for _, b := range [][]byte{reply, other, []byte("GET / HTTP/1.1\r\n\r\n"), []byte("\x6a\x03\x02\x01\x05")} {
		var r Request
		if st := Parse(b, &r); st != NotKerberos || r.Machine() != nil {
			t.Errorf("%.8x: status %d, %q", b, st, r.Machine())
		}
	}
	var r Request
	if st := Stream([]byte("GET / HTTP/1.1\r\n\r\n"), &r); st != NotKerberos {
		t.Errorf("HTTP: status %d", st)
	}
	// The client's name is longer than what holds it.
	bad := slices.Clone(good)
	at := bytes.Index(bad, []byte("\x1b\x08DESK"))
	bad[at+1] = 0x70
	if st := Parse(bad, &r); st != Malformed || r.Machine() != nil {
		t.Errorf("status %d, %q", st, r.Machine())
	}
}

func TestAllocations(t *testing.T) {
	b := request(t, ASRequest, []string{"DESK-17$"}, hostAddress{20, []byte("DESK-17")})
	var r Request
	if n := testing.AllocsPerRun(10, func() { Parse(b, &r); r.Machine() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse holds what is Done against Go's own ASN.1, which reads the same client
// and addresses.
func FuzzParse(f *testing.F) {
	f.Add(request(f, ASRequest, []string{"DESK-17$"}, hostAddress{20, []byte("DESK-17         ")}))
	f.Add(request(f, TGSRequest, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = slices.Clip(b)
		var r, s Request
		st := Parse(b, &r)
		name := string(r.Machine())
		if over := Stream(stream(b), &s); len(b) >= 8 && (over != st || string(s.Machine()) != name) {
			t.Fatalf("%d and %q, over TCP %d and %q", st, name, over, s.Machine())
		}
		if st != Done {
			return
		}
		var outer asn1.RawValue
		var req kdcReq
		if _, err := asn1.Unmarshal(b, &outer); err != nil {
			return // stricter: lengths in their shortest form, for one
		}
		if rest, err := asn1.Unmarshal(outer.Bytes, &req); err != nil || len(rest) > 0 {
			return
		}
		if again, err := asn1.Marshal(req); err != nil || !bytes.Equal(again, outer.Bytes) {
			return // it read on in the middle of an element, as it does where that holds more than one
		}
		var want, netbios []byte
		if c := req.Body.Client; len(c.Names) > 0 {
			want = c.Names[0].Bytes
		}
		if i := slices.IndexFunc(req.Body.Addrs, func(a hostAddress) bool { return a.Type == addrNetBIOS }); i >= 0 {
			netbios = req.Body.Addrs[i].Value
		}
		if !bytes.Equal(r.Client, want) || !bytes.Equal(r.NetBIOS, netbios) {
			t.Fatalf("%q and %q, want %q and %q", r.Client, r.NetBIOS, want, netbios)
		}
	})
}
