package flow

import "github.com/rmmwatch/rmmwatch/sensor/decode"

// Sizes of a head, in bytes. A ClientHello with a post-quantum key share is
// about 1,800 bytes and a HTTP request head seldom above 3,000: small heads
// hold them. A TLS 1.2 server flight with a long certificate chain needs more;
// interval ends must fit 16 bits.
const (
	SmallHead = 4 << 10
	LargeHead = 32 << 10
)

// maxIntervals is how many separate runs of bytes a head holds while it has
// holes. A ClientHello of three segments in any order makes two.
const maxIntervals = 6

// rebaseLimit is how far before the first byte seen an earlier one may come
// when the start of the flow was missed.
const rebaseLimit = SmallHead

// resyncAfter is how far beyond a hole Resync gives it up, in bytes: more than
// a sender has under way before the first acknowledgement of a lost segment.
const resyncAfter = LargeHead / 2

type interval struct{ start, end uint16 }

// head is the bookkeeping of one slot: which bytes from the start of the
// direction are there.
type head struct {
	owner      uint32 // flow index + 1; 0 for a free slot
	prev, next int32  // neighbours in the class's list, -1 for none
	dir        Dir
	runs       uint8
	skip       uint16 // see Table.Skip
	run        [maxIntervals]interval
}

// head returns a direction's head with its memory, nil where it has none.
func (t *Table) head(f *Flow, d Dir) (*head, []byte) {
	if f.head[d] == 0 {
		return nil, nil
	}
	c, i := t.heads.at(f.head[d])
	return &c.slots[i], c.data(i)
}

// Segment puts a TCP segment in its place among the first bytes of a
// direction and returns the bytes present without a hole from the start.
// Where bytes overlap, those that came first stay.
//
// fresh is false when the segment added nothing to them: a retransmission, or
// one beyond a hole. The view aliases p.Payload or the table's memory and is
// valid until the next call of Segment or Keep.
func (t *Table) Segment(f *Flow, d Dir, p *decode.Packet) (view []byte, fresh bool) {
	seq := p.Seq
	if p.Flags&decode.SYN != 0 {
		seq++ // data in a SYN (RFC 7413) follows it
	}
	if f.state&(stateBase<<d) == 0 {
		f.base[d] = seq
		f.state |= stateBase << d
	}
	off := int64(int32(seq - f.base[d]))
	if off == -1 && f.bytes[d] == uint64(p.PayloadLen) && len(p.Payload) > 1 {
		// The first payload has the SYN's own number: made by a program that does
		// not count the SYN. What is not made so has no two bytes there.
		f.base[d], off = seq, 0
	}
	if f.head[d] == 0 && off == 0 {
		return p.Payload, true // the start, in one piece so far: no copy
	}
	return t.insertSegment(f, d, off, p.Payload)
}

// Insert puts data at an offset of a direction's first bytes, as Segment does,
// for protocols that number their bytes themselves (QUIC CRYPTO frames).
func (t *Table) Insert(f *Flow, d Dir, off uint64, data []byte) (view []byte, fresh bool) {
	if off > LargeHead {
		return t.View(f, d), false
	}
	return t.insertSegment(f, d, int64(off), data)
}

func (t *Table) insertSegment(f *Flow, d Dir, off int64, data []byte) (view []byte, fresh bool) {
	if off < 0 {
		if off, data = t.before(f, d, off, data); len(data) == 0 {
			return t.View(f, d), false
		}
	}
	if off >= LargeHead {
		return t.View(f, d), false
	}
	h, mem := t.open(f, d, int(off)+len(data))
	was := h.contiguous()
	if !h.put(mem, int(off), data) {
		t.Stats.Holes++
	}
	n := h.contiguous()
	return mem[:n], n > was
}

// before handles a segment that starts before the base. After a seen SYN that
// is a retransmission or a keep-alive; else the flow's start was missed and
// what came first was not the first: everything moves up.
func (t *Table) before(f *Flow, d Dir, off int64, data []byte) (int64, []byte) {
	if f.SawStart(d) || -off > rebaseLimit {
		if -off >= int64(len(data)) {
			return 0, nil
		}
		return 0, data[-off:]
	}
	if h, mem := t.head(f, d); h != nil {
		if !h.shift(mem, int(-off)) {
			return 0, nil
		}
		h.skip, f.Tries[d] = 0, 0 // what was read so far was not the start
	}
	f.base[d] -= uint32(-off)
	return 0, data
}

// Keep copies a view that Segment returned without a copy into the table, as
// its first bytes: more is needed before it can be decided.
func (t *Table) Keep(f *Flow, d Dir, view []byte) {
	if f.head[d] != 0 {
		return
	}
	h, mem := t.open(f, d, len(view))
	h.put(mem, 0, view)
}

// View returns the bytes of a direction that are present from its start.
func (t *Table) View(f *Flow, d Dir) []byte {
	h, mem := t.head(f, d)
	if h == nil {
		return nil
	}
	return mem[:h.contiguous()]
}

// Skip is how many of a direction's first bytes belong to a protocol that was
// read already and carries another one (CONNECT, SOCKS, RDP negotiation).
func (t *Table) Skip(f *Flow, d Dir) int {
	h, _ := t.head(f, d)
	if h == nil {
		return 0
	}
	return int(h.skip)
}

// SetSkip sets what Skip returns; the direction must have been kept.
func (t *Table) SetSkip(f *Flow, d Dir, n int) {
	if h, _ := t.head(f, d); h != nil {
		h.skip = uint16(min(n, LargeHead))
	}
}

// Decide marks a direction as done and gives its head back.
func (t *Table) Decide(f *Flow, d Dir) {
	f.state |= stateDone << d
	t.Release(f, d)
}

// Consume drops the first n bytes of a direction: what follows them becomes
// its start, as when one message of a long-lived connection was read.
func (t *Table) Consume(f *Flow, d Dir, n int) {
	f.base[d] += uint32(n)
	h, mem := t.head(f, d)
	if h == nil {
		return
	}
	h.skip = 0
	if !h.drop(mem, n) {
		t.Release(f, d)
	}
}

// Resync begins a direction anew with this segment when it lies so far beyond
// a hole that what is missing will not come: the capture lost it. It reports
// whether it did.
func (t *Table) Resync(f *Flow, d Dir, p *decode.Packet) bool {
	if off := int64(int32(p.Seq - f.base[d])); off < resyncAfter {
		return false
	}
	t.Release(f, d)
	f.base[d] = p.Seq
	return true
}

// Reopen undoes Decide: the direction's first bytes are those of the next
// segment.
func (t *Table) Reopen(f *Flow, d Dir) {
	t.Release(f, d)
	f.state &^= (stateDone | stateBase | stateSYN) << d
}

// Release gives a direction's head back to the pool.
func (t *Table) Release(f *Flow, d Dir) {
	if f.head[d] == 0 {
		return
	}
	c, i := t.heads.at(f.head[d])
	c.give(i)
	f.head[d] = 0
}

// open returns the head of a direction with room for size bytes, or for as
// many as a large head has.
func (t *Table) open(f *Flow, d Dir, size int) (*head, []byte) {
	old, oldMem := t.head(f, d)
	if old != nil && (len(oldMem) == LargeHead || size <= SmallHead) {
		return old, oldMem
	}
	c, bit := &t.heads.small, uint32(0)
	if size > SmallHead {
		c, bit = &t.heads.large, largeBit
	}
	if c.free < 0 {
		t.evictHead(c)
	}
	i := c.take()
	h, mem := &c.slots[i], c.data(i)
	h.owner, h.dir = f.self+1, d
	if old != nil {
		h.runs, h.run, h.skip = old.runs, old.run, old.skip
		copy(mem, oldMem[:old.run[max(int(old.runs), 1)-1].end])
		t.Release(f, d)
	}
	f.head[d] = uint32(i+1) | bit
	return h, mem
}

// evictHead takes the oldest slot of a class from its flow, whose direction is
// decided thereby: its first bytes are lost.
func (t *Table) evictHead(c *class) {
	t.Stats.HeadEvicted++
	h := &c.slots[c.oldest]
	t.Decide(&t.flows[h.owner-1], h.dir)
}

// contiguous is how many bytes are present from the start.
func (h *head) contiguous() int {
	if h.runs == 0 || h.run[0].start != 0 {
		return 0
	}
	return int(h.run[0].end)
}

// put copies data to offset off, but for bytes that are there already, and
// books the run. It reports false, and keeps nothing, when that would make
// more runs than a head can hold. What lies beyond the memory is dropped.
func (h *head) put(mem []byte, off int, data []byte) bool {
	if off >= len(mem) || len(data) == 0 {
		return true
	}
	end := min(off+len(data), len(mem), 1<<16-1)
	data = data[:end-off]

	// The runs that touch [off, end) become one with it.
	first := 0
	for first < int(h.runs) && int(h.run[first].end) < off {
		first++
	}
	last := first
	for last < int(h.runs) && int(h.run[last].start) <= end {
		last++
	}
	if first == last && int(h.runs) == maxIntervals {
		return false
	}
	merged := interval{uint16(off), uint16(end)}
	at := off
	for _, r := range h.run[first:last] {
		if int(r.start) > at {
			copy(mem[at:r.start], data[at-off:])
		}
		at = max(at, int(r.end))
		merged.start, merged.end = min(merged.start, r.start), max(merged.end, r.end)
	}
	if at < end {
		copy(mem[at:end], data[at-off:])
	}
	if first == last {
		copy(h.run[first+1:], h.run[first:h.runs])
		h.runs++
	} else {
		copy(h.run[first+1:], h.run[last:h.runs])
		h.runs -= uint8(last - first - 1)
	}
	h.run[first] = merged
	return true
}

// shift moves everything up by n bytes. It reports false when there is no
// room.
func (h *head) shift(mem []byte, n int) bool {
	if h.runs == 0 {
		return true
	}
	top := int(h.run[h.runs-1].end)
	if top+n > len(mem) {
		return false
	}
	copy(mem[n:], mem[:top])
	for i := range h.run[:h.runs] {
		h.run[i].start += uint16(n)
		h.run[i].end += uint16(n)
	}
	return true
}

// drop removes the first n bytes and moves what is beyond them down. It
// reports false when nothing is.
func (h *head) drop(mem []byte, n int) bool {
	if h.runs == 0 {
		return false
	}
	top, kept := int(h.run[h.runs-1].end), uint8(0)
	for _, r := range h.run[:h.runs] {
		if int(r.end) > n {
			h.run[kept] = interval{r.start - min(r.start, uint16(n)), r.end - uint16(n)}
			kept++
		}
	}
	if kept > 0 {
		copy(mem, mem[n:top])
	}
	h.runs = kept
	return kept > 0
}
