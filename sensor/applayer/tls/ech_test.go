package tls

import (
	gotls "crypto/tls"
	"testing"
)

// echOuter is the body of an outer ECH extension with zeros for enc and payload.
func echOuter(enc, payload int) []byte {
	b := []byte{0, 0, 1, 0, 1, 42, byte(enc >> 8), byte(enc)}
	b = append(b, make([]byte, enc)...)
	b = append(b, byte(payload>>8), byte(payload))
	return append(b, make([]byte, payload)...)
}

func TestECH(t *testing.T) {
	const (
		somewhere  = "\x00\x0c\x00\x00\x09a.example"
		cloudflare = "\x00\x15\x00\x00\x12cloudflare-ech.com"
	)
	random := echOuter(32, 239)
	random[8+31] = 0x80 // the highest bit of enc
	chrome, other := []uint16{0x3a3a, 0x1301}, []uint16{0x1301}
	tests := []struct {
		name   string
		sni    string
		suites []uint16
		body   []byte
		kind   ECHKind
		proven bool
	}{
		{"inner", somewhere, other, []byte{1}, ECHInner, true},
		{"no type", somewhere, other, nil, ECHUnknown, false},
		{"unknown type", somewhere, other, []byte{2}, ECHUnknown, false},
		{"cut", somewhere, chrome, echOuter(32, 176)[:100], ECHUnknown, false},
		{"bytes behind", somewhere, chrome, append(echOuter(32, 176), 0), ECHUnknown, false},
		{"no payload", somewhere, chrome, echOuter(32, 0), ECHUnknown, false},
		{"second hello", somewhere, chrome, echOuter(0, 176), ECHReal, true},
		{"enc is no key", cloudflare, other, random, ECHGREASE, true},
		{"too short", cloudflare, other, echOuter(32, echLeast-1), ECHGREASE, true},
		{"Cloudflare's name", cloudflare, chrome, echOuter(32, 144), ECHReal, false},
		{"no SNI", "", other, echOuter(32, 176), ECHGREASE, false},
		{"Firefox, TCP", somewhere, nil, echOuter(32, 239), ECHGREASE, false},
		{"Firefox, QUIC", somewhere, nil, echOuter(32, 207), ECHGREASE, false},
		{"record size limit, padded as told", somewhere, nil, echOuter(32, 176), ECHReal, false},
		{"Firefox padding, other client", somewhere, other, echOuter(32, 207), ECHReal, false},
		{"BoringSSL 144", somewhere, chrome, echOuter(32, 144), ECHGREASE, false},
		{"BoringSSL 240", somewhere, chrome, echOuter(32, 240), ECHGREASE, false},
		{"BoringSSL 112", somewhere, chrome, echOuter(32, 112), ECHReal, false},
		{"BoringSSL 272", somewhere, chrome, echOuter(32, 272), ECHReal, false},
		{"padded as told, other client", somewhere, other, echOuter(32, 176), ECHReal, false},
		{"P-256", somewhere, other, echOuter(65, 176), ECHReal, false},
		{"crypto/tls, which pads wrongly", somewhere, other, echOuter(32, 121), ECHReal, false},
		{"odd size", somewhere, chrome, echOuter(32, 200), ECHUnknown, false},
	}
	for _, test := range tests {
		c := testHello{version: 0x0303, suites: test.suites, exts: []testExt{{extECH, test.body}, {extECH, echOuter(0, 99)}}}
		if test.sni != "" {
			c.exts = append(c.exts, testExt{0, []byte(test.sni)})
		}
		if test.suites == nil { // NSS offers a record size limit
			c.exts = append(c.exts, testExt{extRecordSizeLimit, []byte{0x40, 1}})
		}
		if kind, proven := c.parse(t, Done).ECH(); kind != test.kind || proven != test.proven {
			t.Errorf("%s: %s, proven %v; want %s, %v", test.name, kind, proven, test.kind, test.proven)
		}
	}
	if kind, _ := (testHello{}.parse(t, Done).ECH()); kind != ECHNone || kind.String() != "none" {
		t.Errorf("none: %s", kind)
	}
}

// TestECHFromCryptoTLS: crypto/tls encrypts for real, to any public name.
func TestECHFromCryptoTLS(t *testing.T) {
	for _, public := range []string{"public.example", "cloudflare-ech.com"} {
		for _, secret := range []string{"a.example", "a-much-longer-name-than-that.relay.some-tool.example"} {
			head := hello(t, &gotls.Config{ServerName: secret, EncryptedClientHelloConfigList: echConfig(t, public), InsecureSkipVerify: true})
			var h ClientHello
			if st := NewParser().Client(head, &h); st != Done || string(h.SNI) != public {
				t.Fatalf("status %d, SNI %q", st, h.SNI)
			}
			if kind, _ := h.ECH(); kind != ECHReal {
				t.Errorf("%s by %s: %s", secret, public, kind)
			}
		}
	}
}
