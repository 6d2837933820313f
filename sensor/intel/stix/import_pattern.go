package stix

import (
	"fmt"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// inComparison is one comparison of a pattern: a path, an operator, a value.
type inComparison struct {
	path, op, value string
	not             bool
}

// String is the comparison as it stands in a pattern, but for its quotes.
func (c inComparison) String() string {
	op := c.op
	if c.not && op == "=" {
		op = "!="
	} else if c.not {
		op = "NOT " + op
	}
	return c.path + " " + op + " '" + c.value + "'"
}

// unsupported is what is right in the language and cannot be said here.
type unsupported string

func (u unsupported) Error() string { return "the pattern " + string(u) }

// maxAlternatives bounds what a pattern is multiplied out to; a list of domains in one
// pattern has some hundred.
const maxAlternatives = 10_000

// inPattern reads the subset of STIX patterning (STIX 2.1 part 9) that looks at
// one observation at a time: comparisons with AND, OR and brackets, and
// observations joined by OR. It returns them multiplied out: one of several, each
// of which is comparisons that must all hold.
func inPattern(s string) ([][]inComparison, error) {
	tokens, err := inScan(s)
	if err != nil {
		return nil, err
	}
	p := &inPatternReader{tokens: tokens}
	var out [][]inComparison
	for {
		one, err := p.observation(0)
		if err != nil {
			return nil, err
		}
		if out = append(out, one...); len(out) > maxAlternatives {
			return nil, unsupported("has more than 10,000 alternatives")
		}
		if p.pos == len(p.tokens) {
			return out, nil
		}
		if !p.take("OR") {
			return nil, p.unexpected()
		}
	}
}

// inScan cuts a pattern into words, values (with ' in front) and marks.
func inScan(s string) (out []string, err error) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'':
			text, n, ok := inLiteral(s[i:])
			if !ok {
				return nil, fmt.Errorf("a text that nothing closes")
			}
			out = append(out, "'"+text)
			i += n
		case strings.HasPrefix(s[i:], "!=") || strings.HasPrefix(s[i:], "<>") || strings.HasPrefix(s[i:], "<=") || strings.HasPrefix(s[i:], ">="):
			out = append(out, s[i:i+2])
			i += 2
		case strings.IndexByte("[]()=<>,", c) >= 0:
			out = append(out, s[i:i+1])
			i++
		default:
			n := inWord(s[i:])
			if n == 0 {
				return nil, fmt.Errorf("%q has no place in a pattern", intel.Clean(s[i:i+1], 10))
			}
			out = append(out, s[i:i+n])
			i += n
		}
		if len(out) > 5*maxAlternatives {
			return nil, unsupported("has more than 10,000 comparisons")
		}
	}
	return out, nil
}

// inLiteral reads a text in quotes; \ stands before ' and \.
func inLiteral(s string) (text string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i]) // before anything else it stands for itself: many forget to double it
		case s[i] == '\'':
			return b.String(), i + 1, true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, false
}

// inWord is the length of a keyword, a number, or an object path, in which texts
// and indexes in square brackets may stand.
func inWord(s string) int {
	i := 0
	path := false
	for i < len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' || c == ':':
			path = path || c == ':'
			i++
		case c == '\'' && path && s[i-1] == '.':
			_, n, ok := inLiteral(s[i:])
			if !ok {
				return i
			}
			i += n
		case c == '[' && path:
			end := strings.IndexByte(s[i:], ']')
			if end < 0 || strings.Trim(s[i+1:i+end], "0123456789*") != "" {
				return i
			}
			i += end + 1
		default:
			return i
		}
	}
	return i
}

type inPatternReader struct {
	tokens []string
	pos    int
}

func (p *inPatternReader) peek() string {
	if p.pos < len(p.tokens) {
		return p.tokens[p.pos]
	}
	return ""
}

func (p *inPatternReader) take(token string) bool {
	if p.peek() != token {
		return false
	}
	p.pos++
	return true
}

// unexpected is the error at the next token.
func (p *inPatternReader) unexpected() error {
	switch t := p.peek(); t {
	case "FOLLOWEDBY", "WITHIN", "REPEATS", "START", "STOP", "EXISTS":
		return unsupported("uses " + t)
	case "AND":
		return unsupported("uses AND between observations")
	case "":
		return fmt.Errorf("the pattern ends too early")
	default:
		return fmt.Errorf("%q is not expected there", intel.Clean(strings.TrimPrefix(t, "'"), 40))
	}
}

// observation is [comparisons], or observations joined by OR in brackets.
func (p *inPatternReader) observation(depth int) (out [][]inComparison, err error) {
	if depth > 32 {
		return nil, unsupported("is nested deeper than 32 levels")
	}
	if p.take("(") {
		for {
			one, err := p.observation(depth + 1)
			if err != nil {
				return nil, err
			}
			out = append(out, one...)
			if p.take(")") {
				return out, p.qualified()
			}
			if !p.take("OR") {
				return nil, p.unexpected()
			}
		}
	}
	if !p.take("[") {
		return nil, p.unexpected()
	}
	if out, err = p.or(depth); err != nil {
		return nil, err
	}
	if !p.take("]") {
		return nil, p.unexpected()
	}
	return out, p.qualified()
}

// qualified refuses what says when, or how often, an observation must be made.
func (p *inPatternReader) qualified() error {
	switch p.peek() {
	case "WITHIN", "REPEATS", "START":
		return p.unexpected()
	}
	return nil
}

func (p *inPatternReader) or(depth int) ([][]inComparison, error) {
	out, err := p.and(depth)
	for err == nil && p.take("OR") {
		var more [][]inComparison
		if more, err = p.and(depth); len(out)+len(more) > maxAlternatives {
			err = unsupported("has more than 10,000 alternatives")
		}
		out = append(out, more...)
	}
	return out, err
}

func (p *inPatternReader) and(depth int) ([][]inComparison, error) {
	out, err := p.term(depth)
	for err == nil && p.take("AND") {
		var other [][]inComparison
		if other, err = p.term(depth); err != nil {
			break
		}
		if len(out)*len(other) > maxAlternatives {
			return nil, unsupported("has more than 10,000 alternatives")
		}
		var both [][]inComparison
		for _, a := range out {
			for _, b := range other {
				both = append(both, append(a[:len(a):len(a)], b...))
			}
		}
		out = both
	}
	return out, err
}

var operators = map[string]bool{"=": true, "<": true, ">": true, "<=": true, ">=": true, "IN": true, "LIKE": true, "MATCHES": true, "ISSUBSET": true, "ISSUPERSET": true}

// term is one comparison, or several in brackets.
func (p *inPatternReader) term(depth int) ([][]inComparison, error) {
	if depth > 32 {
		return nil, unsupported("is nested deeper than 32 levels")
	}
	if p.take("(") {
		out, err := p.or(depth + 1)
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		return out, err
	}
	c := inComparison{path: p.peek()}
	if !strings.Contains(c.path, ":") || c.path[0] == '\'' {
		return nil, p.unexpected()
	}
	p.pos++
	c.not = p.take("NOT")
	switch c.op = p.peek(); {
	case c.op == "!=" || c.op == "<>":
		c.op, c.not = "=", !c.not
	case !operators[c.op]:
		return nil, p.unexpected()
	}
	p.pos++
	if c.op == "IN" {
		return p.set(c)
	}
	value, err := p.value()
	c.value = value
	return [][]inComparison{{c}}, err
}

// set is the values behind IN: equal to one of them.
func (p *inPatternReader) set(c inComparison) (out [][]inComparison, err error) {
	c.op = "="
	if !p.take("(") {
		return nil, p.unexpected()
	}
	if c.not {
		return nil, unsupported("uses NOT IN")
	}
	for {
		if c.value, err = p.value(); err != nil {
			return nil, err
		}
		out = append(out, []inComparison{c})
		if p.take(")") {
			return out, nil
		}
		if !p.take(",") {
			return nil, p.unexpected()
		}
	}
}

// value is a text or a number.
func (p *inPatternReader) value() (string, error) {
	t := p.peek()
	if text, ok := strings.CutPrefix(t, "'"); ok {
		p.pos++
		return text, nil
	}
	if t != "" && strings.Trim(t, "0123456789.-") == "" {
		p.pos++
		return t, nil
	}
	return "", p.unexpected()
}
