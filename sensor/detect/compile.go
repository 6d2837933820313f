package detect

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
)

// compile builds the Ruleset of tools that passed the gate by themselves.
func compile(tools []*Tool) (*Ruleset, error) {
	tools = slices.Clone(tools)
	slices.SortFunc(tools, func(a, b *Tool) int { return strings.Compare(a.ID, b.ID) })
	rs := &Ruleset{tools: tools}
	c := compiler{rs: rs, ids: make(map[string]uint32)}
	names := 0
	for _, t := range tools {
		for _, in := range t.Indicators {
			names += len(in.domains) + len(in.san) + len(in.host)
		}
	}
	c.index.added = make([]addition, 0, names+1000) // a rough guess, most are names
	for _, t := range tools {
		for _, in := range t.Indicators {
			c.indicator(in)
		}
	}
	rs.index = c.index.build()
	slices.SortFunc(rs.ipBits, func(a, b int) int { return cmp.Compare(b, a) })
	var err error
	if rs.magic, err = magic.Compile(c.patterns); err != nil {
		return nil, fmt.Errorf("payload patterns: %w", err)
	}
	if rs.imitations, err = newImitations(tools); err != nil {
		return nil, err
	}
	rs.version, err = version(tools)
	return rs, err
}

// version is a digest of the tools' content.
func version(tools []*Tool) (string, error) {
	h := sha256.New()
	sep := byte('[')
	for _, t := range tools { // one by one: together they may have megabytes
		b, err := json.Marshal(t)
		if err != nil {
			return "", fmt.Errorf("digest of the rules: %w", err)
		}
		h.Write([]byte{sep})
		h.Write(b)
		sep = ','
	}
	h.Write([]byte{']'})
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// compiler is what is needed only while a Ruleset is built.
type compiler struct {
	rs       *Ruleset
	index    indexBuilder
	patterns []magic.Pattern
	ids      map[string]uint32 // by content: the same bytes are searched for once
}

// indicator enters in wherever a message can lead to it. For each kind of
// message it needs only one such way, the rarest, because the other conditions
// on the same message are then looked at directly.
func (c *compiler) indicator(in *Indicator) {
	c.names(in, in.domains, CondDomain)
	for i := range in.magic {
		id := c.pattern(in.magic[i])
		c.rs.payload[id] = append(c.rs.payload[id], ref{in: in, cond: condPayload << i})
	}
	c.hello(in)
	c.addresses(in)
	c.systems(in)
	switch {
	case in.Need&(CondSubject|CondIssuer) != 0:
		c.rs.certs = append(c.rs.certs, ref{in: in})
	case in.Need&CondSAN != 0:
		c.names(in, in.san, CondSAN)
		c.rs.sanRules = true
	}
	switch {
	case in.Need&CondHost != 0:
		c.names(in, in.host, CondHost)
	case in.Need&condsHTTP != 0:
		c.rs.requests.enter(in)
	}
	if in.Need&^condsFlow == 0 {
		c.flow(in)
	}
}

func (c *compiler) names(in *Indicator, ps []pattern, cond Conds) {
	for i := range ps {
		c.index.add(spaceName, ps[i].literal, ref{in, &ps[i], int32(i), cond})
	}
}

// pattern returns the id of m, which equal patterns share.
func (c *compiler) pattern(m magic.Pattern) uint32 {
	content := fmt.Sprint(m.Proto, m.From, m.At, m.Size, m.Value, m.Mask, m.Length, m.First, m.Token)
	id, ok := c.ids[content]
	if !ok {
		id = uint32(len(c.patterns))
		c.ids[content] = id
		m.ID = id
		c.patterns = append(c.patterns, m)
		c.rs.payload = append(c.rs.payload, nil)
	}
	return id
}

func (c *compiler) hello(in *Indicator) {
	for _, v := range in.TLS.JA4 {
		c.rs.ja4 = true
		c.index.add(spaceJA4a, v[:10], ref{in: in})
	}
	c.rs.ja3 = c.rs.ja3 || len(in.TLS.JA3) > 0
	switch {
	case len(in.TLS.JA4) > 0:
		for _, v := range in.TLS.JA4 {
			c.index.add(spaceJA4, v, ref{in: in, cond: CondJA4})
		}
	case len(in.TLS.JA3) > 0:
		for _, v := range in.TLS.JA3 {
			c.index.add(spaceJA3, v, ref{in: in, cond: CondJA3})
		}
	case len(in.TLS.ALPN) > 0:
		globs := false
		for i, v := range in.TLS.ALPN {
			if in.alpn[i].fixed() == len(v) {
				c.index.add(spaceALPN, v, ref{in: in, cond: CondALPN})
			} else {
				globs = true
			}
		}
		if globs {
			c.rs.alpnGlobs = append(c.rs.alpnGlobs, ref{in: in})
		}
	case in.TLS.NoSNI:
		c.rs.noSNI = append(c.rs.noSNI, ref{in: in})
	}
}

// addresses notes the first 16 bits of the addresses that an ip condition is
// about.
func (c *compiler) addresses(in *Indicator) {
	for _, p := range in.IP {
		m := &c.rs.addrMap[1]
		if p.Addr().Is4() {
			m = &c.rs.addrMap[0]
		}
		b := p.Masked().Addr().AsSlice()
		lo := int(b[0])<<8 | int(b[1])
		for i := lo; i < lo+1<<max(16-p.Bits(), 0); i++ {
			m[i>>6] |= 1 << (i & 63)
		}
	}
}

// flow enters an indicator of nothing but addresses and ports.
func (c *compiler) flow(in *Indicator) {
	if len(in.IP) == 0 && len(in.ASN) > 0 {
		c.rs.flowASN = true
		for _, n := range in.ASN {
			key := asnKey(n)
			c.index.add(spaceASN, string(key[:]), ref{in: in, cond: CondASN})
		}
		return
	}
	if len(in.IP) == 0 {
		c.rs.ports = append(c.rs.ports, ref{in: in})
		for _, r := range in.Port {
			m := &c.rs.portMap[0]
			if r.Proto == protoUDP {
				m = &c.rs.portMap[1]
			}
			for p := int(r.Lo); p <= int(r.Hi); p++ {
				m[p>>6] |= 1 << (p & 63)
			}
		}
		return
	}
	c.rs.flowIP = true
	for _, p := range in.IP {
		p, _ = widen(p.Addr(), wideBits(p))
		if !slices.Contains(c.rs.ipBits, p.Bits()) {
			c.rs.ipBits = append(c.rs.ipBits, p.Bits())
		}
		key := ipKey(p)
		c.index.add(spaceIP, string(key[:]), ref{in: in, cond: CondIP})
	}
}

// widen is the prefix of n bits around addr, with IPv4 in its IPv4-mapped
// form, so that one table holds both families.
func widen(addr netip.Addr, n int) (netip.Prefix, bool) {
	p, err := netip.AddrFrom16(addr.As16()).Prefix(n)
	return p, err == nil
}

func wideBits(p netip.Prefix) int {
	if p.Addr().Is4() {
		return p.Bits() + 96
	}
	return p.Bits()
}

// ipKey is how the index knows a prefix made by widen.
func ipKey(p netip.Prefix) (key [17]byte) {
	a := p.Addr().As16()
	copy(key[:], a[:])
	key[16] = byte(p.Bits())
	return key
}
