package detect

import (
	"encoding/binary"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// UsesASN reports whether some indicator asks for the autonomous system of the
// server: only then need Fields.ServerASN be looked up.
func (rs *Ruleset) UsesASN() bool { return rs.asns != nil }

// ASNOfInterest reports whether a flow to this autonomous system is worth a call
// of Match with KindFlow, as PortOfInterest does for a port.
func (rs *Ruleset) ASNOfInterest(n uint32) bool { return rs.flowASN && rs.asns[n] }

// NeedASN returns the indicators that are lost where no database tells autonomous
// systems: those with asn beside matchers that could alert. The others only
// support what else is seen.
func (rs *Ruleset) NeedASN() (out []*Indicator) {
	if rs.asns == nil {
		return nil
	}
	for _, t := range rs.tools {
		for _, in := range t.Indicators {
			if in.Need&CondASN != 0 && in.Need&^(CondPort|CondASN) != 0 {
				out = append(out, in)
			}
		}
	}
	return out
}

// asns reads a list of numbers of autonomous systems.
func (r *fileReader) asns(n *yaml.Node) (out []uint32) {
	for _, v := range r.sequence(n, "asn", "["+clip(n.Value)+"]") {
		if asn := r.asn(v); asn != 0 {
			out = append(out, asn)
		}
	}
	return out
}

// asn reads the number of an autonomous system that may be seen in the Internet,
// or one that RFC 5398 keeps for examples.
func (r *fileReader) asn(n *yaml.Node) uint32 {
	if !r.plain(n) {
		return 0
	}
	v, err := strconv.ParseUint(n.Value, 10, 32)
	switch asn := uint32(v); {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil:
		r.fail(n, "expected the number alone, such as 64496", "asn is %s", describe(n))
	case asn == 0 || asn == 23456 || 64512 <= asn && asn <= 65535 || asn >= 4200000000:
		r.fail(n, "these are 0, 23456, 64512 to 65535 and from 4200000000", "autonomous system %d is reserved or private: it announces nothing", asn)
	default:
		return asn
	}
	return 0
}

// gateASN: an autonomous system is a hoster's or a company's, with much in it
// that is not the tool.
func (r *fileReader) gateASN(in *Indicator) {
	if in.Confidence != Low {
		r.failAt(in.at, "set confidence: low, or add another matcher", "indicator %s has only an autonomous system but confidence %s", quote(in.ID), in.Confidence)
	}
}

// systems notes the autonomous systems that an asn condition is about.
func (c *compiler) systems(in *Indicator) {
	for _, n := range in.ASN {
		if c.rs.asns == nil {
			c.rs.asns = make(map[uint32]bool)
		}
		c.rs.asns[n] = true
	}
}

// asnKey is how the index knows an autonomous system.
func asnKey(n uint32) (key [4]byte) {
	binary.BigEndian.PutUint32(key[:], n)
	return key
}
