package dns

// fixedLen is the part of a record between its owner and its data, RFC 1035 section 3.2.1.
const fixedLen = 10

// fixed is that part, taken apart.
type fixed struct {
	typ, class uint16
	ttl        uint32
	data, end  int // the record's data is msg[data:end]
}

// fixedAt reads the fixed part at off. Without st == Done it means nothing.
func (m *Message) fixedAt(msg []byte, off int) (f fixed, st Status) {
	if len(msg)-off < fixedLen {
		return f, m.unless(Partial)
	}
	b := msg[off : off+fixedLen]
	f = fixed{
		typ:   be.Uint16(b),
		class: be.Uint16(b[2:]) & 0x7fff,
		ttl:   be.Uint32(b[4:]),
		data:  off + fixedLen,
		end:   off + fixedLen + int(be.Uint16(b[8:])),
	}
	if f.end > len(msg) {
		return f, m.unless(Partial)
	}
	return f, Done
}

// answers stores the records of the answer section.
func (m *Message) answers(msg []byte, off int) (int, Status) {
	for left := int(m.ANCount); left > 0; left-- {
		// Owner and target may each need maxName.
		if m.NumAnswers == MaxAnswers || nameSpace-m.used < 2*maxName {
			next, st := m.others(msg, off, left, false)
			if st == Done {
				m.Unstored += left
			}
			return next, st
		}
		a := &m.Answers[m.NumAnswers]
		owner, next, st := m.owner(msg, off)
		if st == Malformed {
			return 0, Malformed
		}
		if st == Partial {
			return 0, m.unless(Partial)
		}
		f, st := m.fixedAt(msg, next)
		if st != Done {
			return 0, st
		}
		if !assigned(f.typ, f.class) {
			return 0, m.unless(Malformed)
		}
		*a = Answer{Data: msg[f.data:f.end:f.end], Owner: owner, TTL: f.ttl, Type: f.typ, Class: f.class}
		if !m.data(msg[:f.end], f.data, a) {
			return 0, m.unless(Malformed)
		}
		m.NumAnswers++
		off = f.end
	}
	return off, Done
}

// owner is m.name with a short cut: answers nearly always point at the
// question, or at the owner or target of the answer before them.
func (m *Message) owner(msg []byte, off int) (Name, int, Status) {
	if len(msg)-off >= 2 && msg[off] >= 0xc0 {
		to := be.Uint16(msg[off:]) & 0x3fff
		if m.NumQuestions > 0 && m.Questions[0].Name.at == to {
			return m.Questions[0].Name, off + 2, Done
		}
		if m.NumAnswers > 0 && to != 0 {
			a := &m.Answers[m.NumAnswers-1]
			if a.Owner.at == to {
				return a.Owner, off + 2, Done
			}
			if a.Target.at == to {
				return a.Target, off + 2, Done
			}
		}
	}
	return m.name(msg, off)
}

// data takes the data of a apart: msg[off:], which must be filled exactly.
func (m *Message) data(msg []byte, off int, a *Answer) bool {
	n := len(msg) - off
	if n == 0 && m.Opcode == OpcodeUpdate {
		return true // "no such record" and the like, RFC 2136 section 2.4
	}
	switch a.Type {
	case TypeA:
		return n == 4
	case TypeAAAA:
		return n == 16
	case TypeCNAME, TypeDNAME, TypeNS, TypePTR:
		return m.target(msg, off, a) == len(msg)
	case TypeMX:
		if n < 2 {
			return false
		}
		a.Priority = be.Uint16(msg[off:])
		return m.target(msg, off+2, a) == len(msg)
	case TypeSRV:
		if n < 6 {
			return false
		}
		a.Priority, a.Port = be.Uint16(msg[off:]), be.Uint16(msg[off+4:])
		return m.target(msg, off+6, a) == len(msg)
	case TypeSVCB, TypeHTTPS:
		if n < 2 {
			return false
		}
		a.Priority = be.Uint16(msg[off:])
		off = m.target(msg, off+2, a)
		return off > 0 && params(msg, off, a)
	}
	return a.Type != TypeOPT // which stands in the additional section
}

// target reads the name at off into a.Target. It returns the offset behind it,
// or 0 when it is malformed or runs out of the record's data.
func (m *Message) target(msg []byte, off int, a *Answer) int {
	name, next, st := m.name(msg, off)
	if st != Done {
		return 0
	}
	a.Target = name
	return next
}

// Keys of service parameters (RFC 9460 section 14.3.2, RFC 9848).
const (
	keyALPN     = 1
	keyPort     = 3
	keyIPv4Hint = 4
	keyECH      = 5
	keyIPv6Hint = 6
)

// params reads the service parameters msg[off:] of an SVCB or HTTPS record,
// which stand in ascending order of their keys (RFC 9460 section 2.2).
func params(msg []byte, off int, a *Answer) bool {
	for last := -1; off < len(msg); {
		if len(msg)-off < 4 {
			return false
		}
		key, n := int(be.Uint16(msg[off:])), int(be.Uint16(msg[off+2:]))
		off += 4
		if key <= last || len(msg)-off < n {
			return false
		}
		ok, value := true, msg[off:off+n:off+n]
		switch key {
		case keyALPN:
			a.ALPN, ok = value, alpn(value)
		case keyPort:
			if ok = n == 2; ok {
				a.Port = be.Uint16(value)
			}
		case keyIPv4Hint:
			a.IPv4Hint, ok = value, n > 0 && n%4 == 0
		case keyECH:
			a.ECH = true
		case keyIPv6Hint:
			a.IPv6Hint, ok = value, n > 0 && n%16 == 0
		}
		if !ok {
			return false
		}
		off += n
		last = key
	}
	return true
}

// alpn reports whether list is one or more identifiers that are not empty.
func alpn(list []byte) bool {
	for rest := list; len(rest) > 0; {
		n := 1 + int(rest[0])
		if n == 1 || len(rest) < n {
			return false
		}
		rest = rest[n:]
	}
	return len(list) > 0
}

// others walks over n records that are not stored and reads the OPT among
// them, where additional says that one may occur.
func (m *Message) others(msg []byte, off, n int, additional bool) (int, Status) {
	for range n {
		next, st := skipName(msg, off)
		if st == Malformed {
			return 0, Malformed
		}
		if st == Partial {
			return 0, m.unless(Partial)
		}
		f, st := m.fixedAt(msg, next)
		if st != Done {
			return 0, st
		}
		if f.typ == TypeOPT {
			if !additional || m.EDNS || msg[off] != 0 { // one at most, for the root: RFC 6891 section 6.1.1
				return 0, m.unless(Malformed)
			}
			m.EDNS = true
			m.RCode |= uint16(f.ttl>>24) << 4
		}
		off = f.end
	}
	return off, Done
}
