package shunt

import "encoding/binary"

// spare slots are free beyond those that flows may take. The ring of free slots
// gives out the one that was freed longest ago, so that a slot rests for as many
// removals while a CPU may still count a packet of its old flow there.
const spare = 1024

// read copies a slot's counts out of the memory that the kernel writes. Each
// value is read whole.
func (s *Shunt) read(slot uint32) (c Counts) {
	if _, err := s.mem.ReadAt(s.slot[:], int64(slot)*slotSize); err != nil {
		return c
	}
	e := binary.NativeEndian
	for dir := range c.Packets {
		c.Packets[dir] = e.Uint64(s.slot[slotPackets+8*dir:])
		c.Bytes[dir] = e.Uint64(s.slot[slotBytes+8*dir:])
	}
	c.Last = int64(e.Uint64(s.slot[slotLast:]))
	c.Closed = e.Uint32(s.slot[slotClosed:]) != 0
	return c
}

// write changes a part of a slot.
func (s *Shunt) write(slot uint32, at int64, b []byte) bool {
	_, err := s.mem.WriteAt(b, int64(slot)*slotSize+at)
	return err == nil
}

// tail is a slot at the end of the ring of free ones; -1 is the last.
func (s *Shunt) tail(i int) uint32 {
	return s.free[(s.head+s.n+spare+i+len(s.free))%len(s.free)]
}

// retire frees a slot whose flow was removed with the counts c.
func (s *Shunt) retire(slot uint32, c Counts) {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], c.Packets[0]+c.Packets[1])
	s.write(slot, slotRemoved, b[:])
	if s.retired == spare { // the one that has rested longest may be used from now on
		s.late += s.lateOf(s.tail(-spare))
	} else {
		s.retired++
	}
	s.free[(s.head+s.n+spare)%len(s.free)] = slot
	s.n++
}

// lateOf is how many packets were counted in a retired slot after its flow was removed.
func (s *Shunt) lateOf(slot uint32) uint64 {
	c := s.read(slot)
	return c.Packets[0] + c.Packets[1] - binary.NativeEndian.Uint64(s.slot[slotRemoved:])
}
