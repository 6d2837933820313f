package names

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// Grace is how long after its TTL an answer still names flows, in nanoseconds of
// packet time: programs go on using an address that they hold. Firefox does so for
// 60 s (network.dnsCacheExpirationGracePeriod).
const Grace = int64(60e9)

// MaxTTL bounds a TTL, in nanoseconds: resolvers keep no answer for longer than
// a day (unbound.conf: cache-max-ttl 86400).
const MaxTTL = int64(86_400e9)

// Answer is what a client was told, without the addresses. It is immutable once
// it was learned, and shared by the entries of all its addresses.
type Answer struct {
	// Names are the name asked for, and behind it those that it is an alias of and
	// that the caller's rules know; as a DNS message shows them.
	Names [][]byte
	// Shared says that the addresses serve whoever rents them, by the names on the way.
	Shared bool
}

// Entry is one address that a client was given. It is immutable.
type Entry struct {
	client, server decode.Addr
	since, until   int64 // packet times of the flows that it names, nanoseconds
	Answer         *Answer
}

// ways is how many entries a set has: their tags are one cache line.
const ways = 8

// Cache is what all workers of a sensor know. Its methods may be called by any
// number of goroutines.
type Cache struct {
	seed [2]uint64
	mask uint64          // sets - 1
	tags []atomic.Uint64 // of entries; 0 is free
	all  []atomic.Pointer[Entry]

	mu       sync.Mutex // of those who write tags and all
	learned  atomic.Uint64
	sites    stamps // address -> the only site whose name led there, or that there are several
	resolver stamps // addresses that answer questions
}

// New returns a cache of at least n entries. seed keys its hashes: random where
// somebody might aim at a set, fixed where runs must be equal.
func New(n int, seed [2]uint64) *Cache {
	sets := 1 << bits.Len(uint(max(n, 2*ways)/ways-1))
	c := &Cache{seed: seed, mask: uint64(sets - 1)}
	c.tags = make([]atomic.Uint64, sets*ways)
	c.all = make([]atomic.Pointer[Entry], sets*ways)
	c.sites = newStamps(2 * sets * ways)
	c.resolver = newStamps(sets * ways / 8)
	return c
}

// Learn books that at the packet time now client was told that server is one of
// the addresses behind a, for ttl nanoseconds. The latest answer counts. A full set
// gives up the entry that ends first.
func (c *Cache) Learn(client, server decode.Addr, now, ttl int64, a *Answer) {
	tag := c.hash(client, server)
	e := &Entry{client, server, now, now + min(ttl, MaxTTL) + Grace, a}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := int(tag>>32&c.mask) * ways
	at := first
	for i := first; i < first+ways; i++ {
		old := c.all[i].Load()
		if old == nil {
			at = i
			break
		}
		if old.client == client && old.server == server {
			at = i
			if old.since <= now && now <= old.until { // what was learned goes on
				e.since, e.until = old.since, max(e.until, old.until)
			}
			break
		}
		if old.until < c.all[at].Load().until {
			at = i
		}
	}
	c.all[at].Store(e) // before the tag: who finds the tag finds this entry or a later one
	c.tags[at].Store(tag)
	c.learned.Add(1)
}

// Lookup returns what client was told about server when a flow began at the
// packet time at, or nil.
func (c *Cache) Lookup(client, server decode.Addr, at int64) *Entry {
	tag := c.hash(client, server)
	first := int(tag>>32&c.mask) * ways
	tags := c.tags[first : first+ways]
	for i := range tags {
		if tags[i].Load() != tag {
			continue
		}
		e := c.all[first+i].Load()
		if e.client == client && e.server == server && e.since <= at && at <= e.until {
			return e
		}
	}
	return nil
}

// Learned counts the calls of Learn: while it stands still, a Lookup that found
// nothing finds nothing again.
func (c *Cache) Learned() uint64 { return c.learned.Load() }

// hash is never 0.
func (c *Cache) hash(a, b decode.Addr) uint64 {
	h := mix(a.Hi^c.seed[0], a.Lo^c.seed[1])
	return mix(h^b.Hi, b.Lo^c.seed[0]) | 1
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}
