package detect

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
)

// Lint returns what is suspect in a set that loads: indicators that can never
// match, that add nothing, that two tools claim, that no test looks at closely,
// and tools that leave the reader of an alert alone. Each is a warning in the
// shape of a RuleError, in the order of Tools and of the lines of each file.
func (rs *Ruleset) Lint() (out []RuleError) {
	claims := rs.claims()
	for _, t := range rs.tools {
		l := linter{rs: rs, tool: t, wide: widePatterns(t)}
		l.texts()
		for _, in := range t.Indicators {
			l.reachable(in)
			l.shadowed(in)
			l.untested(in)
			l.shared(in, claims)
		}
		l.elsewhere()
		slices.SortStableFunc(l.out, func(a, b RuleError) int { return a.Line - b.Line })
		out = append(out, l.out...)
	}
	return out
}

// linter collects the warnings of one tool.
type linter struct {
	rs   *Ruleset
	tool *Tool
	wide map[string][]wide // patterns that may cover others, by their domain
	out  []RuleError
}

func (l *linter) warn(at position, hint, format string, args ...any) {
	l.out = append(l.out, RuleError{l.tool.File, at.line, at.col, fmt.Sprintf(format, args...), hint})
}

// texts asks for what an alert shows beside its evidence.
func (l *linter) texts() {
	t := l.tool
	if t.Guidance == "" {
		l.warn(t.at, "say what an analyst checks first", "tool %s has no guidance", quote(t.ID))
	}
	if t.Plain == "" {
		l.warn(t.at, "say what it is to the person in front of the computer", "tool %s has no plain text", quote(t.ID))
	}
	if len(t.Attack) == 0 {
		l.warn(t.at, "T1219.002 is remote desktop software, T1219.001 IDE tunnels, T1572 tunnels", "tool %s names no ATT&CK technique", quote(t.ID))
	}
	for _, in := range t.Indicators {
		if len(in.Source) == 0 {
			l.warn(in.at, "say where it was seen, so that another person can look it up", "indicator %s has no source", quote(in.ID))
		}
	}
}

// reachable finds indicators whose conditions no flow can meet together.
func (l *linter) reachable(in *Indicator) {
	for _, ps := range [][]pattern{in.domains, in.san, in.host} {
		for i := range ps {
			p := &ps[i]
			top := p.literal[strings.LastIndexByte(p.literal, '.')+1:]
			if _, icann := publicsuffix.PublicSuffix(top); !icann && !slices.Contains(privateTLDs, top) {
				l.warn(p.at, "a typing error, perhaps", "%s never matches a public name: there is no top-level domain %s", quote(p.text), quote(top))
			}
		}
	}
	if len(in.Port) == 0 {
		return
	}
	only := uint8(0) // the one protocol that the ports leave
	for i, p := range in.Port {
		if i > 0 && p.Proto != only {
			return
		}
		only = p.Proto
	}
	if only == protoUDP && in.Need&(condsHTTP|condsCert) != 0 {
		l.warn(in.at, "give it tcp ports, or none", "indicator %s never matches: HTTP requests and certificates are not seen on udp", quote(in.ID))
	}
	if in.Need&condsPayload != 0 && !slices.ContainsFunc(in.magic, func(m magic.Pattern) bool { return m.Proto == only }) {
		l.warn(in.at, "give payload and port the same protocol", "indicator %s never matches: its payload and its port are of two protocols", quote(in.ID))
	}
}

// privateTLDs are top-level domains that no public name has, and that networks use
// or documents reserve: RFC 2606, RFC 6762 appendix G, ICANN's .internal.
var privateTLDs = []string{
	"corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost", "onion", "private", "test",
}

// shadowed finds patterns that another of the same tool makes needless.
func (l *linter) shadowed(in *Indicator) {
	if in.Need != CondDomain {
		return
	}
	for i := range in.domains {
		p := &in.domains[i]
		var over []wide
		for rest := range suffixesOf(p.literal) {
			over = append(over, l.wide[rest]...)
		}
		slices.SortFunc(over, func(a, b wide) int { return a.order - b.order })
		for _, o := range over {
			if o.in.Role != in.Role || o.in.Confidence < in.Confidence || p == o.p || !o.p.covers(p) || p.exact() && o.in != in {
				continue // a name written in full is taken out of the wider pattern
			}
			where := ""
			if o.in != in {
				where = " of indicator " + quote(o.in.ID)
			}
			l.warn(p.at, "remove it, or give it another role or a higher confidence", "%s adds nothing to %s%s", quote(p.text), quote(o.p.text), where)
		}
	}
}

// wide is a pattern for everything below a domain.
type wide struct {
	in    *Indicator
	p     *pattern
	order int
}

// widePatterns are those of a tool that may cover others, by their domain: an
// imported list has thousands of names, too many to compare each with each.
func widePatterns(t *Tool) map[string][]wide {
	m := make(map[string][]wide)
	order := 0
	for _, in := range t.Indicators {
		if in.Need != CondDomain {
			continue
		}
		for i := range in.domains {
			order++
			if p := &in.domains[i]; p.deep && len(p.left) == 0 {
				m[p.literal] = append(m[p.literal], wide{in, p, order})
			}
		}
	}
	return m
}

// suffixesOf yields a name and the domains above it.
func suffixesOf(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name != "" && yield(name) {
			_, name, _ = strings.Cut(name, ".")
		}
	}
}

// covers reports whether every name that p matches is matched by q too, without
// a tenant that q would miss.
func (q *pattern) covers(p *pattern) bool {
	if !q.deep || len(q.left) > 0 || strings.Contains(p.text, "{tenant}") {
		return false
	}
	if p.literal == q.literal {
		return len(p.left) > 0 // those of *.literal itself are q's
	}
	return below(p.literal, q.literal)
}

// untested finds patterns of a list that no test of the indicator hits: one that
// hits another value of the list says nothing of this one.
func (l *linter) untested(in *Indicator) {
	if in.Need&CondDomain == 0 {
		return
	}
	at := make(map[string][]int, len(in.domains))
	for i := range in.domains {
		at[in.domains[i].literal] = append(at[in.domains[i].literal], i)
	}
	hit := make([]bool, len(in.domains))
	for k := range l.tool.match {
		c := &l.tool.match[k]
		if c.indicator != in.ID {
			continue
		}
		for _, name := range c.names() {
			var buf [maxName]byte
			for rest := range suffixesOf(string(lowerName(name, &buf))) {
				for _, i := range at[rest] {
					hit[i] = hit[i] || in.domains[i].matches(name)
				}
			}
		}
	}
	for i := range in.domains {
		if p := &in.domains[i]; !hit[i] {
			l.warn(p.at, "add {name: ..., indicator: "+in.ID+"} for it", "no test hits %s", quote(p.text))
		}
	}
}

// names are all that the test's flow shows.
func (c *ruleTest) names() [][]byte {
	out := [][]byte{[]byte(c.name)}
	if c.request != nil {
		out = append(out, c.request.Host)
	}
	if c.cert != nil {
		out = append(out, c.cert.Names...)
	}
	return out
}

// claim is a tool's indicator that has a certain pattern alone.
type claim struct {
	tool *Tool
	in   *Indicator
}

// claims are the indicators by the patterns that suffice to match them.
func (rs *Ruleset) claims() map[string][]claim {
	if len(rs.tools) < 2 {
		return nil // nobody else could claim them
	}
	n := 0
	for _, t := range rs.tools {
		for _, in := range t.Indicators {
			n += len(in.domains)
		}
	}
	m := make(map[string][]claim, n)
	for _, t := range rs.tools {
		for _, in := range t.Indicators {
			if in.Need != CondDomain {
				continue
			}
			for i := range in.domains {
				m[in.domains[i].text] = append(m[in.domains[i].text], claim{t, in})
			}
		}
	}
	return m
}

// shared finds patterns that another tool has too. Where products share a name
// knowingly, the note of one of the indicators speaks of the other tool.
func (l *linter) shared(in *Indicator, claims map[string][]claim) {
	if in.Need != CondDomain || in.Role == "marketing" {
		return
	}
	for i := range in.domains {
		p := &in.domains[i]
		for _, c := range claims[p.text] {
			if c.tool == l.tool || c.in.Role == "marketing" || in.speaksOf(c.tool) || c.in.speaksOf(l.tool) {
				continue
			}
			l.warn(p.at, "leave it to one of them, or say in a note why it is both's",
				"%s is claimed by %s too (%s)", quote(p.text), quote(c.tool.ID), quote(c.in.ID))
		}
	}
}

func (in *Indicator) speaksOf(t *Tool) bool {
	note := strings.ToLower(in.Note)
	return note != "" && (strings.Contains(note, t.ID) || strings.Contains(note, strings.ToLower(t.Name)))
}

// elsewhere finds tests that hit an indicator of another tool as surely as the
// one they are meant for: the same flow would be two alerts.
func (l *linter) elsewhere() {
	for i := range l.tool.match {
		c := &l.tool.match[i]
		mine := l.tool.indicator(c.indicator)
		if mine == nil || mine.Role == "marketing" {
			continue
		}
		for _, h := range l.rs.flowHits(nil, c) {
			in := h.Indicator
			if in.Tool == l.tool || !h.Complete() || in.Role == "marketing" || in.Confidence < mine.Confidence || in.Confidence == Low ||
				in.Tool.Class == "protocol" || l.tool.Class == "protocol" || in.speaksOf(l.tool) || mine.speaksOf(in.Tool) {
				continue
			}
			l.warn(c.at, "narrow one of them, or say in a note why it is both's",
				"the test of %s also hits %s of tool %s", quote(c.indicator), quote(in.ID), quote(in.Tool.ID))
		}
	}
}

func (t *Tool) indicator(id string) *Indicator {
	for _, in := range t.Indicators {
		if in.ID == id {
			return in
		}
	}
	return nil
}
