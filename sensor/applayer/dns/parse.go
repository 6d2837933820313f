package dns

import "encoding/binary"

const (
	headerLen  = 12
	minMessage = headerLen + 5 // a question for the root
)

// impossible are the count bits that no real message sets: more than 63
// questions, 4,095 answers (at 16 bytes, the least that an address takes, 4,096
// fill 64 KiB), 1,023 authority or additional records.
const impossible = 0xffc0_f000_fc00_fc00

var be = binary.BigEndian

// Plausible reports whether the header of msg can be that of a DNS message. It
// is the first glance at any datagram: a few ns, 12 bytes read. Of random
// payloads about one in 10^9 passes; what passes still has to satisfy Parse.
// The Z bit (RFC 1035 section 4.1.1) is no criterion: servers ignore it.
func Plausible(msg []byte) bool {
	if len(msg) < minMessage {
		return false
	}
	counts := be.Uint64(msg[4:])
	if counts&impossible != 0 || counts>>32 == 0 {
		return false // too much, or neither a question nor an answer: nothing to learn
	}
	flags := be.Uint16(msg[2:])
	switch flags >> 11 & 0xf {
	case OpcodeQuery, OpcodeNotify, OpcodeUpdate:
	default:
		return false
	}
	if flags&FlagQR != 0 {
		return flags&0xf <= 11 // the response codes assigned so far
	}
	return flags&(FlagRA|0xf) == 0 && counts>>48 != 0 // a query asks something and has no result yet
}

// Parse reads msg, the payload of a datagram or one message that TCP returned,
// into m.
//
// Because it is offered any payload on any port, it asks more than a resolver
// would: Plausible's header; first a question, or in a response without one
// (mDNS) a record, of assigned type and class; then, for Done, all questions
// and answers of assigned type and class, and every record of the three
// sections in range. Data of known types must be filled exactly. Compression pointers
// lead strictly backwards and a name has at most 255 octets, else the message
// is Malformed. Bytes behind the last record are tolerated, because servers
// tolerate them and one byte appended must not hide a question; m.Trailing is
// there for a caller with no other reason to believe that this is DNS.
//
// Answers come from the answer section; authority and additional records are
// checked and skipped, except for OPT.
func Parse(msg []byte, m *Message) Status {
	// The arrays are left as they are: their entries are always written whole.
	m.EDNS = false
	m.NumQuestions, m.NumAnswers, m.Unstored, m.Trailing, m.used = 0, 0, 0, 0, 0
	if !Plausible(msg) {
		return NotDNS
	}
	if len(msg) > 0xffff {
		msg = msg[:0xffff] // neither UDP nor TCP carries more; offsets are 16 bits
	}
	m.ID, m.Flags = be.Uint16(msg), be.Uint16(msg[2:])
	m.Opcode, m.RCode = uint8(m.Flags>>11&0xf), m.Flags&0xf
	m.QDCount, m.ANCount = be.Uint16(msg[4:]), be.Uint16(msg[6:])
	m.NSCount, m.ARCount = be.Uint16(msg[8:]), be.Uint16(msg[10:])

	off, st := m.questions(msg, headerLen)
	if st == Done {
		off, st = m.answers(msg, off)
	}
	if st == Done {
		off, st = m.others(msg, off, int(m.NSCount), false)
	}
	if st == Done {
		off, st = m.others(msg, off, int(m.ARCount), true)
	}
	if st == Done {
		m.Trailing = len(msg) - off
	}
	return st
}

// unless is st, or NotDNS while nothing complete supports that this is DNS.
func (m *Message) unless(st Status) Status {
	if m.NumQuestions == 0 && m.NumAnswers == 0 {
		return NotDNS
	}
	return st
}

func (m *Message) questions(msg []byte, off int) (next int, st Status) {
	for i := range int(m.QDCount) {
		var name Name
		store := i < MaxQuestions && nameSpace-m.used >= 5*maxName // its own and those of two answers
		if store {
			name, off, st = m.name(msg, off)
		} else {
			off, st = skipName(msg, off)
		}
		if st == Malformed {
			return 0, Malformed
		}
		if st == Partial || len(msg)-off < 4 {
			return 0, m.unless(Partial)
		}
		typ, class := be.Uint16(msg[off:]), be.Uint16(msg[off+2:])&0x7fff
		if !assigned(typ, class) {
			return 0, m.unless(Malformed)
		}
		off += 4
		if store {
			m.Questions[i] = Question{Name: name, Type: typ, Class: class}
			m.NumQuestions++
		} else {
			m.Unstored++
		}
	}
	return off, Done
}

// assigned reports whether typ and class are in use (IANA "Domain Name System
// Parameters", 2026), private use included.
func assigned(typ, class uint16) bool {
	switch class {
	case ClassIN, ClassCH, ClassHS, ClassNONE, ClassANY:
	default:
		return false
	}
	switch {
	case typ <= 109:
		return typ != 0
	case typ < 65280:
		return typ == 128 || 249 <= typ && typ <= 264 || typ == 32768 || typ == 32769
	}
	return typ != 65535
}
