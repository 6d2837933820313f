package intel

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// The kinds of values that formats have names for. Each sets what e looks for,
// or why nothing can be looked for.

// AsName takes a host name: that name, and with below all under it.
func (e Entry) AsName(s string, below bool) Entry {
	if below {
		return e.named(Suffix(s))
	}
	return e.named(Name(s))
}

func (e Entry) named(patterns []string, note string, reason Reason, detail string) Entry {
	if reason != "" {
		return e.Quarantine(reason, "%s", detail)
	}
	e.Match.Domain = append(e.Match.Domain, patterns...)
	e.Say(note)
	return e
}

// Say adds a remark to the entry's note.
func (e *Entry) Say(note string) {
	if note != "" && e.Note != "" {
		note = e.Note + "; " + note
	}
	if note != "" {
		e.Note = note
	}
}

// AsRegexp takes a regular expression over host names.
func (e Entry) AsRegexp(expr string) Entry {
	if portRE.MatchString(strings.TrimSuffix(expr, "$")) {
		return e.Quarantine(Syntax, "a regular expression with a port: no name carries one")
	}
	patterns, err := Regexp(expr)
	if err != nil {
		return e.Quarantine(Unsupported, "%v", err)
	}
	for _, p := range patterns {
		if reason, detail := checkPattern(p); reason != "" {
			return e.Quarantine(reason, "%s", detail)
		}
	}
	e.Match.Domain = append(e.Match.Domain, patterns...)
	e.Say("from the regular expression " + clip(expr))
	return e
}

// AsAddr takes an address or a network, with a port behind it or without.
func (e Entry) AsAddr(s string) Entry {
	s = strings.TrimSpace(s)
	if p, ok := Prefix(s); ok {
		return e.AsPrefix(p)
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		e = e.AsPrefix(netip.PrefixFrom(ap.Addr(), ap.Addr().BitLen()))
		if e.Reason == "" && ap.Port() != 0 {
			e.Match.Port = append(e.Match.Port, detect.PortRange{Proto: 6, Lo: ap.Port(), Hi: ap.Port()})
		}
		return e
	}
	return e.Quarantine(Syntax, "not an address or a network")
}

// Prefix parses an address or a network.
func Prefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}

// AsPrefix takes a network.
func (e Entry) AsPrefix(p netip.Prefix) Entry {
	a := p.Addr()
	switch {
	case a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsLinkLocalMulticast():
		return e.Quarantine(Junk, "an address that is in every network, or in none")
	case a.Zone() != "" || a.Is4In6():
		return e.Quarantine(Syntax, "an address in a form that is not on the wire")
	}
	e.Match.IP = append(e.Match.IP, p.Masked())
	return e
}

// AsPort takes ports of the server, of TCP or UDP (6, 17).
func (e Entry) AsPort(proto uint8, s string) Entry {
	lo, hi, isRange := strings.Cut(s, "-")
	if !isRange {
		hi = lo
	}
	l, err1 := strconv.ParseUint(strings.TrimSpace(lo), 10, 16)
	h, err2 := strconv.ParseUint(strings.TrimSpace(hi), 10, 16)
	if err1 != nil || err2 != nil || l == 0 || h < l {
		return e.Quarantine(Syntax, "not a port or a range of ports")
	}
	e.Match.Port = append(e.Match.Port, detect.PortRange{Proto: proto, Lo: uint16(l), Hi: uint16(h)})
	return e
}

var (
	md5RE = regexp.MustCompile(`^[0-9a-f]{32}$`)
	ja4RE = regexp.MustCompile(`^[tqd][0-9a-z]{9}_[0-9a-f]{12}_[0-9a-f]{12}$`)
)

// AsJA3 takes a JA3 fingerprint.
func (e Entry) AsJA3(s string) Entry {
	s = strings.ToLower(strings.TrimSpace(s))
	if !md5RE.MatchString(s) {
		return e.Quarantine(Syntax, "not a JA3: expected 32 hexadecimal digits")
	}
	e.Match.TLS.JA3 = append(e.Match.TLS.JA3, s)
	return e
}

// AsJA4 takes a JA4 fingerprint.
func (e Entry) AsJA4(s string) Entry {
	s = strings.ToLower(strings.TrimSpace(s))
	if !ja4RE.MatchString(s) {
		return e.Quarantine(Syntax, "not a JA4 such as t13d1516h2_8daaf6152771_e5627efa2ab1")
	}
	e.Match.TLS.JA4 = append(e.Match.TLS.JA4, s)
	return e
}

// AsAgent takes a User-Agent; with glob, * and ? in it are wildcards.
func (e Entry) AsAgent(s string, glob bool) Entry {
	s = strings.TrimSpace(s)
	if !glob && strings.ContainsAny(s, "*?") {
		e.Say("* and ? in the User-Agent also match anything")
	}
	if len(strings.Trim(s, "*?")) < 4 || strings.EqualFold(strings.Trim(s, "*?/"), "mozilla") {
		return e.Quarantine(Junk, "a User-Agent that many programs send")
	}
	e.Match.HTTP.Agent = append(e.Match.HTTP.Agent, s)
	return e
}

// AsURL takes the address of a page. Of one over HTTPS nothing but the host
// shows on the network, and the host alone is not what was said.
func (e Entry) AsURL(s string) Entry {
	s = strings.TrimSpace(strings.Replace(s, "hxxp", "http", 1))
	if s2, notes := refang(s); len(notes) > 0 {
		s = s2
		e.Say(notes[0])
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return e.Quarantine(Syntax, "not the address of a page")
	}
	path := u.EscapedPath()
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return e.Quarantine(NotObservable, "an address of %s, which no parser here reads", clip(u.Scheme))
	case path == "" || path == "/":
		return e.AsHost(u.Host)
	case u.Scheme == "https":
		return e.Quarantine(NotObservable, "the path of an HTTPS address is encrypted; its host alone says more than the source did")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		e = e.AsAddr(u.Hostname())
	} else {
		names, note, reason, detail := Name(u.Hostname())
		if reason != "" {
			return e.Quarantine(reason, "%s", detail)
		}
		e.Match.HTTP.Host = names
		e.Say(note)
	}
	if e.Reason == "" {
		e.Match.HTTP.Path = append(e.Match.HTTP.Path, path)
	}
	return e
}

// AsHost takes a name or an address, with a port or without.
func (e Entry) AsHost(s string) Entry {
	if _, ok := Prefix(s); ok {
		return e.AsAddr(s)
	}
	if _, err := netip.ParseAddrPort(s); err == nil {
		return e.AsAddr(s)
	}
	host, port, ok := strings.Cut(s, ":")
	if !ok || !portRE.MatchString(s) || strings.ContainsAny(host, `[]()\^$|+{}/`) {
		return e.AsName(s, false)
	}
	e = e.AsName(host, false)
	if e.Reason == "" && port != "443" && port != "80" {
		e = e.AsPort(6, port)
	}
	return e
}
