package magic

import (
	"bytes"
	"fmt"
	"math/bits"
)

type compiled struct {
	id          uint32
	at, end     int // end is that of the bytes, the length field and the token
	size        uint32
	length      Field
	token       Token
	first       bool
	value, mask []byte
}

// minFixed is how many bits of a pattern must be fixed: with less, every
// thousandth flow would match by chance.
const minFixed = 12

// Compile checks the patterns and makes a Matcher of them.
func Compile(patterns []Pattern) (*Matcher, error) {
	m := &Matcher{ends: make(map[uint32]end, len(patterns))}
	for i := range patterns {
		p := &patterns[i]
		c, err := p.compile()
		if err != nil {
			return nil, fmt.Errorf("pattern %d: %w", p.ID, err)
		}
		e := m.ends[p.ID]
		m.ends[p.ID] = end{max(e.at, c.end), e.whole || c.size != 0 || c.length.Bytes != 0}
		proto := 0
		if p.Proto == udp {
			proto = 1
		}
		for side := range m.tables[proto] {
			if p.From == FromAny || int(p.From) == side {
				m.tables[proto][side] = m.tables[proto][side].add(c)
			}
		}
	}
	return m, nil
}

func (p *Pattern) compile() (*compiled, error) {
	mask := p.Mask
	if mask == nil {
		mask = bytes.Repeat([]byte{0xff}, len(p.Value))
	}
	fixed := 0
	for _, b := range mask {
		fixed += bits.OnesCount8(b)
	}
	end := int(p.At) + len(p.Value)
	switch {
	case p.Proto != tcp && p.Proto != udp:
		return nil, fmt.Errorf("protocol %d is neither 6 (TCP) nor 17 (UDP)", p.Proto)
	case p.From > FromAny:
		return nil, fmt.Errorf("side %d is unknown", p.From)
	case len(mask) != len(p.Value):
		return nil, fmt.Errorf("the mask has %d bytes, the value %d", len(mask), len(p.Value))
	case end > MaxDepth:
		return nil, fmt.Errorf("it ends at byte %d; %d is the limit", end, MaxDepth)
	case fixed < minFixed:
		return nil, fmt.Errorf("only %d of its bits are fixed; at least %d are needed", fixed, minFixed)
	case p.First && p.Proto != tcp:
		return nil, fmt.Errorf("only a TCP connection tells who spoke first")
	}
	if err := p.reach(&end); err != nil {
		return nil, err
	}
	c := &compiled{
		id: p.ID, at: int(p.At), end: end, size: p.Size, length: p.Length, token: p.Token, first: p.First,
		mask: mask, value: make([]byte, len(p.Value)),
	}
	for i, b := range p.Value {
		c.value[i] = b & mask[i]
	}
	return c, nil
}

// reach moves end behind the length field and the token, and checks them and
// the size.
func (p *Pattern) reach(end *int) error {
	if f := p.Length; f.Bytes != 0 {
		switch {
		case f.Bytes > 4:
			return fmt.Errorf("a length of %d bytes; 4 is the limit", f.Bytes)
		case f.Shift >= 8*f.Bytes:
			return fmt.Errorf("a shift by %d leaves nothing of a length of %d bytes", f.Shift, f.Bytes)
		case p.Size != 0:
			return fmt.Errorf("it has both a size and a length")
		}
		*end = max(*end, int(f.At)+int(f.Bytes))
	}
	if p.Token.Has {
		*end = max(*end, int(p.Token.At)+4)
	}
	switch {
	case *end > MaxDepth:
		return fmt.Errorf("its length or token ends at byte %d; %d is the limit", *end, MaxDepth)
	case p.Size != 0 && int(p.Size) < *end:
		return fmt.Errorf("it ends at byte %d, beyond its size of %d", *end, p.Size)
	case p.Proto == tcp && p.Size > MaxMessage:
		return fmt.Errorf("a size of %d bytes; %d is the limit for TCP", p.Size, MaxMessage)
	}
	return nil
}

// add files a pattern under every byte that it allows at its anchor.
func (t table) add(c *compiled) table {
	anchor := c.anchor()
	i := 0
	for i < len(t) && t[i].at != c.at+anchor {
		i++
	}
	if i == len(t) {
		t = append(t, group{at: c.at + anchor, lists: make([][]*compiled, 1)})
	}
	g := &t[i]
	g.all = append(g.all, c)
	for b := range g.by {
		if byte(b)&c.mask[anchor] != c.value[anchor] {
			continue
		}
		if g.by[b] == 0 {
			g.by[b] = uint16(len(g.lists))
			g.lists = append(g.lists, nil)
		}
		n := g.by[b]
		g.lists[n] = append(g.lists[n], c)
	}
	return t
}

// anchor is the index of the first byte that is fixed whole, or else of the
// first that has fixed bits.
func (c *compiled) anchor() int {
	if i := bytes.IndexByte(c.mask, 0xff); i >= 0 {
		return i
	}
	i := 0
	for c.mask[i] == 0 {
		i++
	}
	return i
}
