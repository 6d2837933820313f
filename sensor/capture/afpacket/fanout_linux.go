package afpacket

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// fanout joins the group of the rings of an interface and says how frames are
// spread over it: by the pair of addresses, whatever the ports.
//
// PACKET_FANOUT_HASH would spread flows more evenly, but by what the kernel sees:
// of a tunnel over UDP (VXLAN, GENEVE) that is the outside, whose source port differs
// in the two directions, so that each half of a session would go to another worker;
// so would IPv6 fragments, which have no ports, and the session of a proxy. The
// addresses of a tunnel's ends are the same both ways. The price is that two hosts
// that talk a lot stay on one ring; what of it has been decided, the shunt keeps.
//
// DEFRAG puts IPv4 fragments together before, as the kernel's own hosts would; the
// ring sees the whole datagram, and fragments that never become whole are not
// seen. Not ROLLOVER: when a ring is full, its frames would go to another one,
// whose worker does not know the flow. To lose them, counted, is better than half
// a flow twice.
func fanout(fd int, c *Config) error {
	mode := unix.PACKET_FANOUT_CBPF | unix.PACKET_FANOUT_FLAG_DEFRAG
	if c.IgnoreOutgoing {
		// In a group, the group's own hook decides what is seen.
		mode |= unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	}
	err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, int(c.Group)|mode<<16)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("fanout group %d: another capture has it with other settings, or the kernel is older than Linux 5.10 (one ring works then): %w", c.Group, err)
	}
	if err != nil {
		return fmt.Errorf("fanout group %d: %w", c.Group, err)
	}
	program, err := bpf.Assemble(spread)
	if err != nil {
		return err
	}
	raw := make([]unix.SockFilter, len(program))
	for i, in := range program {
		raw[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, &unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]}); err != nil {
		return fmt.Errorf("fanout group %d: program: %w", c.Group, err)
	}
	return nil
}

// The kernel's own offsets for classic programs (linux/filter.h).
const (
	netOffset   = 0xfff0_0000 // SKF_NET_OFF: from the network header
	offProtocol = 0xffff_f000 // SKF_AD_OFF + SKF_AD_PROTOCOL: the EtherType behind the tag that the kernel took off
)

// spread returns a number of the pair of addresses of an IPv4 or IPv6 packet,
// behind up to one VLAN tag more than the kernel took off, and 0 of anything else.
// The kernel takes it modulo the rings. A load beyond the packet's end returns 0.
var spread = func() []bpf.Instruction {
	ip4, ip6 := addresses(12, 2), addresses(8, 8)
	tagged4, tagged6 := addresses(12+4, 2), addresses(8+4, 8)
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offProtocol, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x0800, SkipTrue: uint8(len(ip4))},
	}
	p = append(p, ip4...)
	p = append(p, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x86dd, SkipTrue: uint8(len(ip6))})
	p = append(p, ip6...)
	p = append(p,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x8100, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x88a8, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadAbsolute{Off: netOffset + 2, Size: 2}, // the EtherType in the tag
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x0800, SkipTrue: uint8(len(tagged4))},
	)
	p = append(p, tagged4...)
	p = append(p, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x86dd, SkipTrue: uint8(len(tagged6))})
	p = append(p, tagged6...)
	return append(p, bpf.RetConstant{Val: 0})
}()

// addresses returns a number of words words at an offset from the network header: the
// same when the first half of them and the second change places.
func addresses(at uint32, words int) []bpf.Instruction {
	p := []bpf.Instruction{bpf.LoadAbsolute{Off: netOffset + at, Size: 4}}
	for i := 1; i < words; i++ {
		p = append(p, bpf.TAX{}, bpf.LoadAbsolute{Off: netOffset + at + uint32(4*i), Size: 4}, bpf.ALUOpX{Op: bpf.ALUOpXor})
	}
	// Neighbouring addresses differ in a few bits: a multiplication carries them up to
	// where the remainder is not theirs alone (Knuth's 2^32/phi).
	return append(p, bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 0x9e3779b1}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16}, bpf.RetA{})
}
