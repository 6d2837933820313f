package names

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// stamps maps addresses to a small value and the hour in which it was last
// seen, one word each and one place for each address, a power of two of them: the
// latest of two addresses that fall together stays. Writers need no lock, since a value that is lost in a race is
// seen again.
type stamps []atomic.Uint64

// The parts of a word, from the top: 24 bits of the address's hash beyond its
// place, 24 of value, 15 of the hour (three years and more) and a mark. One in 2^24
// strangers at the same place is taken for the address.
const (
	hourBits  = 15
	valueBits = 24
	nanoHour  = int64(3600e9)
)

// forgetAfter is how many hours a stamp holds: addresses of clouds move on.
const forgetAfter = 24

type stamp struct {
	value  uint32
	marked bool
}

func newStamps(n int) stamps { return make(stamps, n) }

func hourOf(now int64) uint64 { return uint64(now/nanoHour) & (1<<hourBits - 1) }

// get returns what is known of the address with this hash at the time now.
func (s stamps) get(hash uint64, now int64) (stamp, bool) {
	w := s[hash&uint64(len(s)-1)].Load()
	if w == 0 || w>>40 != hash>>40 || (hourOf(now)-w>>1)&(1<<hourBits-1) > forgetAfter {
		return stamp{}, false
	}
	return stamp{value: uint32(w>>16) & (1<<valueBits - 1), marked: w&1 != 0}, true
}

func (s stamps) put(hash uint64, now int64, v stamp) {
	w := hash>>40<<40 | uint64(v.value)<<16 | hourOf(now)<<1
	if v.marked {
		w |= 1
	}
	if p := &s[hash&uint64(len(s)-1)]; p.Load() != w {
		p.Store(w)
	}
}

// Carries books that at the packet time now DNS led from a name of site, as Site
// tells, to an address.
func (c *Cache) Carries(a decode.Addr, site uint32, now int64) {
	h := c.hash(a, a)
	v, ok := c.sites.get(h, now)
	if ok && v.marked && v.value == site {
		return // the mark grows old unless another site comes again
	}
	c.sites.put(h, now, stamp{value: site, marked: ok && v.value != site})
}

// Shared reports whether names of several sites led to an address lately.
func (c *Cache) Shared(a decode.Addr, now int64) bool {
	v, ok := c.sites.get(c.hash(a, a), now)
	return ok && v.marked
}

// Answers books that a host answered a question at the packet time now.
func (c *Cache) Answers(a decode.Addr, now int64) {
	c.resolver.put(c.hash(a, a), now, stamp{value: 1})
}

// IsResolver reports whether a host answered questions lately.
func (c *Cache) IsResolver(a decode.Addr, now int64) bool {
	_, ok := c.resolver.get(c.hash(a, a), now)
	return ok
}

// Site is a number for the domain that somebody registered above a name, about:
// its last two labels, or three below such as co.uk. Case does not count. It is asked
// about every answer, so it neither allocates nor searches the public suffix list; what
// it gets wrong, the customers of one hosting name, is only taken for one site.
func Site(name []byte) uint32 {
	end := len(name)
	if end > 0 && name[end-1] == '.' {
		end--
	}
	name = name[:end]
	top := bytes.LastIndexByte(name, '.')
	from := bytes.LastIndexByte(name[:max(top, 0)], '.')
	if from >= 0 && len(name)-top-1 == 2 && isSecondLevel(name[from+1:top]) {
		from = bytes.LastIndexByte(name[:from], '.')
	}
	return hashFold(name[from+1:])
}

// isSecondLevel reports whether a label below a country's domain is usually one
// below which names are registered.
func isSecondLevel(label []byte) bool {
	switch len(label) {
	case 2:
		switch string(label) {
		case "co", "ac", "or", "ne", "go", "CO":
			return true
		}
	case 3:
		switch string(label) {
		case "com", "net", "org", "gov", "edu", "COM":
			return true
		}
	}
	return false
}

// hashFold hashes a name, eight bytes at once, without regard to case: what it
// takes for the same beside letters stands in no host name.
func hashFold(b []byte) uint32 {
	const lower = 0x2020202020202020
	h := uint64(len(b))
	for ; len(b) >= 8; b = b[8:] {
		h = mix(h, binary.LittleEndian.Uint64(b)|lower)
	}
	last := uint64(0)
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	h = mix(h, last|lower)
	return uint32(h) & (1<<valueBits - 1)
}

// rented are domains of delivery networks: what an alias leads to below one of
// them is an address that many customers have at the same time.
var rented = [][]byte{
	[]byte("akamai.net"), []byte("akamaiedge.net"), []byte("akamaized.net"), []byte("edgekey.net"), []byte("edgesuite.net"),
	[]byte("cloudfront.net"), []byte("cloudflare.net"), []byte("fastly.net"), []byte("fastlylb.net"),
	[]byte("azureedge.net"), []byte("azurefd.net"), []byte("b-cdn.net"), []byte("cdn77.org"), []byte("edgecastcdn.net"),
	[]byte("ghs.googlehosted.com"), []byte("herokudns.com"), []byte("impervadns.net"), []byte("incapdns.net"), []byte("vercel-dns.com"),
}

// Rented reports whether a name is below a domain whose addresses many share.
func Rented(name []byte) bool {
	name = bytes.TrimSuffix(name, []byte("."))
	for _, d := range rented {
		if n := len(name) - len(d); n >= 0 && bytes.EqualFold(name[n:], d) && (n == 0 || name[n-1] == '.') {
			return true
		}
	}
	return false
}
