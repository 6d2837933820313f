package flow

import (
	"math/bits"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// Config is the budget of one worker's table. Zero fields take the defaults.
type Config struct {
	Flows      int       // live flows; default 200,000
	SmallHeads int       // 4 KiB heads; default 4,096
	LargeHeads int       // 32 KiB heads; default 384
	Seed       [2]uint64 // of the hash; live sensors use a random one
	// Refresh is asked about a flow with MarkShunted that had no packet since that
	// time: it reports whether the kernel had one, and books it with Credit.
	Refresh func(f *Flow, since int64) bool
}

// Timeouts after which a silent flow is forgotten, in nanoseconds of packet
// time. An agent's heartbeat is a minute or less; ten minutes keep its flow.
const (
	timeoutTCP    = 600e9
	timeoutUDP    = 180e9
	timeoutClosed = 15e9
	timeoutHalf   = 30e9 // a SYN that nobody answered
)

// mirrored is how long after a packet its mirrored copy may come, in
// nanoseconds. A retransmission takes at least a round trip and has another
// IP identification.
const mirrored = 100e6

// Stats counts what a table did. All values only grow, but for Live.
type Stats struct {
	Live        uint64 // flows in the table
	Created     uint64
	Evicted     uint64 // given up because the table was full
	Expired     uint64 // idle for longer than their time-out
	Reused      uint64 // five-tuples that started again
	Mirrored    uint64 // packets that were a copy of the one before
	HeadEvicted uint64 // heads given up because the pool was full
	HeadFull    uint64 // heads that reached their size without a decision
	Holes       uint64 // segments not kept because a head had too many holes
	Unread      uint64 // flows that ended with a handshake that was not whole
	Cut         uint64 // others of which the capture did not keep enough
}

// Table finds flows by five-tuple. It is not safe for concurrent use.
type Table struct {
	buckets []uint32 // flow index + 1, chained through Flow.next
	flows   []Flow
	mask    uint64
	seed    [2]uint64
	free    uint32 // index + 1 of the first free flow, chained through Flow.next
	fresh   uint32 // flows[fresh:] were never used
	hand    uint32 // of the clock that looks for idle flows
	heads   pool
	retired func(*Flow)
	refresh func(*Flow, int64) bool
	Stats   Stats
}

// New makes a table. retired is called with each flow that carries MarkHit or
// MarkShunted when the table forgets it, before its memory is used again.
func New(cfg Config, retired func(*Flow)) *Table {
	if cfg.Flows <= 0 {
		cfg.Flows = 200_000
	}
	n := 1 << bits.Len(uint(cfg.Flows*2-1))
	t := &Table{
		buckets: make([]uint32, n),
		flows:   make([]Flow, cfg.Flows),
		mask:    uint64(n - 1),
		seed:    cfg.Seed,
		retired: retired,
		refresh: cfg.Refresh,
		heads:   newPool(cfg),
	}
	return t
}

// Ref is a packet's place in the table, made by Locate and used by Get.
type Ref struct {
	bucket uint32
	dir    Dir
}

// mix is the 128-bit multiply-and-fold step of wyhash.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

// Locate computes a packet's bucket and direction. p must be a transport
// packet.
func (t *Table) Locate(p *decode.Packet) Ref {
	a, b := p.Src, p.Dst
	ap, bp := uint64(p.SrcPort), uint64(p.DstPort)
	var dir Dir
	if above(a, ap, b, bp) {
		a, b, ap, bp, dir = b, a, bp, ap, HiLo
	}
	h := mix(a.Lo^t.seed[0], b.Lo^t.seed[1])
	h = mix(h^ap<<32^bp<<8^uint64(p.Proto), t.seed[1])
	if a.Hi|b.Hi != 0 {
		h = mix(h^a.Hi, b.Hi^t.seed[0])
	}
	return Ref{bucket: uint32(h & t.mask), dir: dir}
}

// above reports whether endpoint (a, ap) sorts after (b, bp).
func above(a decode.Addr, ap uint64, b decode.Addr, bp uint64) bool {
	if a.Hi != b.Hi {
		return a.Hi > b.Hi
	}
	if a.Lo != b.Lo {
		return a.Lo > b.Lo
	}
	return ap > bp
}

// Warm reads the buckets and first flows of a batch, so that their cache
// misses overlap instead of following one another. The result only keeps the
// compiler from dropping the reads.
func (t *Table) Warm(refs []Ref) (sum uint64) {
	var idx [64]uint32
	for len(refs) > 0 {
		n := min(len(refs), len(idx))
		for i, r := range refs[:n] {
			idx[i] = t.buckets[uint64(r.bucket)&t.mask]
		}
		for _, x := range idx[:n] {
			if x != 0 {
				f := &t.flows[x-1]
				sum += f.lo.Hi + f.bytes[0]
			}
		}
		refs = refs[n:]
	}
	return sum
}

// Get returns the packet's flow and direction, made new where there was none,
// with the packet counted. copied is true for a mirrored copy of a packet that
// was counted already: there is nothing more to do with it. The flow is valid
// until the next Get.
func (t *Table) Get(r Ref, p *decode.Packet, now int64) (f *Flow, dir Dir, copied bool) {
	lo, hi, lp, hp := p.Src, p.Dst, p.SrcPort, p.DstPort
	if r.dir == HiLo {
		lo, hi, lp, hp = hi, lo, hp, lp
	}
	for i := t.buckets[r.bucket]; i != 0; i = f.next {
		f = &t.flows[i-1]
		if f.lo == lo && f.hi == hi && f.loPort == lp && f.hiPort == hp && f.proto == p.Proto {
			if now-f.last > timeoutClosed && t.silent(f, now) {
				t.Stats.Expired++
				t.restart(f, p, now)
				f.sigs = [len(f.sigs)]uint32{} // what was mirrored then is no copy now
			}
			return t.count(f, r, p, now)
		}
	}
	f = t.insert(r, p, now)
	f.lo, f.hi, f.loPort, f.hiPort = lo, hi, lp, hp
	return t.count(f, r, p, now)
}

// count books the packet on its flow.
func (t *Table) count(f *Flow, r Ref, p *decode.Packet, now int64) (*Flow, Dir, bool) {
	sig := signature(p)
	if (f.sigs[0] == sig || f.sigs[1] == sig || f.sigs[2] == sig) && now-f.last < mirrored {
		t.Stats.Mirrored++
		f.Mark |= MarkCopied
		return f, r.dir, true
	}
	f.sigs[f.sig] = sig
	if f.sig++; int(f.sig) == len(f.sigs) {
		f.sig = 0
	}
	if p.Flags&(SYNFINRST) != 0 && p.Proto == decode.ProtoTCP {
		t.handshake(f, r.dir, p, now)
	}
	f.last = max(f.last, now)
	f.pkts[r.dir]++
	f.bytes[r.dir] += uint64(p.PayloadLen)
	return f, r.dir, false
}

// SYNFINRST are the TCP flags that begin or end a flow.
const SYNFINRST = decode.SYN | decode.FIN | decode.RST

// handshake follows the TCP flags that begin and end a flow.
func (t *Table) handshake(f *Flow, dir Dir, p *decode.Packet, now int64) {
	switch {
	case p.Flags&decode.RST != 0:
		f.Mark |= MarkClosed
	case p.Flags&decode.SYN != 0:
		if t.reused(f, dir, p) {
			t.Stats.Reused++
			t.restart(f, p, now)
		}
		f.base[dir] = p.Seq + 1
		f.state |= (stateBase | stateSYN) << dir
		if p.Flags&decode.ACK == 0 {
			f.SetClient(dir)
		} else {
			f.SetClient(dir.Opposite())
		}
	default:
		f.Mark |= MarkFIN << dir
		if f.Mark&(MarkFIN|MarkFINHiLo) == MarkFIN|MarkFINHiLo {
			f.Mark |= MarkClosed
		}
	}
}

// reused reports whether a SYN begins a new connection on an old five-tuple,
// rather than repeating the SYN that the flow began with.
func (t *Table) reused(f *Flow, dir Dir, p *decode.Packet) bool {
	if f.pkts[0]|f.pkts[1] == 0 {
		return false // the packet that made this flow
	}
	if p.Flags&decode.ACK != 0 {
		return false // the answer to a SYN
	}
	if f.state&(stateSYN<<dir) != 0 {
		return f.base[dir] != p.Seq+1
	}
	return f.Mark&MarkClosed != 0 || f.bytes[dir] > 0
}

// restart makes f a new flow of the same five-tuple.
func (t *Table) restart(f *Flow, p *decode.Packet, now int64) {
	next := f.next
	t.retire(f)
	client := f.state & stateClientHiLo
	*f = Flow{lo: f.lo, hi: f.hi, loPort: f.loPort, hiPort: f.hiPort, proto: f.proto, state: client, next: next, self: f.self, sigs: f.sigs, sig: f.sig}
	t.begin(f, p, now)
}

// begin fills what a flow takes from its first packet.
func (t *Table) begin(f *Flow, p *decode.Packet, now int64) {
	f.first, f.last = now, now
	for _, id := range p.VLAN[:min(int(p.NumVLAN), len(p.VLAN))] {
		if id != 0 { // 0 is no VLAN but a priority (IEEE 802.1Q section 9.6)
			f.VLAN = id
			break
		}
	}
	f.Tunnel, f.TunnelID = p.Tunnel, p.TunnelID
}

// insert links a new flow into its bucket. The caller sets the key.
func (t *Table) insert(r Ref, p *decode.Packet, now int64) *Flow {
	i := t.take(now)
	f := &t.flows[i]
	*f = Flow{proto: p.Proto, self: i, next: t.buckets[r.bucket]}
	t.buckets[r.bucket] = i + 1
	t.Stats.Created++
	t.Stats.Live++
	t.begin(f, p, now)
	client := r.dir
	if senderIsServer(p) {
		client = client.Opposite()
	}
	f.state = uint8(client) << 6
	return f
}

// senderIsServer guesses, from a flow's first packet, whether its sender is
// the side that answers. A SYN settles it later.
func senderIsServer(p *decode.Packet) bool { return p.SrcPort < 1024 && p.DstPort >= 1024 }

// take returns the index of a free flow, evicting the idlest of a few when
// there is none.
func (t *Table) take(now int64) uint32 {
	if t.free != 0 {
		i := t.free - 1
		t.free = t.flows[i].next
		return i
	}
	if int(t.fresh) < len(t.flows) {
		t.fresh++
		return t.fresh - 1
	}
	const sample = 12
	victim, best := t.hand, int64(-1)
	for range sample {
		f := &t.flows[t.hand]
		if idle := f.idle(now); idle > best {
			victim, best = t.hand, idle
		}
		t.hand = t.advance(t.hand)
	}
	t.Stats.Evicted++
	t.forget(victim)
	i := t.free - 1
	t.free = t.flows[i].next
	return i
}

// idle is how long the flow was silent, in nanoseconds, as a weight for
// eviction: a flow without payload goes first, one with a hit last.
func (f *Flow) idle(now int64) int64 {
	d := max(now-f.last, 0)
	switch {
	case f.Mark&MarkHit != 0:
		return d / 16
	case f.bytes[0]|f.bytes[1] == 0:
		return d + timeoutTCP
	}
	return d
}

func (t *Table) advance(i uint32) uint32 {
	if i++; int(i) < len(t.flows) {
		return i
	}
	return 0
}

// Sweep looks at n flows in turn and forgets those that were silent for longer
// than their time-out.
func (t *Table) Sweep(n int, now int64) {
	if t.fresh == 0 {
		return
	}
	for range n {
		f := &t.flows[t.hand]
		if f.proto != 0 && t.silent(f, now) {
			t.Stats.Expired++
			t.forget(t.hand)
		}
		t.hand = t.advance(t.hand)
		if t.hand >= t.fresh {
			t.hand = 0
		}
	}
}

// silent reports whether a flow has been silent for its time-out.
func (t *Table) silent(f *Flow, now int64) bool {
	timeout := f.timeout()
	return now-f.last > timeout && (f.Mark&MarkShunted == 0 || !t.refresh(f, now-timeout))
}

func (f *Flow) timeout() int64 {
	switch {
	case f.Mark&MarkClosed != 0:
		return timeoutClosed
	case f.proto == decode.ProtoUDP:
		return timeoutUDP
	case f.bytes[0]|f.bytes[1] == 0:
		return timeoutHalf
	}
	return timeoutTCP
}

// forget unlinks a live flow and puts it on the free list.
func (t *Table) forget(i uint32) {
	f := &t.flows[i]
	if f.proto == 0 {
		return
	}
	p := decode.Packet{Src: f.lo, Dst: f.hi, SrcPort: f.loPort, DstPort: f.hiPort, Proto: f.proto}
	link := &t.buckets[t.Locate(&p).bucket]
	for *link != i+1 {
		link = &t.flows[*link-1].next
	}
	*link = f.next
	t.retire(f)
	*f = Flow{next: t.free}
	t.free = i + 1
	t.Stats.Live--
}

// retire gives back a flow's heads and reports it where it was hit.
func (t *Table) retire(f *Flow) {
	t.tally(f)
	t.Release(f, LoHi)
	t.Release(f, HiLo)
	if f.Mark&(MarkHit|MarkShunted) != 0 && t.retired != nil {
		t.retired(f)
	}
}

// tally counts what could not be read of a flow that ends.
func (t *Table) tally(f *Flow) {
	switch {
	case f.Unread&(UnreadLoHi|UnreadHiLo) != 0:
		t.Stats.Unread++
	case f.Unread&UnreadCut != 0:
		t.Stats.Cut++
	}
}

// Close reports every flow that carries MarkHit or MarkShunted, in the order of the table, as
// at the end of a capture. The table must not be used afterwards.
func (t *Table) Close() {
	for i := range t.flows[:t.fresh] {
		t.tally(&t.flows[i])
		if f := &t.flows[i]; f.Mark&(MarkHit|MarkShunted) != 0 && t.retired != nil {
			t.retired(f)
		}
	}
}
