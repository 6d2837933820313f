package lookalike

import "hash/maphash"

// seenSlots is how many names, and how many labels, are remembered: few enough to
// stay in the first-level cache; a power of two.
const seenSlots = 1 << 11

// Seen remembers names and labels that imitate nothing: the same come again and
// again, and a question, its answer and the hello behind them have the same name. It is
// for one goroutine. What it remembers changes no finding: it is known by 64 bits of a
// keyed hash, which nobody outside can aim at.
type Seen struct {
	seed  maphash.Seed
	of    *Matcher             // whose words they are; others forget them
	slots [2][seenSlots]uint64 // names, which are many, do not push labels out
}

// NewSeen returns an empty memory, of 32 KiB.
func NewSeen() *Seen { return &Seen{seed: maphash.MakeSeed()} }

// Where a label stands: near the top it is compared letter by letter, too.
const (
	anyPlace uint64 = iota // a whole name
	near
	farOff
)

// key is what stands for a name or label; 0 without a memory.
func (s *Seen) key(m *Matcher, text []byte, place uint64) uint64 {
	if s == nil {
		return 0
	}
	if s.of != m {
		s.of, s.slots = m, [2][seenSlots]uint64{}
	}
	return maphash.Bytes(s.seed, text)<<2 | (place + 1) // never 0
}

func (s *Seen) harmless(key uint64) bool { return s != nil && *s.slot(key) == key }

func (s *Seen) add(key uint64) {
	if s != nil {
		*s.slot(key) = key
	}
}

func (s *Seen) slot(key uint64) *uint64 {
	kind := 0
	if key&3 != anyPlace+1 {
		kind = 1
	}
	return &s.slots[kind][key>>2&(seenSlots-1)]
}
