package detect

import (
	"net/netip"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	ja3RE    = regexp.MustCompile(`^[0-9a-f]{32}$`)
	ja4RE    = regexp.MustCompile(`^[tqd](10|11|12|13|s2|s3|d1|d2|d3|00)[di][0-9]{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$`)
	methodRE = regexp.MustCompile(`^[A-Z][A-Z_-]*$`)
)

func (r *fileReader) indicator(n *yaml.Node) *Indicator {
	in := &Indicator{at: at(n)}
	ok := r.mapping(n, "an indicator", []key{
		{"id", true, func(n *yaml.Node) { in.ID, in.at = r.ident(n, "id"), at(n) }},
		{"role", false, func(n *yaml.Node) { in.Role = r.oneOf(n, "role", Roles) }},
		{"confidence", true, func(n *yaml.Node) { in.Confidence = r.confidence(n) }},
		{"domain", false, func(n *yaml.Node) {
			in.domains = r.patterns(n, "domain")
			in.Domain = patternTexts(in.domains)
			in.Need |= CondDomain
		}},
		{"payload", false, func(n *yaml.Node) { r.payloads(n, in) }},
		{"port", false, func(n *yaml.Node) { in.Port = r.portList(n); in.Need |= CondPort }},
		{"tls", false, func(n *yaml.Node) { r.tls(n, in) }},
		{"http", false, func(n *yaml.Node) { r.http(n, in) }},
		{"ip", false, func(n *yaml.Node) { in.IP = r.prefixes(n); in.Need |= CondIP }},
		{"asn", false, func(n *yaml.Node) { in.ASN = r.asns(n); in.Need |= CondASN }},
		{"source", false, func(n *yaml.Node) {
			r.list(n, "source", func(_ *yaml.Node, s string) { in.Source = append(in.Source, s) })
		}},
		{"note", false, func(n *yaml.Node) { in.Note = r.text(n, "note") }},
	})
	if !ok {
		return nil
	}
	return in
}

func (r *fileReader) confidence(n *yaml.Node) Confidence {
	s := r.oneOf(n, "confidence", confidences)
	for i, c := range confidences {
		if c == s {
			return Low + Confidence(i)
		}
	}
	return 0
}

func (r *fileReader) patterns(n *yaml.Node, what string) (out []pattern) {
	out = make([]pattern, 0, len(n.Content))
	r.list(n, what, func(v *yaml.Node, s string) {
		p, msg, hint := parsePattern(s)
		if msg != "" {
			r.fail(v, hint, "%s %s: %s", what, quote(s), msg)
			return
		}
		p.at = at(v)
		out = append(out, p)
	})
	return out
}

func patternTexts(ps []pattern) []string {
	out := make([]string, 0, len(ps))
	for i := range ps {
		out = append(out, ps[i].text)
	}
	return out
}

func (r *fileReader) portList(n *yaml.Node) (out []PortRange) {
	r.list(n, "port", func(v *yaml.Node, s string) {
		p, msg, hint := parsePorts(s)
		if msg != "" {
			r.fail(v, hint, "%s", msg)
			return
		}
		out = append(out, p)
	})
	return out
}

func (r *fileReader) prefixes(n *yaml.Node) (out []netip.Prefix) {
	const want = "expected 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"
	r.list(n, "ip", func(v *yaml.Node, s string) {
		p, err := netip.ParsePrefix(s)
		if addr, addrErr := netip.ParseAddr(s); addrErr == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		least := 8
		if p.Addr().Is6() {
			least = 16
		}
		switch {
		case err != nil || p.Addr().Zone() != "" || p.Addr().Is4In6():
			r.fail(v, want, "bad address %s", quote(s))
		case p != p.Masked():
			r.fail(v, "write "+p.Masked().String(), "network %s has bits set behind its prefix", quote(s))
		case p.Bits() < least:
			r.fail(v, "at least /8, or /16 for IPv6", "network %s is too wide to mean a tool", quote(s))
		default:
			out = append(out, p)
		}
	})
	return out
}

func (r *fileReader) tls(n *yaml.Node, in *Indicator) {
	t := &in.TLS
	r.something(n, "tls", []key{
		{"alpn", false, func(n *yaml.Node) {
			t.ALPN, in.alpn = r.globs(n, "alpn", compileGlob)
			in.Need |= CondALPN
		}},
		{"ja3", false, func(n *yaml.Node) {
			t.JA3 = r.shapedList(n, "ja3", ja3RE, "expected the 32 hexadecimal digits of an MD5, in lower case")
			in.Need |= CondJA3
		}},
		{"ja4", false, func(n *yaml.Node) {
			t.JA4 = r.shapedList(n, "ja4", ja4RE, "expected a whole JA4 such as t13d1516h2_8daaf6152771_e5627efa2ab1")
			in.Need |= CondJA4
		}},
		{"subject", false, func(n *yaml.Node) { t.Subject, in.subject = r.nameSets(n, "subject"); in.Need |= CondSubject }},
		{"issuer", false, func(n *yaml.Node) { t.Issuer, in.issuer = r.nameSets(n, "issuer"); in.Need |= CondIssuer }},
		{"san", false, func(n *yaml.Node) {
			in.san = r.patterns(n, "san")
			t.SAN = patternTexts(in.san)
			in.Need |= CondSAN
		}},
		{"no_sni", false, func(n *yaml.Node) { t.NoSNI = r.yes(n, "no_sni"); in.Need |= CondNoSNI }},
	})
}

func (r *fileReader) http(n *yaml.Node, in *Indicator) {
	h := &in.HTTP
	r.something(n, "http", []key{
		{"method", false, func(n *yaml.Node) {
			h.Method = r.shapedList(n, "method", methodRE, "expected an HTTP method in capitals, such as POST")
			in.Need |= CondMethod
		}},
		{"host", false, func(n *yaml.Node) {
			in.host = r.patterns(n, "host")
			h.Host = patternTexts(in.host)
			in.Need |= CondHost
		}},
		{"path", false, func(n *yaml.Node) {
			h.Path, in.path = r.globs(n, "path", compileGlob)
			in.Need |= CondPath
		}},
		{"agent", false, func(n *yaml.Node) {
			h.Agent, in.agent = r.globs(n, "agent", compileFold)
			in.Need |= CondAgent
		}},
		{"upgrade", false, func(n *yaml.Node) {
			h.Upgrade, in.upgrade = r.globs(n, "upgrade", compileFold)
			in.Need |= CondUpgrade
		}},
		{"websocket", false, func(n *yaml.Node) {
			h.WebSocket, in.websocket = r.globs(n, "websocket", compileGlob)
			in.Need |= CondWebSocket
		}},
	})
}

// globs reads a list of globs, each of which must fix at least one byte.
func (r *fileReader) globs(n *yaml.Node, what string, compile func(string) glob) (texts []string, out []glob) {
	r.list(n, what, func(v *yaml.Node, s string) {
		g := compile(s)
		if g.fixed() == 0 || strings.Contains(s, "**") {
			r.fail(v, "expected fixed text with * for any run and ? for one byte", "%s %s says nothing", what, quote(s))
			return
		}
		texts, out = append(texts, s), append(out, g)
	})
	return texts, out
}

func (r *fileReader) nameSets(n *yaml.Node, what string) (texts []string, out []nameSet) {
	r.list(n, what, func(v *yaml.Node, s string) {
		set, msg, hint := parseNameSet(s)
		if msg != "" {
			r.fail(v, hint, "%s %s: %s", what, quote(s), msg)
			return
		}
		texts, out = append(texts, s), append(out, set)
	})
	return texts, out
}
