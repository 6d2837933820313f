package suricata

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// outPlaces are where a host name shows, with the transport whose ports count.
// The buffer of http.host is in lower case, and refuses nocase.
var outPlaces = []struct{ seen, buffer, app, transport, flow, nocase string }{
	{"DNS", "dns.query", "dns", "", "", "nocase; "},
	{"TLS", "tls.sni", "tls", "tcp", "established,to_server", "nocase; "},
	{"QUIC", "quic.sni", "quic", "udp", "to_server", "nocase; "},
	{"HTTP", "http.host", "http", "tcp", "established,to_server", ""},
}

// outNames is a rule for each domain of in and place where it shows.
func outNames(e *intel.Export, t *intel.ExportTool, in *detect.Indicator) (out []outRule) {
	n := t.Names(in)
	narrowed := len(in.Port) > 0 || len(in.IP) > 0
	for i := range n.Patterns {
		p := &n.Patterns[i]
		if n.Both(p.Text) {
			continue // the one for everything below says both
		}
		for _, place := range outPlaces {
			if place.app == "dns" && narrowed {
				continue // the server of a question is the resolver
			}
			h := outHead(in, place.app, place.transport, false)
			if place.app == "dns" {
				h = "dns any any -> any any"
			}
			if h == "" {
				continue
			}
			body := place.buffer + "; " + outName(&n, p, place.nocase)
			out = append(out, outRule{in: in, seen: place.seen, head: h, flow: place.flow, body: body, key: place.buffer + " " + p.Text})
		}
	}
	return out
}

// outName compares a buffer with a domain pattern.
func outName(n *intel.Names, p *intel.NamePattern, nocase string) string {
	var s string
	switch {
	case p.Exact():
		return fmt.Sprintf(`content:"%s"; %sbsize:%d; `, p.Text, nocase, len(p.Text))
	case p.Below() && n.Both(p.Literal):
		s = fmt.Sprintf(`dotprefix; content:".%s"; %sendswith; `, p.Literal, nocase)
	case p.Below():
		s = fmt.Sprintf(`content:".%s"; %sendswith; `, p.Literal, nocase)
	default:
		s = fmt.Sprintf(`content:"%s"; %sendswith; pcre:"/%s/i"; `, p.Tail(), nocase, p.Regexp())
	}
	if except := n.ExceptFor(p); except != nil {
		for i := range except {
			except[i] = regexp.QuoteMeta(except[i])
		}
		// With dotprefix the buffer begins with a dot.
		s += fmt.Sprintf(`pcre:!"/^\.?(?:%s)$/i"; `, strings.Join(except, "|"))
	}
	return s
}

// outRequest are the alternatives for each part of an HTTP request.
func outRequest(in *detect.Indicator) (out [][]string) {
	add := func(values []string, option func(string) string) {
		var alternatives []string
		for _, v := range values {
			alternatives = append(alternatives, option(v))
		}
		if values != nil {
			out = append(out, alternatives)
		}
	}
	add(in.HTTP.Method, func(v string) string { return "http.method; " + outExact(v, "") })
	add(in.HTTP.Host, func(v string) string {
		p := intel.ParseName(v)
		return "http.host; " + outName(&intel.Names{}, &p, "")
	})
	add(in.HTTP.Path, func(v string) string { return "http.uri; " + outGlob(v, "") })
	add(in.HTTP.Agent, func(v string) string { return "http.user_agent; " + outGlob(v, "nocase; ") })
	return out
}

// outHello are the alternatives for each fingerprint.
func outHello(in *detect.Indicator) (out [][]string) {
	var ja3, ja4 []string
	for _, v := range in.TLS.JA3 {
		ja3 = append(ja3, "ja3.hash; "+outExact(v, ""))
	}
	for _, v := range in.TLS.JA4 {
		ja4 = append(ja4, "ja4.hash; "+outExact(v, ""))
	}
	for _, alternatives := range [][]string{ja3, ja4} {
		if alternatives != nil {
			out = append(out, alternatives)
		}
	}
	return out
}

// outCertificate are the alternatives for subject and issuer.
func outCertificate(in *detect.Indicator) (out [][]string) {
	for _, part := range []struct {
		buffer string
		names  []string
	}{{"tls.cert_subject", in.TLS.Subject}, {"tls.cert_issuer", in.TLS.Issuer}} {
		var alternatives []string
		for _, name := range part.names {
			alternatives = append(alternatives, part.buffer+"; "+outAttributes(name))
		}
		if alternatives != nil {
			out = append(out, alternatives)
		}
	}
	return out
}

// outAttributes compares a distinguished name, which Suricata writes as
// "C=DE, O=Example", with the attributes that must all be in it, in any order.
func outAttributes(name string) string {
	var b strings.Builder
	for _, a := range outSplit(name) {
		longest := ""
		for _, part := range strings.FieldsFunc(a.value, func(r rune) bool { return r == '*' || r == '?' }) {
			if len(part) > len(longest) {
				longest = part
			}
		}
		if strings.HasPrefix(a.value, longest) {
			longest = a.typ + "=" + longest
		}
		fmt.Fprintf(&b, `content:"%s"; nocase; pcre:"/(?:^|, )%s=%s(?:, [A-Za-z]+=|$)/i"; `, outQuote(longest), a.typ, outExpression(a.value))
	}
	return b.String()
}

type outAttribute struct{ typ, value string }

// outSplit reads what the rule loader has passed: TYPE=value pairs
// between commas, with \ in front of a character that is not to be read so.
func outSplit(name string) (out []outAttribute) {
	for name != "" {
		typ, rest, _ := strings.Cut(name, "=")
		var value strings.Builder
		i := 0
		for ; i < len(rest) && rest[i] != ','; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			value.WriteByte(rest[i])
		}
		out = append(out, outAttribute{strings.TrimSpace(typ), strings.TrimSpace(value.String())})
		name = rest[min(i+1, len(rest)):]
	}
	return out
}

// outGlob compares a whole buffer with a glob of * and ?.
func outGlob(g, nocase string) string {
	if !strings.ContainsAny(g, "*?") {
		return outExact(g, nocase)
	}
	if strings.Contains(g, "?") {
		longest := ""
		for _, part := range strings.FieldsFunc(g, func(r rune) bool { return r == '*' || r == '?' }) {
			if len(part) > len(longest) {
				longest = part
			}
		}
		flags := "s"
		if nocase != "" {
			flags = "is"
		}
		return fmt.Sprintf(`content:"%s"; %spcre:"/^%s$/%s"; `, outQuote(longest), nocase, outExpression(g), flags)
	}
	var b strings.Builder
	parts := strings.Split(g, "*")
	first := true
	for i, part := range parts {
		if part == "" {
			continue
		}
		fmt.Fprintf(&b, `content:"%s"; %s`, outQuote(part), nocase)
		switch {
		case i == 0:
			b.WriteString("startswith; ")
		case !first:
			b.WriteString("distance:0; ")
		}
		if i == len(parts)-1 {
			b.WriteString("endswith; ")
		}
		first = false
	}
	return b.String()
}

// outExact compares a whole buffer.
func outExact(s, nocase string) string {
	return fmt.Sprintf(`content:"%s"; %sbsize:%d; `, outQuote(s), nocase, len(s))
}

// outQuote is text for content: what means something there, and whatever is not
// printable ASCII, is in hexadecimal between bars.
func outQuote(s string) string {
	var b strings.Builder
	hex := false
	for _, c := range []byte(s) {
		if plain := c >= ' ' && c <= '~' && !strings.ContainsRune(`;"\:|!`, rune(c)); plain == hex {
			b.WriteByte('|')
			hex = !hex
		} else if hex {
			b.WriteByte(' ')
		}
		if hex {
			fmt.Fprintf(&b, "%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	if hex {
		b.WriteByte('|')
	}
	return b.String()
}

// outExpression is a glob as a regular expression without anchors; whatever is
// not a letter or a digit is written by its number.
func outExpression(g string) string {
	var b strings.Builder
	for _, c := range []byte(g) {
		switch {
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteByte('.')
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}
