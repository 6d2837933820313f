package filter

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
)

// maxProgram is how many instructions the kernel takes (BPF_MAXINSNS).
const maxProgram = 4096

// whole is what a program returns for a frame that is kept: all of it.
const whole = 1<<32 - 1

// Ignore says which frames are dropped: those of which any of this is true.
type Ignore struct {
	Networks []netip.Prefix // source or destination is in it; IPv4 and IPv6, not ARP
	Ports    []uint16       // source or destination port of TCP, UDP or SCTP
	VLANs    []uint16       // identifier of the outer tag, or of a tag behind it: 0 (priority only) to 4095
}

// Link-layer types of interfaces (ARPHRD_, linux/if_arp.h) and EtherTypes.
const (
	hardwareEther    = 1
	hardwareLoopback = 772
	hardwareNone     = 0xfffe // tun, WireGuard
	hardwareRawIP    = 519
	hardwareTunnel   = 768
	hardwareSIT      = 776

	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// tags are the EtherTypes of VLAN tags that may be in the frame.
var tags = []uint32{0x8100, 0x88a8, 0x9100, 0x9200}

// Compile makes the program that drops what ignore says and keeps all else,
// whole. It is for Linux: the kernel takes the outer VLAN tag off the frame and
// keeps it beside it, so the tag, the EtherType behind it and the interface's
// kind are asked of the kernel; up to two more tags are read from the frame.
// Ethernet, loopback and raw IP interfaces are understood, frames of others are
// kept. Of IPv4, ports are known of the first fragment only; of IPv6, without
// extension headers. A frame too short for what is asked of it is kept. Nothing
// to ignore is a nil program.
func Compile(ignore Ignore) ([]bpf.RawInstruction, error) {
	if len(ignore.Networks)+len(ignore.Ports)+len(ignore.VLANs) == 0 {
		return nil, nil
	}
	for _, p := range ignore.Networks {
		switch {
		case !p.IsValid():
			return nil, errors.New("a network to ignore is not valid: write it as 192.0.2.0/24 or 2001:db8::/32")
		case p.Addr().Is4In6():
			return nil, fmt.Errorf("the network %v is IPv4 written as IPv6: write it as IPv4", p)
		}
	}
	for _, v := range ignore.VLANs {
		if v > 4095 {
			return nil, fmt.Errorf("VLAN %d: 0 to 4095 are possible", v)
		}
	}
	v4, v6 := ipv4(&ignore), ipv6(&ignore)
	program := code{}
	program.add(outerTag(&ignore)...)
	program.add(base()...)
	for range 2 {
		program.add(innerTag(&ignore)...)
	}
	program.when(bpf.JumpEqual, etherIPv4, v4)
	program.when(bpf.JumpEqual, etherIPv6, v6)
	program.add(keep)
	if len(program) > maxProgram {
		return nil, fmt.Errorf("to ignore %d networks, %d ports and %d VLANs needs %d instructions, and the kernel takes %d: name fewer or wider networks",
			len(ignore.Networks), len(ignore.Ports), len(ignore.VLANs), len(program), maxProgram)
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("a filter of what is ignored: %w", err)
	}
	return raw, nil
}

var (
	keep = bpf.RetConstant{Val: whole}
	drop = bpf.RetConstant{Val: 0}
)

// code is a program under way. Conditional jumps reach 255 instructions only, so
// all of them are over one instruction, and the far ones are unconditional.
type code []bpf.Instruction

func (c *code) add(more ...bpf.Instruction) { *c = append(*c, more...) }

// when adds body, which runs if A compares so to v.
func (c *code) when(cond bpf.JumpTest, v uint32, body code) {
	c.add(bpf.JumpIf{Cond: cond, Val: v, SkipTrue: 1}, bpf.Jump{Skip: uint32(len(body))})
	c.add(body...)
}

// dropIf drops the frame if A is v.
func (c *code) dropIf(v uint32) {
	c.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipFalse: 1}, drop)
}

// need keeps the frame if it ends before X + n. It changes A.
func (c *code) need(n uint32) {
	// X could be beyond the end, and a difference below zero is large.
	c.add(bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIfX{Cond: bpf.JumpGreaterOrEqual, SkipTrue: 1}, keep,
		bpf.ALUOpX{Op: bpf.ALUOpSub},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: n, SkipTrue: 1}, keep)
}

// outerTag drops by the tag that the kernel took off.
func outerTag(ignore *Ignore) (c code) {
	if len(ignore.VLANs) == 0 {
		return nil
	}
	body := code{bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfff}}
	for _, v := range ignore.VLANs {
		body.dropIf(uint32(v))
	}
	c.add(bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
	c.when(bpf.JumpNotEqual, 0, body)
	return c
}

// base puts the offset behind the link layer into X and the EtherType into A.
func base() (c code) {
	c.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 14}, bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	c.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: hardwareEther, SkipTrue: 7},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hardwareLoopback, SkipTrue: 6},
		bpf.LoadConstant{Dst: bpf.RegX, Val: 0},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hardwareNone, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hardwareRawIP, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hardwareTunnel, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hardwareSIT, SkipTrue: 1},
		keep,
		bpf.LoadExtension{Num: bpf.ExtProto})
	return c
}

// innerTag drops by the tag at X, if one is there, and passes over it.
func innerTag(ignore *Ignore) (c code) {
	body := code{}
	body.need(4)
	body.add(bpf.LoadIndirect{Off: 0, Size: 2}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfff})
	for _, v := range ignore.VLANs {
		body.dropIf(uint32(v))
	}
	body.add(bpf.LoadIndirect{Off: 2, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: 0},
		bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 4}, bpf.TAX{},
		bpf.LoadScratch{Dst: bpf.RegA, N: 0})
	for i, tag := range tags {
		c.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: tag, SkipTrue: uint8(len(tags) - i)})
	}
	c.add(bpf.Jump{Skip: uint32(len(body))})
	c.add(body...)
	return c
}

// ipv4 is for the IPv4 header at X. It ends the program.
func ipv4(ignore *Ignore) (c code) {
	c.need(20)
	c.add(bpf.LoadIndirect{Off: 12, Size: 4}, bpf.StoreScratch{Src: bpf.RegA, N: 0},
		bpf.LoadIndirect{Off: 16, Size: 4}, bpf.StoreScratch{Src: bpf.RegA, N: 4})
	c.networks(ignore, 4)
	if len(ignore.Ports) > 0 {
		c.add(bpf.LoadIndirect{Off: 9, Size: 1})
		c.carriesPorts()
		c.add(bpf.LoadIndirect{Off: 6, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipFalse: 1}, keep,
			bpf.LoadIndirect{Off: 0, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: 20, SkipTrue: 1}, keep,
			bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
		c.ports(ignore)
	}
	c.add(keep)
	return c
}

// ipv6 is for the IPv6 header at X. It ends the program.
func ipv6(ignore *Ignore) (c code) {
	c.need(40)
	for word := range uint32(8) { // source, then destination
		c.add(bpf.LoadIndirect{Off: 8 + 4*word, Size: 4}, bpf.StoreScratch{Src: bpf.RegA, N: int(word)})
	}
	c.networks(ignore, 16)
	if len(ignore.Ports) > 0 {
		c.add(bpf.LoadIndirect{Off: 6, Size: 1})
		c.carriesPorts()
		c.add(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 40}, bpf.TAX{})
		c.ports(ignore)
	}
	c.add(keep)
	return c
}

// carriesPorts keeps the frame unless A is the protocol number of TCP, UDP or SCTP.
func (c *code) carriesPorts() {
	c.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: 3}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 17, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 132, SkipTrue: 1}, keep)
}

// networks drops by the addresses in the scratch memory, of size bytes each: the
// source in words 0 to 3, the destination in 4 to 7.
func (c *code) networks(ignore *Ignore, size int) {
	for _, p := range ignore.Networks {
		b := p.Masked().Addr().AsSlice()
		if len(b) != size {
			continue
		}
		for _, first := range []int{0, 4} {
			c.network(b, p.Bits(), first)
		}
	}
}

// network drops if the address in the words from first on begins with the given bits of b.
func (c *code) network(b []byte, bits, first int) {
	test := code{}
	for word := 0; word*32 < bits; word++ {
		v := uint32(b[4*word])<<24 | uint32(b[4*word+1])<<16 | uint32(b[4*word+2])<<8 | uint32(b[4*word+3])
		test.add(bpf.LoadScratch{Dst: bpf.RegA, N: first + word})
		if rest := bits - word*32; rest < 32 {
			test.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(0) << (32 - rest)})
		}
		test.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: v})
	}
	test.add(drop)
	for i, ins := range test { // an unequal word ends the test
		if j, ok := ins.(bpf.JumpIf); ok {
			j.SkipFalse = uint8(len(test) - i - 1)
			test[i] = j
		}
	}
	c.add(test...)
}

// ports drops by the ports at X.
func (c *code) ports(ignore *Ignore) {
	c.need(4)
	for _, off := range []uint32{0, 2} {
		c.add(bpf.LoadIndirect{Off: off, Size: 2})
		for _, port := range ignore.Ports {
			c.dropIf(uint32(port))
		}
	}
}
