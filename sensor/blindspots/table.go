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

// ways is how many entries a host may stand in.
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
	all      host
	origin   int64 // packet time of the first count
	lost     uint64
	captured uint64
	GivenUp  uint64 // hosts that made room for others
}

// NewTable makes a table for n hosts, rounded up to a power of two: 64 bytes
// each.
func NewTable(n int) *Table {
	size := ways
	for size < n {
		size *= 2
	}
	return &Table{hosts: make([]host, size)}
}

// Count counts something of a host of the home networks at packet time now, in
// nanoseconds.
func (t *Table) Count(now int64, addr decode.Addr, k Kind) {
	hour := t.hour(now)
	h := t.find(addr)
	if h == nil {
		h = t.take(addr)
	}
	h.count(hour, k)
	t.all.count(hour, k)
}

// Captured says how many frames the capture has delivered and lost, so far.
func (t *Table) Captured(frames, lost uint64) { t.captured, t.lost = frames, lost }

// Of is what could not be seen of a host at packet time now. A host that is not
// known has nothing but the capture's losses.
func (t *Table) Of(now int64, addr decode.Addr) View {
	var h host
	if p := t.find(addr); p != nil {
		h = *p
		h.age(t.hour(now))
	}
	return t.view(&h)
}

// All is what could not be seen of all hosts.
func (t *Table) All(now int64) View {
	h := t.all
	h.age(t.hour(now))
	return t.view(&h)
}

// Merge adds what another table counted: another worker's. Both are as they were at
// packet time now.
func (t *Table) Merge(now int64, o *Table) {
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

// set are the entries that an address may have.
func (t *Table) set(a decode.Addr) []host {
	x := (a.Hi ^ a.Lo*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	i := int(x>>33) & (len(t.hosts) - 1) &^ (ways - 1)
	return t.hosts[i : i+ways]
}

func (t *Table) find(a decode.Addr) *host {
	set := t.set(a)
	for i := range set {
		if set[i].addr == a && set[i].hour != 0 {
			return &set[i]
		}
	}
	return nil
}

// take makes an entry an address's: a free one, or that of the host which was quiet for
// longest and did least.
func (t *Table) take(a decode.Addr) *host {
	set := t.set(a)
	worst := &set[0]
	for i := range set {
		h := &set[i]
		if h.hour < worst.hour || h.hour == worst.hour && h.counts[Flow] < worst.counts[Flow] {
			worst = h
		}
	}
	if worst.hour != 0 {
		t.GivenUp++
	}
	*worst = host{addr: a}
	return worst
}
