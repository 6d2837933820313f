package filter

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// maxText is the longest text that is read, in bytes: each of 4096 lines has
// four numbers of at most 10 digits, three spaces and an end.
const maxText = maxProgram * 48

// ParseFile reads a program as tcpdump -ddd prints it: a line with the number of
// instructions, then each as four decimal numbers, the operation, the jumps if
// true and if false, and the operand. Errors name the line. What the kernel would refuse, jumps out
// of the program, a division by zero, an end that returns nothing, is refused here.
func ParseFile(text []byte) ([]bpf.RawInstruction, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("a program of %d bytes: %d instructions, the most that the kernel takes, have %d", len(text), maxProgram, maxText)
	}
	lines := strings.Split(strings.TrimRight(string(text), "\r\n \t"), "\n")
	count, err := strconv.ParseUint(strings.TrimSpace(lines[0]), 10, 32)
	switch {
	case err != nil:
		return nil, fmt.Errorf("line 1: %s: the number of instructions belongs here, as tcpdump -ddd (three d) prints it", quote(lines[0]))
	case count == 0 || count > maxProgram:
		return nil, fmt.Errorf("line 1: %d instructions: 1 to %d are possible", count, maxProgram)
	case count != uint64(len(lines)-1):
		return nil, fmt.Errorf("line 1: %d instructions are announced, and %d lines follow: the file was cut or joined", count, len(lines)-1)
	}
	program := make([]bpf.RawInstruction, 0, count)
	for i, line := range lines[1:] {
		ins, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		program = append(program, ins)
	}
	if err := validate(program); err != nil {
		return nil, err
	}
	return program, nil
}

func parseLine(line string) (ins bpf.RawInstruction, err error) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return ins, fmt.Errorf("%s: four numbers belong here", quote(line))
	}
	var n [4]uint64
	for i, size := range []int{16, 8, 8, 32} {
		if n[i], err = strconv.ParseUint(fields[i], 10, size); err != nil {
			return ins, fmt.Errorf("%s: number %d must be 0 to %d", quote(line), i+1, uint64(1)<<size-1)
		}
	}
	return bpf.RawInstruction{Op: uint16(n[0]), Jt: uint8(n[1]), Jf: uint8(n[2]), K: uint32(n[3])}, nil
}

// quote is a line fit for an error.
func quote(line string) string {
	const most = 40
	if len(line) > most {
		line = line[:most] + "..."
	}
	return strconv.Quote(line)
}

// validate refuses what the kernel would, with the line where it can be told.
func validate(program []bpf.RawInstruction) error {
	known := make([]bpf.Instruction, len(program))
	for i, raw := range program {
		ins := raw.Disassemble()
		left := uint64(len(program) - i - 1)
		far := uint64(0)
		switch ins := ins.(type) {
		case bpf.RawInstruction:
			return fmt.Errorf("line %d: operation %d is not known", i+2, raw.Op)
		case bpf.Jump:
			far = uint64(ins.Skip) + 1
		case bpf.JumpIf, bpf.JumpIfX:
			far = uint64(max(raw.Jt, raw.Jf)) + 1
		case bpf.LoadExtension: // the machine has none of the kernel's, which are numbers like others
			known[i] = bpf.LoadConstant{Dst: bpf.RegA}
			continue
		}
		if far > left {
			return fmt.Errorf("line %d: jumps %d instructions on, and %d are left", i+2, far, left)
		}
		known[i] = ins
	}
	if _, err := bpf.NewVM(known); err != nil {
		return fmt.Errorf("no program that the kernel would take: %w", err)
	}
	return nil
}
