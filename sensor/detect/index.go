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
	spaceASN  // four bytes
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

// hashKey is the hash of a whole key, from its last byte to its first.
func hashKey[T []byte | string](x *index, kind space, key T) uint64 {
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
	return x.find(hashKey(x, kind, key), kind, key)
}

// indexBuilder collects what is added until the size of the table is known.
type indexBuilder struct{ added []addition }

type addition struct {
	ref  ref
	key  string
	slot uint32
	kind space
}

func (b *indexBuilder) add(kind space, key string, r ref) {
	b.added = append(b.added, addition{r, key, 0, kind})
}

// build freezes the collected keys. The seed is random, so that nobody can
// prepare names or rules that collide; no result depends on it. Nothing but
// the table itself is made: a hundred thousand names are to be loaded in little
// memory.
func (b *indexBuilder) build() index {
	size, bytes := 8, 0
	for size < 2*len(b.added) {
		size *= 2
	}
	for i := range b.added {
		bytes += len(b.added[i].key)
	}
	x := index{
		seed:   maphash.Comparable(maphash.MakeSeed(), 0),
		filter: make([]uint64, max(1, size*8/64)), // 16 bits or more for each key, less for its suffixes
		slots:  make([]slot, size),
		keys:   make([]byte, 0, bytes),
		refs:   make([]ref, len(b.added)),
	}
	for i := range b.added {
		a := &b.added[i]
		a.slot = x.insert(a.kind, a.key)
		x.slots[a.slot].n++
	}
	// The references of a key stand side by side, in the order they were added.
	first := uint32(0)
	for i := range x.slots {
		s := &x.slots[i]
		s.first = first
		first += s.n
		s.n = 0
	}
	for i := range b.added {
		s := &x.slots[b.added[i].slot]
		x.refs[s.first+s.n] = b.added[i].ref
		s.n++
	}
	b.added = nil
	return x
}

// insert returns the slot of a key, a new one with n == 0 where it has none.
func (x *index) insert(kind space, key string) uint32 {
	h := hashKey(x, kind, key)
	mask := uint64(len(x.slots) - 1)
	j := spread(h) >> 32 & mask
	for ; x.slots[j].n != 0; j = (j + 1) & mask {
		s := &x.slots[j]
		if s.hash == h && s.keyKind == kind && string(x.keys[s.key:s.key+uint32(s.keyLen)]) == key {
			return uint32(j)
		}
	}
	x.slots[j] = slot{hash: h, keyKind: kind, key: uint32(len(x.keys)), keyLen: uint16(len(key))}
	x.keys = append(x.keys, key...)
	x.mark(h)
	if kind == spaceName {
		x.markSuffixes(key)
	}
	return uint32(j)
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
