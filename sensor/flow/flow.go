package flow

import (
	"encoding/binary"
	"net/netip"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// Dir is a direction within a flow. Which of the two the client sends in is
// Flow.ClientDir.
type Dir uint8

// LoHi is the direction from the lower endpoint to the higher one in the
// table's canonical order of (address, port); HiLo the other.
const (
	LoHi Dir = 0
	HiLo Dir = 1
)

// Opposite returns the other direction.
func (d Dir) Opposite() Dir { return d ^ 1 }

// State bits of a flow. The bits of the HiLo direction are those of LoHi
// shifted left by one.
const (
	stateBase       = 1 << 0 // and 1<<1: the sequence number of the first byte is known
	stateDone       = 1 << 2 // and 1<<3: nothing more is to be learned from this direction's bytes
	stateSYN        = 1 << 4 // and 1<<5: the SYN of this direction was seen, so base is exact
	stateClientHiLo = 1 << 6 // the client sends in direction HiLo
	stateClientSure = 1 << 7 // by a handshake or by content, not by a guess
)

// Marks that the worker puts on a flow.
const (
	MarkHit    = 1 << iota // a rule hit this flow: report its volume when it ends
	MarkPort               // the flow's port and address were matched
	MarkClosed             // RST, or FIN in both directions
	MarkFIN                // FIN in one direction
	MarkFINHiLo
	MarkRetry   // the server asked for a second ClientHello
	MarkShunted // the kernel keeps the packets of this flow and counts them
	MarkCopied  // a switch mirrored packets of this flow twice
)

// What could not be read of a flow, as the worker says it. A handshake is also
// the head of an HTTP request.
const (
	UnreadLoHi = 1 << iota // a handshake began in this direction and is not whole
	UnreadHiLo
	UnreadCut // the capture did not keep all of what might have shown the flow's protocol
)

// Flow is one record of the table: two cache lines, no pointers. The first
// line is all that a packet of a decided flow reads and writes, but for the
// byte counters and the signatures of recent packets.
type Flow struct {
	lo, hi         decode.Addr
	loPort, hiPort uint16
	proto          uint8
	state          uint8
	App            uint8 // the worker's protocol state, 0 for a new flow
	Mark           uint8 // see MarkHit
	last           int64 // packet time of the latest packet, nanoseconds
	pkts           [2]uint32
	next           uint32 // next flow of the same bucket, index+1
	VLAN           uint16 // outermost VLAN identifier of the first packet that is not 0; 0 for none
	Tries          [2]uint8

	bytes    [2]uint64 // transport payload bytes on the wire
	sigs     [3]uint32 // of the latest packets, to know a mirrored copy
	self     uint32    // index in the table
	base     [2]uint32 // TCP: sequence number of the first payload byte
	head     [2]uint32 // head pool slot + 1
	first    int64     // packet time of the first packet, nanoseconds
	TunnelID uint32
	Tunnel   decode.Tunnel
	sig      uint8 // next entry of sigs to overwrite
	Unread   uint8 // see UnreadLoHi
	_        uint8
}

// Tuple is the five-tuple of a flow as its client sees it.
type Tuple struct {
	Client, Server         netip.Addr
	ClientPort, ServerPort uint16
	Proto                  uint8
}

// Tuple returns the five-tuple, client first.
func (f *Flow) Tuple() Tuple {
	t := Tuple{Client: f.lo.Netip(), Server: f.hi.Netip(), ClientPort: f.loPort, ServerPort: f.hiPort, Proto: f.proto}
	if f.ClientDir() == HiLo {
		t.Client, t.Server = t.Server, t.Client
		t.ClientPort, t.ServerPort = t.ServerPort, t.ClientPort
	}
	return t
}

// ServerPort returns the port of the side that answers.
func (f *Flow) ServerPort() uint16 {
	if f.ClientDir() == HiLo {
		return f.loPort
	}
	return f.hiPort
}

// Ports returns both ports, in the canonical order of the endpoints.
func (f *Flow) Ports() (lo, hi uint16) { return f.loPort, f.hiPort }

// ClientAddr returns the address of the side that opened the flow.
func (f *Flow) ClientAddr() decode.Addr {
	if f.ClientDir() == HiLo {
		return f.hi
	}
	return f.lo
}

// ServerAddr returns the address of the side that answers.
func (f *Flow) ServerAddr() decode.Addr {
	if f.ClientDir() == HiLo {
		return f.lo
	}
	return f.hi
}

// Addrs returns both addresses, in the canonical order of the endpoints.
func (f *Flow) Addrs() (lo, hi decode.Addr) { return f.lo, f.hi }

// Credit books payload bytes, by direction, that somebody else counted, and the
// time of the latest packet among them.
func (f *Flow) Credit(bytes [2]uint64, last int64) {
	f.bytes[LoHi] += bytes[LoHi]
	f.bytes[HiLo] += bytes[HiLo]
	f.last = max(f.last, last)
}

// Proto is the flow's IP protocol number.
func (f *Flow) Proto() uint8 { return f.proto }

// First and Last are the packet times of the flow's first and latest packet,
// in nanoseconds since the Unix epoch.
func (f *Flow) First() int64 { return f.first }

// Last is described at First.
func (f *Flow) Last() int64 { return f.last }

// Volume returns the transport payload bytes on the wire, from the client and
// from the server.
func (f *Flow) Volume() (up, down uint64) {
	c := f.ClientDir()
	return f.bytes[c], f.bytes[c.Opposite()]
}

// Sent returns the transport payload bytes on the wire in direction d.
func (f *Flow) Sent(d Dir) uint64 { return f.bytes[d] }

// Packets returns the packets counted, from the client and from the server.
func (f *Flow) Packets() (up, down uint32) {
	c := f.ClientDir()
	return f.pkts[c], f.pkts[c.Opposite()]
}

// ID is a number that names the flow in this capture and in every replay of
// it: a hash of five-tuple and first packet time, below 2^53 so that every
// JSON reader keeps it exact.
func (f *Flow) ID() uint64 {
	h := mix(f.lo.Hi^f.hi.Lo, f.lo.Lo^idKey)
	h = mix(h^f.hi.Hi, f.hi.Lo^uint64(f.loPort)<<32^uint64(f.hiPort)<<8^uint64(f.proto))
	return mix(h, uint64(f.first)^idKey) & (1<<53 - 1)
}

const idKey = 0x9e3779b97f4a7c15

// ClientDir is the direction in which the client sends.
func (f *Flow) ClientDir() Dir { return Dir(f.state >> 6 & 1) }

// ClientSure reports whether the client is known by a handshake or by what it
// sent, rather than guessed.
func (f *Flow) ClientSure() bool { return f.state&stateClientSure != 0 }

// SetClient states that the client sends in direction d, as its bytes proved.
func (f *Flow) SetClient(d Dir) {
	f.state = f.state&^stateClientHiLo | stateClientSure | uint8(d)<<6
}

// Done reports whether direction d is decided.
func (f *Flow) Done(d Dir) bool { return f.state&(stateDone<<d) != 0 }

// SawStart reports whether direction d was seen from its first byte: its SYN
// was captured.
func (f *Flow) SawStart(d Dir) bool { return f.state&(stateSYN<<d) != 0 }

// signature condenses what stays the same when a switch mirrors one packet
// twice, or a router forwards it with a lower TTL: IP identification,
// transport checksum, lengths and sequence numbers.
func signature(p *decode.Packet) uint32 {
	x := uint64(p.Seq)<<32 | uint64(p.Ack)
	y := uint64(p.IPID)<<48 | uint64(p.Checksum)<<32 | uint64(p.PayloadLen)<<16 ^ uint64(p.Flags)
	if p.Proto == decode.ProtoUDP && len(p.Payload) >= 8 {
		x = binary.LittleEndian.Uint64(p.Payload)
	}
	h := (x ^ y*idKey) * 0xff51afd7ed558ccd
	return uint32(h>>32) ^ uint32(h) | 1 // never 0, the empty entry
}
