package rpz

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

const (
	deny = "." // the resolver answers that the name does not exist
	pass = "rpz-passthru."

	// maxName leaves room for the zone's own name behind an owner (RFC 1035
	// section 3.1: 255 bytes for both).
	maxName = 190

	omitName = "no resolver is asked for it"
	omitLong = "with the zone's name it would be too long"
)

// zone is the names of the policy: what each owner leads to, and whose it is.
type zone struct {
	action map[string]string
	whose  map[string]string
	below  map[string]bool // domains of which everything below is denied
}

// Export writes rmmwatch.rpz, a zone file without an origin: the name server's
// configuration names the zone. The serial is the date's.
func Export(e *intel.Export) ([]intel.ExportFile, error) {
	z := zone{make(map[string]string), make(map[string]string), make(map[string]bool)}
	var all []intel.Names
	for i := range e.Tools {
		for _, in := range e.Tools[i].Chosen {
			if m := intel.Matchers(in); m == "domain" {
				all = append(all, z.add(e, &e.Tools[i], in))
			} else {
				e.OmitOther(in, m, omitName)
			}
		}
	}
	for i := range all {
		z.except(all, &all[i])
	}
	z.fill()
	var b bytes.Buffer
	fmt.Fprintf(&b, "; rmmwatch rule set %s: %d owners\n", e.Version, len(z.action))
	for _, line := range e.Summary() {
		b.WriteString("; " + line + "\n")
	}
	fmt.Fprintf(&b, "$TTL 300\n@ IN SOA localhost. hostmaster.localhost. %d 3600 900 604800 300\n@ IN NS localhost.\n", uint32(e.Date.Unix()))
	for _, owner := range z.owners() {
		fmt.Fprintf(&b, "%s CNAME %s ; %s\n", owner, z.action[owner], z.whose[owner])
	}
	return []intel.ExportFile{{Name: "rmmwatch.rpz", Data: b.Bytes()}}, nil
}

// add denies the names of in that a zone can say, and returns them.
func (z *zone) add(e *intel.Export, t *intel.ExportTool, in *detect.Indicator) intel.Names {
	n := t.Names(in)
	n.Patterns = slices.DeleteFunc(n.Patterns, func(p intel.NamePattern) bool {
		switch {
		case len(p.Text) > maxName:
			e.Omit(in, p.Text, omitLong)
		case !p.Exact() && !p.Below():
			e.Omit(in, p.Text, intel.OmitGlob)
		default:
			return false
		}
		return true
	})
	for _, p := range n.Patterns {
		z.set(p.Text, deny, in.Tool.ID+" "+in.ID)
		if p.Deep {
			z.below[p.Literal] = true
		}
	}
	return n
}

// except lets pass what n leaves out, unless others deny it.
func (z *zone) except(all []intel.Names, n *intel.Names) {
	for i := range n.Patterns {
		for _, name := range n.ExceptFor(&n.Patterns[i]) {
			if !slices.ContainsFunc(all, func(o intel.Names) bool { return denies(&o, name) }) {
				z.set(name, pass, "not to be denied")
			}
		}
	}
}

func denies(n *intel.Names, name string) bool {
	return !slices.Contains(n.Except, name) && slices.ContainsFunc(n.Patterns, func(p intel.NamePattern) bool {
		return p.Text == name || p.Deep && strings.HasSuffix(name, "."+p.Literal)
	})
}

// fill says again what a wildcard means where DNS would not let it reach: a
// wildcard answers only for names whose closest ancestor in the zone is its own
// (RFC 4592 section 3.3.1), so below any other owner, and at the names between,
// it must be repeated.
func (z *zone) fill() {
	for _, owner := range z.owners() {
		for name := strings.TrimPrefix(owner, "*."); z.covered(name); _, name, _ = strings.Cut(name, ".") {
			for _, more := range []string{name, "*." + name} {
				if z.action[more] == "" {
					z.set(more, deny, "as its parent")
				}
			}
		}
	}
}

// covered reports whether name lies below a domain of which everything is denied.
func (z *zone) covered(name string) bool {
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return false
		}
		if z.below[parent] {
			return true
		}
		name = parent
	}
}

func (z *zone) set(owner, action, whose string) {
	if z.action[owner] == "" {
		z.action[owner], z.whose[owner] = action, whose
	}
}

// owners is every name of the zone in alphabetical order.
func (z *zone) owners() []string {
	var out []string
	for owner := range z.action { // any order: sorted below
		out = append(out, owner)
	}
	slices.Sort(out)
	return out
}
