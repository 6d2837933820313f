package shunt

import (
	"fmt"
	"strconv"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
)

// A socket has one program. To keep a classic filter in force it is translated,
// one instruction after the other as the kernel itself does on attaching one
// (net/core/filter.c, bpf_convert_filter), and runs before the shunt's own part.

// Registers of a filter. All arithmetic is of 32 bits; helper calls and loads
// from the frame keep regX and regSaved.
const (
	regA     = asm.R0 // the accumulator: where loads from the frame put their result
	regX     = asm.R7 // the index register
	regSaved = asm.R8 // the accumulator, while another load needs its register
)

// Stack of a filter, below that of the program.
const (
	stackKeep    = -116                  // how many bytes of the frame the filter keeps
	stackScratch = stackKeep - 4*scratch // the scratch memory M[]
)

const (
	scratch = 16 // words of M[] (BPF_MEMWORDS)

	// maxFilter is how many instructions a classic program has (BPF_MAXINSNS).
	// Each becomes six at most, so that every jump, over the shunt's own part
	// too, is within the 32,767 that one reaches.
	maxFilter = 4096
)

// extXorX is SKF_AD_ALU_XOR_X, which x/net/bpf does not name.
const extXorX bpf.Extension = 40

// fields are the extensions that are members of struct __sk_buff, by offset.
var fields = map[bpf.Extension]int16{
	bpf.ExtLen: 0, bpf.ExtType: 4, bpf.ExtMark: 8, bpf.ExtQueue: 12, bpf.ExtProto: 16, bpf.ExtVLANTagPresent: 20,
	bpf.ExtVLANTag: 24, bpf.ExtVLANProto: 28, bpf.ExtInterfaceIndex: 40, bpf.ExtRXHash: 68,
}

// classic translates a filter. Where it drops the frame, or reads beyond its
// end, the program ends with 0; otherwise it goes on behind what is returned
// here, with the bytes to keep in stackKeep. hardware is what SKF_AD_HATYPE
// says, 0 where that is not known. regSkb must hold the context. Errors contain
// ErrFilter.
func classic(filter []bpf.RawInstruction, hardware uint16) (asm.Instructions, error) {
	if len(filter) > maxFilter {
		return nil, fmt.Errorf("%w: it has %d instructions, and %d are possible", ErrFilter, len(filter), maxFilter)
	}
	p := asm.Instructions{asm.Mov.Imm(regA, 0), asm.Mov.Imm(regX, 0)} // as the kernel begins
	for n := range scratch {
		p = append(p, asm.StoreImm(asm.RFP, word(n), 0, asm.Word)) // nothing of the stack may be read before it was written
	}
	// Jumps go forward only, so that all that lead to an instruction are known
	// when it is reached. The verifier refuses what none leads to.
	reached := make([]bool, len(filter)+1)
	reached[0] = true
	for i, raw := range filter {
		if !reached[i] {
			continue
		}
		to := func(skip uint32) string {
			if at := uint64(i) + 1 + uint64(skip); at < uint64(len(filter)) {
				reached[at] = true
				return label(int(at))
			}
			reached[len(filter)] = true
			return ""
		}
		code, ends, err := instruction(raw, hardware, to)
		if err == nil && !ends {
			to(0)
		}
		if err == nil && reached[len(filter)] {
			err = fmt.Errorf("what follows it is not in the program")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: instruction %d (operation %d, operand %d): %w", ErrFilter, i, raw.Op, raw.K, err)
		}
		code[0] = code[0].WithSymbol(label(i))
		p = append(p, code...)
	}
	return append(p,
		asm.JEq.Imm32(regA, 0, "lose").WithSymbol("filtered"),
		asm.StoreMem(asm.RFP, stackKeep, regA, asm.Word)), nil
}

func label(i int) string { return "filter" + strconv.Itoa(i) }

// word is where M[n] is.
func word(n int) int16 { return stackScratch + 4*int16(n) }

// instruction translates one. to is the label of the instruction after as many
// are skipped. ends tells that where it leads to
// has all been asked of to.
func instruction(raw bpf.RawInstruction, hardware uint16, to func(skip uint32) string) (p asm.Instructions, ends bool, err error) {
	switch ins := raw.Disassemble().(type) {
	case bpf.LoadExtension: // the only one that has several operations, some of which x/net/bpf takes for others
		p, err = extension(raw, ins.Num, hardware)
		return p, false, err
	case bpf.RetConstant:
		return asm.Instructions{asm.Mov.Imm32(regA, int32(ins.Val)), asm.Ja.Label("filtered")}, true, nil
	case bpf.RetA:
		return asm.Instructions{asm.Ja.Label("filtered")}, true, nil
	case bpf.Jump:
		p, ends = asm.Instructions{asm.Ja.Label(to(ins.Skip))}, true
	case bpf.JumpIf:
		ends = true
		p = conditional(ins.Cond, ins.SkipTrue, ins.SkipFalse, to, func(op asm.JumpOp, label string) asm.Instruction {
			return op.Imm32(regA, int32(ins.Val), label)
		})
	case bpf.JumpIfX:
		ends = true
		p = conditional(ins.Cond, ins.SkipTrue, ins.SkipFalse, to, func(op asm.JumpOp, label string) asm.Instruction {
			return op.Reg32(regA, regX, label)
		})
	case bpf.ALUOpConstant:
		p, err = constantOp(ins)
	case bpf.ALUOpX:
		if ins.Op == bpf.ALUOpDiv || ins.Op == bpf.ALUOpMod {
			p = append(p, asm.JEq.Imm32(regX, 0, "lose"))
		}
		p = append(p, operators[ins.Op].Reg32(regA, regX)) // shifts take the low five bits of X, as the kernel's do
	default:
		p = move(ins)
	}
	// Disassemble is generous: what it reads as something is that only if it is
	// assembled to the same operation again.
	if same, failed := raw.Disassemble().Assemble(); err == nil && (failed != nil || p == nil || same.Op != raw.Op) {
		err = fmt.Errorf("no instruction of a classic program is like that")
	}
	return p, ends, err
}

// move translates what moves values between registers, memory and frame; nil
// for anything else.
func move(ins bpf.Instruction) asm.Instructions {
	sizes := map[int]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word}
	register := map[bpf.Register]asm.Register{bpf.RegA: regA, bpf.RegX: regX}
	switch ins := ins.(type) {
	case bpf.LoadConstant:
		return asm.Instructions{asm.Mov.Imm32(register[ins.Dst], int32(ins.Val))}
	case bpf.LoadScratch:
		return asm.Instructions{asm.LoadMem(register[ins.Dst], asm.RFP, word(ins.N), asm.Word)}
	case bpf.StoreScratch:
		return asm.Instructions{asm.StoreMem(asm.RFP, word(ins.N), register[ins.Src], asm.Word)}
	case bpf.TAX:
		return asm.Instructions{asm.Mov.Reg32(regX, regA)}
	case bpf.TXA:
		return asm.Instructions{asm.Mov.Reg32(regA, regX)}
	case bpf.NegateA:
		return asm.Instructions{asm.Neg.Imm32(regA, 0)}
	// The kernel has these two for eBPF as well: in network byte order, with the
	// offsets below zero for the link's and the network's header, and a frame
	// that is too short ends the program with 0.
	case bpf.LoadAbsolute:
		return asm.Instructions{asm.LoadAbs(int32(ins.Off), sizes[ins.Size])}
	case bpf.LoadIndirect:
		return asm.Instructions{asm.LoadInd(regA, regX, int32(ins.Off), sizes[ins.Size])}
	case bpf.LoadMemShift:
		return asm.Instructions{
			asm.Mov.Reg(regSaved, regA),
			asm.LoadAbs(int32(ins.Off), asm.Byte),
			asm.And.Imm32(asm.R0, 15),
			asm.LSh.Imm32(asm.R0, 2),
			asm.Mov.Reg32(regX, asm.R0),
			asm.Mov.Reg(regA, regSaved),
		}
	}
	return nil
}

var operators = map[bpf.ALUOp]asm.ALUOp{
	bpf.ALUOpAdd: asm.Add, bpf.ALUOpSub: asm.Sub, bpf.ALUOpMul: asm.Mul, bpf.ALUOpDiv: asm.Div, bpf.ALUOpMod: asm.Mod,
	bpf.ALUOpOr: asm.Or, bpf.ALUOpAnd: asm.And, bpf.ALUOpXor: asm.Xor, bpf.ALUOpShiftLeft: asm.LSh, bpf.ALUOpShiftRight: asm.RSh,
}

// constantOp refuses what the kernel does, also for a classic program.
func constantOp(ins bpf.ALUOpConstant) (asm.Instructions, error) {
	switch ins.Op {
	case bpf.ALUOpDiv, bpf.ALUOpMod:
		if ins.Val == 0 {
			return nil, fmt.Errorf("it divides by zero")
		}
	case bpf.ALUOpShiftLeft, bpf.ALUOpShiftRight:
		if ins.Val > 31 {
			return nil, fmt.Errorf("it shifts by more than 31")
		}
	}
	return asm.Instructions{operators[ins.Op].Imm32(regA, int32(ins.Val))}, nil
}

var comparisons = map[bpf.JumpTest]asm.JumpOp{
	bpf.JumpEqual: asm.JEq, bpf.JumpNotEqual: asm.JNE, bpf.JumpGreaterThan: asm.JGT, bpf.JumpLessThan: asm.JLT,
	bpf.JumpGreaterOrEqual: asm.JGE, bpf.JumpLessOrEqual: asm.JLE, bpf.JumpBitsSet: asm.JSet, bpf.JumpBitsNotSet: asm.JSet,
}

// conditional translates a jump that compare makes of an operator and a label.
func conditional(cond bpf.JumpTest, yes, no uint8, to func(uint32) string, compare func(asm.JumpOp, string) asm.Instruction) asm.Instructions {
	if cond == bpf.JumpBitsNotSet { // the only test that eBPF has no opposite of
		yes, no = no, yes
	}
	p := asm.Instructions{compare(comparisons[cond], to(uint32(yes)))}
	if no > 0 {
		p = append(p, asm.Ja.Label(to(uint32(no))))
	} else {
		to(0)
	}
	return p
}

// extension translates what the kernel knows beside the frame's bytes.
func extension(raw bpf.RawInstruction, num bpf.Extension, hardware uint16) (asm.Instructions, error) {
	const (
		loadLen, loadXLen  = 0x80, 0x81       // BPF_LEN
		abs32, abs16, abs8 = 0x20, 0x28, 0x30 // BPF_ABS: the kernel does not look at the width
	)
	switch raw.Op {
	case loadLen:
		return asm.Instructions{asm.LoadMem(regA, regSkb, fields[bpf.ExtLen], asm.Word)}, nil
	case loadXLen:
		return asm.Instructions{asm.LoadMem(regX, regSkb, fields[bpf.ExtLen], asm.Word)}, nil
	case abs32, abs16, abs8:
	default:
		return nil, fmt.Errorf("no instruction of a classic program is like that")
	}
	switch num {
	case bpf.ExtProto, bpf.ExtVLANProto: // the context has them as they are in the frame
		return asm.Instructions{asm.LoadMem(regA, regSkb, fields[num], asm.Word), asm.HostTo(asm.BE, regA, asm.Half)}, nil
	case bpf.ExtType, bpf.ExtMark, bpf.ExtQueue, bpf.ExtVLANTag, bpf.ExtVLANTagPresent, bpf.ExtInterfaceIndex, bpf.ExtRXHash:
		return asm.Instructions{asm.LoadMem(regA, regSkb, fields[num], asm.Word)}, nil
	case bpf.ExtLinkLayerType:
		if hardware == 0 {
			return nil, fmt.Errorf("it asks for the kind of the interface (SKF_AD_HATYPE), and the interfaces are of several")
		}
		return asm.Instructions{asm.Mov.Imm32(regA, int32(hardware))}, nil
	case extXorX:
		return asm.Instructions{asm.Xor.Reg32(regA, regX)}, nil
	case bpf.ExtCPUID:
		return asm.Instructions{asm.FnGetSmpProcessorId.Call()}, nil
	case bpf.ExtRand:
		return asm.Instructions{asm.FnGetPrandomU32.Call()}, nil
	}
	return nil, fmt.Errorf("an eBPF program cannot ask the kernel for this (SKF_AD_OFF + %d)", num)
}
