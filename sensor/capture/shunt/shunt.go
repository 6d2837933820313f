package shunt

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/net/bpf"
)

// Addr is an IPv6 address, or an IPv4 address in its IPv4-mapped form
// (::ffff:a.b.c.d), as two big-endian words: the layout of decode.Addr, which
// converts to it. An IPv6 packet with an IPv4-mapped address has the key of the
// IPv4 packet, as in the flow table.
type Addr struct{ Hi, Lo uint64 }

// Key is a five-tuple in the flow table's canonical order: (Lo, LoPort) is not
// above (Hi, HiPort), addresses compared first, as unsigned numbers.
type Key struct {
	Lo, Hi         Addr
	LoPort, HiPort uint16
	Proto          uint8 // 6 or 17
}

// NewKey puts two endpoints into canonical order. hiLo reports whether the
// packet from a to b goes in direction HiLo.
func NewKey(a, b Addr, aPort, bPort uint16, proto uint8) (k Key, hiLo bool) {
	if above(a, b, aPort, bPort) {
		return Key{b, a, bPort, aPort, proto}, true
	}
	return Key{a, b, aPort, bPort, proto}, false
}

func above(a, b Addr, aPort, bPort uint16) bool {
	if a.Hi != b.Hi {
		return a.Hi > b.Hi
	}
	if a.Lo != b.Lo {
		return a.Lo > b.Lo
	}
	return aPort > bPort
}

// valid reports whether packets of k can be in the map at all: the program
// looks up TCP, and UDP of ports that do not always pass.
func (k *Key) valid() bool {
	if k.Proto == protoUDP {
		return !alwaysPasses(k.LoPort) && !alwaysPasses(k.HiPort) && !above(k.Lo, k.Hi, k.LoPort, k.HiPort)
	}
	return k.Proto == protoTCP && !above(k.Lo, k.Hi, k.LoPort, k.HiPort)
}

// keySize is what the map's key takes: Key as the kernel lays it out, in the
// machine's byte order, with three bytes of padding.
const keySize = 40

func (k *Key) put(b *[keySize]byte) {
	e := binary.NativeEndian
	e.PutUint64(b[0:], k.Lo.Hi)
	e.PutUint64(b[8:], k.Lo.Lo)
	e.PutUint64(b[16:], k.Hi.Hi)
	e.PutUint64(b[24:], k.Hi.Lo)
	e.PutUint16(b[32:], k.LoPort)
	e.PutUint16(b[34:], k.HiPort)
	b[36] = k.Proto
}

// IP protocols that the program takes apart.
const (
	protoTCP = 6
	protoUDP = 17
)

// passPorts are the UDP ports of which every datagram passes, whichever side
// has them: DNS, DNS over QUIC, mDNS and LLMNR, which the sensor reads packet by
// packet, and the tunnels that the decoder looks into, whose flows are inside.
var passPorts = [...]uint16{
	53, 853, 5353, 5355,
	1701, 2152, 3544, 4754, 4789, 4790, 6081, 6635, 8472, 37008, // as in decode/udptunnel.go
}

func alwaysPasses(port uint16) bool {
	for _, p := range passPorts {
		if p == port {
			return true
		}
	}
	return false
}

// Counts is what the program dropped of a flow since it was added. The values
// only grow until Remove, so whoever keeps the last ones loses and doubles
// nothing. Index 0 is the direction from Lo to Hi, 1 the other, as flow.Dir.
type Counts struct {
	Packets [2]uint64
	Bytes   [2]uint64 // transport payload by the headers, as decode.Packet.PayloadLen
	Last    int64     // CLOCK_BOOTTIME nanoseconds of the latest packet, or of Add before the first; add WallOffset
	Closed  bool      // a new connection or a long silence ended the flow: its packets pass again, Remove it
}

// Stats is what the program did on all sockets that it is attached to.
type Stats struct {
	Passed, PassedBytes   uint64 // packets handed to the rings, and their whole length
	Dropped, DroppedBytes uint64 // packets counted and kept in the kernel
	Late                  uint64 // of the dropped packets, those that no Counts have: see Remove
	Refused               uint64 // flows not added because the map was full
	Flows                 int    // flows in the map
}

// Config bounds a Shunt. Zero fields take the defaults.
type Config struct {
	Flows int // flows in the map, at most 4 Mi; default 262,144, which take some 50 MB of kernel memory

	// A packet that comes after a longer silence of its flow passes and closes
	// the flow, as the flow table begins a new one there. Defaults are the
	// table's time-outs: 10 and 3 minutes.
	Idle    time.Duration // TCP
	IdleUDP time.Duration

	// Filter is a classic program that comes first, since a socket has one
	// program: frames that it drops are dropped and counted nowhere, of others
	// as much is kept as it says. Nil: none.
	Filter []bpf.RawInstruction

	// Hardware is the type (ARPHRD_, linux/if_arp.h) of all interfaces that the
	// program is for. Only a Filter that asks for it needs it; 0: not known.
	Hardware uint16
}

const (
	defaultFlows = 1 << 18
	maxFlows     = 1 << 22 // 64 bytes each must stay below what one mapping holds
)

func (c *Config) defaults() error {
	if c.Flows == 0 {
		c.Flows = defaultFlows
	}
	if c.Idle == 0 {
		c.Idle = 10 * time.Minute
	}
	if c.IdleUDP == 0 {
		c.IdleUDP = 3 * time.Minute
	}
	if c.Flows < 1 || c.Flows > maxFlows {
		return errors.New("shunt: the number of flows must be from 1 to 4194304")
	}
	if c.Idle < 0 || c.IdleUDP < 0 {
		return errors.New("shunt: an idle time must be above 0")
	}
	return nil
}

var (
	// ErrRights is in an error of Load when the process may not load BPF.
	ErrRights = errors.New("no right to load BPF")

	// ErrKernel is in an error of Load when the kernel cannot run the program,
	// or the system is not Linux.
	ErrKernel = errors.New("the shunt needs Linux 5.8 or later with BPF")

	// ErrFilter is in an error of Load when Config.Filter cannot be translated.
	ErrFilter = errors.New("the filter cannot run together with the shunt")

	// ErrFull is returned by Add when the map holds Config.Flows flows. It is counted.
	ErrFull = errors.New("shunt: the map is full")

	// ErrExists is returned by Add for a flow that is in the map, also a closed
	// one: Remove it, add up its counts, then Add it again.
	ErrExists = errors.New("shunt: the flow is in the map")

	// ErrPasses is returned by Add for a key whose packets always pass, and for
	// one that is not in canonical order, which no packet has.
	ErrPasses = errors.New("shunt: packets of this key always pass")
)
