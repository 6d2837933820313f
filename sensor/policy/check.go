package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Check finds entries that are doubtful at a time, in nanoseconds since 1970:
// those that can never apply, those that have ended, those without which every verdict
// is the same. tools are those that the policy was compiled for, home the networks
// that alerts are about. The problems come in the order of the file.
func (p *Policy) Check(tools []*detect.Tool, home []netip.Prefix, now int64) (out []Problem) {
	t := time.Unix(0, now)
	idle := make([]bool, len(p.entries)) // of no use, or not to be compared
	for _, e := range p.entries {
		problems, never := e.doubts(tools, home)
		if e.Until != nil && e.Until.Passed(t) {
			never = true
			problems = append(problems, Problem{e.At, fmt.Sprintf("ended with %s: what it permitted is told as %s", e.Until, ExpiredException), "renew it, or remove it"})
		}
		idle[e.index] = never
		out = append(out, problems...)
	}
	// From the end: of two that say the same, the one that was there first stays.
	removed := make([]bool, len(p.entries))
	for _, e := range slices.Backward(p.entries) {
		if idle[e.index] {
			continue
		}
		problem, found := p.compare(e, removed, t)
		removed[e.index] = found
		if problem != nil {
			out = append(out, *problem)
		}
	}
	slices.SortStableFunc(out, func(a, b Problem) int {
		if a.At.Line != b.At.Line {
			return a.At.Line - b.At.Line
		}
		return a.At.Col - b.At.Col
	})
	return out
}

// doubts are what is wrong with an entry by itself; never when it can never
// permit anything.
func (e *entry) doubts(tools []*detect.Tool, home []netip.Prefix) (out []Problem, never bool) {
	idle := 0 // tools for which it does nothing
	for _, ref := range e.Tools {
		i := slices.IndexFunc(tools, func(t *detect.Tool) bool { return t.ID == ref.ID })
		if i < 0 {
			continue // any tool
		}
		t := tools[i]
		if t.Class == "rat" {
			idle++
			out = append(out, Problem{ref.At, fmt.Sprintf("can never apply: %s is of class rat, whose verdict is always %q", ref.ID, Never), "remove it"})
			continue
		}
		if len(e.Tenants) > 0 && !hasTenants(t) {
			msg, hint := "the tenants never apply", "leave them out"
			if len(e.Relays) == 0 {
				idle++
				msg, hint = "can never apply, except to say that what is seen is somebody else's", "leave the tenants out, or name relays"
			}
			out = append(out, Problem{ref.At, fmt.Sprintf("%s: the rules of %s read no tenant from a name", msg, ref.ID), hint})
		}
		for _, r := range e.Relays {
			if owned := r.covers(t.Owned); owned != "" {
				out = append(out, Problem{e.At, fmt.Sprintf("relay %s permits every tenant of %s: %s is the vendor's", r, ref.ID, owned), "name tenants, or leave relays out when any will do"})
			}
		}
	}
	outside := 0
	for _, h := range e.Hosts {
		if !slices.ContainsFunc(home, func(p netip.Prefix) bool { return unmap(p).Overlaps(h) }) {
			outside++
			out = append(out, Problem{e.At, fmt.Sprintf("hosts %s are not in home: alerts are about hosts of home", h), "add them to home, or remove them"})
		}
	}
	return out, idle == len(e.Tools) || len(e.Hosts) > 0 && outside == len(e.Hosts)
}

// covers is the first of a tool's domains that lies whole below a relay with a
// wildcard; "" for none.
func (r *Relay) covers(owned []string) string {
	for _, d := range owned {
		if r.Below && below(d, r.Name) {
			return d
		}
	}
	return ""
}

func hasTenants(t *detect.Tool) bool {
	return slices.ContainsFunc(t.Indicators, func(in *detect.Indicator) bool {
		return slices.ContainsFunc(in.Domain, func(d string) bool { return strings.Contains(d, "{tenant}") })
	})
}

// compare looks whether every verdict is the same without an entry. found says
// so; the problem may also be that nobody can tell.
func (p *Policy) compare(e *entry, removed []bool, t time.Time) (problem *Problem, found bool) {
	var by []*entry
	for _, tool := range p.spokenOf(e) {
		list := slices.DeleteFunc(slices.Clone(p.of(tool)), func(o *entry) bool { return removed[o.index] })
		c := comparison{entry: e, list: list, at: t}
		same := c.affordable() && c.same()
		if c.over {
			return &Problem{e.At, fmt.Sprintf("not compared with the others: too many of the %d entries of %s are narrowed in different ways", len(list), tool), "put hosts, tenants and relays of one purpose into one entry"}, false
		}
		if !same {
			return nil, false
		}
		for _, o := range c.by {
			if !slices.Contains(by, o) {
				by = append(by, o)
			}
		}
	}
	slices.SortFunc(by, func(a, b *entry) int { return a.index - b.index })
	places := texts(by, func(o *entry) string { return o.At.String() })
	return &Problem{e.At, "adds nothing: wherever it applies, the verdict is the same without it, by " + strings.Join(places, " and "), "remove it, or the others"}, true
}

// spokenOf are the tools whose verdicts an entry can change: those that it
// names. An entry for any tool also stands beside the entries of each that others
// name.
func (p *Policy) spokenOf(e *entry) (ids []string) {
	if !e.any {
		return texts(e.Tools, func(t ToolRef) string { return t.ID })
	}
	ids = []string{AnyTool} // of which p.of says what holds where no entry names the tool
	for _, o := range p.entries {
		for _, t := range o.Tools {
			if !slices.Contains(ids, t.ID) {
				ids = append(ids, t.ID)
			}
		}
	}
	return ids
}
