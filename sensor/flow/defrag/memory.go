package defrag

import "math/bits"

// hash mixes all of a key with the seed, so that a sender cannot choose keys that
// share a bucket.
func (t *Table) hash(k *key) uint64 {
	h := mix(k.src.Lo^t.seed[0], k.dst.Lo^t.seed[1])
	h = mix(h^k.src.Hi, k.dst.Hi^t.seed[0])
	return mix(h^uint64(k.id)<<8^uint64(k.proto), t.seed[1])
}

// mix is the 128-bit multiply-and-fold step of wyhash.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

// find returns the datagram of a key, made new where there was none that is young
// enough.
func (t *Table) find(k *key, hash uint64, now int64) uint32 {
	bucket := uint32(hash) & uint32(len(t.buckets)-1)
	for ref := t.buckets[bucket]; ref != 0; ref = t.datagrams[ref-1].next {
		if d := &t.datagrams[ref-1]; d.key == *k {
			if within(now, d.first, t.timeout) {
				return ref
			}
			t.Stats.TimedOut++ // not yet found by expire: the clock jumped
			t.drop(ref)
			break
		}
	}
	if t.freeDatagram == 0 {
		t.Stats.Evicted++
		t.drop(t.oldest)
	}
	ref := t.freeDatagram
	d := &t.datagrams[ref-1]
	t.freeDatagram = d.next
	*d = datagram{key: *k, bucket: bucket, next: t.buckets[bucket], older: t.newest, first: now}
	t.buckets[bucket] = ref
	if t.newest != 0 {
		t.datagrams[t.newest-1].newer = ref
	} else {
		t.oldest = ref
	}
	t.newest = ref
	t.Stats.Live++
	return ref
}

// drop forgets a datagram and takes its blocks back.
func (t *Table) drop(ref uint32) {
	d := &t.datagrams[ref-1]
	for _, b := range d.blocks[:(d.end+blockSize-1)/blockSize] {
		if b != 0 {
			t.have[b-1] = 0
			t.freeBlocks = append(t.freeBlocks, b)
		}
	}
	if d.older != 0 {
		t.datagrams[d.older-1].newer = d.newer
	} else {
		t.oldest = d.newer
	}
	if d.newer != 0 {
		t.datagrams[d.newer-1].older = d.older
	} else {
		t.newest = d.older
	}
	link := &t.buckets[d.bucket]
	for *link != ref {
		link = &t.datagrams[*link-1].next
	}
	*link = d.next
	d.next, t.freeDatagram = t.freeDatagram, ref
	t.Stats.Live--
}

// expire drops the datagrams that are too old. It looks no further than the first
// that is not: find checks the age of the one that is wanted.
func (t *Table) expire(now int64) {
	for t.oldest != 0 && !within(now, t.datagrams[t.oldest-1].first, t.timeout) {
		t.Stats.TimedOut++
		t.drop(t.oldest)
	}
}

// takeBlock returns an empty block for the datagram ref, taken from the oldest other
// one when none is free. There is always one: the budget is at least one datagram's.
func (t *Table) takeBlock(ref uint32) uint32 {
	for len(t.freeBlocks) == 0 {
		victim := t.oldest
		if victim == ref {
			victim = t.datagrams[ref-1].newer
		}
		t.Stats.Evicted++
		t.drop(victim)
	}
	b := t.freeBlocks[len(t.freeBlocks)-1]
	t.freeBlocks = t.freeBlocks[:len(t.freeBlocks)-1]
	return b
}

// block is the memory of a block.
func (t *Table) block(b uint32) []byte {
	return t.data[int(b-1)*blockSize : int(b)*blockSize]
}
