package netbios

import (
	"encoding/binary"
	"net/netip"
)

// Status is what Parse made of the bytes. Malformed input is a status to be
// counted, never an error.
type Status uint8

const (
	NotNetBIOS Status = iota // the header or the first name is not NetBIOS's
	Malformed                // begins like one and then breaks the format
	Partial                  // ends before its records do, as under a short snap length
	Done
)

// Kind is what a packet says of a name.
type Kind uint8

const (
	Other        Kind = iota // a question, a release, a refusal: nobody's own name
	Registration             // a host claims the name, or says that it still has it
	Answer                   // an answer to a question for the name
	NodeStatus               // a host lists its own names
)

// SuffixWorkstation is the last byte of the name that a computer itself has; other
// bytes are services and groups.
const SuffixWorkstation = 0x00

// Name is a NetBIOS name: fifteen bytes, padded with spaces, and what it is for.
type Name struct {
	Text   [15]byte
	Suffix byte
}

// Trim returns the name without its padding. The bytes are those of n.
func (n *Name) Trim() []byte {
	end := len(n.Text)
	for end > 0 && (n.Text[end-1] == ' ' || n.Text[end-1] == 0) {
		end--
	}
	return n.Text[:end]
}

// Packet is a parsed packet.
type Packet struct {
	Kind  Kind
	Name  Name       // with NodeStatus the host's first unique workstation name
	Addr  netip.Addr // whose it is; zero Addr with NodeStatus, which speaks for its sender
	Group bool       // the name belongs to many hosts
}

// Operations and flags of the header, and types of records (RFC 1002 section
// 4.2.1).
const (
	headerLen   = 12
	opQuery     = 0
	opRegister  = 5
	opRefresh   = 8
	opRefresh9  = 9 // what Windows and Samba send for it too
	opMultiHome = 15

	typeNB     = 0x20
	typeNBSTAT = 0x21
	classIN    = 1
	flagGroup  = 0x8000
)

// be is the order of bytes on the wire.
var be = binary.BigEndian

// Parse reads the payload of a datagram of port 137 into p.
func Parse(b []byte, p *Packet) Status {
	*p = Packet{}
	if len(b) < headerLen {
		return NotNetBIOS
	}
	flags := be.Uint16(b[2:])
	response, op, rcode := flags&0x8000 != 0, flags>>11&0xf, flags&0xf
	qd, an, ar := be.Uint16(b[4:]), be.Uint16(b[6:]), be.Uint16(b[10:])
	if int(qd)+int(an)+int(be.Uint16(b[8:]))+int(ar) > 16 {
		return NotNetBIOS
	}
	switch op {
	case opQuery:
		if response && an > 0 && rcode == 0 {
			return p.answer(b)
		}
	case opRegister, opRefresh, opRefresh9, opMultiHome:
		if !response && qd == 1 && ar == 1 {
			return p.registration(b)
		}
	case 6, 7: // release, wait
	default:
		return NotNetBIOS
	}
	if qd+an == 0 {
		return NotNetBIOS
	}
	_, _, st := readName(b, headerLen)
	return st
}

// readName reads a name in NetBIOS's first-level encoding (RFC 1001 section
// 14.1) with its scope, and returns the offset behind it. A pointer to the first
// name of the packet is that name.
func readName(b []byte, at int) (n Name, next int, st Status) {
	if at < len(b) && b[at]&0xc0 == 0xc0 {
		if at+2 > len(b) {
			return n, 0, Partial
		}
		if int(be.Uint16(b[at:])&0x3fff) != headerLen || at == headerLen {
			return n, 0, Malformed
		}
		n, _, st = readName(b, headerLen)
		return n, at + 2, st
	}
	if at >= len(b) {
		return n, 0, Partial
	}
	if b[at] != 32 {
		return n, 0, NotNetBIOS
	}
	if len(b)-at < 1+32 {
		return n, 0, Partial
	}
	var raw [16]byte
	for i := range raw {
		hi, lo := b[at+1+2*i]-'A', b[at+2+2*i]-'A'
		if hi > 15 || lo > 15 {
			return n, 0, NotNetBIOS
		}
		raw[i] = hi<<4 | lo
	}
	copy(n.Text[:], raw[:15])
	n.Suffix = raw[15]
	for at += 33; at < len(b); at += 1 + int(b[at]) { // the scope's labels
		switch {
		case b[at] == 0:
			return n, at + 1, Done
		case b[at] > 63:
			return n, 0, Malformed
		}
	}
	return n, 0, Partial
}

// registration reads a question and the one additional record, which is about
// the question's name.
func (p *Packet) registration(b []byte) Status {
	name, at, st := readName(b, headerLen)
	if st != Done {
		return st
	}
	if len(b)-at < 4 {
		return Partial
	}
	if be.Uint16(b[at:]) != typeNB || be.Uint16(b[at+2:]) != classIN {
		return Malformed
	}
	other, at, st := readName(b, at+4)
	if st != Done {
		return worse(st)
	}
	typ, data, st := record(b, at)
	if st != Done {
		return st
	}
	if typ != typeNB || other != name || len(data) < 6 {
		return Malformed
	}
	p.Kind = Registration
	p.nb(name, data)
	return Done
}

// answer reads the first answer: addresses of a name, or a node's names.
func (p *Packet) answer(b []byte) Status {
	at := headerLen
	if be.Uint16(b[4:]) != 0 { // some repeat the question
		_, next, st := readName(b, at)
		if st != Done {
			return st
		}
		at = next + 4
	}
	name, at, st := readName(b, at)
	if st != Done {
		return st
	}
	typ, data, st := record(b, at)
	if st != Done {
		return st
	}
	switch {
	case typ == typeNB && len(data) >= 6:
		p.Kind = Answer
		p.nb(name, data)
		return Done
	case typ == typeNBSTAT && len(data) >= 1:
		return p.names(data)
	}
	return Malformed
}

// record reads type, class, time to live and data of a record whose name ends at at.
func record(b []byte, at int) (typ uint16, data []byte, st Status) {
	if len(b)-at < 10 {
		return 0, nil, Partial
	}
	n := int(be.Uint16(b[at+8:]))
	if be.Uint16(b[at+2:]) != classIN {
		return 0, nil, Malformed
	}
	if len(b)-at-10 < n {
		return 0, nil, Partial
	}
	return be.Uint16(b[at:]), b[at+10 : at+10+n], Done
}

// nb reads the first flags and address of a record of type NB.
func (p *Packet) nb(name Name, data []byte) {
	p.Name, p.Group = name, be.Uint16(data)&flagGroup != 0
	p.Addr = netip.AddrFrom4([4]byte(data[2:6]))
}

// names finds the computer's own name among those of a node status: of 18 bytes
// each, name, suffix and flags (RFC 1002 section 4.2.18).
func (p *Packet) names(data []byte) Status {
	n := int(data[0])
	if data = data[1:]; len(data) < 18*n {
		return Malformed
	}
	p.Kind = NodeStatus
	for ; n > 0; n, data = n-1, data[18:] {
		if data[15] == SuffixWorkstation && be.Uint16(data[16:])&flagGroup == 0 {
			p.Name = Name{[15]byte(data), data[15]}
			return Done
		}
	}
	p.Kind = Other
	return Done
}

// worse is the status of a second name: what is none breaks the format, for the
// first one was NetBIOS's.
func worse(st Status) Status {
	if st == NotNetBIOS {
		return Malformed
	}
	return st
}
