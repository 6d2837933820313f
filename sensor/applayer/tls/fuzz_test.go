package tls

import (
	gotls "crypto/tls"
	"slices"
	"testing"
)

// FuzzClient: nothing panics, views stay inside, an answer once given stays
// when more bytes come, and records do not matter.
func FuzzClient(f *testing.F) {
	f.Add(bigHello(f), uint16(7))
	f.Add(rerecord(bigHello(f), 40, 3), uint16(1))
	f.Add(chromium(), uint16(300))
	f.Add(hello(f, &gotls.Config{MaxVersion: gotls.VersionTLS12, ServerName: "a.example", InsecureSkipVerify: true}), uint16(2))
	f.Add(append([]byte{0x80, 9 + 3 + 16, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 5}, make([]byte, 16)...), uint16(9))
	p := NewParser()
	f.Fuzz(func(t *testing.T, head []byte, size uint16) {
		var h ClientHello
		st := p.Client(head, &h)
		for _, view := range [][]byte{h.SNI, h.ALPN, h.CipherSuites, h.V2CipherSpecs, h.Extensions, h.Groups, h.PointFormats, h.SigAlgs, h.FirstALPN()} {
			if !inside(view, head, p.scratch) {
				t.Fatal("a view from elsewhere")
			}
		}
		want := describe(&h)
		if cut := int(size) % (len(head) + 1); cut < len(head) {
			var early ClientHello
			switch was := p.Client(head[:cut:cut], &early); {
			case was != NeedMore && was != st:
				t.Fatalf("status %d at %d bytes, %d at the end", was, cut, st)
			case was == Done && describe(&early) != want:
				t.Fatal("the hello changed when bytes came behind it")
			}
		}
		if looks := LooksLikeClientHello(head); (looks == NotTLS) != (st == NotTLS) && !(st == NotTLS && len(head) > 0 && head[0] >= 0x80) {
			t.Fatalf("looks like %d, is %d", looks, st)
		}
		sameInRecords(t, p, head, int(size))
	})
}

// sameInRecords takes the input as a bare message and compares its parse with
// that of the message in records.
func sameInRecords(t *testing.T, p *Parser, message []byte, size int) {
	var bare, split ClientHello
	if len(message) < messageHeader || len(message) > 4096 || be24(message[1:]) > maxMessage-messageHeader {
		return
	}
	st := ParseClientHello(message, &bare)
	want := describe(&bare)
	head := rerecord(append([]byte{recordHandshake, 3, 1, byte(len(message) >> 8), byte(len(message))}, message...), size%len(message)+1)
	if got := p.Client(head, &split); got != st || describe(&split) != want {
		t.Fatalf("bare status %d, in records %d\n%s\n%s", st, got, want, describe(&split))
	}
}

// FuzzServer: the same for the server's direction.
//
// Seed ticket-cut-off: the first bytes of a session ticket said Done, and junk
// in the middle of the ticket then said Malformed, so that the answer hung on
// how the head was cut.
func FuzzServer(f *testing.F) {
	for _, flight := range flights(f) {
		f.Add(flight, uint16(5))
		f.Add(rerecord(flight, 100), uint16(400))
	}
	p := NewParser()
	f.Fuzz(func(t *testing.T, head []byte, size uint16) {
		var s ServerFlight
		st := p.Server(head, &s)
		views := [][]byte{s.ALPN, s.Extensions, s.Cert.Raw, s.Cert.Serial, s.Cert.names}
		for _, d := range []*DN{&s.Cert.Subject, &s.Cert.Issuer} {
			for _, a := range d.Attributes() {
				views = append(views, a.OID, a.Value)
			}
		}
		for _, view := range views {
			if !inside(view, head, p.scratch, p.text) {
				t.Fatal("a view from elsewhere")
			}
		}
		want := describeFlight(&s)
		if cut := int(size) % (len(head) + 1); cut < len(head) {
			var early ServerFlight
			switch was := p.Server(slices.Clip(head[:cut]), &early); {
			case was != NeedMore && was != st:
				t.Fatalf("status %d at %d bytes, %d at the end", was, cut, st)
			case was != NeedMore && describeFlight(&early) != want:
				t.Fatal("the flight changed when bytes came behind it")
			}
		}
		if len(head) > 0 && head[0] == recordHandshake && wellRecorded(head) && len(head) < 8192 {
			if got := p.Server(rerecord(head, int(size)%200+1), &s); got != st || describeFlight(&s) != want {
				t.Fatalf("status %d, in other records %d\n%s\n%s", st, got, want, describeFlight(&s))
			}
		}
	})
}

// wellRecorded reports whether the head starts with whole handshake records and
// nothing but complete records of other types, or nothing, follows.
func wellRecorded(head []byte) bool {
	empty := 0
	for len(head) >= recordHeader && head[0] == recordHandshake {
		end := recordHeader + be16(head[3:])
		if end > len(head) || end > recordHeader+maxRecord || head[1] != 3 || head[2] > 4 {
			return false
		}
		if end == recordHeader {
			empty++
		}
		head = head[end:]
	}
	return empty == 0 && len(head) == 0
}
