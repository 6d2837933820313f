package dhcp

import (
	"encoding/binary"
	"net/netip"
)

// Status is what Parse made of the bytes. Malformed input is a status to be
// counted, never an error.
type Status uint8

const (
	NotDHCP   Status = iota // not BOOTP with DHCP's cookie and a message type
	Malformed               // DHCP whose options break the format; what was read before counts
	Partial                 // the message ends inside its options, as under a short snap length
	Done
)

// Message types (RFC 2132 section 9.6).
const (
	Discover = 1 + iota
	Offer
	Request
	Decline
	ACK
	NAK
	Release
	Inform
)

// Lengths and offsets of RFC 2131 figure 1.
const (
	atSname   = 44
	atFile    = 108
	atCookie  = 236
	atOptions = 240
	maxHW     = 16
)

// cookie begins the options (RFC 2131 section 3).
const cookie = 0x63825363

// Message is a parsed message. The slices alias the bytes given to Parse.
type Message struct {
	Reply     bool   // from a server (BOOTREPLY)
	Type      uint8  // Discover to Inform; others are as they were sent
	XID       uint32 // the client's number of its exchange
	HWType    uint8
	HW        []byte     // hardware address, at most 16 bytes
	Client    netip.Addr // ciaddr: the address that the client has already; zero Addr for none
	Your      netip.Addr // yiaddr: the address that the server gives; zero Addr for none
	Requested netip.Addr // option 50; zero Addr for none
	HostName  []byte     // option 12; nil where absent
	// FQDN is the name of option 81 (RFC 4702), without its flags; nil where absent.
	// Where FQDNWire is set it is in DNS wire format.
	FQDN     []byte
	FQDNWire bool
	overload uint8 // option 52
}

// Parse reads the payload of a datagram of ports 67 and 68 into m. Options that
// stand in the fields of the boot server's name and file are read too (option
// 52), after the options proper. Of an option that comes twice the first counts:
// the concatenation of RFC 3396 is meant for more than a name takes.
func Parse(b []byte, m *Message) Status {
	*m = Message{}
	if len(b) < atOptions || b[0] != 1 && b[0] != 2 || b[2] > maxHW || binary.BigEndian.Uint32(b[atCookie:]) != cookie {
		return NotDHCP
	}
	m.Reply = b[0] == 2
	m.HWType, m.HW = b[1], b[28:28+int(b[2]):28+int(b[2])]
	m.XID = binary.BigEndian.Uint32(b[4:])
	m.Client, m.Your = addr(b[12:16]), addr(b[16:20])
	st := m.options(b[atOptions:], true)
	if m.Type == 0 {
		return NotDHCP // plain BOOTP
	}
	if st != Malformed && m.overload&1 != 0 && m.options(b[atFile:atCookie], false) == Malformed {
		st = Malformed
	}
	if st != Malformed && m.overload&2 != 0 && m.options(b[atSname:atFile], false) == Malformed {
		st = Malformed
	}
	return st
}

// addr is a field of four bytes; zero Addr where they are zero.
func addr(b []byte) netip.Addr {
	if a := [4]byte(b); a != [4]byte{} {
		return netip.AddrFrom4(a)
	}
	return netip.Addr{}
}

// options reads a list of options. Only the first may say that others hold more.
func (m *Message) options(b []byte, first bool) Status {
	for len(b) > 0 {
		code := b[0]
		if code == 0 {
			b = b[1:]
			continue
		}
		if code == 255 {
			return Done
		}
		if len(b) < 2 || len(b)-2 < int(b[1]) {
			return Partial
		}
		if !m.option(code, b[2:2+int(b[1]):2+int(b[1])], first) {
			return Malformed
		}
		b = b[2+int(b[1]):]
	}
	return Partial // without its end
}

// option reads one option and reports whether it has the length that its kind
// needs.
func (m *Message) option(code byte, v []byte, first bool) bool {
	switch code {
	case 12:
		if len(v) == 0 {
			return false
		}
		if m.HostName == nil {
			m.HostName = v
		}
	case 50:
		if len(v) != 4 {
			return false
		}
		if !m.Requested.IsValid() {
			m.Requested = addr(v)
		}
	case 52:
		if len(v) != 1 || v[0] > 3 {
			return false
		}
		if first {
			m.overload = v[0]
		}
	case 53:
		if len(v) != 1 {
			return false
		}
		if m.Type == 0 {
			m.Type = v[0]
		}
	case 81: // flags, two codes that are not used any more, name
		if len(v) < 3 {
			return false
		}
		if m.FQDN == nil && len(v) > 3 {
			m.FQDN, m.FQDNWire = v[3:], v[0]&4 != 0
		}
	}
	return true
}

// AppendName appends the client's own name to dst: of option 81 where that has
// one, with the labels of its wire format joined by dots, else of option 12. It
// appends nothing where there is none. A broken wire format is no name, and leaves
// option 12.
func (m *Message) AppendName(dst []byte) []byte {
	switch {
	case len(m.FQDN) == 0:
		return append(dst, m.HostName...)
	case !m.FQDNWire:
		return append(dst, m.FQDN...)
	}
	from := len(dst)
	for b := m.FQDN; len(b) > 0 && b[0] != 0; {
		n := int(b[0])
		if n > 63 || len(b)-1 < n {
			return append(dst[:from], m.HostName...)
		}
		if len(dst) > from {
			dst = append(dst, '.')
		}
		dst, b = append(dst, b[1:1+n]...), b[1+n:]
	}
	if len(dst) == from {
		return append(dst, m.HostName...)
	}
	return dst
}
