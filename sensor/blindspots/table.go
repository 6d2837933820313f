package blindspots

import (
	"math"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// Kind is one thing that is counted of a host. The second of each pair is part of
// the first, and is counted beside it.
type Kind uint8

const (
	Flow         Kind = iota // a flow that carried something
	OneSided                 // TCP of which one direction was captured
	Gap                      // a handshake, or a request head, that began and is not whole
	Hello                    // a ClientHello, over TCP or QUIC
	HiddenHello              // with ECH: its outer name is that of a provider, not of the server
	QUIC                     // a QUIC flow
	UnreadQUIC               // whose Initial packets could not be opened
	Lookup                   // a DNS question, or a flow of encrypted DNS
	HiddenLookup             // a flow of encrypted DNS: TLS, HTTPS or QUIC
	kinds
)

// ways is how many entries a host may stand in. Their tags are half a cache line.
const ways = 8

// halfLife is the time in which what was counted comes to count half, in
// nanoseconds of packet time: an alert is about now.
const halfLife = int64(3600e9)

// host is an entry: one cache line.
type host struct {
	addr   decode.Addr
	counts [kinds]uint32
	hour   uint32 // of the latest count, since the table's first, plus 1; 0 is free
}

// Table has the counts of hosts, and those of all hosts together. It is not safe
// for concurrent use.
type Table struct {
	hosts    []host
	tags     []uint32 // of hosts, by a hash of the address; 0 is free
	all      host
	origin   int64 // packet time of the first count
	lost     uint64
	captured uint64
	GivenUp  uint64 // hosts that made room for others

	// What was counted waits until there is some, so that the cache misses of the
	// entries overlap.
	waiting [32]counted
	waits   int
	warmed  uint32 // keeps the compiler from dropping reads
}

type counted struct {
	addr decode.Addr
	hour uint32
	kind Kind
}

// NewTable makes a table for n hosts, rounded up to a power of two: 64 and 4
// bytes each.
func NewTable(n int) *Table {
	size := ways
	for size < n {
		size *= 2
	}
	return &Table{hosts: make([]host, size), tags: make([]uint32, size)}
}

// Count counts something of a host of the home networks at packet time now, in
// nanoseconds.
func (t *Table) Count(now int64, addr decode.Addr, k Kind) {
	t.waiting[t.waits] = counted{addr, t.hour(now), k}
	if t.waits++; t.waits == len(t.waiting) {
		t.settle()
	}
}

// settle counts what waits, in the order in which it came.
func (t *Table) settle() {
	waiting := t.waiting[:t.waits]
	for i := range waiting {
		first, _ := t.set(waiting[i].addr)
		t.warmed += t.tags[first]
	}
	for i := range waiting {
		if h := t.find(waiting[i].addr); h != nil {
			t.warmed += h.hour
		}
	}
	for i := range waiting {
		c := &waiting[i]
		h := t.find(c.addr)
		if h == nil {
			h = t.take(c.addr)
		}
		h.count(c.hour, c.kind)
		t.all.count(c.hour, c.kind)
	}
	t.waits = 0
}

// Captured says how many frames the capture has delivered and lost, so far.
func (t *Table) Captured(frames, lost uint64) { t.captured, t.lost = frames, lost }

// Of is what could not be seen of a host at packet time now. A host that is not
// known has nothing but the capture's losses.
func (t *Table) Of(now int64, addr decode.Addr) View {
	t.settle()
	var h host
	if p := t.find(addr); p != nil {
		h = *p
		h.age(t.hour(now))
	}
	return t.view(&h)
}

// All is what could not be seen of all hosts.
func (t *Table) All(now int64) View {
	t.settle()
	h := t.all
	h.age(t.hour(now))
	return t.view(&h)
}

// Merge adds what another table counted: another worker's. Both are as they were at
// packet time now.
func (t *Table) Merge(now int64, o *Table) {
	t.settle()
	o.settle()
	hour := t.hour(now)
	for i := range o.hosts {
		if h := o.hosts[i]; h.hour != 0 {
			h.age(o.hour(now))
			p := t.find(h.addr)
			if p == nil {
				p = t.take(h.addr)
			}
			p.add(hour, &h)
		}
	}
	all := o.all
	all.age(o.hour(now))
	t.all.add(hour, &all)
	t.captured, t.lost, t.GivenUp = t.captured+o.captured, t.lost+o.lost, t.GivenUp+o.GivenUp
}

// hour is the number of a time's half-life, from 1.
func (t *Table) hour(now int64) uint32 {
	if t.origin == 0 {
		t.origin = now
	}
	return uint32(min(max(0, now-t.origin)/halfLife, math.MaxUint32-1)) + 1
}

// age halves the counts for each hour that went by.
func (h *host) age(hour uint32) {
	if h.hour != 0 && hour > h.hour {
		for k := range h.counts {
			h.counts[k] >>= min(hour-h.hour, 32)
		}
	}
	h.hour = max(h.hour, hour)
}

func (h *host) count(hour uint32, k Kind) {
	h.age(hour)
	h.counts[k] = min(h.counts[k], math.MaxUint32-1) + 1
}

func (h *host) add(hour uint32, o *host) {
	h.age(hour)
	for k := range h.counts {
		h.counts[k] = uint32(min(uint64(h.counts[k])+uint64(o.counts[k]), math.MaxUint32))
	}
}

// set is where the entries begin that an address may have, and its tag.
func (t *Table) set(a decode.Addr) (first int, tag uint32) {
	x := (a.Hi ^ a.Lo*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	return int(x>>33) & (len(t.hosts) - 1) &^ (ways - 1), uint32(x) ^ uint32(x>>32) | 1
}

func (t *Table) find(a decode.Addr) *host {
	first, tag := t.set(a)
	for i, have := range t.tags[first : first+ways] {
		if have == tag && t.hosts[first+i].addr == a {
			return &t.hosts[first+i]
		}
	}
	return nil
}

// take makes an entry an address's: a free one, or that of the host which was quiet for
// longest and did least.
func (t *Table) take(a decode.Addr) *host {
	first, tag := t.set(a)
	worst := first
	for i := first; i < first+ways; i++ {
		h, w := &t.hosts[i], &t.hosts[worst]
		if h.hour < w.hour || h.hour == w.hour && h.counts[Flow] < w.counts[Flow] {
			worst = i
		}
	}
	if t.tags[worst] != 0 {
		t.GivenUp++
	}
	t.tags[worst], t.hosts[worst] = tag, host{addr: a}
	return &t.hosts[worst]
}
