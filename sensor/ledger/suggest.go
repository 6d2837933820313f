package ledger

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// SuggestConfig says what Suggest may propose.
type SuggestConfig struct {
	// Tool returns the class of a tool and the domains of its vendor, and false for
	// one that the rules do not know: the configuration could not name it.
	Tool func(id string) (class string, owned []string, ok bool)
	// MinDays and MinHosts are how many UTC days and hosts a proposal needs.
	MinDays, MinHosts int
}

// Bounds of what is proposed: a person reads it, and decides.
const (
	maxProposals = 20 // of a tool
	maxListed    = 8  // hosts, or networks, that an entry lists
)

// Proposal is an entry for sanctioned: a tool, with one tenant or relay, or with
// neither where no name tells whose it is, on the hosts where it was seen.
type Proposal struct {
	Tool          string
	Tenant, Relay string   // at most one of them
	Hosts         []string // addresses, or networks of them; empty for everywhere
	VLAN          uint16
	Tunnel        string
	TunnelID      uint32

	Users    int // hosts
	HostDays uint64
	Days     uint32 // at least so many
	Span     [2]int64
	Verdicts []VerdictCount // by name
	Reason   string         // why it is not proposed; empty for one that is
}

// VerdictCount is on how many hosts the latest use was judged so.
type VerdictCount struct {
	Verdict string // empty for not judged
	Hosts   int
}

// candidate is what may become a proposal.
type candidate struct {
	tool, tenant, relay string
	vlan                uint16
	tunnel              string
	tunnelID            uint32
}

type gathered struct {
	Proposal
	class    string
	addrs    []netip.Addr
	verdicts map[string]int
}

// Suggest proposes entries from what was seen, those of the most hosts and of
// those the most days first, and lists what it does not propose with the reason.
// What was seen is not what is right: a person has to know it.
func Suggest(entries []Entry, cfg SuggestConfig) (proposed, rest []Proposal) {
	for _, g := range gather(entries, cfg) {
		g.finish(cfg)
		if g.Reason == "" {
			proposed = append(proposed, g.Proposal)
		} else {
			rest = append(rest, g.Proposal)
		}
	}
	order(proposed)
	order(rest)
	perTool := map[string]int{}
	kept := proposed[:0]
	for _, p := range proposed {
		if perTool[p.Tool]++; perTool[p.Tool] > maxProposals {
			p.Reason = fmt.Sprintf("%d of this tool are proposed already", maxProposals)
			rest = append(rest, p)
			continue
		}
		kept = append(kept, p)
	}
	return kept, rest
}

func order(list []Proposal) {
	slices.SortStableFunc(list, func(a, b Proposal) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(b.HostDays, a.HostDays), cmp.Compare(a.Tool, b.Tool))
	})
}

// gather brings entries together by tenant or relay, in an order of its own.
func gather(entries []Entry, cfg SuggestConfig) []*gathered {
	all := map[candidate]*gathered{}
	var keys []candidate
	book := func(e *Entry, tenant, relay string, s *Span) {
		k := candidate{e.Tool, tenant, relay, e.Host.VLAN, e.Host.Tunnel, e.Host.TunnelID}
		g := all[k]
		if g == nil {
			g = &gathered{class: e.Class, verdicts: map[string]int{}}
			g.Proposal = Proposal{Tool: k.tool, Tenant: tenant, Relay: relay, VLAN: k.vlan, Tunnel: k.tunnel, TunnelID: k.tunnelID, Span: [2]int64{math.MaxInt64, math.MinInt64}}
			all[k], keys = g, append(keys, k)
		}
		g.addrs = append(g.addrs, e.Host.Addr)
		g.HostDays += uint64(s.Days)
		g.Days = max(g.Days, s.Days)
		g.Span = [2]int64{min(g.Span[0], s.First), max(g.Span[1], s.Last)}
		g.verdicts[e.Verdict()]++
	}
	for i := range entries {
		e := &entries[i]
		_, owned, _ := cfg.Tool(e.Tool)
		named := false
		for _, s := range e.Tenants.Items {
			book(e, s.Value, "", &s.Span)
			named = true
		}
		for _, s := range e.Relays.Items {
			if !vendors(s.Value, owned) { // the vendor's says nothing about whose it is
				book(e, "", s.Value, &s.Span)
				named = true
			}
		}
		if !named {
			book(e, "", "", &e.Span)
		}
	}
	out := make([]*gathered, 0, len(keys))
	for _, k := range keys {
		out = append(out, all[k])
	}
	return out
}

// vendors reports whether a name is at or below one of the vendor's domains.
func vendors(name string, owned []string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(owned, func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) })
}

// finish decides whether what was gathered is proposed.
func (g *gathered) finish(cfg SuggestConfig) {
	slices.SortFunc(g.addrs, netip.Addr.Compare)
	g.addrs = slices.Compact(g.addrs)
	g.Users = len(g.addrs)
	if dayOf(g.Span[0]) != dayOf(g.Span[1]) {
		g.Days = max(g.Days, 2) // on different hosts
	}
	for v, n := range g.verdicts { // any order: sorted below
		g.Verdicts = append(g.Verdicts, VerdictCount{v, n})
	}
	slices.SortFunc(g.Verdicts, func(a, b VerdictCount) int { return cmp.Compare(a.Verdict, b.Verdict) })
	var few bool
	g.Hosts, few = places(g.addrs)
	g.Reason = g.reason(cfg, few)
}

func (g *gathered) reason(cfg SuggestConfig, few bool) string {
	class, _, known := cfg.Tool(g.Tool)
	switch {
	case class == "rat" || g.class == "rat" || g.verdicts["never"] > 0:
		return "malware, and tools that only criminals buy, are never sanctioned"
	case !known:
		return "no rule knows this tool any more"
	case g.verdicts["foreign-tenant"] > 0:
		return "it was judged foreign-tenant: find out whose it is first"
	case g.verdicts["sanctioned"] == len(g.addrs):
		return "it is sanctioned already"
	case g.HostDays < 2:
		return "it was seen once"
	case int(g.Days) < cfg.MinDays:
		return fmt.Sprintf("it was seen on %s only", plural(uint64(g.Days), "day"))
	case g.Users < cfg.MinHosts:
		return fmt.Sprintf("it was seen on %s only", plural(uint64(g.Users), "host"))
	case g.Tenant != "" && !tenantRE.MatchString(g.Tenant), g.Relay != "" && !relay(g.Relay), !tunnelRE.MatchString(g.Tunnel):
		return "its name is no name that an entry can hold"
	case g.Tenant == "" && g.Relay == "" && !few:
		return "nothing tells whose it is, and it is in too many networks to list: decide who may use it"
	}
	return ""
}

var (
	// tenantRE is what labels of names hold, and nothing that means more in an entry.
	tenantRE = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	tunnelRE = regexp.MustCompile(`^[a-z0-9]*$`)
	relayRE  = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
)

// relay reports whether a value is a name or an address without anything else.
func relay(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == "" || len(s) <= 253 && relayRE.MatchString(s)
}

// places lists the hosts, or the smallest networks of a usual size that are few
// enough. Where there are none it returns false.
func places(addrs []netip.Addr) ([]string, bool) {
	for _, bits := range [][2]int{{32, 128}, {24, 64}, {16, 48}} {
		var out []string
		for _, a := range addrs {
			n := bits[0]
			if a.Is6() {
				n = bits[1]
			}
			p, err := a.Prefix(n)
			if err != nil {
				continue
			}
			s := p.String()
			if p.IsSingleIP() {
				s = a.String()
			}
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
			if len(out) > maxListed {
				break
			}
		}
		if len(out) <= maxListed {
			return out, true
		}
	}
	return nil, false
}

func plural(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
