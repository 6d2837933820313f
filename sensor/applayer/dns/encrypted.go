package dns

import "bytes"

// Encryption is how a resolver is reached when its messages cannot be read.
type Encryption uint8

const (
	Plain Encryption = iota
	DoT              // DNS over TLS, RFC 7858
	DoH              // DNS over HTTPS, RFC 8484
	DoQ              // DNS over QUIC, RFC 9250
)

// String is the usual short name, empty for Plain.
func (e Encryption) String() string { return [...]string{"", "dot", "doh", "doq"}[e] }

// portEncrypted is the port of DNS over TLS and over QUIC.
const portEncrypted = 853

// EncryptionOf tells from a ClientHello and its flow whether the server is
// asked for names: by the protocols offered, the port, or, since DNS over HTTPS
// looks like any other HTTPS, the name of a public resolver. sni is as on the
// wire.
func EncryptionOf(alpn [][]byte, sni []byte, port uint16, quic bool) Encryption {
	for _, p := range alpn {
		switch string(p) {
		case "dot":
			return DoT
		case "doq", "doq-i00", "doq-i02", "doq-i03", "doq-i11":
			return DoQ
		}
	}
	switch {
	case port == portEncrypted && quic:
		return DoQ
	case port == portEncrypted:
		return DoT
	case isResolver(sni):
		return DoH
	}
	return Plain
}

// resolvers are the names under which the public resolvers that browsers and
// operating systems offer serve DNS over HTTPS. Names below one of them count
// too: some carry the customer in front.
var resolvers = map[string]bool{
	"dns.google":                     true,
	"dns.google.com":                 true,
	"cloudflare-dns.com":             true,
	"one.one.one.one":                true,
	"dns.quad9.net":                  true,
	"doh.opendns.com":                true,
	"dns.nextdns.io":                 true,
	"dns.adguard-dns.com":            true,
	"dns.adguard.com":                true,
	"doh.cleanbrowsing.org":          true,
	"dns.mullvad.net":                true,
	"dns.controld.com":               true,
	"doh.dns.sb":                     true,
	"doh.libredns.gr":                true,
	"dns0.eu":                        true,
	"doh.xfinity.com":                true,
	"doh.pub":                        true,
	"dns.alidns.com":                 true,
	"doh.360.cn":                     true,
	"dns.twnic.tw":                   true,
	"public.dns.iij.jp":              true,
	"odoh.cloudflare-dns.com":        true,
	"mozilla.cloudflare-dns.com":     true,
	"chrome.cloudflare-dns.com":      true,
	"private.canadianshield.cira.ca": true,
}

// maxResolverName bounds the names that are looked up, in bytes.
const maxResolverName = 80

// isResolver reports whether sni is one of resolvers or below one.
func isResolver(sni []byte) bool {
	if len(sni) == 0 || len(sni) > maxResolverName {
		return false
	}
	var buf [maxResolverName]byte
	name := buf[:len(sni)]
	for i, c := range sni {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		name[i] = c
	}
	// Nearly every name is none of these, and this costs a tenth of looking.
	if !bytes.Contains(name, []byte("dns")) && !bytes.Contains(name, []byte("doh")) &&
		!bytes.HasSuffix(name, []byte(".one")) && !bytes.HasSuffix(name, []byte(".ca")) {
		return false
	}
	for at := 0; ; {
		if resolvers[string(name[at:])] {
			return true
		}
		for at < len(name) && name[at] != '.' {
			at++
		}
		if at++; at >= len(name) {
			return false
		}
	}
}
