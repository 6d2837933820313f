package detect

import (
	"fmt"

	"github.com/rmmwatch/rmmwatch/sensor/lookalike"
)

// Imitation is a name that imitates a brand of a tool and is no name of any
// tool.
type Imitation struct {
	// Indicator stands for the technique: its id is the technique's name, and its Tool
	// one that stands for all imitations of the tool.
	Indicator *Indicator
	Brand     string // as in the rule file
	Domain    string // what was registered; it may hold any byte
}

// imitations is what a Ruleset knows of names that are not its tools'.
type imitations struct {
	names      *lookalike.Matcher
	indicators [][lookalike.Techniques]*Indicator // by tool
}

// newImitations compiles the brands of tools, and the owned domains of all.
func newImitations(tools []*Tool) (im imitations, err error) {
	var brands []lookalike.Brand
	var owned []string
	for i, t := range tools {
		for _, b := range t.Brands {
			brands = append(brands, lookalike.Brand{Word: b, ID: i})
		}
		owned = append(owned, t.Owned...)
		im.indicators = append(im.indicators, imitationsOf(t))
	}
	if im.names, err = lookalike.New(brands, owned); err != nil {
		return im, fmt.Errorf("brands: %w", err)
	}
	return im, nil
}

// imitationsOf makes the indicators of names that imitate t.
func imitationsOf(t *Tool) (list [lookalike.Techniques]*Indicator) {
	of := &Tool{
		ID: t.ID, Name: "look-alike of " + t.Name, Vendor: t.Vendor, Class: t.Class, Imitated: t,
		Attack: []string{"T1583.001"}, // Acquire Infrastructure: Domains
		Guidance: "The domain is not the vendor's. See what was downloaded from it or typed into it, and where the link came from; " +
			"look for a remote-access program that was installed since. A server of your own belongs under home_domains in the configuration.",
		Plain: "The name looks like that of " + t.Name + " and belongs to somebody else. Such pages hand out altered programs or ask for passwords.",
		File:  t.File, at: t.at,
	}
	for i := range list {
		how := lookalike.Technique(i)
		confidence := Medium
		if how.Sure() {
			confidence = High
		}
		list[i] = &Indicator{Tool: of, ID: how.String(), Confidence: confidence, Domain: t.Brands, Need: CondDomain, at: t.at}
	}
	of.Indicators = list[:]
	return list
}

// Imitation reports how name, as on the wire, imitates a tool. A name that an
// indicator of any tool is about imitates none, nor does one below an owned
// domain. What is no imitation allocates nothing.
func (rs *Ruleset) Imitation(name []byte, seen *lookalike.Seen) (im Imitation, ok bool) {
	f, ok := rs.imitations.names.Find(name, seen)
	if !ok || rs.names(name) {
		return Imitation{}, false
	}
	return Imitation{
		Indicator: rs.imitations.indicators[f.Brand.ID][f.Technique], Brand: f.Brand.Word, Domain: f.Domain,
	}, true
}

// names reports whether a domain pattern of an indicator matches name.
func (rs *Ruleset) names(name []byte) bool {
	var found [maxLabels]suffix
	n := rs.index.suffixes(name, &found)
	var buf [maxName]byte
	low := lowerName(name, &buf)
	if low == nil {
		return false
	}
	for _, s := range found[:n] {
		for _, r := range rs.index.find(s.hash, spaceName, low[s.cut:]) {
			if r.cond != CondDomain {
				continue
			}
			if _, _, ok := r.pattern.matchLeft(low[:max(s.cut-1, 0)]); ok {
				return true
			}
		}
	}
	return false
}
