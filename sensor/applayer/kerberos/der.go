package kerberos

// element is a value in DER (X.690). Where cut is set, body is only its beginning.
type element struct {
	tag  byte
	cut  bool
	body []byte
}

// cursor walks over the elements of one that holds others. Where cut is set, the
// bytes end before the holder does.
type cursor struct {
	rest []byte
	cut  bool
}

func (e *element) inside() cursor { return cursor{e.body, e.cut} }

// next takes an element. The status is Partial where the bytes end inside its tag
// or length, and Malformed where it is not there, or longer than its holder, or
// longer than any request.
func (c *cursor) next() (e element, st Status) {
	b := c.rest
	if len(b) < 2 {
		return e, c.short()
	}
	n, at := int(b[1]), 2
	if n >= 0x80 {
		more := n & 0x7f
		if more == 0 || more > 3 {
			return e, Malformed
		}
		if len(b) < 2+more {
			return e, c.short()
		}
		n = 0
		for _, x := range b[2 : 2+more] {
			n = n<<8 | int(x)
		}
		at += more
	}
	e = element{tag: b[0], body: b[at:]}
	switch {
	case n <= len(e.body):
		e.body = e.body[:n:n]
		c.rest = b[at+n:]
	case c.cut:
		e.cut = true
		c.rest = nil
	default:
		return element{}, Malformed
	}
	return e, Done
}

// short is the status where there are not enough bytes.
func (c *cursor) short() Status {
	if c.cut {
		return Partial
	}
	return Malformed
}

// want takes an element that must have a tag.
func (c *cursor) want(tag byte) (element, Status) {
	e, st := c.next()
	if st == Done && e.tag != tag {
		return e, Malformed
	}
	return e, st
}

// only returns the element of a kind that e holds first, which must be whole.
func (e *element) only(tag byte) ([]byte, Status) {
	c := e.inside()
	in, st := c.want(tag)
	switch {
	case st != Done:
		return nil, st
	case in.cut:
		return nil, Partial
	}
	return in.body, Done
}

// integer takes an element with a tag that holds the INTEGER n, and nothing else.
func (c *cursor) integer(tag, n byte) Status {
	e, st := c.want(tag)
	if st != Done {
		return st
	}
	v, st := e.only(0x02)
	if st == Done && (len(v) != 1 || v[0] != n) {
		return Malformed
	}
	return st
}
