package lookalike

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Matcher knows brands and who owns what. It is immutable: any number of
// goroutines may use one.
type Matcher struct {
	brands []brand
	zones  map[string]zone

	// Where the first letters of a brand stand, one of grams' bits is set; what they are
	// the start of says byGram. A word that is one letter off has a deletion, or is one,
	// that the brand has too: deletions has bits of the hashes of all, byDeletion the brands.
	grams      [1 << 14 / 64]uint64
	byGram     map[uint32][]int32
	deletions  [1 << 16 / 64]uint64
	byDeletion map[uint64][]int32
	longest    int // of the brands that are compared letter by letter
}

// brand is a Brand in the forms that names are compared in.
type brand struct {
	Brand
	plain   []byte // without hyphens
	folded  []byte // see fold
	bounded bool
}

// New makes a matcher of brands, each of which Check must have passed. Names
// below owned domains, in lower case, are the vendors' and imitate nobody.
func New(brands []Brand, owned []string) (*Matcher, error) {
	m := &Matcher{
		zones: zones(owned), byGram: map[uint32][]int32{}, byDeletion: map[uint64][]int32{},
	}
	for _, b := range brands {
		if problem, hint := Check(b.Word); problem != "" {
			return nil, fmt.Errorf("brand %q %s; %s", b.Word, problem, hint)
		}
		plain := []byte(strings.ReplaceAll(b.Word, "-", ""))
		m.brands = append(m.brands, brand{
			Brand: b, plain: plain, folded: fold(nil, plain), bounded: Bounded(b.Word),
		})
	}
	// The longest brand of those that a name has is the one that it imitates.
	slices.SortStableFunc(m.brands, func(a, b brand) int {
		return cmp.Or(len(b.plain)-len(a.plain), cmp.Compare(a.Word, b.Word), a.ID-b.ID)
	})
	for i := range m.brands {
		m.enter(&m.brands[i], int32(i))
	}
	return m, nil
}

// enter notes how a brand is found.
func (m *Matcher) enter(b *brand, i int32) {
	g := gramOf(b.folded)
	m.byGram[g] = append(m.byGram[g], i)
	g = gramBit(g)
	m.grams[g>>6] |= 1 << (g & 63)
	if len(b.plain) < editBrand || slices.ContainsFunc(b.plain, isDigit) {
		return // without its digit a word is honest: panorama is not Panorama9
	}
	m.longest = max(m.longest, len(b.plain))
	var hashes [maxLabel + 1]uint64
	for _, h := range hashes[:deletionsOf(b.plain, &hashes)] {
		if !slices.Contains(m.byDeletion[h], i) {
			m.byDeletion[h] = append(m.byDeletion[h], i)
		}
		h >>= 48
		m.deletions[h>>6] |= 1 << (h & 63)
	}
}

// gramOf is the first four bytes of a folded brand.
func gramOf(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func gramBit(g uint32) uint32 { return g * 0x9e3779b1 >> 18 }

// hashPrime is that of FNV-1a: odd, so that no power of it is 0.
const hashPrime = 0x100000001b3

// deletionsOf puts into out the hash of b and those of b without one of its
// letters, and returns how many there are. Two words that are one edit apart (a letter
// more, less or another, or two neighbours swapped) have one of these in common. The
// hashes are polynomials, so that each costs two multiplications however long b is.
func deletionsOf(b []byte, out *[maxLabel + 1]uint64) (n int) {
	var total uint64
	for _, c := range b {
		total = total*hashPrime + uint64(c)
	}
	out[0] = mix(total)
	n = 1
	// before*power + after is b without its i-th letter, of which power is the place.
	var after, power uint64 = 0, 1
	before := total
	for i := len(b) - 1; i >= 0; i-- {
		c := uint64(b[i])
		before = (before - c) * inverse
		if i == len(b)-1 || b[i] != b[i+1] {
			out[n] = mix(before*power + after)
			n++
		}
		after += c * power
		power *= hashPrime
	}
	return n
}

// inverse of hashPrime, modulo 2^64.
const inverse = 0xce965057aff6957b

// mix moves the entropy of a polynomial to the highest bits.
func mix(h uint64) uint64 {
	h ^= h >> 32
	return h * 0x9e3779b97f4a7c15
}
