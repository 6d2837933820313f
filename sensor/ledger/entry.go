package ledger

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// Bounds of an entry. A tool that is used as intended has a tenant or two and a
// handful of relays; those with a relay of many, as AnyDesk, tell nothing by more.
const (
	maxVerdicts = 8
	maxTenants  = 16
	maxRelays   = 16
	maxText     = 255 // bytes of a value: the longest name in DNS has 253
)

// Host is whom an entry is about: an address, and where addresses overlap the
// network that it is in. The zero values of the rest say that they do not.
type Host struct {
	Addr     netip.Addr
	VLAN     uint16
	Tunnel   string // as decode.Tunnel writes it
	TunnelID uint32
}

// String is the address, with VLAN and tunnel where they are given.
func (h Host) String() string {
	s := h.Addr.String()
	if h.VLAN != 0 {
		s += fmt.Sprintf(" vlan %d", h.VLAN)
	}
	if h.Tunnel != "" {
		s += fmt.Sprintf(" %s %d", h.Tunnel, h.TunnelID)
	}
	return s
}

// Compare orders hosts by address, VLAN and tunnel.
func (h Host) Compare(o Host) int {
	return cmp.Or(h.Addr.Compare(o.Addr), cmp.Compare(h.VLAN, o.VLAN), cmp.Compare(h.Tunnel, o.Tunnel), cmp.Compare(h.TunnelID, o.TunnelID))
}

// clean is the one spelling of a host.
func (h Host) clean() Host {
	h.Addr = h.Addr.Unmap().WithZone("")
	h.Tunnel = text(h.Tunnel)
	return h
}

// Entry is what is known of one tool on one host.
type Entry struct {
	Host     Host
	Tool     string // id
	Class    string // of the tool, as the rules last said
	Span            // of all uses
	Up, Down uint64 // transport payload bytes, from the host and to it
	Verdicts List   // how uses were judged
	Tenants  List
	Relays   List // names and addresses of the other side

	size  int  // bytes in memory, as accounted
	dirty bool // is among Ledger.dirty
	saved bool // may be on disk
	gone  bool // was forgotten
}

// Verdict is how the latest use was judged, empty where none was.
func (e *Entry) Verdict() string {
	if list := e.Verdicts.ByTime(); len(list) > 0 {
		return list[0].Value
	}
	return ""
}

// compare orders entries by host and tool.
func compare(a, b *Entry) int { return cmp.Or(a.Host.Compare(b.Host), cmp.Compare(a.Tool, b.Tool)) }

// Span is when something was seen, in packet time.
type Span struct {
	First, Last int64 // nanoseconds
	// Days counts the UTC days. It is exact for uses up to 64 days older than the
	// latest; in older captures only days before the first are counted.
	Days   uint32
	recent uint64 // bit i: the i-th day before that of Last was seen
}

const day = 86_400e9 // nanoseconds of a UTC day

// dayOf is the number of the UTC day of a packet time.
func dayOf(t int64) int64 {
	d := t / day
	if t%day < 0 {
		d--
	}
	return d
}

// add books what was seen from first to last. Of more than 64 days at one time the
// latest and the first are counted.
func (s *Span) add(first, last int64) {
	if s.Days == 0 {
		*s = Span{First: last, Last: last, Days: 1, recent: 1}
	}
	latest, earliest := dayOf(s.Last), dayOf(s.First)
	mark := func(d int64) {
		switch ago := latest - d; {
		case ago < 0:
			s.recent = s.recent<<min(-ago, 64) | 1
			latest = d
		case ago < 64 && s.recent>>ago&1 == 0:
			s.recent |= 1 << ago
		case ago >= 64 && d < earliest:
		default:
			return
		}
		earliest = min(earliest, d)
		s.Days += b2u(s.Days < math.MaxUint32)
	}
	from := dayOf(first)
	for d := dayOf(last); d >= from && d > dayOf(last)-64; d-- {
		mark(d)
	}
	mark(from)
	s.First, s.Last = min(s.First, first), max(s.Last, last)
}

func b2u(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// valid reports whether a span that was read can have come from add.
func (s *Span) valid() bool {
	return s.Days > 0 && s.recent&1 == 1 && s.First <= s.Last && uint32(bits.OnesCount64(s.recent)) <= s.Days
}

// List is a bounded set of values.
type List struct {
	Items []Seen
	// More counts values that were given up for others: of those seen on the
	// fewest days the longest silent. One that comes back is counted again.
	More uint64
}

// Seen is a value and when it was seen.
type Seen struct {
	Value string // printable ASCII
	Span
}

// add books a value.
func (l *List) add(value string, first, last int64, limit int) {
	if value == "" {
		return
	}
	i := slices.IndexFunc(l.Items, func(s Seen) bool { return s.Value == value })
	if i < 0 {
		if len(l.Items) >= limit {
			l.giveUp()
		}
		i = len(l.Items)
		l.Items = append(l.Items, Seen{Value: strings.Clone(value)}) // the caller's may be part of something large
	}
	l.Items[i].add(first, last)
}

// giveUp makes room. What was seen on many days stays, whatever a flood of
// made-up names wants.
func (l *List) giveUp() {
	least := 0
	for i, s := range l.Items {
		if o := l.Items[least]; cmp.Or(cmp.Compare(s.Days, o.Days), cmp.Compare(s.Last, o.Last)) < 0 {
			least = i
		}
	}
	l.Items = slices.Delete(l.Items, least, least+1)
	l.More++
}

// ByUse lists the values, those of the most days first and of those the latest.
func (l *List) ByUse() []Seen {
	out := slices.Clone(l.Items)
	slices.SortFunc(out, func(a, b Seen) int {
		return cmp.Or(cmp.Compare(b.Days, a.Days), cmp.Compare(b.Last, a.Last), cmp.Compare(a.Value, b.Value))
	})
	return out
}

// ByTime lists the values, the latest first.
func (l *List) ByTime() []Seen {
	out := slices.Clone(l.Items)
	slices.SortFunc(out, func(a, b Seen) int { return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.Value, b.Value)) })
	return out
}

// text is a value as it is kept: printable ASCII of bounded length.
func text(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			s = printable.Text([]byte(s[:min(len(s), maxText)]))
			break
		}
	}
	return s[:min(len(s), maxText)]
}
