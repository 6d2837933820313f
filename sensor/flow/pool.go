package flow

// class is the slots of one size. Those in use are a list in the order in
// which they were given out, so that a full class gives up its oldest; the free
// ones are a stack, so that the memory used last, still in the cache, is used
// again.
type class struct {
	size           int
	slots          []head
	bytes          []byte
	free           int32 // chained through next, -1 for none
	oldest, newest int32
}

func newClass(slots, size int) class {
	c := class{size: size, slots: make([]head, slots), bytes: make([]byte, slots*size), oldest: -1, newest: -1}
	for i := range c.slots {
		c.slots[i].next = int32(i) + 1
	}
	c.slots[slots-1].next = -1
	return c
}

func (c *class) data(i int32) []byte { return c.bytes[int(i)*c.size : (int(i)+1)*c.size] }

// take gives out a free slot; there must be one.
func (c *class) take() int32 {
	i := c.free
	h := &c.slots[i]
	c.free = h.next
	*h = head{prev: c.newest, next: -1}
	if c.newest >= 0 {
		c.slots[c.newest].next = i
	} else {
		c.oldest = i
	}
	c.newest = i
	return i
}

func (c *class) give(i int32) {
	h := &c.slots[i]
	if h.prev >= 0 {
		c.slots[h.prev].next = h.next
	} else {
		c.oldest = h.next
	}
	if h.next >= 0 {
		c.slots[h.next].prev = h.prev
	} else {
		c.newest = h.prev
	}
	*h = head{next: c.free}
	c.free = i
}

// pool holds all heads. A flow's head number is the slot + 1, that of a large
// head with largeBit set.
type pool struct{ small, large class }

const largeBit = 1 << 31

func newPool(cfg Config) pool {
	if cfg.SmallHeads <= 0 {
		cfg.SmallHeads = 4096
	}
	if cfg.LargeHeads <= 0 {
		cfg.LargeHeads = 384
	}
	return pool{newClass(cfg.SmallHeads, SmallHead), newClass(cfg.LargeHeads, LargeHead)}
}

// at returns the class and slot of a head number, which is not 0.
func (h *pool) at(number uint32) (*class, int32) {
	if number&largeBit != 0 {
		return &h.large, int32(number&^largeBit) - 1
	}
	return &h.small, int32(number) - 1
}
