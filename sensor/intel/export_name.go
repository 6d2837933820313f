package intel

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// NamePattern is a domain pattern of a rule file taken apart for formats that
// have words of their own for its parts.
type NamePattern struct {
	Text    string
	Deep    bool     // one label or more in front of the rest
	Left    []string // labels with wildcards in front of Literal, and what stands between them
	Literal string   // the fixed domain on the right
}

// ParseName takes a pattern apart that the rule loader has passed.
func ParseName(pattern string) NamePattern {
	p := NamePattern{Text: pattern}
	labels := strings.Split(pattern, ".")
	if labels[0] == "*" {
		p.Deep, labels = true, labels[1:]
	}
	last := -1
	for i, l := range labels {
		if strings.ContainsAny(l, "*?{") {
			last = i
		}
	}
	p.Left, p.Literal = labels[:last+1], strings.Join(labels[last+1:], ".")
	return p
}

// Exact reports whether the pattern is one name.
func (p *NamePattern) Exact() bool { return !p.Deep && len(p.Left) == 0 }

// Below reports whether the pattern is everything below Literal.
func (p *NamePattern) Below() bool { return p.Deep && len(p.Left) == 0 }

// Regexp is the pattern as a regular expression for lower-case names, in the
// part of the syntax that RE2 and PCRE share.
func (p *NamePattern) Regexp() string {
	var b strings.Builder
	b.WriteByte('^')
	if p.Deep {
		b.WriteString(`.+\.`)
	}
	for _, l := range p.Left {
		b.WriteString(labelRegexp(l) + `\.`)
	}
	return b.String() + regexp.QuoteMeta(p.Literal) + "$"
}

func labelRegexp(label string) string {
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		switch label[i] {
		case '*':
			b.WriteString("[^.]*")
		case '?':
			b.WriteString("[^.]")
		case '{':
			b.WriteString("[^.]+")
			i += strings.IndexByte(label[i:], '}')
		default:
			b.WriteString(regexp.QuoteMeta(label[i : i+1]))
		}
	}
	return b.String()
}

// Star is the pattern with * for every wildcard, as formats write it that know
// no other. It says more than the pattern where it means any number of bytes
// instead of one, and where a star that was one label is now the first.
func (p *NamePattern) Star() string {
	var b strings.Builder
	star := false
	for i := 0; i < len(p.Text); i++ {
		c := p.Text[i]
		if wild := strings.IndexByte("*?{", c) >= 0; wild {
			if c == '{' {
				i += strings.IndexByte(p.Text[i:], '}')
			}
			if !star {
				b.WriteByte('*')
			}
			star = true
			continue
		}
		star = false
		b.WriteByte(c)
	}
	return b.String()
}

// Tail is the fixed text that every name ends with that the pattern matches.
func (p *NamePattern) Tail() string {
	tail := p.Literal
	if p.Deep || len(p.Left) > 0 {
		tail = "." + tail
	}
	if n := len(p.Left); n > 0 {
		l := p.Left[n-1]
		tail = l[strings.LastIndexAny(l, "*?}")+1:] + tail
	}
	return tail
}

// Names are the domain patterns of an indicator, with what they leave out.
type Names struct {
	Patterns []NamePattern
	// Except are names that a pattern would cover but that the tool names
	// exactly in an indicator that is not exported: rules speak of such a name
	// by its exact pattern alone.
	Except []string
}

// Names takes the domains of in apart. Of equal patterns one stays.
func (t *ExportTool) Names(in *detect.Indicator) Names {
	var n Names
	var wide []*regexp.Regexp
	for _, d := range in.Domain {
		p := ParseName(d)
		if slices.ContainsFunc(n.Patterns, func(q NamePattern) bool { return q.Text == d }) {
			continue
		}
		n.Patterns = append(n.Patterns, p)
		if !p.Exact() {
			wide = append(wide, regexp.MustCompile(p.Regexp()))
		}
	}
	for _, other := range t.Indicators {
		if other == in || slices.Contains(t.Chosen, other) {
			continue
		}
		for _, d := range other.Domain {
			p := ParseName(d)
			if p.Exact() && !t.exports(d) && slices.ContainsFunc(wide, func(re *regexp.Regexp) bool { return re.MatchString(d) }) {
				n.Except = append(n.Except, d)
			}
		}
	}
	slices.Sort(n.Except)
	n.Except = slices.Compact(n.Except)
	return n
}

// exports reports whether a chosen indicator names this host exactly.
func (t *ExportTool) exports(name string) bool {
	return slices.ContainsFunc(t.Chosen, func(in *detect.Indicator) bool { return slices.Contains(in.Domain, name) })
}

// ExceptFor are the names of Except that p covers.
func (n *Names) ExceptFor(p *NamePattern) (out []string) {
	if p.Exact() || len(n.Except) == 0 {
		return nil
	}
	re := regexp.MustCompile(p.Regexp())
	for _, name := range n.Except {
		if re.MatchString(name) {
			out = append(out, name)
		}
	}
	return out
}

// Both reports whether the patterns cover a name without wildcards and
// everything below it.
func (n *Names) Both(name string) bool {
	return !strings.ContainsAny(name, "*?{") && slices.ContainsFunc(n.Patterns, func(p NamePattern) bool { return p.Text == name }) &&
		slices.ContainsFunc(n.Patterns, func(p NamePattern) bool { return p.Text == "*."+name })
}
