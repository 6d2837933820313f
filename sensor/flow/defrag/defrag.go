package defrag

import (
	"math/bits"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// Fragments start and end at multiples of a unit (RFC 791 section 3.2). Datagrams
// are kept in blocks of as many units as one bitmap word tells of.
const (
	unit        = 8
	blockSize   = 64 * unit
	maxPayload  = 65535 // of a datagram, by IPv4's total length and IPv6's payload length
	blocksOfOne = (maxPayload + blockSize - 1) / blockSize
)

// mirrored is how long after a datagram was whole the copies of its fragments may
// come, in nanoseconds, when a frame is mirrored twice. It is short because hosts
// that send fast use an identification again within seconds.
const mirrored = 100e6

// Config is the budget of a Table. Zero fields take the defaults.
type Config struct {
	MaxDatagrams int       // unfinished datagrams at a time; default 256
	MaxBytes     int       // of their payload, rounded up to blocks of 512; default 4 MiB, at least one datagram of 64 KiB
	Timeout      int64     // nanoseconds since the first fragment; default 30 s, as in Linux
	Seed         [2]uint64 // of the hash; live sensors use a random one
}

// Stats counts what a Table did. All values only grow, but for Live.
type Stats struct {
	Live          uint64 // unfinished datagrams
	Fragments     uint64 // all that were added
	Reassembled   uint64 // datagrams that became whole
	Duplicates    uint64 // fragments that brought nothing new
	Conflicts     uint64 // fragments that overlapped with other bytes than those which are there
	Contradictory uint64 // datagrams dropped because their fragments disagree about the end
	Malformed     uint64 // fragments with no payload, or reaching beyond 65,535 bytes
	Cut           uint64 // fragments that a snap length cut: their datagram cannot become whole
	TimedOut      uint64 // datagrams
	Evicted       uint64 // datagrams given up because the budget was used up
}

type key struct {
	src, dst decode.Addr
	id       uint32
	proto    uint8 // IPv4 only: RFC 8200 section 4.5 leaves it out
}

// datagram is one that is not whole yet. References are index+1; 0 is none.
type datagram struct {
	key
	bucket       uint32
	next         uint32 // in the bucket, or in the list of free ones
	older, newer uint32
	first        int64  // packet time of the first fragment that arrived
	end          uint32 // highest that any fragment reaches, in bytes
	total        uint32 // length of the datagram, known from its last fragment; 0 before
	units        uint32 // that are there
	blocks       [blocksOfOne]uint32
}

// done is a datagram that was whole, remembered by the hash of its key.
type done struct {
	hash uint64
	at   int64
}

// Table reassembles fragments. It is owned by one worker.
type Table struct {
	timeout        int64
	seed           [2]uint64
	buckets        []uint32
	datagrams      []datagram
	freeDatagram   uint32
	oldest, newest uint32
	data           []byte   // the blocks
	have           []uint64 // of each block, the units that are there
	freeBlocks     []uint32 // a stack
	recent         [256]done
	scratch        []byte
	Stats          Stats
}

// New makes a Table with all the memory that it will ever use: MaxBytes, about
// 640 bytes for each datagram, and 64 KiB.
func New(cfg Config) *Table {
	if cfg.MaxDatagrams <= 0 {
		cfg.MaxDatagrams = 256
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 4 << 20
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30e9
	}
	blocks := max(blocksOfOne, (cfg.MaxBytes+blockSize-1)/blockSize)
	t := &Table{
		timeout:    cfg.Timeout,
		seed:       cfg.Seed,
		buckets:    make([]uint32, 1<<bits.Len(uint(cfg.MaxDatagrams*2-1))),
		datagrams:  make([]datagram, cfg.MaxDatagrams),
		data:       make([]byte, blocks*blockSize),
		have:       make([]uint64, blocks),
		freeBlocks: make([]uint32, blocks),
		scratch:    make([]byte, maxPayload),
	}
	for i := range t.freeBlocks {
		t.freeBlocks[i] = uint32(i + 1)
	}
	for i := range t.datagrams {
		t.datagrams[i].next = t.freeDatagram
		t.freeDatagram = uint32(i + 1)
	}
	return t
}

// Add takes a packet of StatusFragment seen at now, packet time in nanoseconds, and
// copies what it needs of it. When that makes a datagram whole, Add returns its
// payload and true. The payload is valid until the next call.
func (t *Table) Add(p *decode.Packet, now int64) (payload []byte, whole bool) {
	t.Stats.Fragments++
	data := p.Payload
	if uint64(len(data)) < uint64(p.PayloadLen) {
		t.Stats.Cut++
		return nil, false
	}
	if p.Frag.More {
		data = data[:len(data)&^(unit-1)] // as Linux does; others discard it
	}
	offset := p.Frag.Offset
	if len(data) == 0 || len(data) > maxPayload || offset > maxPayload-uint32(len(data)) || offset%unit != 0 {
		t.Stats.Malformed++
		return nil, false
	}
	t.expire(now)
	k := key{src: p.Src, dst: p.Dst, id: p.Frag.ID}
	if p.Src.Is4() {
		k.proto = p.Proto
	}
	hash := t.hash(&k)
	last := &t.recent[hash>>56]
	if last.hash == hash && within(now, last.at, mirrored) {
		t.Stats.Duplicates++
		return nil, false
	}
	ref := t.find(&k, hash, now)
	d := &t.datagrams[ref-1]
	if !d.extend(offset+uint32(len(data)), p.Frag.More) {
		t.Stats.Contradictory++
		t.drop(ref)
		return nil, false
	}
	t.store(ref, data, offset)
	if d.total == 0 || d.units != (d.total+unit-1)/unit {
		return nil, false
	}
	payload = t.scratch[:d.total]
	for i := range (len(payload) + blockSize - 1) / blockSize {
		copy(payload[i*blockSize:], t.block(d.blocks[i]))
	}
	t.drop(ref)
	t.Stats.Reassembled++
	*last = done{hash: hash, at: now}
	return payload, true
}

// within reports whether two times are no more than d apart, in either order:
// captures are read one after another, and clocks are set back.
func within(a, b, d int64) bool {
	if a < b {
		a, b = b, a
	}
	return uint64(a-b) <= uint64(d)
}

// extend books that a fragment reaches end. It reports false when that cannot be
// true together with what the fragments before it said.
func (d *datagram) extend(end uint32, more bool) bool {
	if !more {
		if d.total != 0 && d.total != end {
			return false
		}
		d.total = end
	}
	d.end = max(d.end, end)
	return d.total == 0 || d.end <= d.total
}

// store copies the units of data that are not there yet.
func (t *Table) store(ref uint32, data []byte, offset uint32) {
	d := &t.datagrams[ref-1]
	before, conflict := d.units, false
	for len(data) > 0 {
		at := offset % blockSize
		part := data[:min(len(data), int(blockSize-at))]
		b := &d.blocks[offset/blockSize]
		if *b == 0 {
			*b = t.takeBlock(ref)
		}
		// The units that this part covers: n ones from the bit of the first.
		n := (len(part) + unit - 1) / unit
		mask := ^uint64(0) >> (64 - n) << (at / unit)
		block, have := t.block(*b), &t.have[*b-1]
		d.units += uint32(bits.OnesCount64(mask &^ *have))
		if *have&mask == 0 {
			copy(block[at:], part)
		} else if fill(block, *have, part, int(at)) {
			conflict = true
		}
		*have |= mask
		data, offset = data[len(part):], offset+uint32(len(part))
	}
	if conflict {
		t.Stats.Conflicts++
	} else if d.units == before {
		t.Stats.Duplicates++
	}
}

// fill copies part to block[at:], but for the units that have says are there. It
// reports whether one of those differs.
func fill(block []byte, have uint64, part []byte, at int) (conflict bool) {
	for ; len(part) > 0; at += unit {
		u := part[:min(unit, len(part))]
		part = part[len(u):]
		if have>>(at/unit)&1 == 0 {
			copy(block[at:], u)
		} else if string(block[at:at+len(u)]) != string(u) {
			conflict = true
		}
	}
	return conflict
}
