package detect

import (
	"hash/maphash"
	"math/bits"
)

// index finds what rules say about an exact string: the literal right part of
// a domain pattern, an ALPN value, a JA3 or JA4. It is an open-addressing table
// of seeded 64-bit hashes, at most half full, with a bitmap in front.
//
// Domain names are hashed from the right, byte by byte, so that one pass over
// a name yields the hash of each of its suffixes. The bitmap also knows every
// suffix of a key: the pass over a name ends where no key goes on, mostly
// after two labels. What would cost time with many patterns is cache misses;
// a name that misses touches one word of the bitmap.
type index struct {
	seed   uint64
	filter []uint64
	slots  []slot
	keys   []byte
	refs   []ref
}

// slot is one key; n == 0 marks a free slot.
type slot struct {
	hash    uint64
	key     uint32 // into keys
	first   uint32 // into refs
	n       uint32
	keyLen  uint16
	keyKind space
}

// space keeps equal strings of different meaning apart.
type space uint8

const (
	spaceName space = iota
	spaceALPN
	spaceJA3
	spaceJA4
	spaceJA4a // the first ten bytes of a JA4
	spaceIP   // 16 address bytes and the prefix length
)

// ref is one pattern that hangs on a key.
type ref struct {
	in      *Indicator
	pattern *pattern // spaceName only
	value   int32    // index of the value in the indicator's list
	cond    Conds
}

const hashPrime = 0x100000001b3 // FNV-1a, 64 bit

func hashStep(h uint64, c byte) uint64 { return (h ^ uint64(c)) * hashPrime }

// hash is the hash of a whole key, from its last byte to its first.
func (x *index) hash(kind space, key []byte) uint64 {
	h := hashStep(x.seed, byte(kind))
	for i := len(key) - 1; i >= 0; i-- {
		h = hashStep(h, key[i])
	}
	return h
}

// spread moves the entropy of an FNV hash to its low bits.
func spread(h uint64) uint64 {
	hi, lo := bits.Mul64(h, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// maybe reports whether a key, or the suffix of one, may have the hash h.
func (x *index) maybe(h uint64) bool {
	at := spread(h)
	return x.filter[at>>6&uint64(len(x.filter)-1)]>>(at&63)&1 != 0
}

func (x *index) mark(h uint64) {
	at := spread(h)
	x.filter[at>>6&uint64(len(x.filter)-1)] |= 1 << (at & 63)
}

// find returns the references of key, whose hash is h.
func (x *index) find(h uint64, kind space, key []byte) []ref {
	if !x.maybe(h) {
		return nil
	}
	mask := uint64(len(x.slots) - 1)
	for i := spread(h) >> 32 & mask; ; i = (i + 1) & mask {
		s := &x.slots[i]
		if s.n == 0 {
			return nil
		}
		if s.hash == h && s.keyKind == kind && string(x.keys[s.key:s.key+uint32(s.keyLen)]) == string(key) {
			return x.refs[s.first : s.first+s.n]
		}
	}
}

// lookup is find for a key whose hash is not known yet.
func (x *index) lookup(kind space, key []byte) []ref {
	return x.find(x.hash(kind, key), kind, key)
}

// indexBuilder collects keys in the order they are added.
type indexBuilder struct {
	byKey map[string]int
	keys  []string // the space, then the key
	refs  [][]ref
}

func (b *indexBuilder) add(kind space, key string, r ref) {
	if b.byKey == nil {
		b.byKey = make(map[string]int)
	}
	full := string(rune(kind)) + key
	i, ok := b.byKey[full]
	if !ok {
		i = len(b.keys)
		b.byKey[full] = i
		b.keys = append(b.keys, full)
		b.refs = append(b.refs, nil)
	}
	b.refs[i] = append(b.refs[i], r)
}

// build freezes the collected keys. The seed is random, so that nobody can
// prepare names or rules that collide; no result depends on it.
func (b *indexBuilder) build() index {
	size := 8
	for size < 2*len(b.keys) {
		size *= 2
	}
	x := index{
		seed:   maphash.Comparable(maphash.MakeSeed(), 0),
		filter: make([]uint64, max(1, size*8/64)), // 16 bits or more for each key, less for its suffixes
		slots:  make([]slot, size),
	}
	for i, full := range b.keys {
		kind, key := space(full[0]), full[1:]
		s := slot{
			hash: x.hash(kind, []byte(key)), keyKind: kind,
			key: uint32(len(x.keys)), keyLen: uint16(len(key)),
			first: uint32(len(x.refs)), n: uint32(len(b.refs[i])),
		}
		x.keys = append(x.keys, key...)
		x.refs = append(x.refs, b.refs[i]...)
		x.mark(s.hash)
		if kind == spaceName {
			x.markSuffixes(key)
		}
		mask := uint64(size - 1)
		j := spread(s.hash) >> 32 & mask
		for x.slots[j].n != 0 {
			j = (j + 1) & mask
		}
		x.slots[j] = s
	}
	return x
}

// suffix is the end of a name, from the start of one of its labels.
type suffix struct {
	hash uint64
	cut  int
}

// suffixes finds the suffixes of name, in any case, that may be keys: two
// labels or more, shortest first. It returns how many there are.
func (x *index) suffixes(name []byte, found *[maxLabels]suffix) (n int) {
	name = trimName(name)
	if len(name) > maxName {
		return 0
	}
	h := hashStep(x.seed, byte(spaceName))
	labels := 0
	for i := len(name) - 1; i >= 0; i-- {
		c := foldByte(name[i], true)
		if c == '.' {
			if labels++; labels > 1 {
				if !x.maybe(h) || n == maxLabels {
					return n
				}
				found[n] = suffix{h, i + 1}
				n++
			}
		}
		h = hashStep(h, c)
	}
	if x.maybe(h) && n < maxLabels {
		found[n] = suffix{h, 0}
		n++
	}
	return n
}

// markSuffixes marks what a search for name passes on its way from the right.
func (x *index) markSuffixes(name string) {
	h := hashStep(x.seed, byte(spaceName))
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			x.mark(h)
		}
		h = hashStep(h, name[i])
	}
}

// lowerName copies name into buf in lower case, without a port and without
// one final dot. It returns nil for what no pattern matches: an empty or
// over-long name, or one with an empty label. Any other byte is kept.
func lowerName(name []byte, buf *[maxName]byte) []byte {
	name = trimName(name)
	if len(name) == 0 || len(name) > maxName {
		return nil
	}
	prev := byte('.')
	for i, c := range name {
		if c == '.' && prev == '.' {
			return nil
		}
		prev = c
		buf[i] = foldByte(c, true)
	}
	if prev == '.' {
		return nil
	}
	return buf[:len(name)]
}

// trimName drops a port (HTTP hosts and CONNECT targets have one) and then one
// final dot.
func trimName(name []byte) []byte {
	i := len(name)
	for i > 0 && len(name)-i < 5 && '0' <= name[i-1] && name[i-1] <= '9' {
		i--
	}
	if i > 0 && i < len(name) && name[i-1] == ':' {
		name = name[:i-1]
	}
	if n := len(name); n > 0 && name[n-1] == '.' {
		name = name[:n-1]
	}
	return name
}
