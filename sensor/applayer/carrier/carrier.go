package carrier

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Status is what the first bytes of a direction are.
type Status uint8

const (
	None     Status = iota // not a negotiation that this package knows
	NeedMore               // so far it is one; more bytes decide
	Done                   // it is complete: Len bytes, then the carried protocol
)

// Kind is which negotiation was read.
type Kind uint8

const (
	SOCKS4 Kind = 1 + iota // also 4a
	SOCKS5
	RDP
)

// Negotiation is what was read. Host aliases the bytes given.
type Negotiation struct {
	Kind Kind
	Len  int        // bytes of the negotiation
	Host []byte     // SOCKS: the target's name, raw; nil when it is an address
	Addr netip.Addr // SOCKS: the target's address where it is one
	Port uint16     // SOCKS: the target's port
}

// Client reads the client's direction from its first byte.
func Client(head []byte, n *Negotiation) Status {
	*n = Negotiation{}
	if len(head) == 0 {
		return NeedMore
	}
	switch head[0] {
	case 5:
		return socks5Client(head, n)
	case 4:
		return socks4Client(head, n)
	case 3:
		n.Kind = RDP
		return tpkt(head, 0xe0, n)
	}
	return None
}

// Server reads the server's direction from its first byte.
func Server(head []byte, n *Negotiation) Status {
	*n = Negotiation{}
	if len(head) == 0 {
		return NeedMore
	}
	switch head[0] {
	case 5:
		return socks5Server(head, n)
	case 0:
		n.Kind = SOCKS4
		if len(head) < 8 {
			return NeedMore
		}
		if head[1] != 0x5a { // request granted
			return None
		}
		n.Len = 8
		return Done
	case 3:
		n.Kind = RDP
		return tpkt(head, 0xd0, n)
	}
	return None
}

// take is the next n bytes of b from at, or nil when they are not there.
func take(b []byte, at, n int) []byte {
	if len(b) < at+n {
		return nil
	}
	return b[at : at+n]
}

// socks5Client reads greeting, user name and password where they are sent, and
// the request. Which of the offered methods the server chose is its own
// direction's; here the next version byte tells: 1 is RFC 1929, 5 the request.
func socks5Client(b []byte, n *Negotiation) Status {
	n.Kind = SOCKS5
	if len(b) < 2 {
		return NeedMore
	}
	methods := int(b[1])
	if methods == 0 || methods > 16 {
		return None
	}
	at := 2 + methods
	if len(b) < at {
		return NeedMore
	}
	for _, m := range b[2:at] {
		if m > 9 && m < 0x80 && m != 0xff {
			return None // methods 0 to 9 are assigned, 0x80 and up are private
		}
	}
	if len(b) == at {
		return NeedMore
	}
	if b[at] == 1 {
		user := take(b, at+1, 1)
		if user == nil {
			return NeedMore
		}
		at += 2 + int(user[0])
		pass := take(b, at, 1)
		if pass == nil {
			return NeedMore
		}
		at += 1 + int(pass[0])
		if len(b) <= at {
			return NeedMore
		}
	}
	size, st := socks5Address(b, at, n)
	if st != Done {
		return st
	}
	if cmd := b[at+1]; cmd < 1 || cmd > 3 {
		return None
	}
	n.Len = at + size
	return Done
}

// socks5Address reads a request or reply: version, command, reserved, address
// type, address, port.
func socks5Address(b []byte, at int, n *Negotiation) (size int, st Status) {
	if b[at] != 5 {
		return 0, None
	}
	h := take(b, at, 5)
	if h == nil {
		return 0, NeedMore
	}
	if h[2] != 0 {
		return 0, None
	}
	addr := 4
	switch h[3] {
	case 1:
		size = 4
	case 3:
		addr, size = 5, int(h[4])
	case 4:
		size = 16
	default:
		return 0, None
	}
	value := take(b, at+addr, size)
	port := take(b, at+addr+size, 2)
	if value == nil || port == nil {
		return 0, NeedMore
	}
	if h[3] == 3 {
		n.Host = value
	} else {
		n.Addr, _ = netip.AddrFromSlice(value)
	}
	n.Port = binary.BigEndian.Uint16(port)
	return addr + size + 2, Done
}

func socks5Server(b []byte, n *Negotiation) Status {
	n.Kind = SOCKS5
	if len(b) < 2 {
		return NeedMore
	}
	at := 2
	switch b[1] {
	case 0:
	case 2:
		at = 4 // and the answer to the password, RFC 1929
	default:
		return None
	}
	if len(b) <= at {
		return NeedMore
	}
	size, st := socks5Address(b, at, n)
	if st != Done {
		return st
	}
	if b[at+1] != 0 {
		return None // refused: nothing is carried
	}
	n.Len = at + size
	return Done
}

// maxSOCKS4Text bounds the user id and the name of a SOCKS 4 request.
const maxSOCKS4Text = 255

func socks4Client(b []byte, n *Negotiation) Status {
	n.Kind = SOCKS4
	if len(b) < 2 {
		return NeedMore
	}
	if b[1] != 1 && b[1] != 2 {
		return None
	}
	if len(b) < 9 {
		return NeedMore
	}
	n.Port = binary.BigEndian.Uint16(b[2:])
	at, st := cstring(b, 8)
	if st != Done {
		return st
	}
	if b[4]|b[5]|b[6] == 0 && b[7] != 0 { // 4a: a name follows
		start := at
		if at, st = cstring(b, at); st != Done {
			return st
		}
		n.Host = b[start : at-1]
	} else {
		n.Addr = netip.AddrFrom4([4]byte(b[4:8]))
	}
	n.Len = at
	return Done
}

// cstring returns the position after the NUL that ends the text at at.
func cstring(b []byte, at int) (end int, st Status) {
	i := bytes.IndexByte(b[at:], 0)
	if i > maxSOCKS4Text || i < 0 && len(b)-at > maxSOCKS4Text {
		return 0, None
	}
	if i < 0 {
		return 0, NeedMore
	}
	return at + i + 1, Done
}

// tpkt reads an X.224 connection request (0xe0) or confirm (0xd0) in its TPKT
// envelope (RFC 1006). Other protocols of that family use it too; what follows
// shows whether this is RDP.
func tpkt(b []byte, code byte, n *Negotiation) Status {
	if len(b) >= 2 && b[1] != 0 {
		return None
	}
	if len(b) < 6 {
		return NeedMore
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	// The X.224 length does not count itself, nor the four bytes of TPKT.
	if size < 11 || size > 512 || int(b[4]) != size-5 || b[5] != code {
		return None
	}
	if len(b) < size {
		return NeedMore
	}
	n.Len = size
	return Done
}
