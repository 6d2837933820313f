package detect

import (
	"bytes"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

const (
	maxName   = 253 // a host name as text, RFC 1035 section 3.1 (255 on the wire)
	maxLabel  = 63  // RFC 1035 section 2.3.4
	maxLabels = 16  // labels in a pattern; bounds the suffixes that Match hashes
)

// pattern is a compiled domain pattern: literal labels on the right, which
// the index finds it by, and in front of them none (only the name itself),
// glob labels, or with deep set also any number of labels before those.
type pattern struct {
	text    string
	literal string // without leading dot
	left    []glob // label globs in front of literal, leftmost first
	deep    bool   // one or more further labels in front
	at      position
}

// exact reports whether p matches one name only.
func (p *pattern) exact() bool { return !p.deep && len(p.left) == 0 }

// parsePattern reads a domain pattern. On failure msg says what is wrong and
// hint what to write instead.
func parsePattern(s string) (p pattern, msg, hint string) {
	if msg, hint = checkName(s); msg != "" {
		return p, msg, hint
	}
	labels := strings.Split(s, ".")
	if len(labels) > maxLabels {
		return p, "more than 16 labels", ""
	}
	p.text = s
	rest := labels
	if labels[0] == "*" {
		p.deep = true
		rest = labels[1:]
	}
	last := -1 // the rightmost label with a wildcard
	for i, l := range rest {
		if strings.ContainsAny(l, "*?{}") {
			last = i
		}
	}
	fixed := len(rest) - last - 2 // dots in it
	for _, l := range rest[last+1:] {
		fixed += len(l)
	}
	p.literal = s[len(s)-max(fixed, 0):] // a part of s, not a copy: there may be a hundred thousand
	if !strings.Contains(p.literal, ".") {
		return p, "no fixed domain on the right", "end the pattern in a name such as example.com"
	}
	captures := 0
	for i, l := range rest {
		g, tenant, msg, hint := compileLabel(l)
		if msg != "" {
			return p, msg, hint
		}
		captures += tenant
		if i <= last {
			p.left = append(p.left, g)
		}
	}
	if captures > 1 {
		return p, "{tenant} twice", "capture it once and use * for the other"
	}
	return p, "", ""
}

// checkName finds what could never match, or was meant for another key, in
// the pattern as a whole.
func checkName(s string) (msg, hint string) {
	switch {
	case s == "":
		return "empty", "expected a host name such as relay.example.com"
	case strings.Contains(s, "://"):
		return "an address of a page, not a host name", "drop the scheme and the path (http: {host, path} matches requests)"
	case strings.ContainsRune(s, '/'):
		return "has a path", "use http: {path: [...]} for paths"
	case strings.ContainsAny(s, ":"):
		return "has a port", "drop it, and add port: [tcp/...] if it matters"
	case strings.ContainsAny(s, "^$\\[]()|+"):
		return "looks like a regular expression", "use * and ? within a label, *.name for anything below, {tenant} to capture"
	case len(s) > maxName:
		return "longer than 253 characters", ""
	case strings.HasSuffix(s, "."):
		return "ends in a dot", "drop it: the final dot of a name on the wire is ignored"
	case strings.HasPrefix(s, "."):
		return "starts with a dot", "use *" + s + " for anything below"
	case strings.Contains(s, ".."):
		return "has an empty label", "remove the second dot"
	case strings.ToLower(s) != s && isASCII(s):
		return "upper-case letters never match", "write " + strings.ToLower(s)
	case !isASCII(s):
		if a, err := idna.Lookup.ToASCII(s); err == nil {
			return "not ASCII", "write it as on the wire: " + a
		}
		return "not ASCII", "write international names in their xn-- form"
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return "an address, not a name", "use ip: [" + s + "]"
	}
	return "", ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// compileLabel compiles one label of a pattern; tenant is 1 when it captures one.
func compileLabel(l string) (g glob, tenant int, msg, hint string) {
	if !strings.ContainsAny(l, "*?{}") {
		msg, hint = checkLabel(l)
	}
	wild := false // the previous token takes a run of bytes
	for i := 0; i < len(l) && msg == ""; i++ {
		c := l[i]
		run := c == '*' || c == '{'
		if run && wild {
			return nil, 0, "two wildcards side by side", "one of *, {name} takes the whole run"
		}
		wild = run
		switch {
		case c == '*':
			g = append(g, opStar)
		case c == '?':
			g = append(g, opAny)
		case c == '{':
			end := strings.IndexByte(l[i:], '}')
			if end < 0 || !isField(l[i+1:i+end]) {
				return nil, 0, "a broken capture", "expected {tenant}, or {name} with a name of a-z, 0-9 and _"
			}
			if l[i+1:i+end] == "tenant" {
				g = append(g, opBegin, opAny, opStar, opEnd)
				tenant++
			} else {
				g = append(g, opAny, opStar)
			}
			i += end
		case isLabelByte(c):
			g = append(g, uint16(c))
		default:
			msg, hint = "a host name cannot hold "+quoteByte(c), "expected a-z, 0-9, - and _, with ?, * and {name} as wildcards"
		}
	}
	if tenant > 1 {
		msg, hint = "{tenant} twice", "capture it once and use * for the other"
	}
	return g, tenant, msg, hint
}

func checkLabel(l string) (msg, hint string) {
	switch {
	case len(l) > maxLabel:
		return "a label longer than 63 characters", ""
	case l[0] == '-' || l[len(l)-1] == '-':
		return "label " + l + " starts or ends with a hyphen", "a wildcard is missing, perhaps: ?*" + l
	case strings.HasPrefix(l, "xn--"):
		if _, err := idna.Punycode.ToUnicode(l); err != nil {
			return "label " + l + " is not valid punycode", ""
		}
	}
	return "", ""
}

func isLabelByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func isField(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLabelByte(c) || c == '-' {
			return false
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9')
}

func quoteByte(c byte) string {
	if c > ' ' && c < 0x7f {
		return "'" + string(rune(c)) + "'"
	}
	return "spaces or control characters"
}

// matchLeft reports whether the labels of left (what stands before the literal
// part and its dot, lower-cased, possibly empty) are as p wants them. The
// captured tenant is left[from:to].
func (p *pattern) matchLeft(left []byte) (from, to int, ok bool) {
	for i := len(p.left) - 1; i >= 0; i-- {
		if len(left) == 0 {
			return 0, 0, false
		}
		dot := bytes.LastIndexByte(left, '.')
		f, t, ok := p.left[i].match(left[dot+1:], false)
		if !ok {
			return 0, 0, false
		}
		if t > 0 {
			from, to = dot+1+f, dot+1+t
		}
		left = left[:max(dot, 0)]
	}
	return from, to, p.deep == (len(left) > 0)
}

// matches reports whether p matches name, as on the wire. It is for the second
// look at a candidate; names are searched for with the index.
func (p *pattern) matches(name []byte) bool {
	var buf [maxName]byte
	low := lowerName(name, &buf)
	cut := len(low) - len(p.literal)
	if cut < 0 || string(low[cut:]) != p.literal || cut > 0 && low[cut-1] != '.' {
		return false
	}
	_, _, ok := p.matchLeft(low[:max(cut-1, 0)])
	return ok
}
