package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Explanation is a decision in words. The words hold what is known of the use
// and what the configuration says: escape them before they are shown.
type Explanation struct {
	Decision
	Why    string
	Others []Other // the other entries that speak of the tool, in the order of the file
}

// Other is an entry that did not decide.
type Other struct {
	Entry int // for Policy.Entry
	Why   string
}

// Explain says what Decide decides, and why each entry of the tool did or did
// not.
func (p *Policy) Explain(u *Use) Explanation {
	x := Explanation{Decision: p.Decide(u)}
	list := p.of(u.Tool.ID)
	fits := p.covering(u, nil)
	var c *Contact
	if x.Contact >= 0 {
		c = &u.Contacts[x.Contact]
	}
	if len(fits) > 0 {
		judge(fits, c, c == nil || u.vendors(c))
	}
	t := time.Unix(0, u.Time)
	for _, e := range list {
		if e.index == x.Entry {
			continue
		}
		why := fmt.Sprintf("%s is malware: no entry can permit it", u.Tool.ID)
		if x.Verdict != Never {
			why = p.notBy(e, fits, u, c, t)
		}
		x.Others = append(x.Others, Other{e.index, why})
	}
	switch {
	case x.Verdict == Never:
		x.Why = fmt.Sprintf("tools of class rat are malware, or sold to criminals alone: %s is never sanctioned", u.Tool.ID)
	case x.Entry >= 0:
		for i := range fits {
			if fits[i].index == x.Entry {
				x.Why = fits[i].says(c, t)
			}
		}
	case len(list) == 0:
		x.Why = "no entry speaks of " + u.Tool.ID
	case len(fits) == 0:
		x.Why = fmt.Sprintf("no entry of %s covers %s", u.Tool.ID, u.where())
	default:
		x.Why = "what covered it has ended, and was for others"
	}
	return x
}

// notBy is why an entry did not decide.
func (p *Policy) notBy(e *entry, fits []fit, u *Use, c *Contact, t time.Time) string {
	for i := range fits {
		if fits[i].entry != e {
			continue
		}
		if j := stepsBackFor(fits, i); j >= 0 {
			return "steps back for " + fits[j].At.String() + ", which is more specific: " + fits[j].than(&fits[i])
		}
		return fits[i].says(c, t)
	}
	return "does not cover the use: " + e.missing(u)
}

// than is in what f is more specific than e.
func (f *fit) than(e *fit) string {
	var in []string
	if f.bits > e.bits {
		in = append(in, "hosts")
	}
	if len(f.VLANs) > 0 && len(e.VLANs) == 0 {
		in = append(in, "vlans")
	}
	if f.tunnel > e.tunnel {
		in = append(in, "tunnels")
	}
	if e.any && !f.any {
		in = append(in, "tool")
	}
	if len(in) == 0 {
		in = append(in, "the tenant or relay")
	}
	return "it is narrower by " + strings.Join(in, ", ")
}

// missing is what an entry does not cover of the place of a use.
func (e *entry) missing(u *Use) string {
	if len(e.Hosts) > 0 && longest(e.Hosts, u.Host.Unmap().WithZone("")) < 0 {
		return fmt.Sprintf("%s is not in hosts %s", u.Host.Unmap(), strings.Join(texts(e.Hosts, netip.Prefix.String), ", "))
	}
	if len(e.VLANs) > 0 {
		without := *e
		without.Tunnels = nil
		if _, ok := without.place(u); !ok {
			vlan := "the host is in no VLAN, and"
			if u.VLAN > 0 {
				vlan = fmt.Sprintf("VLAN %d:", u.VLAN)
			}
			return fmt.Sprintf("%s the entry is for %s", vlan, strings.Join(texts(e.VLANs, func(v uint16) string { return strconv.Itoa(int(v)) }), ", "))
		}
	}
	in := "the host is in no tunnel, and"
	if u.Tunnel > 0 {
		in = fmt.Sprintf("tunnel %s/%d:", u.Tunnel, u.TunnelID)
	}
	return fmt.Sprintf("%s the entry is for %s", in, strings.Join(texts(e.Tunnels, Tunnel.String), ", "))
}

// where is the place of a use in words.
func (u *Use) where() string {
	s := u.Host.Unmap().String()
	if u.VLAN > 0 {
		s += fmt.Sprintf(" in VLAN %d", u.VLAN)
	}
	if u.Tunnel > 0 {
		s += fmt.Sprintf(" in tunnel %s/%d", u.Tunnel, u.TunnelID)
	}
	return s
}

// says is what an entry says of a contact at a time, in words.
func (f *fit) says(c *Contact, t time.Time) string {
	var s string
	switch f.who {
	case whoAny:
		s = "it permits any tenant and relay"
	case whoUnknown:
		s = "no tenant and no relay of somebody's own was seen yet, so nothing speaks against it"
	case whoNamed:
		s = "it names " + f.named(c)
	case whoForeign:
		s = c.String() + " is none of its " + f.owners()
	}
	switch {
	case f.when == whenPassed:
		s += ", but ended with " + f.Until.String()
	case f.when == whenOutside:
		local := t.In(f.Hours.zone)
		s += fmt.Sprintf(", but %s in %s is outside %s", local.Format("Mon 15:04"), f.Hours.zone, f.Hours)
	}
	return s
}

// named is what of an entry names a contact, in words.
func (e *entry) named(c *Contact) string {
	if (&entry{Entry: Entry{Tenants: e.Tenants}}).lists(c) {
		return "tenant " + c.Tenant
	}
	for i := range e.Relays {
		if r := &e.Relays[i]; r.is(c) && r.String() != c.Name {
			return fmt.Sprintf("relay %s, as %s is one", r, c)
		}
	}
	return "relay " + c.Name
}

// owners is whom an entry names, in words.
func (e *entry) owners() string {
	var s []string
	if len(e.Tenants) > 0 {
		s = append(s, "tenants ("+strings.Join(e.Tenants, ", ")+")")
	}
	if len(e.Relays) > 0 {
		s = append(s, "relays ("+strings.Join(texts(e.Relays, Relay.String), ", ")+")")
	}
	return strings.Join(s, " and ")
}

// String names the other side by what says most.
func (c *Contact) String() string {
	switch {
	case c.Tenant != "":
		return "tenant " + c.Tenant
	case c.Name != "":
		return "relay " + c.Name
	}
	return "address " + c.Addr.Unmap().String()
}
