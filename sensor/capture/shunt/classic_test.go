package shunt

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/rmmwatch/rmmwatch/sensor/capture/filter"
)

// named filters: what the configuration's ignore becomes, and what tcpdump prints.
type namedFilter struct {
	name    string
	program []bpf.RawInstruction
}

// ignores are those of the tests of capture/filter.
func ignores() []filter.Ignore {
	var networks []netip.Prefix
	for _, n := range []string{"10.1.0.0/16", "192.0.2.77/32", "10.9.255.1/9", "2001:db8::/32", "fe80::1/128", "fd00:1:2:3::/67"} {
		networks = append(networks, netip.MustParsePrefix(n))
	}
	return []filter.Ignore{
		{Networks: networks},
		{Ports: []uint16{1, 5, 7, 443}},
		{VLANs: []uint16{0, 3, 5, 11}},
		{Networks: networks[1:4], Ports: []uint16{2}, VLANs: []uint16{7, 10}},
		{Networks: []netip.Prefix{netip.MustParsePrefix("::/0")}},
		{Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
	}
}

func filters(t testing.TB) (all []namedFilter) {
	t.Helper()
	text, err := os.ReadFile("testdata/tcpdump.txt")
	if err != nil {
		t.Fatal(err)
	}
	parse := func(lines string) []bpf.RawInstruction {
		p, err := filter.ParseFile([]byte(lines))
		if err != nil {
			t.Fatalf("%v:\n%s", err, lines)
		}
		return p
	}
	for _, part := range strings.Split(string(text), "\n# ")[1:] {
		name, lines, _ := strings.Cut(part, "\n")
		all = append(all, namedFilter{name, parse(lines)})
	}
	if len(all) < 20 {
		t.Fatalf("only %d programs of tcpdump", len(all))
	}
	theirs := len(all)
	for _, ig := range ignores() {
		p, err := filter.Compile(ig)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, namedFilter{"ignore", p})
		p, err = filter.Join(p, all[len(all)%theirs].program)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, namedFilter{"ignore and " + all[len(all)%theirs].name, p})
	}
	return append(all,
		namedFilter{"accumulator", parse("2\n48 0 0 27\n22 0 0 0\n")},
		namedFilter{"index", parse("4\n135 0 0 0\n21 0 1 0\n6 0 0 99\n6 0 0 0\n")}, // both registers are 0 at first
		namedFilter{"nothing", parse("1\n6 0 0 0\n")},
		namedFilter{"unreachable", parse("3\n6 0 0 7\n40 0 0 12\n6 0 0 0\n")},
	)
}

// What cannot be translated is refused with the instruction and the reason.
func TestFilterErrors(t *testing.T) {
	ret := bpf.RawInstruction{Op: 6, K: 1}
	for want, code := range map[string][]bpf.RawInstruction{
		"instruction 0 (operation 32, operand 4294963252): an eBPF program cannot ask the kernel for this (SKF_AD_OFF + 52)": {{Op: 0x20, K: 0xfffff034}, ret},
		"(SKF_AD_OFF + 12)": {{Op: 0x20, K: 0xfffff00c}, ret}, // a netlink attribute
		"(SKF_AD_OFF + 1)":  {{Op: 0x20, K: 0xfffff001}, ret}, // what x/net/bpf takes for the length
		"several":           {{Op: 0x20, K: 0xfffff01c}, ret},
		"instruction 1 (operation 40, operand 12): what follows it": {{Op: 0x30}, {Op: 0x28, K: 12}},
		"operand 5): what follows it":                               {{Op: 0x05, K: 5}, ret},
		"operand 4294967295): what":                                 {{Op: 0x05, K: 1<<32 - 1}, ret}, // a loop, as "ip protochain" has
		"operation 21, operand 7): what":                            {{Op: 0x15, K: 7, Jt: 1}, ret},
		"operation 21, operand 8): what":                            {{Op: 0x15, K: 8, Jf: 1}, ret},
		"operation 65535, operand 0): no instruction":               {{Op: 65535}, ret},
		"operation 33, operand 0): no instruction":                  {{Op: 0x21}, ret}, // ldx [0]
		"operation 33, operand 4294963200): no ins":                 {{Op: 0x21, K: 0xfffff000}, ret},
		"operation 176, operand 0): no instruction":                 {{Op: 0xb0}, ret},        // ld 4*([0]&15)
		"operation 13, operand 0): no instruction":                  {{Op: 0x0d}, ret},        // ja x
		"operation 14, operand 0): no instruction":                  {{Op: 0x0e}, ret},        // ret x
		"operand 16): no instruction":                               {{Op: 0x02, K: 16}, ret}, // st M[16]
		"divides by zero":                                           {{Op: 0x34}, ret},
		"operation 148, operand 0): it divides":                     {{Op: 0x94}, ret},
		"shifts":                                                    {{Op: 0x64, K: 32}, ret},
		"operation 116, operand 32): it shifts":                     {{Op: 0x74, K: 32}, ret},
		"it has 4097 instructions":                                  make([]bpf.RawInstruction, 4097),
	} {
		_, err := program(mapFDs{}, Config{Filter: code})
		if !errors.Is(err, ErrFilter) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := classic(code, 0); err == nil {
			t.Errorf("%q was taken", want)
		}
	}
}

// opcodes are all that a classic program has, and two that it has not.
var opcodes = []uint16{
	0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x60, 0x80, 0xb1, 0x01, 0x61, 0x81, 0x02, 0x03,
	0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac,
	0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87,
	0x20, 0x28, 0x30, 0x20, 0x28, 0x30, 0x48, 0x50, 0xb1, 0x15, 0x15, 0x25, 0x35, 0x45, 0x1d, 0x87, 0x07, // often
	0x21, 0x0e,
}

// anyFilter makes a program of any bytes, six an instruction: mostly one that the
// kernel takes. Four words of the scratch memory are written first.
func anyFilter(b []byte) (p []bpf.RawInstruction) {
	n := min(len(b)/6, 60)
	p = append(p, bpf.RawInstruction{Op: 0x80}, bpf.RawInstruction{Op: 0x02}, bpf.RawInstruction{Op: 0x02, K: 1},
		bpf.RawInstruction{Op: 0x03, K: 2}, bpf.RawInstruction{Op: 0x02, K: 3})
	for i := range n {
		raw := b[6*i:]
		ins := bpf.RawInstruction{Op: opcodes[int(raw[0])%len(opcodes)]}
		left := n - i // with the end below
		switch ins.K = uint32(raw[2]); raw[1] % 16 {
		case 0:
			ins.K = binary.BigEndian.Uint32(raw[2:])
		case 1:
			ins.K = 0xfffff000 + uint32(raw[2]&63) // what the kernel knows beside the frame
		case 2:
			ins.K = 0xffe00000 + uint32(raw[2]) // from the link's header
		case 3:
			ins.K = 0xfff00000 + uint32(raw[2]) // from the network's
		case 4:
			ins.K = uint32(binary.BigEndian.Uint16(raw[2:]))
		case 5:
			ins.K = 1 << (raw[2] & 31)
		default:
			ins.K &= 63
		}
		switch ins.Op & 7 {
		case 5:
			ins.Jt, ins.Jf = uint8(int(raw[4])%left), uint8(int(raw[5])%left)
			if ins.Op == 5 {
				ins.K %= uint32(left)
			}
		case 2, 3:
			ins.K &= 3
		case 0, 1:
			if ins.Op&0xe0 == 0x60 {
				ins.K &= 3
			}
		}
		p = append(p, ins)
	}
	return append(p, bpf.RawInstruction{Op: 0x16})
}

// anyBytes are the bytes of a frame, often of one that means something.
func anyBytes(r *rand.Rand, frames [][]byte) []byte {
	b := append([]byte{}, frames[r.IntN(len(frames))]...)
	for range r.IntN(4) {
		b[r.IntN(len(b))] = byte(r.Uint32())
	}
	if r.IntN(3) == 0 {
		b = b[:1+r.IntN(len(b))]
	}
	return b
}

// meaningful are the frames of the shunt's list, and others.
func meaningful(t testing.TB) (frames [][]byte) {
	t.Helper()
	for _, c := range named {
		frames = append(frames, build(t, c.spec))
	}
	hello := build(t, spec{ports: [2]uint16{40000, 443}, flags: 24, payload: []byte("\x16\x03\x01\x00\x05hello")})
	tagged := func(tags ...byte) []byte {
		return append(append(append([]byte{}, hello[:12]...), tags...), hello[12:]...)
	}
	frames = append(frames, hello, tagged(0x81, 0, 0, 10), tagged(0x81, 0, 0xe0, 11), tagged(0x88, 0xa8, 0, 10, 0x81, 0, 0, 20),
		tagged(0x81, 0, 0x10, 0), tagged(0x81, 0, 0x0f, 0xa0), tagged(0x88, 0x47, 0, 1, 1, 64), tagged(0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0, 0x21))
	for _, port := range []uint16{22, 53, 1000, 2000} {
		frames = append(frames, build(t, spec{udp: true, ports: [2]uint16{port, 1500}, payload: make([]byte, 200)}))
	}
	for _, et := range []string{"\x08\x06", "\x88\xb5"} {
		frames = append(frames, append([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01"+et), make([]byte, 46)...))
	}
	return frames
}
