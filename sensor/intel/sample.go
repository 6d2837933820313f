package intel

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// sampleName is a name that a domain pattern matches; another n gives another
// name, where the pattern leaves a choice.
func sampleName(pattern string, n int) string {
	word := "sample"
	if n > 0 {
		word += strconv.Itoa(n)
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*':
			b.WriteString(word)
		case c == '?':
			b.WriteByte('a' + byte(n%26))
		case c == '{':
			b.WriteString(word)
			i += max(strings.IndexByte(pattern[i:], '}'), 0)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// sampleGlob is a text that a glob of * and ? matches.
func sampleGlob(glob string) string {
	return strings.NewReplacer("*", "1", "?", "1").Replace(glob)
}

// sample describes a flow that meets the first value of each matcher of in, as
// the keys of an item of a rule file's tests.
func sample(in *detect.Indicator, n int) string {
	var keys []string
	key := func(format string, args ...any) { keys = append(keys, fmt.Sprintf(format, args...)) }
	if len(in.Domain) > 0 {
		key("name: %s", scalar(sampleName(in.Domain[0], n)))
	}
	if len(in.IP) > 0 {
		key("ip: %s", quoted(inside(in.IP[0]).String()))
	}
	if len(in.Port) > 0 {
		p := in.Port[0]
		p.Hi = p.Lo
		key("port: %s", p)
	}
	if s := sampleTLS(&in.TLS, n); s != "" {
		key("tls: {%s}", s)
	}
	if s := sampleHTTP(&in.HTTP, n); s != "" {
		key("http: {%s}", s)
	}
	if len(in.Payload) > 0 {
		key("payload: [%s]", samplePayloads(in.Payload))
	}
	return strings.Join(keys, ", ")
}

func sampleTLS(t *detect.TLS, n int) string {
	var keys []string
	one := func(key string, values []string, sample func(string) string) {
		if len(values) > 0 {
			keys = append(keys, key+": "+quoted(sample(values[0])))
		}
	}
	same := func(s string) string { return s }
	one("alpn", t.ALPN, sampleGlob)
	one("ja3", t.JA3, same)
	one("ja4", t.JA4, same)
	one("subject", t.Subject, sampleGlob)
	one("issuer", t.Issuer, sampleGlob)
	one("san", t.SAN, func(s string) string { return sampleName(s, n) })
	if t.NoSNI {
		keys = append(keys, "no_sni: true")
	}
	return strings.Join(keys, ", ")
}

func sampleHTTP(h *detect.HTTP, n int) string {
	var keys []string
	one := func(key string, values []string, sample func(string) string) {
		if len(values) > 0 {
			keys = append(keys, key+": "+quoted(sample(values[0])))
		}
	}
	one("method", h.Method, func(s string) string { return s })
	one("host", h.Host, func(s string) string { return sampleName(s, n) })
	one("path", h.Path, sampleGlob)
	one("agent", h.Agent, sampleGlob)
	return strings.Join(keys, ", ")
}

func samplePayloads(list []detect.Payload) string {
	items := make([]string, len(list))
	for i, p := range list {
		from := p.From
		if from == "any" {
			from = "client"
		}
		items[i] = fmt.Sprintf("{proto: %s, from: %s, hex: %q", p.Proto, from, payloadBytes(p))
		if p.Size > 0 {
			items[i] += fmt.Sprintf(", size: %d", p.Size)
		}
		items[i] += "}"
	}
	return strings.Join(items, ", ")
}

// payloadBytes are bytes that p matches, in hexadecimal.
func payloadBytes(p detect.Payload) string {
	body := hex.EncodeToString([]byte(p.Text))
	if p.Hex != "" {
		body = strings.NewReplacer(" ", "", "?", "0").Replace(p.Hex)
	}
	return strings.Repeat("00", int(p.At)) + body
}

// inside is an address of p.
func inside(p netip.Prefix) netip.Addr {
	if next := p.Addr().Next(); p.Contains(next) {
		return next
	}
	return p.Addr()
}

// plainRE is text that YAML takes for nothing but text.
var plainRE = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*\.)+[a-z]{2,}$`)

// scalar is s for a YAML file: bare where that is safe.
func scalar(s string) string {
	if plainRE.MatchString(s) {
		return s
	}
	return quoted(s)
}

// quoted is s in the double quotes of YAML. Control characters have no place in
// rule files: whoever calls has cleaned s of them, except for bytes of payloads.
func quoted(s string) string {
	q := strconv.QuoteToASCII(s)
	if strings.Contains(q, `\u`) || strings.Contains(q, `\U`) {
		q = strconv.Quote(s)
	}
	return q
}
