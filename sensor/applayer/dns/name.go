package dns

const (
	maxWire = 255 // octets of a name with its length octets, RFC 1035 section 2.3.4
	maxJump = 126 // a name has at most 127 labels; a pointer before each but the first
)

// extra is how many bytes more than one a byte of a label takes in our form.
var extra = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c == '.' || c == '\\':
			t[c] = 1
		case c < 0x21 || c > 0x7e:
			t[c] = 3
		}
	}
	return
}()

// name decodes the name at off into m.names, which must have maxName bytes
// left, and returns it with the offset behind it. The status is Done, Partial
// when the message ends inside the name, or Malformed.
func (m *Message) name(msg []byte, off int) (Name, int, Status) {
	var (
		start  = m.used
		w      = start
		n      = Name{off: uint16(start), at: uint16(off)}
		limit  = off // a pointer must lead before the labels that it continues: loops are impossible
		next   = 0   // behind the first pointer; 0 before it
		octets = 1   // the root's
		jumps  = 0
	)
	for off < len(msg) {
		c := int(msg[off])
		switch {
		case c == 0:
			if next == 0 {
				next = off + 1
			}
			n.len = uint16(w - start)
			m.used = w
			return n, next, Done
		case c < 0x40:
			label := msg[off+1:]
			if octets += 1 + c; octets > maxWire {
				return Name{}, 0, Malformed
			}
			if len(label) < c {
				return Name{}, 0, short(next)
			}
			if w != start {
				m.names[w] = '.'
				w++
			}
			w = m.label(w, label[:c])
			off += 1 + c
		case c >= 0xc0:
			if off+1 >= len(msg) {
				return Name{}, 0, short(next)
			}
			to := (c&0x3f)<<8 | int(msg[off+1])
			if jumps++; to >= limit || to < headerLen || jumps > maxJump {
				return Name{}, 0, Malformed
			}
			if next == 0 {
				next = off + 2
			}
			off, limit = to, to
		default: // the label types 01 and 10 were never used (RFC 6891 section 5)
			return Name{}, 0, Malformed
		}
	}
	return Name{}, 0, short(next)
}

// short is the status of a name that runs out of the message: behind a
// pointer all bytes should have been there already.
func short(next int) Status {
	if next != 0 {
		return Malformed
	}
	return Partial
}

// label writes a label at w into m.names and returns the offset behind it.
func (m *Message) label(w int, label []byte) int {
	dst := m.names[w:][:len(label)]
	dirty := uint8(0)
	for i, c := range label {
		dst[i] = c
		dirty |= extra[c]
	}
	if dirty == 0 {
		return w + len(label)
	}
	for _, c := range label {
		switch extra[c] {
		case 0:
			m.names[w] = c
		case 1:
			m.names[w], m.names[w+1] = '\\', c
		default:
			m.names[w], m.names[w+1], m.names[w+2], m.names[w+3] = '\\', '0'+c/100, '0'+c/10%10, '0'+c%10
		}
		w += 1 + int(extra[c])
	}
	return w
}

// skipName returns the offset behind the name at off without decoding it.
func skipName(msg []byte, off int) (int, Status) {
	start := off
	for off < len(msg) {
		c := int(msg[off])
		switch {
		case c == 0:
			return off + 1, Done
		case c < 0x40:
			if off += 1 + c; off-start >= maxWire {
				return 0, Malformed
			}
		case c >= 0xc0:
			if off+1 >= len(msg) {
				return 0, Partial
			}
			if to := (c&0x3f)<<8 | int(msg[off+1]); to >= start || to < headerLen {
				return 0, Malformed
			}
			return off + 2, Done
		default:
			return 0, Malformed
		}
	}
	return 0, Partial
}
