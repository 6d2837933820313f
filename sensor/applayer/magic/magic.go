package magic

import (
	"fmt"
	"math/bits"
)

// Side is who sends the bytes.
type Side uint8

const (
	FromClient Side = iota // the side that opened the flow
	FromServer
	FromAny
)

// MaxDepth is where a pattern must end at the latest, in bytes from the start:
// what shows a protocol stands in its first message's header, and every byte
// of depth is one that a flow without any hit must be remembered for.
const MaxDepth = 254

// Protocols a pattern can be for, as IP numbers them.
const (
	tcp = 6
	udp = 17
)

// Pattern is bytes that must stand at one offset.
type Pattern struct {
	ID    uint32 // what Match reports; any number
	Proto uint8  // 6 for TCP, 17 for UDP
	From  Side
	At    uint16 // offset from the first byte of the direction, or of the datagram
	Value []byte
	Mask  []byte // as long as Value: the bits that count; nil for all
	Size  uint32 // UDP only: the exact length of the datagram's payload, 0 for any
}

// Matcher is a compiled set of patterns. It is immutable; any number of
// goroutines may use it.
type Matcher struct {
	tables [2][2]table // by protocol (TCP, UDP) and side (client, server)
	ends   map[uint32]int
}

// table holds the patterns for one protocol and side, by what their first byte
// allows: a payload whose first byte no pattern starts with costs one look-up.
type table struct {
	first [256]list // patterns at offset 0, by first byte
	other list      // patterns at an offset
}

type list []*compiled

type compiled struct {
	id          uint32
	at, end     int
	size        uint32
	value, mask []byte
}

// minFixed is how many bits of a pattern must be fixed: with less, every
// thousandth flow would match by chance.
const minFixed = 12

// Compile checks the patterns and makes a Matcher of them.
func Compile(patterns []Pattern) (*Matcher, error) {
	m := &Matcher{ends: make(map[uint32]int, len(patterns))}
	for i := range patterns {
		p := &patterns[i]
		c, err := p.compile()
		if err != nil {
			return nil, err
		}
		m.ends[p.ID] = max(m.ends[p.ID], c.end)
		proto := 0
		if p.Proto == udp {
			proto = 1
		}
		for side := range m.tables[proto] {
			if p.From == FromAny || int(p.From) == side {
				m.tables[proto][side].add(c)
			}
		}
	}
	return m, nil
}

func (p *Pattern) compile() (*compiled, error) {
	end := int(p.At) + len(p.Value)
	mask := p.Mask
	if mask == nil {
		mask = make([]byte, len(p.Value))
		for i := range mask {
			mask[i] = 0xff
		}
	}
	fixed := 0
	for _, b := range mask {
		fixed += bits.OnesCount8(b)
	}
	switch {
	case p.Proto != tcp && p.Proto != udp:
		return nil, fmt.Errorf("pattern %d: protocol %d is neither 6 (TCP) nor 17 (UDP)", p.ID, p.Proto)
	case p.From > FromAny:
		return nil, fmt.Errorf("pattern %d: side %d is unknown", p.ID, p.From)
	case len(mask) != len(p.Value):
		return nil, fmt.Errorf("pattern %d: the mask has %d bytes, the value %d", p.ID, len(mask), len(p.Value))
	case end > MaxDepth:
		return nil, fmt.Errorf("pattern %d: it ends at byte %d; %d is the limit", p.ID, end, MaxDepth)
	case fixed < minFixed:
		return nil, fmt.Errorf("pattern %d: only %d of its bits are fixed; at least %d are needed", p.ID, fixed, minFixed)
	case p.Size != 0 && p.Proto == tcp:
		return nil, fmt.Errorf("pattern %d: TCP has no message size", p.ID)
	case p.Size != 0 && int(p.Size) < end:
		return nil, fmt.Errorf("pattern %d: it ends at byte %d, beyond its size of %d", p.ID, end, p.Size)
	}
	c := &compiled{id: p.ID, at: int(p.At), end: end, size: p.Size, mask: mask, value: make([]byte, len(p.Value))}
	for i, b := range p.Value {
		c.value[i] = b & mask[i]
	}
	return c, nil
}

// add files a pattern under every first byte that it allows.
func (t *table) add(c *compiled) {
	if c.at > 0 || len(c.value) == 0 {
		t.other = append(t.other, c)
		return
	}
	for b := range t.first {
		if byte(b)&c.mask[0] == c.value[0] {
			t.first[b] = append(t.first[b], c)
		}
	}
}

// End is where the last pattern of this id ends, in bytes from the start.
func (m *Matcher) End(id uint32) int { return m.ends[id] }

// Match appends the ids of the patterns that hold for head, the first bytes
// that one side sent, to dst. For UDP head is one datagram's payload and size
// its length on the wire, of which head may be a part; for TCP size is not
// used. needMore says that a pattern agrees with all of head and wants more of
// it (TCP only).
func (m *Matcher) Match(proto uint8, from Side, head []byte, size uint32, dst []uint32) (hits []uint32, needMore bool) {
	if len(head) == 0 || from > FromServer {
		return dst, false
	}
	i := 0
	if proto == udp {
		i = 1
	}
	t := &m.tables[i][from]
	for _, l := range [2]list{t.first[head[0]], t.other} {
		for _, c := range l {
			if c.size != 0 && c.size != size {
				continue
			}
			n := min(len(head), c.end)
			if !c.agrees(head[:n]) {
				continue
			}
			if n == c.end {
				dst = append(dst, c.id)
			} else {
				needMore = needMore || proto == tcp
			}
		}
	}
	return dst, needMore
}

// agrees reports whether no byte of head contradicts the pattern.
func (c *compiled) agrees(head []byte) bool {
	if len(head) <= c.at {
		return true
	}
	for i, b := range head[c.at:] {
		if b&c.mask[i] != c.value[i] {
			return false
		}
	}
	return true
}
