package sensor

import (
	"net/netip"

	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// Stats counts what a worker saw. All values only grow.
type Stats struct {
	Packets   uint64 // frames
	Bytes     uint64 // of frames, on the wire
	Matches   uint64 // complete hits
	Midstream uint64 // TCP flows whose start was not seen
	HeadFull  uint64 // directions given up because their first bytes decided nothing
	ECH       uint64 // ClientHellos that hide the server's name
	Malformed struct{ TLS, QUIC, DNS, HTTP uint64 }

	warmed uint64 // keeps the compiler from dropping Warm's reads
}

// maxHosts is how many hosts are told apart; a network of more is told as
// "more than". Eight bytes of memory each, taken at the start.
const maxHosts = 1 << 16

// seen is what a worker remembers of the capture for the summary.
type seen struct {
	home        []prefix
	hosts       hostSet
	resolving   hostSet // hosts that ask for names over encrypted DNS
	first, last int64
	links       []format.LinkType // that are not read, in the order in which they came
	snap        int               // the most that was kept of a frame that the capture cut, where that hid something
}

// prefix is a network in the form that packets have their addresses in.
type prefix struct {
	hi, lo, hiMask, loMask uint64
}

func newSeen(home []netip.Prefix) seen {
	s := seen{hosts: newHostSet(maxHosts), resolving: newHostSet(maxHosts / 16)}
	for _, p := range home {
		bits := p.Bits()
		if p.Addr().Is4() {
			bits += 96
		}
		a := decode.AddrFrom(p.Addr())
		m := prefix{hiMask: leading(min(bits, 64)), loMask: leading(max(bits-64, 0))}
		m.hi, m.lo = a.Hi&m.hiMask, a.Lo&m.loMask
		s.home = append(s.home, m)
	}
	return s
}

// leading is a word with its n highest bits set.
func leading(n int) uint64 { return ^(^uint64(0) >> n) }

// isHome reports whether an address is in the home networks.
func (s *seen) isHome(a decode.Addr) bool {
	for i := range s.home {
		p := &s.home[i]
		if a.Hi&p.hiMask == p.hi && a.Lo&p.loMask == p.lo {
			return true
		}
	}
	return false
}

// time books the packet times of a batch.
func (s *seen) time(first, last int64) {
	if s.first == 0 && s.last == 0 {
		s.first = first
	}
	s.first, s.last = min(s.first, first), max(s.last, last)
}

// maxLinks bounds the link types that are told by number. A capture has one or
// two; a crafted pcapng may have any.
const maxLinks = 16

// unreadLink books a frame of a link type that is not decoded.
func (s *seen) unreadLink(number uint32) {
	for i := range s.links {
		if s.links[i].Number == number {
			s.links[i].Frames++
			return
		}
	}
	if len(s.links) < maxLinks {
		s.links = append(s.links, format.LinkType{Number: number, Name: decode.LinkName(number), Frames: 1})
	}
}

// snapped books a frame of which the capture did not keep what was needed.
func (s *seen) snapped(fr *capture.Frame) {
	if int64(len(fr.Data)) < int64(fr.WireLen) {
		s.snap = max(s.snap, len(fr.Data))
	}
}

// cut books that the capture did not keep all of a packet whose flow had not
// shown, with that packet, what it is.
func (w *Worker) cut(f *flow.Flow, dir flow.Dir) {
	if f.Unread == 0 && (f.Mark&flow.MarkHit != 0 || f.App&appMask != appUnknown || f.Done(dir)) {
		return
	}
	f.Unread |= flow.UnreadCut
	w.seen.snapped(w.frame)
}

// unread books whether a handshake, or the head of a request, has begun in a
// direction and is not whole yet.
func unread(f *flow.Flow, dir flow.Dir, is bool) {
	if is {
		f.Unread |= flow.UnreadLoHi << dir
	} else {
		f.Unread &^= flow.UnreadLoHi << dir
	}
}

// flow books the hosts of a flow that carries something.
func (s *seen) flow(f *flow.Flow) {
	for _, a := range [2]decode.Addr{f.ClientAddr(), f.ServerAddr()} {
		if s.isHome(a) {
			s.hosts.add(a)
		}
	}
}

// seenHello books what a ClientHello hides.
func (w *Worker) seenHello(f *flow.Flow, h *tls.ClientHello, transport byte) dns.Encryption {
	if h.HasECH {
		if kind, _ := h.ECH(); kind == tls.ECHReal {
			w.Stats.ECH++
		}
	}
	e := dns.EncryptionOf(w.alpn, h.SNI, f.ServerPort(), transport == tls.OverQUIC)
	if e != dns.Plain && w.seen.isHome(f.ClientAddr()) {
		w.seen.resolving.add(f.ClientAddr())
	}
	return e
}

// hostSet is a set of addresses of fixed size, by a hash of 32 bits: a few
// hosts in ten thousand may be taken for another. Additions wait until there
// are some, so that their cache misses overlap.
type hostSet struct {
	slots   []uint32 // 0 is free
	n       int
	full    bool
	waiting [32]uint64
	waits   int
	warmed  uint32 // keeps the compiler from dropping reads
}

func newHostSet(n int) hostSet { return hostSet{slots: make([]uint32, 2*n)} }

func (s *hostSet) add(a decode.Addr) {
	h := (a.Hi ^ a.Lo*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	s.waiting[s.waits] = h ^ h>>32
	if s.waits++; s.waits == len(s.waiting) {
		s.settle()
	}
}

// count is how many addresses were added.
func (s *hostSet) count() int {
	s.settle()
	return s.n
}

func (s *hostSet) settle() {
	mask := uint64(len(s.slots) - 1)
	for _, h := range s.waiting[:s.waits] {
		s.warmed += s.slots[h>>40&mask]
	}
	for _, h := range s.waiting[:s.waits] {
		s.insert(h>>40&mask, uint32(h)|1)
	}
	s.waits = 0
}

func (s *hostSet) insert(i uint64, tag uint32) {
	for mask := uint64(len(s.slots) - 1); ; i = (i + 1) & mask {
		switch s.slots[i] {
		case tag:
			return
		case 0:
			if s.n == len(s.slots)/2 {
				s.full = true
				return
			}
			s.slots[i] = tag
			s.n++
			return
		}
	}
}
