package policy

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// Position is a place in the configuration, counted from 1.
type Position struct {
	File      string
	Line, Col int
}

// String is file:line:column.
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// AnyTool, as the one tool of an entry, stands for all of them.
const AnyTool = "*"

// Entry is one permission, as the configuration has it. What is empty does not
// narrow it.
type Entry struct {
	At      Position
	Tools   []ToolRef // at least one
	Tenants []string  // in lower case
	Relays  []Relay
	Hosts   []netip.Prefix
	VLANs   []uint16
	Tunnels []Tunnel
	Hours   *Hours // nil: always
	Until   *Until // nil: without end
	Reason  string
}

// ToolRef names a tool.
type ToolRef struct {
	ID string // of a rule, or AnyTool
	At Position
}

// Tunnel is an encapsulation that hosts are in, with any identifier or with one.
type Tunnel struct {
	Kind  decode.Tunnel
	ID    uint32
	AnyID bool
}

// ParseTunnel reads a tunnel such as vxlan/5000, or vxlan for any identifier.
func ParseTunnel(s string) (Tunnel, error) {
	name, id, numbered := strings.Cut(s, "/")
	var names []string
	for k := decode.TunnelNone + 1; k < decode.NumTunnel; k++ {
		if names = append(names, k.String()); k.String() != name {
			continue
		}
		if !numbered {
			return Tunnel{Kind: k, AnyID: true}, nil
		}
		v, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return Tunnel{}, fmt.Errorf("%q is no identifier of a tunnel: a whole number up to 4294967295", id)
		}
		return Tunnel{Kind: k, ID: uint32(v)}, nil
	}
	return Tunnel{}, fmt.Errorf("%q is no tunnel such as vxlan/5000; known are %s", s, strings.Join(names, ", "))
}

// String is what ParseTunnel reads.
func (t Tunnel) String() string {
	if t.AnyID {
		return t.Kind.String()
	}
	return fmt.Sprintf("%s/%d", t.Kind, t.ID)
}

// Relay is the other side of remote access: a name, all names below one, or a
// network.
type Relay struct {
	Name  string // in lower case; "" for a network
	Below bool   // not Name itself, but everything below it
	Net   netip.Prefix
}

var relayName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// ParseRelay reads a relay: help.corp.example, *.help.corp.example, an address
// or a network.
func ParseRelay(s string) (Relay, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return Relay{Net: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		if p != p.Masked() {
			return Relay{}, fmt.Errorf("%s has bits set beyond its length; did you mean %s?", s, p.Masked())
		}
		return Relay{Net: unmap(p)}, nil
	}
	name, below := strings.CutPrefix(strings.ToLower(strings.TrimSuffix(s, ".")), "*.")
	if last := name[strings.LastIndexByte(name, '.')+1:]; len(name) > 253 || !relayName.MatchString(name) || strings.Trim(last, "0123456789") == "" {
		return Relay{}, fmt.Errorf("%q is no relay: write a name (help.corp.example, *.help.corp.example), an address or a network, without port and path", s)
	}
	return Relay{Name: name, Below: below}, nil
}

// String is what ParseRelay reads.
func (r Relay) String() string {
	switch {
	case r.Name == "" && r.Net.IsSingleIP():
		return r.Net.Addr().String()
	case r.Name == "":
		return r.Net.String()
	case r.Below:
		return "*." + r.Name
	}
	return r.Name
}

// is reports whether a contact is this relay.
func (r *Relay) is(c *Contact) bool {
	if r.Name == "" {
		return c.Addr.IsValid() && r.Net.Contains(c.Addr.Unmap().WithZone(""))
	}
	name := trimDot(c.Name)
	if r.Below {
		return below(name, r.Name) && len(name) > len(r.Name)
	}
	return strings.EqualFold(name, r.Name)
}

// below reports whether a name is a domain or lies below it.
func below(name, domain string) bool {
	n := len(name) - len(domain)
	return n >= 0 && strings.EqualFold(name[n:], domain) && (n == 0 || name[n-1] == '.')
}

// unmap makes an IPv4 network of an IPv4-mapped one: hosts are compared
// unmapped.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// String is the entry on one line, without its place and reason. It holds what
// the configuration says, which may be anything.
func (e *Entry) String() string {
	var b strings.Builder
	add := func(key string, values ...string) {
		if len(values) > 0 {
			if b.Len() > 0 {
				b.WriteString("; ")
			}
			b.WriteString(key + " " + strings.Join(values, ", "))
		}
	}
	add("tool", texts(e.Tools, func(t ToolRef) string { return t.ID })...)
	add("tenants", e.Tenants...)
	add("relays", texts(e.Relays, Relay.String)...)
	add("hosts", texts(e.Hosts, netip.Prefix.String)...)
	add("vlans", texts(e.VLANs, func(v uint16) string { return strconv.Itoa(int(v)) })...)
	add("tunnels", texts(e.Tunnels, Tunnel.String)...)
	if e.Hours != nil {
		add("hours", e.Hours.String())
	}
	if e.Until != nil {
		add("until", e.Until.String())
	}
	return b.String()
}

func texts[T any](values []T, text func(T) string) (out []string) {
	for _, v := range values {
		out = append(out, text(v))
	}
	return out
}
