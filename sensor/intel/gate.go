package intel

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// batch is how many parts are tried in one file. A file reports 50 mistakes, so
// a large batch of bad parts takes several turns.
const batch = 200

// gate tries each part as a rule of its own, and quarantines the entries with a
// part that fails.
func (b *builder) gate() {
	said := make(map[string]string)
	var todo []*part
	for i := range b.parts {
		p := &b.parts[i]
		if _, again := said[p.key]; again {
			continue
		}
		said[p.key] = ""
		todo = append(todo, p)
	}
	for len(todo) > 0 {
		n := min(batch, len(todo))
		try(b, todo[:n])
		for _, p := range todo[:n] {
			said[p.key] = p.failed
		}
		todo = todo[n:]
	}
	for i := range b.parts {
		p := &b.parts[i]
		if msg := said[p.key]; msg != "" && !b.banned[p.entry] {
			reason := Gate
			if strings.Contains(msg, "shared host") || strings.Contains(msg, "public suffix") {
				reason = Shared
			}
			b.quarantine(p.entry, reason, msg)
		}
	}
}

// try loads parts as one rule file until what is left passes, and notes in the
// others what the gate said.
func try(b *builder, parts []*part) {
	for len(parts) > 0 {
		w := new(writer)
		w.head("imported", Tool{Name: "imported", Class: "rmm"}, "trial", "none")
		exact := make(map[string]bool)
		drafts := make([]*draft, len(parts))
		for i, p := range parts {
			e := &b.entries[p.entry]
			drafts[i] = &draft{id: fmt.Sprintf("e%d", i), role: e.Role, conf: e.Confidence, match: p.in, entries: []int{i}, note: e.Note, sources: []string{e.Source}}
			w.indicator(drafts[i])
			if len(p.in.Domain) > 0 {
				exact[p.in.Domain[0]] = true
			}
		}
		w.tests(drafts, exact)
		_, err := detect.Load(detect.FromBytes("import", w.Bytes()))
		if err == nil {
			return
		}
		var mistakes detect.RuleErrors
		errors.As(err, &mistakes)
		found := false
		for _, m := range mistakes {
			if i := w.entry(m.Line); i >= 0 && parts[i].failed == "" {
				parts[i].failed, found = m.Msg, true
			}
		}
		if !found && len(parts) == 1 {
			parts[0].failed = Clean(err.Error(), 200)
			return
		}
		if !found { // somebody's fault, but whose?
			try(b, parts[:len(parts)/2])
			parts = parts[len(parts)/2:]
			continue
		}
		var left []*part
		for _, p := range parts {
			if p.failed == "" {
				left = append(left, p)
			}
		}
		parts = left
	}
}

// knows returns the tool and indicator of rs that already finds what part p
// looks for.
func knows(rs *detect.Ruleset, p *part) (tool, indicator string) {
	if rs == nil {
		return "", ""
	}
	var hit *detect.Indicator
	for n := range 2 { // a wildcard must be met by more than one chance name
		f := detect.Fields{Kind: detect.KindSNI, Proto: 6, ServerPort: 443}
		switch in := &p.in; kind(in) {
		case kindNames:
			f.Names = [][]byte{[]byte(sampleName(in.Domain[0], 7+n))}
		case kindJA3:
			f.JA3 = []byte(in.TLS.JA3[0])
		case kindJA4:
			f.JA4 = []byte(in.TLS.JA4[0])
		case kindAgents:
			f.Kind, f.Agent = detect.KindHTTP, []byte(sampleGlob(in.HTTP.Agent[0]))
		case kindAddrs:
			f.Kind, f.ServerAddr = detect.KindFlow, in.IP[0].Addr()
			if !in.IP[0].IsSingleIP() {
				return "", ""
			}
		default:
			return "", ""
		}
		hit = nil
		for _, h := range rs.Match(&f, nil) {
			if h.Complete() && hit == nil {
				hit = h.Indicator
			}
		}
		if hit == nil {
			return "", ""
		}
	}
	return hit.Tool.ID, hit.ID
}
