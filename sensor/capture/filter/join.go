package filter

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// Join is the program that keeps a frame if both keep it, and as much of it as
// b says. An empty program keeps everything.
func Join(a, b []bpf.RawInstruction) ([]bpf.RawInstruction, error) {
	if len(a) == 0 {
		return b, nil
	}
	if len(b) == 0 {
		return a, nil
	}
	// Where a returns, it goes on: to b, or to a test of the accumulator before it.
	between := []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1}, drop,
		bpf.LoadConstant{Dst: bpf.RegA, Val: 0}, bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, // as b would find them
	}
	const clear = 2 // of between
	size := len(a) + len(between) + len(b)
	if size > maxProgram {
		return nil, fmt.Errorf("two filters of %d and %d instructions together: the kernel takes %d", len(a), len(b), maxProgram)
	}
	joined := make([]bpf.RawInstruction, 0, size)
	for i, raw := range a {
		var ins bpf.Instruction
		switch ret := raw.Disassemble().(type) {
		case bpf.RetConstant:
			if ret.Val == 0 {
				joined = append(joined, raw)
				continue
			}
			ins = bpf.Jump{Skip: uint32(len(a) - i - 1 + clear)}
		case bpf.RetA:
			ins = bpf.Jump{Skip: uint32(len(a) - i - 1)}
		default:
			joined = append(joined, raw)
			continue
		}
		raw, err := ins.Assemble()
		if err != nil {
			return nil, fmt.Errorf("instruction %d: %w", i, err)
		}
		joined = append(joined, raw)
	}
	middle, err := bpf.Assemble(between)
	if err != nil {
		return nil, fmt.Errorf("joining two filters: %w", err)
	}
	return append(append(joined, middle...), b...), nil
}
