package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// WriteSuggestion returns proposals as YAML for the configuration, with what
// speaks for each as a comment, and what is not proposed behind it.
func WriteSuggestion(proposed, rest []Proposal) string {
	var b strings.Builder
	if len(proposed) == 0 {
		b.WriteString("# Nothing in the ledger is proposed.\n")
	} else {
		b.WriteString("# This is what was seen, not what is right: keep the entries that somebody answers for.\n# Where the configuration has sanctioned already, add them to its list.\nsanctioned:\n")
	}
	for i := range proposed {
		p := &proposed[i]
		fmt.Fprintf(&b, "  # %s\n  - tool: %s\n", p.facts(), p.Tool)
		if p.Tenant != "" {
			fmt.Fprintf(&b, "    tenants: [%s]\n", strconv.Quote(p.Tenant))
		}
		if p.Relay != "" {
			fmt.Fprintf(&b, "    relays: [%s]\n", strconv.Quote(p.Relay))
		}
		if p.Tenant == "" && p.Relay == "" {
			b.WriteString("    # no name tells whose it is: this permits every customer of the vendor on these hosts\n")
		}
		if len(p.Hosts) > 0 {
			fmt.Fprintf(&b, "    hosts: [%s]\n", quoted(p.Hosts))
		} else {
			b.WriteString("    # hosts: it is in too many networks to list; narrow it where you can\n")
		}
		if p.VLAN != 0 {
			fmt.Fprintf(&b, "    vlans: [%d]\n", p.VLAN)
		}
		if p.Tunnel != "" {
			fmt.Fprintf(&b, "    tunnels: [%s]\n", p.tunnel())
		}
		b.WriteString("    reason: proposed from the ledger, nobody has confirmed it yet\n")
	}
	if len(rest) > 0 {
		b.WriteString("# Not proposed:\n")
	}
	for i := range rest {
		p := &rest[i]
		fmt.Fprintf(&b, "#   %s: %s (%s)\n", p.name(), p.Reason, p.facts())
	}
	return b.String()
}

func (p *Proposal) tunnel() string {
	if p.TunnelID == 0 {
		return p.Tunnel
	}
	return fmt.Sprintf("%s/%d", p.Tunnel, p.TunnelID)
}

// name says what a proposal is about.
func (p *Proposal) name() string {
	s := p.Tool
	switch {
	case p.Tenant != "":
		s += " tenant " + p.Tenant
	case p.Relay != "":
		s += " relay " + p.Relay
	}
	if p.VLAN != 0 {
		s += fmt.Sprintf(" vlan %d", p.VLAN)
	}
	if p.Tunnel != "" {
		s += " " + p.tunnel()
	}
	return s
}

// facts says what was seen, on one line.
func (p *Proposal) facts() string {
	date := func(ns int64) string { return time.Unix(0, ns).UTC().Format(time.DateOnly) }
	when := date(p.Span[0])
	if last := date(p.Span[1]); last != when {
		when += " to " + last
	}
	s := fmt.Sprintf("%s, %s, %s", plural(uint64(p.Users), "host"), plural(p.HostDays, "host-day"), when)
	var judged []string
	for _, v := range p.Verdicts {
		if v.Verdict != "" {
			judged = append(judged, fmt.Sprintf("%s on %d", v.Verdict, v.Hosts))
		}
	}
	if len(judged) > 0 {
		s += "; judged " + strings.Join(judged, ", ")
	}
	return s
}

func quoted(list []string) string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if strings.Contains(s, ":") {
			s = strconv.Quote(s)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}
