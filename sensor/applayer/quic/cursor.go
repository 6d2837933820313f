package quic

// cursor is what has not been read yet of some bytes. Its methods leave it
// alone when they return false.
type cursor []byte

// varint reads a variable-length integer (RFC 9000 section 16).
func (c *cursor) varint() (v uint64, ok bool) {
	b := *c
	if len(b) == 0 {
		return 0, false
	}
	n := 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, false
	}
	v = uint64(b[0] & 0x3f)
	for _, x := range b[1:n] {
		v = v<<8 | uint64(x)
	}
	*c = b[n:]
	return v, true
}

// take reads n bytes.
func (c *cursor) take(n uint64) (b []byte, ok bool) {
	if n > uint64(len(*c)) {
		return nil, false
	}
	b, *c = (*c)[:n:n], (*c)[n:]
	return b, true
}

// prefixed reads bytes that a byte with their number precedes.
func (c *cursor) prefixed() (b []byte, ok bool) {
	if len(*c) == 0 || len(*c) <= int((*c)[0]) {
		return nil, false
	}
	n := int((*c)[0])
	b, *c = (*c)[1:1+n:1+n], (*c)[1+n:]
	return b, true
}
