package shunt

import (
	"time"

	"github.com/cilium/ebpf/asm"
)

// Stack of the program, as offsets from the frame pointer.
const (
	stackKey   = -40  // the map's key, see Key.put
	stackIP    = -80  // an IP header: 20 or 40 bytes
	stackEther = -82  // the EtherType before it, read in one call with an IPv4 header
	stackL4    = -104 // the start of the transport header
	stackIndex = -112 // an index of an array map
)

// A slot of the counters' array: one cache line, written by the program with
// atomic additions and read by user space through shared memory.
const (
	slotPackets = 0  // [2]uint64
	slotBytes   = 16 // [2]uint64
	slotLast    = 32 // int64
	slotClosed  = 40 // uint32
	slotRemoved = 48 // uint64, of user space: the packets that Remove returned
	slotSize    = 64
)

// The one element of the statistics' per-CPU array.
const (
	statPassed  = 0 // packets, bytes
	statDropped = 16
	statSize    = 32
)

// Registers that hold the same thing over helper calls.
const (
	regSkb     = asm.R6 // struct __sk_buff
	regOffset  = asm.R7 // of the next header in the frame; then the slot
	regPayload = asm.R8 // length of what follows, at last the transport payload
	regMark    = asm.R9 // IP protocol; then markHiLo and markSYN
)

const (
	markHiLo = 1
	markSYN  = 2
)

const maxTags = 2 // in the frame; the kernel has taken the outermost off

// mapFDs are the maps that the program works on.
type mapFDs struct{ flows, slots, stats int }

// program is the socket filter. Its result is how many bytes of the frame to
// keep: 0 drops it. Frames start at the Ethernet header, as SOCK_RAW sockets
// have them. What cfg.Filter drops is dropped before anything is counted. The rest reads
// with bpf_skb_load_bytes, which fails where classic loads would end the program
// with 0: a frame that ends early passes.
func program(fds mapFDs, cfg Config) (asm.Instructions, error) {
	p := asm.Instructions{asm.Mov.Reg(regSkb, asm.R1).WithSymbol("shunt")}
	keep := asm.Mov.Imm32(asm.R0, -1)
	if len(cfg.Filter) > 0 {
		filter, err := classic(cfg.Filter, cfg.Hardware)
		if err != nil {
			return nil, err
		}
		p = append(p, filter...)
		keep = asm.LoadMem(asm.R0, asm.RFP, stackKeep, asm.Word)
	}
	return join(p, link(), ipv4(), ipv6(), transport(), order(), lookUp(fds, cfg.Idle, cfg.IdleUDP), verdict(fds.stats, keep)), nil
}

// load reads n bytes at the frame's offset R2 to the stack, and passes the
// frame where it has not as many.
func load(to, n int32) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, regSkb),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, to),
		asm.Mov.Imm(asm.R4, n),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, "pass"),
	}
}

// read loads a field of a header on the stack in host byte order.
func read(dst asm.Register, at int16, size asm.Size) asm.Instructions {
	p := asm.Instructions{asm.LoadMem(dst, asm.RFP, at, size)}
	if size != asm.Byte {
		p = append(p, asm.HostTo(asm.BE, dst, size))
	}
	return p
}

func join(parts ...asm.Instructions) (p asm.Instructions) {
	for _, part := range parts {
		p = append(p, part...)
	}
	return p
}

// link skips the Ethernet header and its tags.
func link() asm.Instructions {
	p := asm.Instructions{asm.Mov.Imm(regOffset, 12)}
	for tags := 0; ; tags++ {
		p = join(p,
			asm.Instructions{asm.Mov.Reg(asm.R2, regOffset)},
			load(stackEther, 2+20),
			read(asm.R1, stackEther, asm.Half),
			asm.Instructions{asm.Add.Imm(regOffset, 2), asm.JEq.Imm(asm.R1, 0x0800, "ipv4"), asm.JEq.Imm(asm.R1, 0x86dd, "ipv6")})
		if tags == maxTags {
			return append(p, asm.Ja.Label("pass"))
		}
		next := [maxTags]string{"tag1", "tag2"}[tags]
		for _, tpid := range []int32{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300} { // as in decode/ethernet.go
			p = append(p, asm.JEq.Imm(asm.R1, tpid, next))
		}
		p = append(p, asm.Ja.Label("pass"), asm.Add.Imm(regOffset, 2).WithSymbol(next))
	}
}

// whole passes a frame that ends before its IP packet of length R3 does. It
// uses R0 and R5.
func whole() asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R5, regSkb, 0, asm.Word), // __sk_buff.len
		asm.Mov.Reg(asm.R0, regOffset),
		asm.Add.Reg(asm.R0, asm.R3),
		asm.JGT.Reg(asm.R0, asm.R5, "pass"),
	}
}

// ipv4 leaves the addresses in the key, the protocol in regMark, and the
// place and length of the transport header.
func ipv4() asm.Instructions {
	p := join(
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, stackIP, asm.Byte).WithSymbol("ipv4"),
			asm.Mov.Reg(asm.R2, asm.R1),
			asm.RSh.Imm(asm.R1, 4),
			asm.JNE.Imm(asm.R1, 4, "pass"),
			asm.And.Imm(asm.R2, 15),
			asm.LSh.Imm(asm.R2, 2),
			asm.JLT.Imm(asm.R2, 20, "pass"),
		},
		read(asm.R3, stackIP+2, asm.Half),
		asm.Instructions{asm.JLT.Reg(asm.R3, asm.R2, "pass")}, // also 0: left open by segmentation offload
		read(asm.R4, stackIP+6, asm.Half),
		asm.Instructions{
			asm.And.Imm(asm.R4, 0x3fff),
			asm.JNE.Imm(asm.R4, 0, "pass"), // a fragment
		},
		whole(),
		asm.Instructions{
			asm.Add.Reg(regOffset, asm.R2),
			asm.Sub.Reg(asm.R3, asm.R2),
			asm.Mov.Reg(regPayload, asm.R3),
			asm.LoadMem(regMark, asm.RFP, stackIP+9, asm.Byte),
			asm.Mov.Imm(asm.R0, 0),
			asm.StoreMem(asm.RFP, stackKey, asm.R0, asm.DWord),
			asm.StoreMem(asm.RFP, stackKey+16, asm.R0, asm.DWord),
			asm.LoadImm(asm.R2, 0xffff<<32, asm.DWord),
		})
	for i := range int16(2) {
		p = join(p, read(asm.R1, stackIP+12+4*i, asm.Word), asm.Instructions{
			asm.Or.Reg(asm.R1, asm.R2),
			asm.StoreMem(asm.RFP, stackKey+8+16*i, asm.R1, asm.DWord),
		})
	}
	return append(p, asm.Ja.Label("transport"))
}

// ipv6 does what ipv4 does. Extension headers are other protocols to it.
func ipv6() asm.Instructions {
	p := join(
		asm.Instructions{asm.Mov.Reg(asm.R2, regOffset).WithSymbol("ipv6")},
		load(stackIP, 40),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, stackIP, asm.Byte),
			asm.RSh.Imm(asm.R1, 4),
			asm.JNE.Imm(asm.R1, 6, "pass"),
		},
		read(asm.R3, stackIP+4, asm.Half),
		asm.Instructions{
			asm.Mov.Reg(regPayload, asm.R3), // 0, a jumbogram's, is too short for any transport
			asm.Add.Imm(regOffset, 40),
		},
		whole(),
		asm.Instructions{asm.LoadMem(regMark, asm.RFP, stackIP+6, asm.Byte)})
	for i := range int16(4) {
		p = join(p, read(asm.R1, stackIP+8+8*i, asm.DWord), asm.Instructions{
			asm.StoreMem(asm.RFP, stackKey+8*i, asm.R1, asm.DWord),
		})
	}
	return p
}

// transport passes what user space must see, and leaves the ports in R1 and
// R2, the payload's length in regPayload and markSYN in regMark.
func transport() asm.Instructions {
	p := asm.Instructions{
		asm.StoreImm(asm.RFP, stackKey+36, 0, asm.Word).WithSymbol("transport"),
		asm.StoreMem(asm.RFP, stackKey+36, regMark, asm.Byte),
		asm.Mov.Reg(asm.R2, regOffset),
		asm.JEq.Imm(regMark, protoTCP, "tcp"),
		asm.JNE.Imm(regMark, protoUDP, "pass"),
	}
	return join(p, udp(), tcp())
}

func udp() asm.Instructions {
	p := join(
		asm.Instructions{asm.JLT.Imm(regPayload, 8+1, "pass")}, // nothing in it
		load(stackL4, 8+1),
		read(asm.R3, stackL4+4, asm.Half),
		asm.Instructions{
			asm.JLT.Imm(asm.R3, 8+1, "pass"),
			asm.JGT.Reg(asm.R3, regPayload, "pass"),
			asm.Mov.Reg(regPayload, asm.R3),
			asm.Sub.Imm(regPayload, 8),
			asm.LoadMem(asm.R4, asm.RFP, stackL4+8, asm.Byte),
			asm.And.Imm(asm.R4, 0xc0),
			asm.JEq.Imm(asm.R4, 0xc0, "pass"), // a QUIC long header (RFC 9000 section 17.2)
			asm.Mov.Imm(regMark, 0),
		},
		read(asm.R1, stackL4, asm.Half),
		read(asm.R2, stackL4+2, asm.Half))
	for _, port := range passPorts {
		p = append(p, asm.JEq.Imm(asm.R1, int32(port), "pass"), asm.JEq.Imm(asm.R2, int32(port), "pass"))
	}
	return append(p, asm.Ja.Label("order"))
}

func tcp() asm.Instructions {
	const fin, syn, rst, ack = 1, 2, 4, 16
	return join(
		asm.Instructions{
			asm.JLT.Imm(regPayload, 20, "pass").WithSymbol("tcp"),
		},
		load(stackL4, 14),
		asm.Instructions{
			asm.LoadMem(asm.R3, asm.RFP, stackL4+12, asm.Byte),
			asm.RSh.Imm(asm.R3, 4),
			asm.LSh.Imm(asm.R3, 2),
			asm.JLT.Imm(asm.R3, 20, "pass"),
			asm.JGT.Reg(asm.R3, regPayload, "pass"),
			asm.Sub.Reg(regPayload, asm.R3),
			asm.Mov.Imm(regMark, 0),
		},
		read(asm.R1, stackL4, asm.Half),
		read(asm.R2, stackL4+2, asm.Half),
		asm.Instructions{
			asm.LoadMem(asm.R4, asm.RFP, stackL4+13, asm.Byte),
			asm.Mov.Reg(asm.R5, asm.R4),
			asm.And.Imm(asm.R5, fin|syn|rst),
			asm.JEq.Imm(asm.R5, 0, "order"),
			asm.And.Imm(asm.R4, syn|rst|ack),
			asm.JNE.Imm(asm.R4, syn, "pass"),
			asm.Mov.Imm(regMark, markSYN), // the port is used again
		})
}

// order puts the endpoints into canonical order and completes the key.
func order() asm.Instructions {
	swap := func(at int16) asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R3, asm.RFP, at, asm.DWord),
			asm.LoadMem(asm.R4, asm.RFP, at+16, asm.DWord),
			asm.StoreMem(asm.RFP, at, asm.R4, asm.DWord),
			asm.StoreMem(asm.RFP, at+16, asm.R3, asm.DWord),
		}
	}
	return join(
		asm.Instructions{
			asm.LoadMem(asm.R3, asm.RFP, stackKey, asm.DWord).WithSymbol("order"),
			asm.LoadMem(asm.R4, asm.RFP, stackKey+16, asm.DWord),
			asm.JGT.Reg(asm.R3, asm.R4, "swap"),
			asm.JLT.Reg(asm.R3, asm.R4, "ordered"),
			asm.LoadMem(asm.R3, asm.RFP, stackKey+8, asm.DWord),
			asm.LoadMem(asm.R4, asm.RFP, stackKey+24, asm.DWord),
			asm.JGT.Reg(asm.R3, asm.R4, "swap"),
			asm.JLT.Reg(asm.R3, asm.R4, "ordered"),
			asm.JLE.Reg(asm.R1, asm.R2, "ordered"),
			asm.Or.Imm(regMark, markHiLo).WithSymbol("swap"),
			asm.Mov.Reg(asm.R5, asm.R1),
			asm.Mov.Reg(asm.R1, asm.R2),
			asm.Mov.Reg(asm.R2, asm.R5),
		},
		swap(stackKey), swap(stackKey+8),
		asm.Instructions{
			asm.StoreMem(asm.RFP, stackKey+32, asm.R1, asm.Half).WithSymbol("ordered"),
			asm.StoreMem(asm.RFP, stackKey+34, asm.R2, asm.Half),
		})
}

// element looks a key on the stack up and passes the frame where the map has none.
func element(fd int, key int32) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, fd),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
	}
}

// lookUp finds the flow's slot and counts the packet there.
func lookUp(fds mapFDs, idle, idleUDP time.Duration) asm.Instructions {
	return join(
		element(fds.flows, stackKey),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
			asm.StoreMem(asm.RFP, stackIndex, asm.R1, asm.Word),
		},
		element(fds.slots, stackIndex),
		asm.Instructions{
			asm.Mov.Reg(regOffset, asm.R0), // from here on the slot
			asm.Mov.Reg(asm.R1, regMark),
			asm.And.Imm(asm.R1, markSYN),
			asm.JNE.Imm(asm.R1, 0, "close"),
			asm.LoadMem(asm.R1, regOffset, slotClosed, asm.Word),
			asm.JNE.Imm(asm.R1, 0, "pass"),

			asm.FnKtimeGetBootNs.Call(),
			asm.LoadMem(asm.R1, regOffset, slotLast, asm.DWord),
			asm.Mov.Reg(asm.R2, asm.R0),
			asm.Sub.Reg(asm.R2, asm.R1),
			asm.JSLE.Imm(asm.R2, 0, "count"), // another CPU was later
			asm.LoadMem(asm.R4, asm.RFP, stackKey+36, asm.Byte),
			asm.LoadImm(asm.R3, int64(idle), asm.DWord),
			asm.JNE.Imm(asm.R4, protoUDP, "silence"),
			asm.LoadImm(asm.R3, int64(idleUDP), asm.DWord),
			asm.JSGT.Reg(asm.R2, asm.R3, "close").WithSymbol("silence"),
			asm.StoreMem(regOffset, slotLast, asm.R0, asm.DWord),

			// Not by an offset in a register: without CAP_PERFMON the verifier
			// allows no arithmetic with a pointer that two paths lead to.
			asm.Mov.Imm(asm.R1, 1).WithSymbol("count"),
			asm.And.Imm(regMark, markHiLo),
			asm.JNE.Imm(regMark, 0, "hilo"),
			asm.AddAtomic.Mem(regOffset, asm.R1, asm.DWord, slotPackets),
			asm.AddAtomic.Mem(regOffset, regPayload, asm.DWord, slotBytes),
			asm.Ja.Label("drop"),
			asm.AddAtomic.Mem(regOffset, asm.R1, asm.DWord, slotPackets+8).WithSymbol("hilo"),
			asm.AddAtomic.Mem(regOffset, regPayload, asm.DWord, slotBytes+8),
			asm.Ja.Label("drop"),

			// The entry stays until user space removes it, with its counts.
			asm.Mov.Imm(asm.R1, 1).WithSymbol("close"),
			asm.StoreMem(regOffset, slotClosed, asm.R1, asm.Word),
		})
}

// verdict counts the frame in the statistics and ends the program. keep puts
// into R0 what is kept of a frame that passes.
func verdict(stats int, keep asm.Instruction) asm.Instructions {
	book := func(symbol string, at int16, result asm.Instruction, end string) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Imm(asm.R1, 0).WithSymbol(symbol),
			asm.StoreMem(asm.RFP, stackIndex, asm.R1, asm.Word),
			asm.LoadMapPtr(asm.R1, stats),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, stackIndex),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, end),
			asm.Mov.Imm(asm.R1, 1),
			asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, at),
			asm.LoadMem(asm.R1, regSkb, 0, asm.Word), // __sk_buff.len
			asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, at+8),
			result.WithSymbol(end),
			asm.Return(),
		}
	}
	return join(book("pass", statPassed, keep, "keep"), book("drop", statDropped, asm.Mov.Imm32(asm.R0, 0), "lose"))
}
