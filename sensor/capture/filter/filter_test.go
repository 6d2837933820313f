package filter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// packet is a frame on its way through the kernel: the outer tag beside it.
type packet struct {
	data     []byte
	hardware uint32
	proto    uint32 // EtherType behind the tag that was taken off
	tagged   bool
	tci      uint32
}

// run lets the virtual machine of x/net/bpf decide. It has none of the kernel's
// extensions, so their values are put into the program.
func run(t *testing.T, program []bpf.RawInstruction, p packet) bool {
	t.Helper()
	ins, _ := bpf.Disassemble(program)
	for i := range ins {
		if ext, ok := ins[i].(bpf.LoadExtension); ok && ext.Num != bpf.ExtLen {
			v := map[bpf.Extension]uint32{bpf.ExtLinkLayerType: p.hardware, bpf.ExtProto: p.proto, bpf.ExtVLANTag: p.tci}[ext.Num]
			if ext.Num == bpf.ExtVLANTagPresent && p.tagged {
				v = 1
			}
			ins[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: v}
		}
	}
	vm, err := bpf.NewVM(ins)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(p.data)
	if err != nil {
		t.Fatal(err)
	}
	return n != 0
}

// kept is what Compile says in words, read off the packet in another way: from
// slices, not offsets.
func kept(ig Ignore, p packet) bool {
	if p.tagged && slices.Contains(ig.VLANs, uint16(p.tci&0xfff)) {
		return false
	}
	b, proto := p.data, p.proto
	switch p.hardware {
	case 1, 772:
		b = b[14:]
	case 0xfffe, 519, 768, 776:
	default:
		return true
	}
	for range 2 {
		if proto != 0x8100 && proto != 0x88a8 && proto != 0x9100 && proto != 0x9200 {
			break
		}
		if len(b) < 4 {
			return true
		}
		if slices.Contains(ig.VLANs, binary.BigEndian.Uint16(b)&0xfff) {
			return false
		}
		proto, b = uint32(binary.BigEndian.Uint16(b[2:])), b[4:]
	}
	var addrs []netip.Addr
	var carries byte
	var ports []byte
	switch {
	case proto == 0x800 && len(b) >= 20:
		addrs = []netip.Addr{netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))}
		if header := int(b[0]&15) * 4; b[6]&0x1f == 0 && b[7] == 0 && header >= 20 && len(b) >= header+4 {
			carries, ports = b[9], b[header:]
		}
	case proto == 0x86dd && len(b) >= 40:
		addrs = []netip.Addr{netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))}
		if len(b) >= 44 {
			carries, ports = b[6], b[40:]
		}
	}
	for _, n := range ig.Networks {
		for _, a := range addrs {
			if n.Contains(a) {
				return false
			}
		}
	}
	if carries != 6 && carries != 17 && carries != 132 {
		return true
	}
	return !slices.Contains(ig.Ports, binary.BigEndian.Uint16(ports)) && !slices.Contains(ig.Ports, binary.BigEndian.Uint16(ports[2:]))
}

var networks = []netip.Prefix{
	netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("192.0.2.77/32"), netip.MustParsePrefix("10.9.255.1/9"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fe80::1/128"), netip.MustParsePrefix("fd00:1:2:3::/67"),
}

// random makes an Ethernet frame with tags whose values are near what is ignored.
func random(r *rand.Rand, tags int) []byte {
	b := make([]byte, 12, 128)
	for range tags {
		b = binary.BigEndian.AppendUint16(b, []uint16{0x8100, 0x88a8, 0x9100}[r.IntN(3)])
		b = binary.BigEndian.AppendUint16(b, uint16(r.IntN(8))<<13|uint16(r.IntN(8)))
	}
	protocol := []byte{6, 17, 132, 1, 50}[r.IntN(5)]
	body := make([]byte, 24)
	binary.BigEndian.PutUint16(body, uint16(r.IntN(12)))
	binary.BigEndian.PutUint16(body[2:], uint16(r.IntN(12)))
	address := func(b []byte) {
		n := networks[r.IntN(len(networks))].Addr().AsSlice()
		if len(n) == len(b) && r.IntN(3) > 0 {
			copy(b, n)
		} else {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		}
		if r.IntN(3) == 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
	switch r.IntN(5) {
	case 0, 1:
		options := r.IntN(11)
		ip := make([]byte, 20+4*options)
		ip[0], ip[9] = 0x45+byte(options), protocol
		if r.IntN(4) == 0 {
			binary.BigEndian.PutUint16(ip[6:], uint16(r.IntN(4))<<13|uint16(r.IntN(2)))
		}
		address(ip[12:16])
		address(ip[16:20])
		b = append(append(b, 8, 0), ip...)
	case 2, 3:
		ip := make([]byte, 40)
		ip[0], ip[6] = 0x60, protocol
		address(ip[8:24])
		address(ip[24:40])
		b = append(append(b, 0x86, 0xdd), ip...)
	default:
		b = append(b, 8, 6)
	}
	return append(b, body...)
}

func compile(t *testing.T, ig Ignore) []bpf.RawInstruction {
	t.Helper()
	program, err := Compile(ig)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var ignores = []Ignore{
	{Networks: networks},
	{Ports: []uint16{1, 5, 7, 443}},
	{VLANs: []uint16{0, 3, 5}},
	{Networks: networks[1:4], Ports: []uint16{2}, VLANs: []uint16{7}},
	{Networks: []netip.Prefix{netip.MustParsePrefix("::/0")}},
	{Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
}

// Frames with any tags, as the kernel shows them, whole and cut at any length,
// on interfaces of any kind.
func TestPredicate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	count := [2]int{}
	for _, ig := range ignores {
		program := compile(t, ig)
		for range 6000 {
			data := random(r, r.IntN(4))
			p := packet{data: data, hardware: []uint32{1, 1, 1, 772, 0xfffe, 519, 768, 776, 803, 512}[r.IntN(10)]}
			p.proto = uint32(binary.BigEndian.Uint16(data[12:]))
			if (p.proto == 0x8100 || p.proto == 0x88a8) && r.IntN(4) > 0 {
				p.tagged, p.tci = true, uint32(binary.BigEndian.Uint16(data[14:]))
				p.proto = uint32(binary.BigEndian.Uint16(data[16:]))
				p.data = append(bytes.Clone(data[:12]), data[16:]...)
			}
			if p.hardware != 1 && p.hardware != 772 {
				p.data = p.data[14:]
			} else if r.IntN(3) == 0 {
				p.data = p.data[:14+r.IntN(len(p.data)-13)]
			}
			if len(p.data) == 0 {
				continue // the kernel filters none
			}
			want := kept(ig, p)
			if got := run(t, program, p); got != want {
				t.Fatalf("%+v: kept %v, want %v: %+v % x", ig, got, want, p, p.data)
			}
			count[map[bool]int{true: 1}[want]]++
		}
	}
	if count[0] < 3000 || count[1] < 3000 {
		t.Errorf("%d were dropped and %d kept: too few to tell", count[0], count[1])
	}
}

// tcpdump's compiler makes a program of the same meaning.
func TestTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("tcpdump, whose compiler is the judge: ", err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, ig := range ignores {
		theirs := tcpdump(t, expression(ig))
		ours := compile(t, ig)
		dropped := 0
		for range 6000 {
			data := random(r, 0)
			p := packet{data: data, hardware: 1, proto: uint32(binary.BigEndian.Uint16(data[12:]))}
			a, b := run(t, ours, p), run(t, theirs, p)
			if a != b {
				t.Fatalf("%s: we keep %v, tcpdump %v: % x", expression(ig), a, b, data)
			}
			if !a {
				dropped++
			}
		}
		if dropped == 0 && len(ig.VLANs) == 0 {
			t.Errorf("%s dropped nothing", expression(ig))
		}
	}
}

// expression is what Ignore is in tcpdump's language, for frames without tags.
func expression(ig Ignore) string {
	var not []string
	for _, n := range ig.Networks {
		kind := "ip"
		if n.Addr().Is6() {
			kind = "ip6"
		}
		not = append(not, kind+" net "+n.Masked().String())
	}
	for _, p := range ig.Ports {
		not = append(not, fmt.Sprint("port ", p))
	}
	if len(not) == 0 {
		return "less 100000"
	}
	return "not (" + strings.Join(not, " or ") + ")"
}

// tcpdump compiles an expression for an Ethernet capture and reads the output.
func tcpdump(t *testing.T, expression string) []bpf.RawInstruction {
	t.Helper()
	file := filepath.Join(t.TempDir(), "empty.pcap")
	head := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0}
	if err := os.WriteFile(file, head, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tcpdump", "-ddd", "-r", file, expression).Output()
	if err != nil {
		t.Fatalf("tcpdump: %v (%s)", err, expression)
	}
	program, err := ParseFile(out)
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return program
}

func TestCompileErrors(t *testing.T) {
	many := make([]netip.Prefix, 2000)
	for i := range many {
		many[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
	}
	for want, ig := range map[string]Ignore{
		"is not valid":               {Networks: make([]netip.Prefix, 1)},
		"IPv4 written as IPv6":       {Networks: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
		"VLAN 4096: 0 to 4095":       {VLANs: []uint16{4096}},
		"and the kernel takes 4096:": {Networks: many},
	} {
		if _, err := Compile(ig); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if p, err := Compile(Ignore{}); p != nil || err != nil {
		t.Errorf("nothing to ignore: %v, %v", p, err)
	}
	// Far more than conditional jumps reach.
	ig := Ignore{Networks: many[:400], VLANs: []uint16{1}}
	program := compile(t, ig)
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		data := random(r, 0)
		p := packet{data: data, hardware: 1, proto: uint32(binary.BigEndian.Uint16(data[12:]))}
		if got, want := run(t, program, p), kept(ig, p); got != want {
			t.Fatalf("%v, want %v: % x", got, want, data)
		}
	}
}

// Joined programs keep what both keep, whichever way they return.
func TestJoin(t *testing.T) {
	accumulator := []bpf.RawInstruction{{Op: 0x30, K: 27}, {Op: 0x16}}                         // ldb [27]; ret a
	isX0 := []bpf.RawInstruction{{Op: 0x87}, {Op: 0x15, Jf: 1}, {Op: 0x06, K: 99}, {Op: 0x06}} // txa; both registers are 0 at first
	isA0 := isX0[1:]
	var programs [][]bpf.RawInstruction
	for _, ig := range ignores[:4] {
		programs = append(programs, compile(t, ig))
	}
	programs = append(programs, accumulator, isX0, isA0, nil)
	keeps := func(program []bpf.RawInstruction, p packet) bool { return program == nil || run(t, program, p) }
	r := rand.New(rand.NewPCG(7, 8))
	for i, a := range programs {
		for j, b := range programs {
			joined, err := Join(a, b)
			if err != nil {
				t.Fatal(err)
			}
			for range 200 {
				data := random(r, 0)
				p := packet{data: data, hardware: 1, proto: uint32(binary.BigEndian.Uint16(data[12:]))}
				if got, want := keeps(joined, p), keeps(a, p) && keeps(b, p); got != want {
					t.Fatalf("%d and %d: %v, want %v", i, j, got, want)
				}
			}
		}
	}
	if _, err := Join(make([]bpf.RawInstruction, 4000), make([]bpf.RawInstruction, 100)); err == nil || !strings.Contains(err.Error(), "4000 and 100") {
		t.Error(err)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                               `line 1: "": the number of instructions belongs here, as tcpdump -ddd`,
		"{ 0x28, 0, 0, 0x0000000c },":    "(three d)",
		"(000) ldh      [12]\n":          "line 1:",
		"0\n":                            "line 1: 0 instructions: 1 to 4096",
		"4097\n":                         "line 1: 4097 instructions",
		"2\n6 0 0 0\n":                   "2 instructions are announced, and 1 lines follow",
		"1\n6 0 0 0\n6 0 0 0\n":          "1 instructions are announced, and 2 lines follow",
		"2\n6 0 0 0\n6 0 0\n":            `line 3: "6 0 0": four numbers`,
		"1\n6 0 0 4294967296\n":          "line 2: \"6 0 0 4294967296\": number 4 must be 0 to 4294967295",
		"1\n6 256 0 0\n":                 "number 2 must be 0 to 255",
		"1\n6 0 0 -1\n":                  "number 4",
		"2\n65535 0 0 0\n6 0 0 0\n":      "line 2: operation 65535 is not known",
		"2\n21 0 1 5\n6 0 0 0\n":         "line 2: jumps 2 instructions on, and 1 are left",
		"2\n5 0 0 4294967295\n6 0 0 0\n": "line 2: jumps 4294967296 instructions on",
		"2\n6 0 0 0\n40 0 0 12\n":        "must end with",
		"2\n52 0 0 0\n6 0 0 0\n":         "divide by zero",
		"1\n6 0 0 \x1b[2J\n":             `"6 0 0 \x1b[2J"`,
		strings.Repeat("1", maxText+1):   "bytes: 4096 instructions",
	} {
		if _, err := ParseFile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"1\n6 0 0 262144\n", "1\r\n6 0 0 262144\r\n\r\n", "2\n48 0 0 4294963248\n6 0 0 1"} {
		if p, err := ParseFile([]byte(text)); err != nil || p[len(p)-1].Op != 6 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParse: what is read is a program that the machine takes, and prints as it was read.
func FuzzParse(f *testing.F) {
	f.Add([]byte("2\n40 0 0 12\n6 0 0 262144\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		program, err := ParseFile(text)
		if err != nil {
			return
		}
		out := fmt.Appendln(nil, len(program))
		for _, i := range program {
			out = fmt.Appendln(out, i.Op, i.Jt, i.Jf, i.K)
		}
		if again, err := ParseFile(out); err != nil || !slices.Equal(again, program) {
			t.Fatalf("%v: %v, before %v", err, again, program)
		}
		run(t, program, packet{data: make([]byte, 64), hardware: 1})
	})
}
