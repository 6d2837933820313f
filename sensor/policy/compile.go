package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Problem is a mistake in the configuration, or a doubt about it.
type Problem struct {
	At   Position
	Msg  string
	Hint string // what to do; may be empty
}

// Error formats p as file:line:column: message; hint.
func (p Problem) Error() string {
	s := p.At.String() + ": " + p.Msg
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// Policy is a compiled list of entries. It is immutable; the zero value
// sanctions nothing.
type Policy struct {
	entries []*entry // in the order of the file
	byTool  map[string][]*entry
	any     []*entry // of tools that no entry names
}

// entry is an Entry and its number, with networks unmapped and its end in its zone.
type entry struct {
	Entry
	index int
	any   bool // its tool is AnyTool
	owner bool // it names tenants or relays
}

// Compile makes a policy. tools are those of the rules: when these are loaded
// anew, so is the policy. The error lists every mistake, each with its place,
// and is to be looked through with errors.As for Problem or printed.
func Compile(entries []Entry, tools []*detect.Tool) (*Policy, error) {
	p := &Policy{byTool: map[string][]*entry{}}
	var errs []error
	for i := range entries {
		e := compileEntry(&entries[i], i)
		for _, problem := range e.mistakes(tools) {
			errs = append(errs, problem)
		}
		p.entries = append(p.entries, e)
		for _, t := range e.Tools {
			p.byTool[t.ID] = nil
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for _, e := range p.entries {
		if e.any {
			p.any = append(p.any, e)
		}
		for id := range p.byTool { // any order: each list is made by itself
			if id != AnyTool && (e.any || e.names(id)) {
				p.byTool[id] = append(p.byTool[id], e)
			}
		}
	}
	delete(p.byTool, AnyTool)
	return p, nil
}

func compileEntry(in *Entry, index int) *entry {
	e := &entry{Entry: *in, index: index, any: in.names(AnyTool), owner: len(in.Tenants)+len(in.Relays) > 0}
	e.Hosts = slices.Clone(in.Hosts)
	for i, p := range e.Hosts {
		e.Hosts[i] = unmap(p)
	}
	e.Relays = slices.Clone(in.Relays)
	for i := range e.Relays {
		if e.Relays[i].Name == "" {
			e.Relays[i].Net = unmap(e.Relays[i].Net)
		}
	}
	if e.Until != nil {
		e.Until = e.Until.in(e.Hours)
	}
	return e
}

// names reports whether an entry names a tool.
func (e *Entry) names(id string) bool {
	return slices.ContainsFunc(e.Tools, func(t ToolRef) bool { return t.ID == id })
}

// mistakes are what makes an entry one that cannot be meant.
func (e *entry) mistakes(tools []*detect.Tool) (out []Problem) {
	if len(e.Tools) == 0 {
		return []Problem{{e.At, "an entry names its tool", "rmmwatch rules list has them all"}}
	}
	for i, t := range e.Tools {
		switch {
		case t.ID == AnyTool && len(e.Tools) > 1:
			out = append(out, Problem{t.At, `"*" is every tool`, "leave the others out"})
		case t.ID != AnyTool && !slices.ContainsFunc(tools, func(k *detect.Tool) bool { return k.ID == t.ID }):
			out = append(out, unknownTool(t, tools))
		case slices.ContainsFunc(e.Tools[:i], func(o ToolRef) bool { return o.ID == t.ID }):
			out = append(out, Problem{t.At, fmt.Sprintf("tool %q is named twice", t.ID), "once is enough"})
		}
	}
	if e.any && len(e.Hosts)+len(e.VLANs)+len(e.Tunnels) == 0 {
		out = append(out, Problem{e.At, `every tool on every host: nothing would be told any more`, "narrow the entry by hosts, vlans or tunnels"})
	}
	if e.any && e.owner {
		out = append(out, Problem{e.At, `tenants and relays are those of one tool`, `name the tool instead of "*"`})
	}
	return out
}

func unknownTool(t ToolRef, tools []*detect.Tool) Problem {
	hint := "rmmwatch rules list has them all"
	ids := make([]string, len(tools))
	for i, k := range tools {
		ids[i] = k.ID
		if strings.EqualFold(k.Name, t.ID) {
			return Problem{t.At, fmt.Sprintf("no rule has the tool %q", t.ID), fmt.Sprintf("its id is %q", k.ID)}
		}
	}
	if meant := closest(t.ID, ids); meant != "" {
		hint = fmt.Sprintf("did you mean %q?", meant)
	}
	return Problem{t.At, fmt.Sprintf("no rule has the tool %q", t.ID), hint}
}

// closest is the candidate that got was probably meant to be, or "". It allows
// one slip for each three letters.
func closest(got string, candidates []string) string {
	if len(got) > 64 { // no id is longer
		return ""
	}
	best, limit := "", max(1, len(got)/3)+1
	for _, c := range candidates {
		if d := distance(got, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is how many letters must be put in, taken out or changed to make b
// of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Len is the number of entries.
func (p *Policy) Len() int { return len(p.entries) }

// Entry is the entry with a number, as the configuration has it but for its
// end, which has its time zone. The caller must not change it.
func (p *Policy) Entry(i int) *Entry { return &p.entries[i].Entry }

// of are the entries that speak of a tool.
func (p *Policy) of(tool string) []*entry {
	if list, ok := p.byTool[tool]; ok {
		return list
	}
	return p.any
}

// longest is the length of the longest of the prefixes that holds a host; -1
// for none.
func longest(prefixes []netip.Prefix, host netip.Addr) int {
	bits := -1
	for _, p := range prefixes {
		if p.Bits() > bits && p.Contains(host) {
			bits = p.Bits()
		}
	}
	return bits
}
