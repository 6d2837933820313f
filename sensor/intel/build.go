package intel

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Options of an import.
type Options struct {
	Format     string            // the source's kind; in front of ids that are taken
	Tool       Tool              // what is set here is said instead of what the source says
	Role       string            // of entries whose source says none; control if empty
	Confidence detect.Confidence // of entries whose source says none, and at most that of others
	Beside     *detect.Ruleset   // rules that will be loaded, too: what they know is not imported again; may be nil
}

// Outcome is what became of an entry.
type Outcome string

// The outcomes, in the words of the report.
const (
	Imported    Outcome = "imported"    // at least a part of it is in a rule file
	Merged      Outcome = "merged"      // all of it is known already
	Quarantined Outcome = "quarantined" // nothing of it is used
)

// Row is what became of one entry.
type Row struct {
	Text, File string
	Line       int
	Outcome    Outcome
	Reason     Reason // why it was quarantined
	Detail     string // more about the outcome
	Tool       string // the tool whose rules have it, or would
	Indicator  string // the indicator that has it
}

// File is a rule file: its plain name and its content.
type File struct {
	Name string
	Data []byte
}

// Pack is the outcome of an import.
type Pack struct {
	Files []File // in the order of their names
	Rows  []Row  // one for each entry, in their order
}

// Count is how many entries came to an outcome.
func (p *Pack) Count(o Outcome) (n int) {
	for i := range p.Rows {
		if p.Rows[i].Outcome == o {
			n++
		}
	}
	return n
}

// part is one value of an entry, which can be imported by itself.
type part struct {
	entry  int
	in     detect.Indicator
	key    string // equal for parts that look for the same
	failed string // what the gate said
}

type builder struct {
	opt     Options
	entries []Entry
	rows    []Row
	tools   []string // of each entry
	parts   []part
	banned  []bool // entries that are quarantined
}

// Build makes rule files of entries. Each file passed the gate, its tests
// included, and so does the whole with opt.Beside. Every entry has its row.
func Build(entries []Entry, opt Options) (*Pack, error) {
	opt.Role = cmp.Or(opt.Role, defaultRole)
	b := &builder{opt: opt, entries: entries, rows: make([]Row, len(entries)), tools: make([]string, len(entries)), banned: make([]bool, len(entries))}
	for i := range entries {
		b.prepare(i)
	}
	b.gate()
	// What the gate says to a whole file it said to each part of it before, but
	// for what parts do to each other. Then entries go until it is content.
	for {
		set := b.assemble()
		bad, err := set.check(b)
		if err != nil {
			return nil, err
		}
		if !bad {
			return &Pack{Files: set.files(), Rows: b.rows}, nil
		}
	}
}

var idRE = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// prepare judges an entry by itself, as far as that needs no gate.
func (b *builder) prepare(i int) {
	e := &b.entries[i]
	t := &e.Tool
	t.ID, t.Name = cmp.Or(b.opt.Tool.ID, Slug(t.ID), Slug(t.Name), Slug(stem(e.File)), "imported"), Clean(cmp.Or(b.opt.Tool.Name, t.Name, t.ID, b.opt.Tool.ID, stem(e.File)), 200)
	t.Name = cmp.Or(t.Name, t.ID)
	t.Vendor, t.LOLRMM = Clean(t.Vendor, 200), Clean(t.LOLRMM, 200)
	t.Class = cmp.Or(b.opt.Tool.Class, t.Class, "rmm")
	if !slices.Contains(detect.Classes, t.Class) {
		t.Class = "rmm"
	}
	t.Attack = slices.DeleteFunc(slices.Clone(t.Attack), func(s string) bool { return !idRE.MatchString(s) })
	e.Note, e.Source = Clean(e.Note, 900), Clean(cmp.Or(e.Source, filepath.Base(e.File)), 200)
	b.tools[i] = t.ID
	b.rows[i] = Row{Text: e.Text, File: e.File, Line: e.Line, Tool: t.ID}
	if e.Reason == "" {
		b.judge(e)
	}
	if e.Reason != "" {
		b.quarantine(i, e.Reason, e.Detail)
		return
	}
	if e.Role == "" || !slices.Contains(detect.Roles, e.Role) {
		e.Role = b.opt.Role
	}
	e.Confidence = b.confidence(e)
	for _, in := range split(&e.Match) {
		b.parts = append(b.parts, part{entry: i, in: in, key: digest(&in)})
	}
}

// judge looks at the names of an entry.
func (b *builder) judge(e *Entry) {
	in := &e.Match
	if digest(in) == digest(&detect.Indicator{}) {
		*e = e.Quarantine(Syntax, "it says nothing to look for")
		return
	}
	for _, p := range slices.Concat(in.Domain, in.HTTP.Host, in.TLS.SAN) {
		if reason, detail := judge(e.Tool.ID, p); reason != "" && (reason != Shared || e.Role != "marketing") {
			*e = e.Quarantine(reason, "%s", detail)
			return
		}
	}
	// The vendor's own front page is what a curious colleague opens, too.
	if site := strings.TrimPrefix(e.Tool.Site, "www."); site != "" && e.Role == "" && kind(in) == kindNames &&
		!slices.ContainsFunc(in.Domain, func(p string) bool { return p != site && p != "www."+site }) {
		e.Role, e.Confidence = "marketing", detect.Low
	}
}

// confidence is that of an entry: never more than the import is trusted with,
// and low for what changes hands (addresses), many programs share
// (fingerprints) or says little (ports).
func (b *builder) confidence(e *Entry) detect.Confidence {
	in := &e.Match
	c := min(cmp.Or(e.Confidence, b.opt.Confidence), cmp.Or(b.opt.Confidence, detect.Low))
	k := kind(in)
	portOnly := k == kindOther && len(in.Port) > 0 && digest(&detect.Indicator{Port: in.Port}) == digest(in)
	addrPort := k == kindOther && len(in.IP) > 0 && digest(&detect.Indicator{Port: in.Port, IP: in.IP}) == digest(in)
	if k == kindAddrs || k == kindJA3 || k == kindJA4 || portOnly || addrPort || strings.HasPrefix(e.Source, "RECALL") {
		return detect.Low
	}
	return max(c, detect.Low)
}

func (b *builder) quarantine(i int, reason Reason, detail string) {
	b.banned[i] = true
	row := &b.rows[i]
	row.Outcome, row.Reason, row.Detail, row.Indicator = Quarantined, reason, detail, ""
}

// stem is the name of a file without folders and ending.
func stem(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// place is where an entry stands, for a sentence.
func (b *builder) place(i int) string {
	return fmt.Sprintf("%s:%d", b.entries[i].File, b.entries[i].Line)
}
