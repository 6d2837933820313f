package build

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Kind is what a database tells.
type Kind uint8

const (
	Country Kind = iota // rows start,end,country
	ASN                 // rows start,end,number,organisation
)

// String is country or asn.
func (k Kind) String() string { return [...]string{"country", "asn"}[k] }

func (k Kind) columns() string {
	if k == Country {
		return "start,end,country"
	}
	return "start,end,number,organisation"
}

// Source is one list. Of addresses that two rows have, the row that comes first
// counts, in the order of sources and lines.
type Source struct {
	Name string // for messages
	Rows io.Reader
}

// Report says what became of the rows.
type Report struct {
	Rows     int // lines that are not empty and no comments
	Ranges   int // of which are in the database
	Unknown  int // that say that nothing is known
	Bad      int // that could not be read
	Overlaps int // in the database only where no earlier row has their addresses
	Problems []Problem
}

// Problem is a row that is bad or overlaps.
type Problem struct {
	Source string
	Line   int
	Text   string
}

// String is file:line: what.
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.Source, p.Line, p.Text) }

// maxProblems is how many problems of each sort are told one by one.
const maxProblems = 20

// maxLine bounds a line, in bytes.
const maxLine = 64 << 10

// Build writes the database of sources to w. built is its date, in seconds since
// 1970 and not 0. Bad rows are left out and reported; a source that cannot be read, or
// lists without one good row, are an error.
func Build(w io.Writer, kind Kind, built int64, sources ...Source) (Report, error) {
	b := builder{kind: kind, sources: sources, ids: make(map[value]uint32)}
	for i, s := range sources {
		if err := b.read(uint32(i), s); err != nil {
			return b.report, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	if len(b.rows) == 0 {
		if b.report.Bad > 0 {
			return b.report, fmt.Errorf("no row could be read; the first: %s", b.report.Problems[0])
		}
		return b.report, errors.New("no row says anything; want rows " + kind.columns())
	}
	b.overlaps()
	return b.report, b.write(w, built)
}

type builder struct {
	kind    Kind
	sources []Source
	rows    []row
	values  []value
	ids     map[value]uint32
	report  Report
}

func (b *builder) read(source uint32, s Source) error {
	lines := bufio.NewScanner(s.Rows)
	lines.Buffer(nil, maxLine)
	n := uint32(0)
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if n == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == "" || text[0] == '#' {
			continue
		}
		b.report.Rows++
		first, last, v, ok, err := parseRow(text, b.kind)
		switch {
		case err != nil:
			b.report.Bad++
			if b.report.Bad <= maxProblems {
				b.report.Problems = append(b.report.Problems, Problem{s.Name, int(n), err.Error()})
			}
		case !ok:
			b.report.Unknown++
		default:
			b.rows = append(b.rows, row{first, last, b.id(v), source, n})
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than 64 KiB: no list of address ranges", n+1)
	}
	return lines.Err()
}

// id numbers the values: many rows have one.
func (b *builder) id(v value) uint32 {
	id, ok := b.ids[v]
	if !ok {
		v.org = strings.Clone(v.org) // not the whole line
		v.country = strings.Clone(v.country)
		id = uint32(len(b.values))
		b.ids[v] = id
		b.values = append(b.values, v)
	}
	return id
}

// overlaps counts the rows that share addresses with another, each but the first
// of those that meet.
func (b *builder) overlaps() {
	b.report.Ranges = len(b.rows)
	sorted := make([]*row, len(b.rows))
	for i := range b.rows {
		sorted[i] = &b.rows[i]
	}
	slices.SortStableFunc(sorted, func(x, y *row) int { return x.first.Compare(y.first) })
	widest := sorted[0]
	for _, r := range sorted[1:] {
		if r.first.Is4() == widest.last.Is4() && !widest.last.Less(r.first) {
			b.report.Overlaps++
			early, late := widest, r
			if late.source < early.source || late.source == early.source && late.line < early.line {
				early, late = late, early
			}
			if b.report.Overlaps <= maxProblems {
				b.report.Problems = append(b.report.Problems, Problem{b.sources[late.source].Name, int(late.line),
					fmt.Sprintf("%s to %s overlaps %s:%d, which counts", late.first, late.last, b.sources[early.source].Name, early.line)})
			}
		}
		if r.first.Is4() != widest.last.Is4() || widest.last.Less(r.last) {
			widest = r
		}
	}
}

// write makes the tree: from the last row to the first, since each takes its
// addresses from those before.
func (b *builder) write(w io.Writer, built int64) error {
	titles := [...]string{"Country", "ASN"}
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		BuildEpoch:              built,
		DatabaseType:            "rmmwatch-" + titles[b.kind],
		Description:             map[string]string{"en": titles[b.kind] + " by address, made by rmmwatch geoip build"},
		DisableIPv4Aliasing:     true, // lists have rows of their own for 2001::/32 and 2002::/16
		IncludeReservedNetworks: true, // what is not routed is no mistake of a list
		RecordSize:              28,
	})
	if err != nil {
		return err
	}
	records := make([]mmdbtype.DataType, len(b.values))
	for i := range b.values {
		records[i] = b.values[i].record()
	}
	for i := len(b.rows) - 1; i >= 0; i-- {
		r := &b.rows[i]
		if err := tree.InsertRange(ip(r.first), ip(r.last), records[r.value]); err != nil {
			return fmt.Errorf("%s:%d: %w", b.sources[r.source].Name, r.line, err)
		}
	}
	_, err = tree.WriteTo(w)
	return err
}

func ip(a netip.Addr) net.IP { return a.AsSlice() }

// record is a value in the form of MaxMind's databases.
func (v *value) record() mmdbtype.DataType {
	if v.country != "" {
		return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(v.country)}}
	}
	m := mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(v.asn)}
	if v.org != "" {
		m["autonomous_system_organization"] = mmdbtype.String(v.org)
	}
	return m
}
