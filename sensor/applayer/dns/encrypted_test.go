package dns

import "testing"

func TestEncryptionOf(t *testing.T) {
	for _, c := range []struct {
		alpn string
		sni  string
		port uint16
		quic bool
		want Encryption
	}{
		{"dot", "anything.example", 443, false, DoT},
		{"", "anything.example", 853, false, DoT},
		{"doq", "anything.example", 8853, true, DoQ},
		{"", "", 853, true, DoQ},
		{"h2", "DNS.Google", 443, false, DoH},
		{"h2", "abc123.dns.nextdns.io", 443, false, DoH},
		{"h3", "cloudflare-dns.com", 443, true, DoH},
		{"h2", "notcloudflare-dns.com", 443, false, Plain},
		{"h2", "dns.google.example", 443, false, Plain},
		{"h2", "", 443, false, Plain},
	} {
		if got := EncryptionOf([][]byte{[]byte(c.alpn)}, []byte(c.sni), c.port, c.quic); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { EncryptionOf(nil, []byte("abc.dns.nextdns.io"), 443, false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The quick look before the search must let every resolver through.
func TestEveryResolverIsFound(t *testing.T) {
	for name := range resolvers { // any order: each by itself
		if !isResolver([]byte(name)) || !isResolver([]byte("x."+name)) {
			t.Errorf("%s is not found", name)
		}
	}
}
