package policy

import (
	"net/netip"
	"slices"
	"time"
)

// maxCells bounds how many combinations a comparison looks at: a second's
// work for a configuration that nobody would write.
const maxCells = 200_000

// comparison tells whether an entry changes any verdict about a tool. It
// looks at one use of each sort that the tool's entries can tell apart: places, contacts
// and times at which the same entries stand the same.
type comparison struct {
	entry *entry
	list  []*entry // of the tool, entry among them
	at    time.Time
	by    []*entry // what decides where the entry would
	over  bool     // there were more than maxCells

	hosts   []netip.Addr
	vlans   []uint16
	tunnels []Tunnel
}

// affordable gathers places, and reports whether they are few enough.
func (c *comparison) affordable() bool {
	c.vlans, c.tunnels = []uint16{0}, []Tunnel{{}}
	c.hosts = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	for _, e := range c.list {
		for _, p := range e.Hosts {
			// Where a network is not covered by those within it, what is left begins with it
			// or behind one of them.
			c.hosts = append(c.hosts, p.Addr())
			if next := last(p).Next(); next.IsValid() {
				c.hosts = append(c.hosts, next)
			}
		}
		c.vlans = append(c.vlans, e.VLANs...)
		for _, t := range e.Tunnels {
			c.tunnels = append(c.tunnels, t)
			if t.AnyID {
				c.tunnels = append(c.tunnels, c.unnamed(t))
			}
		}
	}
	c.hosts = slices.DeleteFunc(unique(c.hosts), func(a netip.Addr) bool { return len(c.entry.Hosts) > 0 && longest(c.entry.Hosts, a) < 0 })
	c.vlans, c.tunnels = unique(c.vlans), unique(c.tunnels)
	c.over = len(c.hosts)*len(c.vlans)*len(c.tunnels)*len(c.list) > maxCells
	return !c.over
}

// unnamed is a tunnel of the same kind with an identifier that no entry names.
func (c *comparison) unnamed(t Tunnel) Tunnel {
	for id := uint32(0); ; id++ {
		named := slices.ContainsFunc(c.list, func(e *entry) bool {
			return slices.ContainsFunc(e.Tunnels, func(o Tunnel) bool { return o.Kind == t.Kind && !o.AnyID && o.ID == id })
		})
		if !named {
			return Tunnel{Kind: t.Kind, ID: id}
		}
	}
}

// last is the last address of a network.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func unique[T comparable](values []T) (out []T) {
	seen := map[T]bool{}
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// same reports whether every verdict is the same without the entry.
func (c *comparison) same() bool {
	whos, whens := c.whos(), c.whens()
	cells := 0
	for _, fits := range c.places() {
		self := slices.IndexFunc(fits, func(f fit) bool { return f.entry == c.entry })
		for _, who := range whos {
			for _, when := range whens {
				if cells += len(fits); cells > maxCells*10 {
					c.over = true
					return false
				}
				for i := range fits {
					at := slices.Index(c.list, fits[i].entry)
					fits[i].who, fits[i].when = who[at], when[at]
				}
				without := slices.Delete(slices.Clone(fits), self, self+1)
				if len(without) == 0 {
					return false
				}
				with, d := settle(fits), settle(without)
				if with.Verdict != d.Verdict {
					return false
				}
				if with.Entry == c.entry.index && d.Entry >= 0 {
					by := without[slices.IndexFunc(without, func(f fit) bool { return f.index == d.Entry })].entry
					if !slices.Contains(c.by, by) {
						c.by = append(c.by, by)
					}
				}
			}
		}
	}
	if len(c.by) == 0 { // it never decides: name what covers it
		c.by = slices.DeleteFunc(slices.Clone(c.list), func(o *entry) bool { return o == c.entry })
	}
	return true
}

// places are the sorts of places that the entry covers, as the entries that
// cover them.
func (c *comparison) places() (out [][]fit) {
	seen := map[string]bool{}
	for _, host := range c.hosts {
		for _, vlan := range c.vlans {
			for _, tunnel := range c.tunnels {
				u := Use{Host: host, VLAN: vlan, Tunnel: tunnel.Kind, TunnelID: tunnel.ID}
				var fits []fit
				var sign []byte
				for i, e := range c.list {
					if f, ok := e.place(&u); ok {
						fits = append(fits, f)
						sign = append(sign, byte(i), byte(i>>8), byte(f.bits), byte(f.tunnel))
					}
				}
				if seen[string(sign)] || !slices.ContainsFunc(fits, func(f fit) bool { return f.entry == c.entry }) {
					continue
				}
				seen[string(sign)] = true
				out = append(out, fits)
			}
		}
	}
	return out
}

// whos are the ways in which the entries can stand to a contact: one they name,
// a stranger, and one that says nothing.
func (c *comparison) whos() (out [][]who) {
	contacts := []Contact{{Tenant: "?"}}
	for _, e := range c.list {
		for _, t := range e.Tenants {
			contacts = append(contacts, Contact{Tenant: t})
		}
		for _, r := range e.Relays {
			switch {
			case r.Name == "":
				contacts = append(contacts, Contact{Addr: r.Net.Addr()}, Contact{Addr: last(r.Net).Next()})
			case r.Below:
				contacts = append(contacts, Contact{Name: "?." + r.Name}, Contact{Name: "?.?." + r.Name})
			default:
				contacts = append(contacts, Contact{Name: r.Name})
			}
		}
	}
	seen := map[string]bool{}
	for i := -1; i < len(contacts); i++ {
		row := make([]who, len(c.list))
		var sign []byte
		for j, e := range c.list {
			switch {
			case i >= 0:
				row[j] = e.knows(&contacts[i], false)
			case e.owner:
				row[j] = whoUnknown
			}
			sign = append(sign, byte(row[j]))
		}
		if !seen[string(sign)] {
			seen[string(sign)] = true
			out = append(out, row)
		}
	}
	return out
}

// whens are the ways in which the entries can stand to a time from now on. Hours
// are tried through two weeks half a year apart, with summer time and without.
func (c *comparison) whens() (out [][]when) {
	hours := [][]bool{make([]bool, len(c.list))}
	if slices.ContainsFunc(c.list, func(e *entry) bool { return e.Hours != nil }) {
		hours = c.weeks()
	}
	ends := []*Until{nil}
	for _, e := range c.list {
		if e.Until != nil && !e.Until.Passed(c.at) {
			ends = append(ends, e.Until)
		}
	}
	for _, end := range ends {
		t := c.at
		if end != nil {
			t = time.Date(end.year, end.month, end.day+1, 12, 0, 0, 0, end.zone) // noon: whatever is done to the clocks, the day is over
		}
		for _, outside := range hours {
			row := make([]when, len(c.list))
			for i, e := range c.list {
				switch {
				case e.Until != nil && (e.Until.Passed(t) || end != nil && e.Until.String() == end.String()):
					row[i] = whenPassed
				case outside[i]:
					row[i] = whenOutside
				}
			}
			out = append(out, row)
		}
	}
	return out
}

// weeks are the ways in which entries can be outside their hours together.
func (c *comparison) weeks() (out [][]bool) {
	zones := map[*time.Location]int{}
	for _, e := range c.list {
		if e.Hours != nil {
			zones[e.Hours.zone] = 0
		}
	}
	seen, sign := map[string]bool{}, make([]byte, len(c.list))
	for _, from := range []time.Time{c.at, c.at.AddDate(0, 0, 26*7)} {
		from = from.Truncate(time.Minute)
		for m := range minutesWeek {
			t := from.Add(time.Duration(m) * time.Minute)
			for z := range zones { // any order: each is set by itself
				zones[z] = minuteOf(t, z)
			}
			for i, e := range c.list {
				sign[i] = '0'
				if e.Hours != nil && !e.Hours.has(zones[e.Hours.zone]) {
					sign[i] = '1'
				}
			}
			if seen[string(sign)] {
				continue
			}
			seen[string(sign)] = true
			row := make([]bool, len(sign))
			for i := range sign {
				row[i] = sign[i] == '1'
			}
			out = append(out, row)
		}
	}
	return out
}
