package enrich

import (
	"encoding/binary"
	"net/netip"
)

// Reader looks up for one goroutine, and remembers what it found lately: the same
// addresses come again and again. What it remembers changes no answer. It sees a
// reload at its next lookup.
type Reader struct {
	db    *DB
	set   *set // that what is remembered is from
	addrs [remembered]answer
	recs  [2]records // by purpose
}

// remembered is how many addresses a Reader remembers, and a quarter of how many
// records of each database: all countries, and the systems of a day. It has half
// a MiB at most.
const remembered = 1024

type answer struct {
	addr  netip.Addr
	place Place
}

// records are those of one database, by their offset. Addresses share them: all
// of an autonomous system have one.
type records map[uintptr]Place

func (r records) add(offset uintptr, p Place) {
	if len(r) >= 4*remembered {
		clear(r)
	}
	r[offset] = p
}

// NewReader returns a Reader for one goroutine.
func (db *DB) NewReader() *Reader {
	return &Reader{db: db, recs: [...]records{forCountry: {}, forASN: {}}}
}

// Lookup returns what is known of addr. It allocates only for a record that it
// does not remember.
func (r *Reader) Lookup(addr netip.Addr) (p Place) {
	addr, ok := global(addr)
	if !ok {
		return p
	}
	a := r.answer(addr)
	if a.addr == addr {
		return a.place
	}
	for what, f := range r.set {
		if f != nil {
			p.add(r.db.find(f, addr, r.recs[what]))
		}
	}
	*a = answer{addr, p}
	return p
}

// ASN returns the number of the autonomous system of addr; 0 where it is not
// known. It asks that database alone.
func (r *Reader) ASN(addr netip.Addr) uint32 {
	addr, ok := global(addr)
	if !ok {
		return 0
	}
	if a := r.answer(addr); a.addr == addr {
		return a.place.ASN
	}
	if f := r.set[forASN]; f != nil {
		return r.db.find(f, addr, r.recs[forASN]).ASN
	}
	return 0
}

// answer is where what is known of addr is remembered. After a reload nothing
// is.
func (r *Reader) answer(addr netip.Addr) *answer {
	if s := r.db.now.Load(); s != r.set {
		r.set = s
		clear(r.addrs[:])
		clear(r.recs[forCountry])
		clear(r.recs[forASN])
	}
	b := addr.As16()
	return &r.addrs[mix(binary.BigEndian.Uint64(b[:8])*3^binary.BigEndian.Uint64(b[8:]))]
}

// mix spreads n over the slots. Whoever picks addresses that meet in one slot
// costs a lookup each, and no more.
func mix(n uint64) uint64 { return n * 0x9e3779b97f4a7c15 >> 54 }
