package suricata

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// matcher turns a rule into what an indicator looks for. Once the entry has a
// reason, nothing more is done.
type matcher struct {
	e      intel.Entry
	rule   *inRule
	except []string
}

func (m *matcher) fail(reason intel.Reason, format string, args ...any) {
	if m.e.Reason == "" {
		m.e = m.e.Quarantine(reason, format, args...)
	}
}

// nameBuffers hold host names.
var nameBuffers = []string{"dns.query", "tls.sni", "quic.sni", "http.host"}

// all reads the contents buffer by buffer, then the header.
func (m *matcher) all(contents []*inContent) {
	var order []string
	by := make(map[string][]*inContent)
	for _, c := range contents {
		if by[c.buffer] == nil {
			order = append(order, c.buffer)
		}
		by[c.buffer] = append(by[c.buffer], c)
	}
	for _, buffer := range order {
		list := by[buffer]
		switch {
		case m.e.Reason != "":
			return
		case slices.Contains(nameBuffers, buffer):
			m.name(list)
		case buffer == "":
			m.payload(list)
		case buffer == "tls.cert_subject" || buffer == "tls.subject":
			m.e.Match.TLS.Subject = m.attributes(list)
		case buffer == "tls.cert_issuer":
			m.e.Match.TLS.Issuer = m.attributes(list)
		default:
			m.text(buffer, list)
		}
	}
	in := &m.e.Match
	if slices.Contains(order, "http.host") && len(order) > 1 && len(in.Domain) > 0 {
		in.HTTP.Host, in.Domain = in.Domain, nil // the same request must have both
	}
	if m.e.Reason == "" {
		m.header(order)
	}
	if m.e.Reason == "" && m.rule.get("byte_test") != "" && len(in.Payload) == 0 {
		m.fail(intel.Unsupported, "byte_test without a content at a place")
	}
}

// name reads a buffer that holds a host name.
func (m *matcher) name(list []*inContent) {
	var contents, regexes []*inContent
	for _, c := range list {
		switch {
		case c.not && c.regex != "":
			m.exceptions(c.regex)
		case c.not:
			m.fail(intel.Unsupported, "a name that must not have %q in it", intel.Clean(c.bytes, 60))
		case c.regex != "":
			regexes = append(regexes, c)
		case c.bytes != "":
			contents = append(contents, c)
		}
	}
	switch {
	case m.e.Reason != "":
	case len(regexes) == 1: // the contents are there to find it fast
		m.e = m.e.AsRegexp(regexes[0].regex)
	case len(regexes) > 1 || len(contents) != 1:
		m.fail(intel.Unsupported, "several contents in one name")
	default:
		m.oneName(contents[0])
	}
}

func (m *matcher) oneName(c *inContent) {
	s := c.bytes
	ends := c.has("endswith") || strings.HasPrefix(strings.ReplaceAll(c.mods["isdataat"], " ", ""), "!1,relative")
	switch {
	case strings.ContainsAny(s, "*?{}<>[]()\\ :/"):
		m.fail(intel.Syntax, "%q is not part of a host name", intel.Clean(s, 60))
	case c.mods["bsize"] == strconv.Itoa(len(s)) || c.has("startswith") && ends:
		m.e = m.e.AsName(s, false)
	case c.has("bsize"):
		if n, err := strconv.Atoi(c.mods["bsize"]); err == nil && n < len(s) {
			m.fail(intel.Syntax, "the content has %d bytes and bsize is %d: it never matches", len(s), n)
			return
		}
		m.fail(intel.Unsupported, "bsize is %s and the content has %d bytes", intel.Clean(c.mods["bsize"], 20), len(s))
	case !ends:
		m.fail(intel.Unsupported, "%q may stand anywhere in the name: it would match strangers' names", intel.Clean(s, 60))
	case strings.HasPrefix(s, ".") && !c.has("dotprefix"):
		m.e = m.e.AsName("*"+s, false)
	default: // with dotprefix, or without a dot: the name and all below it
		m.e = m.e.AsName("."+strings.TrimPrefix(s, "."), false)
	}
}

// exceptions reads a pcre of whole names that must not match.
func (m *matcher) exceptions(expr string) {
	names, err := intel.Regexp(strings.Replace(expr, `^\.?`, "^", 1))
	if err != nil {
		m.fail(intel.Unsupported, "a name that must not match: %v", err)
	}
	for _, n := range names {
		if strings.ContainsAny(n, "*?") {
			m.fail(intel.Unsupported, "a pattern of names that must not match")
		}
	}
	m.except = append(m.except, names...)
}

// text reads a buffer that is compared as text.
func (m *matcher) text(buffer string, list []*inContent) {
	glob, ok := m.glob(list)
	if !ok {
		return
	}
	in := &m.e.Match
	switch buffer {
	case "http.uri":
		in.HTTP.Path = append(in.HTTP.Path, glob)
	case "http.user_agent":
		m.e = m.e.AsAgent(glob, true)
	case "http.method":
		in.HTTP.Method = append(in.HTTP.Method, strings.Trim(glob, "*"))
	case "ja3.hash":
		m.e = m.e.AsJA3(strings.Trim(glob, "*"))
	case "ja4.hash":
		m.e = m.e.AsJA4(strings.Trim(glob, "*"))
	case "tls.alpn":
		in.TLS.ALPN = append(in.TLS.ALPN, glob)
	}
}

// glob puts the contents of a buffer into one glob, in their order.
func (m *matcher) glob(list []*inContent) (string, bool) {
	if i := slices.IndexFunc(list, func(c *inContent) bool { return c.regex != "" }); i >= 0 && !list[i].not {
		g, err := intel.Glob(strings.Replace(list[i].regex, "(?s)", "", 1))
		if err != nil {
			m.fail(intel.Unsupported, "%v", err)
		}
		return g, err == nil
	}
	total := 0
	for _, c := range list {
		total += len(c.bytes)
	}
	whole := list[len(list)-1].mods["bsize"] == strconv.Itoa(total) // the contents fill the buffer
	g := ""
	for i, c := range list {
		switch {
		case c.has("bsize") && !whole:
			m.fail(intel.Unsupported, "bsize is %s and the contents have %d bytes", intel.Clean(c.mods["bsize"], 20), total)
			return "", false
		case c.not:
			m.fail(intel.Unsupported, "a content that must not be there")
			return "", false
		case strings.ContainsAny(c.bytes, "*?") && strings.Contains(c.bytes, "*"):
			m.fail(intel.Unsupported, "a * that stands for itself")
			return "", false
		case i > 0 && !c.has("distance") && !c.has("within"):
			m.fail(intel.Unsupported, "contents in any order")
			return "", false
		}
		if i > 0 || !c.has("startswith") && c.mods["depth"] != strconv.Itoa(len(c.bytes)) && !whole {
			g += "*"
		}
		g += c.bytes
	}
	last := list[len(list)-1]
	if !last.has("endswith") && !whole && !strings.HasPrefix(strings.ReplaceAll(last.mods["isdataat"], " ", ""), "!1,relative") {
		g += "*"
	}
	return g, g != ""
}

// attributes reads contents such as CN=AnyNet Relay in a distinguished name.
func (m *matcher) attributes(list []*inContent) []string {
	var parts []string
	for _, c := range list {
		switch {
		case c.not:
			m.fail(intel.Unsupported, "an attribute that must not be there")
		case c.regex != "":
			inner, ok := strings.CutPrefix(strings.TrimPrefix(c.regex, "(?i)"), "(?:^|, )")
			inner, ok2 := strings.CutSuffix(inner, "(?:, [A-Za-z]+=|$)")
			typ, value, ok3 := strings.Cut(inner, "=")
			g, err := intel.Glob("^" + value + "$")
			if !ok || !ok2 || !ok3 || err != nil {
				m.fail(intel.Unsupported, "a pcre over a distinguished name")
				break
			}
			parts = append(parts, typ+"="+strings.ReplaceAll(g, ",", `\,`))
		case !slices.ContainsFunc(list, func(o *inContent) bool { return o.regex != "" }):
			typ, value, ok := strings.Cut(strings.TrimLeft(c.bytes, " ,"), "=")
			if !ok || value == "" {
				m.fail(intel.Unsupported, "part of a distinguished name without its attribute (CN=...)")
				break
			}
			parts = append(parts, typ+"="+strings.ReplaceAll(value, ",", `\,`)+"*")
		}
	}
	if m.e.Reason != "" {
		return nil
	}
	return []string{strings.Join(parts, ", ")}
}

// header reads addresses and ports of the server.
func (m *matcher) header(buffers []string) {
	addr, ports := m.rule.dst, m.rule.dstPorts
	if strings.Contains(m.rule.get("flow"), "to_client") || strings.Contains(m.rule.get("flow"), "from_server") {
		addr, ports = m.rule.src, m.rule.srcPorts
	}
	if slices.Contains(buffers, "dns.query") {
		return // the server of a question is the resolver
	}
	for a := range strings.SplitSeq(strings.Trim(addr, "[]"), ",") {
		if a == "any" || strings.Contains(a, "$") || a == "" {
			continue // variables are a site's own
		}
		p, ok := intel.Prefix(a)
		if !ok {
			m.fail(intel.Unsupported, "the address %s", intel.Clean(a, 60))
			return
		}
		m.e = m.e.AsPrefix(netip.PrefixFrom(p.Addr(), p.Bits()))
	}
	proto := uint8(6)
	if m.rule.proto == "udp" || m.rule.proto == "quic" {
		proto = 17
	}
	for p := range strings.SplitSeq(strings.Trim(ports, "[]"), ",") {
		if p == "any" || strings.HasPrefix(p, "$") || p == "" || m.e.Reason != "" {
			continue
		}
		if strings.HasPrefix(p, "!") || strings.HasPrefix(p, ":") || strings.HasSuffix(p, ":") {
			m.fail(intel.Unsupported, "the ports %s", intel.Clean(p, 60))
			return
		}
		m.e = m.e.AsPort(proto, strings.Replace(p, ":", "-", 1))
	}
	if m.rule.proto != "tcp" && m.rule.proto != "udp" && m.e.Reason == "" && len(m.e.Match.Domain) > 0 && len(buffers) > 0 &&
		slices.Equal(m.e.Match.Port, []detect.PortRange{{Proto: 6, Lo: 443, Hi: 443}}) {
		m.e.Match.Port = nil // TLS on 443 is what a name is seen in anyway
	}
}
