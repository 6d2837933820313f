package policy

import (
	"slices"
	"strings"
	"time"
)

// Decision is what the policy says of a use, and by what.
type Decision struct {
	Verdict Verdict
	Entry   int // number of the entry that decided, for Policy.Entry; -1 for none
	Contact int // which of the use's contacts decided; -1 where none of them says whose the remote access is
	// Provisional says that a sanctioned use has shown neither tenant nor relay yet,
	// and the entry wants certain ones: ask again when there is a contact more.
	Provisional bool
}

// who is how an entry stands to a contact.
type who uint8

const (
	whoAny     who = iota // the entry names neither tenants nor relays
	whoUnknown            // it does, and the contact says nothing about that
	whoNamed              // the entry names it
	whoForeign            // the entry names others
)

// when is how an entry stands to a time.
type when uint8

const (
	whenIn when = iota
	whenOutside
	whenPassed
)

// fit is an entry that covers the place of a use, and how.
type fit struct {
	*entry
	bits   int // of the network that holds the host; -1 where the entry names none
	tunnel int //  0 where the entry names none, 1 with any identifier, 2 with this one
	who    who
	when   when
}

// place fills a fit with how an entry covers host, VLAN and tunnel of a use.
func (e *entry) place(u *Use) (f fit, ok bool) {
	f = fit{entry: e, bits: -1}
	if len(e.Hosts) > 0 {
		if f.bits = longest(e.Hosts, u.Host.Unmap().WithZone("")); f.bits < 0 {
			return f, false
		}
	}
	if len(e.VLANs) > 0 && (u.VLAN == 0 || !slices.Contains(e.VLANs, u.VLAN)) {
		return f, false
	}
	for _, t := range e.Tunnels {
		if t.Kind == u.Tunnel && !t.AnyID && t.ID == u.TunnelID {
			f.tunnel = 2
		} else if t.Kind == u.Tunnel && t.AnyID {
			f.tunnel = max(f.tunnel, 1)
		}
	}
	return f, len(e.Tunnels) == 0 || f.tunnel > 0
}

// at is how an entry stands to a time.
func (e *entry) at(t time.Time) when {
	switch {
	case e.Until != nil && e.Until.Passed(t):
		return whenPassed
	case e.Hours != nil && !e.Hours.In(t):
		return whenOutside
	}
	return whenIn
}

// knows is how an entry stands to a contact. Tenant, name and address of a
// contact are one: it is enough that one of them is named.
func (e *entry) knows(c *Contact, vendors bool) who {
	switch {
	case !e.owner:
		return whoAny
	case e.lists(c):
		return whoNamed
	case vendors:
		return whoUnknown
	}
	return whoForeign
}

func (e *entry) lists(c *Contact) bool {
	if c.Tenant != "" {
		for _, t := range e.Tenants {
			if strings.EqualFold(t, c.Tenant) {
				return true
			}
		}
	}
	for i := range e.Relays {
		if e.Relays[i].is(c) {
			return true
		}
	}
	return false
}

// Decide says whether a use is sanctioned. Each contact that says whose remote
// access it is is judged by itself; the worst verdict is that of the use.
func (p *Policy) Decide(u *Use) Decision {
	if u.Tool.Class == "rat" {
		return Decision{Verdict: Never, Entry: -1, Contact: -1}
	}
	var buf [16]fit
	fits := p.covering(u, buf[:0])
	if len(fits) == 0 {
		return Decision{Entry: -1, Contact: -1}
	}
	out, spoke := Decision{Contact: -1}, false
	for i := range u.Contacts {
		if !u.speaks(i, fits) {
			continue
		}
		if d := judge(fits, &u.Contacts[i], u.vendors(&u.Contacts[i])); !spoke || worse(d.Verdict, out.Verdict) {
			out, spoke = d, true
			out.Contact = i
		}
	}
	if spoke {
		return out
	}
	return judge(fits, nil, true)
}

// covering appends the entries that cover the place of a use.
func (p *Policy) covering(u *Use, fits []fit) []fit {
	t := time.Unix(0, u.Time)
	for _, e := range p.of(u.Tool.ID) {
		if f, ok := e.place(u); ok {
			f.when = e.at(t)
			fits = append(fits, f)
		}
	}
	return fits
}

// speaks reports whether a contact says whose remote access it is.
func (u *Use) speaks(i int, fits []fit) bool {
	c := &u.Contacts[i]
	if *c == (Contact{Vendor: c.Vendor}) || u.Explained(c) {
		return false
	}
	if !u.vendors(c) {
		return true
	}
	for i := range fits {
		if fits[i].lists(c) {
			return true
		}
	}
	return false
}

// judge decides about one contact; nil for one that says nothing.
func judge(fits []fit, c *Contact, vendors bool) Decision {
	for i := range fits {
		switch {
		case c != nil:
			fits[i].who = fits[i].knows(c, vendors)
		case fits[i].owner:
			fits[i].who = whoUnknown
		default:
			fits[i].who = whoAny
		}
	}
	return settle(fits)
}

// settle decides among entries whose who and when are known. See docs/policy.md:
// entries step back for more specific ones; of the others the most generous
// counts.
func settle(fits []fit) Decision {
	best := -1
	for i := range fits {
		if (best < 0 || fits[i].before(&fits[best])) && stepsBackFor(fits, i) < 0 {
			best = i
		}
	}
	f := &fits[best] // it exists: what steps back for nothing is the most specific in force, or everything has ended
	v := f.stand().verdict()
	if v == Unsanctioned {
		return Decision{Entry: -1, Contact: -1}
	}
	return Decision{Verdict: v, Entry: f.index, Contact: -1, Provisional: v == Sanctioned && f.who == whoUnknown}
}

// stepsBackFor is the entry for which entry i has no say; -1 for none.
func stepsBackFor(fits []fit, i int) int {
	for j := range fits {
		if j != i && fits[j].overrides(&fits[i]) {
			return j
		}
	}
	return -1
}

// overrides reports whether f is more specific than e, and in force: narrower
// in one of host, VLAN, tunnel and tool, wider in none. At the same place an entry that
// names the tenant or relay is more specific than one that names none, and nowhere
// does it step back for one that does not name it.
func (f *fit) overrides(e *fit) bool {
	order, ok := f.narrower(e)
	switch {
	case !ok || f.when == whenPassed:
		return false
	case order > 0:
		return e.who != whoNamed || f.who == whoNamed
	}
	return f.who == whoNamed && e.who == whoAny
}

// narrower compares places: ok when f is wider than e in nothing; order is 1 when
// it is narrower in something.
func (f *fit) narrower(e *fit) (order int, ok bool) {
	for _, d := range [...]int{
		f.bits - e.bits,
		min(len(f.VLANs), 1) - min(len(e.VLANs), 1),
		f.tunnel - e.tunnel,
		number(e.any) - number(f.any),
	} {
		if d < 0 {
			return 0, false
		}
		order = max(order, min(d, 1))
	}
	return order, true
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// stand is what one entry says of a contact, the most generous first. An entry
// that is not in force only excuses whom it names: before an entry in force that names
// others, it is the reason to give, and else it is not.
type stand uint8

const (
	standSanctions stand = iota
	standNamedOutside
	standNamedPassed
	standForeign
	standOutside
	standPassed
	standNothing
)

func (f *fit) stand() stand {
	switch {
	case f.who == whoForeign && f.when == whenPassed:
		return standNothing
	case f.who == whoForeign:
		return standForeign
	case f.when == whenIn:
		return standSanctions
	case f.when == whenOutside && f.who == whoNamed:
		return standNamedOutside
	case f.when == whenOutside:
		return standOutside
	case f.who == whoNamed:
		return standNamedPassed
	}
	return standPassed
}

func (s stand) verdict() Verdict {
	return [...]Verdict{Sanctioned, OutsideHours, ExpiredException, ForeignTenant, OutsideHours, ExpiredException, Unsanctioned}[s]
}

// before orders entries that could decide: the most generous, of these the one that
// names the contact, then one that takes any, then the most specific, then the first
// of the file.
func (f *fit) before(e *fit) bool {
	if a, b := f.stand(), e.stand(); a != b {
		return a < b
	}
	if sure := [...]int{whoNamed: 3, whoAny: 2, whoUnknown: 1, whoForeign: 0}; f.who != e.who {
		return sure[f.who] > sure[e.who]
	}
	if f.bits != e.bits {
		return f.bits > e.bits
	}
	return f.index < e.index
}

// worse orders verdicts about contacts of one use.
func worse(a, b Verdict) bool {
	badness := func(v Verdict) Verdict {
		if v == Unsanctioned {
			return numVerdict
		}
		return v
	}
	return badness(a) > badness(b)
}
