package intel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// What a rule file holds at most. The loader allows more; smaller files are
// read with less memory, and a tool of 5,000 names is a list, not a tool.
const (
	maxFileValues     = 5000
	maxFileIndicators = 300
)

// toolFile is a rule file in the making.
type toolFile struct {
	id     string
	tool   Tool
	from   string // the first source, for its comment
	drafts []*draft
	groups map[string]*draft
	values int
	exact  map[string]bool
	w      *writer
}

// set is all rule files of an import.
type set struct {
	list  []*toolFile
	last  map[string]*toolFile // by the tool of the entries
	count map[string]int
	used  map[string]bool // ids
}

// assemble puts the parts that are left into files, and says of each entry
// whether it was imported or merged.
func (b *builder) assemble() *set {
	s := &set{last: make(map[string]*toolFile), count: make(map[string]int), used: make(map[string]bool)}
	if b.opt.Beside != nil {
		for _, t := range b.opt.Beside.Tools() {
			s.used[t.ID] = true
		}
	}
	deep := b.deep()
	seen := make(map[string]int)
	for i := range b.entries {
		if !b.banned[i] {
			b.rows[i].Outcome, b.rows[i].Detail, b.rows[i].Indicator = Merged, "", ""
		}
	}
	for i := range b.parts {
		p := &b.parts[i]
		if b.banned[p.entry] {
			continue
		}
		row := &b.rows[p.entry]
		if first, again := seen[p.key]; again {
			if first != p.entry {
				b.merge(p.entry, fmt.Sprintf("the same as %s, tool %s", b.place(first), b.tools[first]), b.rows[first].Tool, b.rows[first].Indicator)
			}
			continue
		}
		if tool, id := knows(b.opt.Beside, p); tool != "" {
			b.merge(p.entry, fmt.Sprintf("rules that are there know it: %s, indicator %s", tool, id), tool, id)
			continue
		}
		if over, ok := b.covered(p, deep); ok {
			b.merge(p.entry, "below "+b.parts[over].in.Domain[0]+" of "+b.place(b.parts[over].entry), b.rows[p.entry].Tool, "")
			continue
		}
		seen[p.key] = p.entry
		f := s.file(b, p.entry)
		d := f.put(b, p)
		row.Outcome, row.Detail, row.Tool, row.Indicator = Imported, b.entries[p.entry].Note, f.id, d.id
	}
	return s
}

// merge notes that a part is known; an entry of which another part was imported
// stays so.
func (b *builder) merge(entry int, detail, tool, indicator string) {
	if row := &b.rows[entry]; row.Outcome == Merged {
		row.Detail, row.Tool, row.Indicator = detail, tool, indicator
	}
}

// deep finds the parts that are everything below a domain, by tool, role,
// confidence and domain.
func (b *builder) deep() map[string]int {
	found := make(map[string]int)
	for i := range b.parts {
		p := &b.parts[i]
		if kind(&p.in) != kindNames || b.banned[p.entry] {
			continue
		}
		if rest, ok := strings.CutPrefix(p.in.Domain[0], "*."); ok && !strings.ContainsAny(rest, "*?{") {
			if _, again := found[b.scope(p)+rest]; !again {
				found[b.scope(p)+rest] = i
			}
		}
	}
	return found
}

// scope is what parts must have in common for one to cover another.
func (b *builder) scope(p *part) string {
	e := &b.entries[p.entry]
	return b.tools[p.entry] + " " + e.Role + " " + e.Confidence.String() + " "
}

// covered finds the pattern of the same tool that already has all names of p.
func (b *builder) covered(p *part, deep map[string]int) (over int, ok bool) {
	if kind(&p.in) != kindNames {
		return 0, false
	}
	name, scope := p.in.Domain[0], b.scope(p)
	for {
		_, rest, more := strings.Cut(name, ".")
		if !more {
			return 0, false
		}
		if i, ok := deep[scope+rest]; ok && b.parts[i].key != p.key {
			if tool, _ := knows(b.opt.Beside, &b.parts[i]); tool == "" {
				return i, true
			}
		}
		name = rest
	}
}

// file is the file for an entry's parts: another one when the last is full.
func (s *set) file(b *builder, entry int) *toolFile {
	e := &b.entries[entry]
	id := b.tools[entry]
	f := s.last[id]
	if f != nil && f.values < maxFileValues && len(f.drafts) < maxFileIndicators {
		return f
	}
	s.count[id]++
	f = &toolFile{id: id, tool: e.Tool, from: e.Source, groups: make(map[string]*draft), exact: make(map[string]bool)}
	if n := s.count[id]; n > 1 {
		f.id, f.tool.Name = fmt.Sprintf("%s-%d", id, n), fmt.Sprintf("%s (%d)", e.Tool.Name, n)
	}
	if s.used[f.id] {
		f.id = Slug(b.opt.Format + "-" + f.id)
	}
	for base, n := f.id, 2; s.used[f.id]; n++ {
		f.id = fmt.Sprintf("%s-%d", base, n)
	}
	s.used[f.id] = true
	s.last[id] = f
	s.list = append(s.list, f)
	return f
}

// put enters a part: into the group of its kind, or as an indicator of its own.
func (f *toolFile) put(b *builder, p *part) *draft {
	e := &b.entries[p.entry]
	f.values++
	if len(p.in.Domain) > 0 {
		f.exact[p.in.Domain[0]] = true
	}
	k := kind(&p.in)
	group := k + " " + e.Role + " " + e.Confidence.String()
	d := f.groups[group]
	if d != nil {
		d.add(&p.in, p.entry)
		d.source(e.Source)
		if d.note != e.Note {
			d.note = "" // said of some values only: the report has it
		}
		return d
	}
	d = &draft{role: e.Role, conf: e.Confidence, match: p.in, entries: []int{p.entry}, note: e.Note}
	d.source(e.Source)
	used := make(map[string]bool)
	for _, o := range f.drafts {
		used[o.id] = true
	}
	d.id = idFor(d, used)
	f.drafts = append(f.drafts, d)
	if k != kindOther {
		d.match = detect.Indicator{}
		d.entries = nil
		d.add(&p.in, p.entry)
		f.groups[group] = d
	}
	return d
}

// write makes the text of the file.
func (f *toolFile) write(format string) {
	f.w = new(writer)
	f.w.head(f.id, f.tool, "Imported from "+format+" by rmmwatch rules import. To keep changes, take this file out of the folder that imports go to.",
		"Imported from "+format+" and never seen in traffic here: look at what else the host does before you act on it.")
	for _, d := range f.drafts {
		f.w.indicator(d)
	}
	f.w.tests(f.drafts, f.exact)
}

// check writes and loads the files. Entries that a file is refused for are
// quarantined, and bad is true: then the files have to be made anew.
func (s *set) check(b *builder) (bad bool, err error) {
	if len(s.list) == 0 {
		return false, nil
	}
	var sources []detect.Source
	byName := make(map[string]*toolFile)
	for _, f := range s.list {
		f.write(b.opt.Format)
		name := f.id + ".yaml"
		byName[name] = f
		sources = append(sources, detect.FromBytes(name, f.w.Bytes()))
	}
	_, err = detect.Load(sources...)
	var mistakes detect.RuleErrors
	if err == nil || !errors.As(err, &mistakes) {
		return false, err
	}
	for _, m := range mistakes {
		if f := byName[m.File]; f != nil {
			if i := f.w.entry(m.Line); i >= 0 && !b.banned[i] {
				b.quarantine(i, Gate, m.Msg)
				bad = true
			}
		}
	}
	if !bad {
		return false, fmt.Errorf("an imported file does not pass the gate: %w", err)
	}
	return true, nil
}

// files are the rule files in the order of their names.
func (s *set) files() (out []File) {
	for _, f := range s.list {
		out = append(out, File{f.id + ".yaml", f.w.Bytes()})
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return out
}
