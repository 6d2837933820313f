package shunt

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture/filter"
)

// alone is a translated filter without a shunt behind it.
func alone(t fataler, program []bpf.RawInstruction, hardware uint16) (*ebpf.Program, error) {
	t.Helper()
	code, err := classic(program, hardware)
	if err != nil {
		return nil, err
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "Apache-2.0", Instructions: join(
		asm.Instructions{asm.Mov.Reg(regSkb, asm.R1)}, code, asm.Instructions{
			asm.LoadMem(asm.R0, asm.RFP, stackKeep, asm.Word), asm.Return(), asm.Mov.Imm(asm.R0, 0).WithSymbol("lose"), asm.Return(),
		})})
	if err != nil {
		t.Fatalf("%+v\n%v", err, program)
	}
	return p, nil
}

// machine is what x/net/bpf says a filter keeps of a frame that BPF_PROG_TEST_RUN
// gets. It has none of the kernel's extensions, so their values are put into the
// program.
func machine(t *testing.T, program []bpf.RawInstruction, frame []byte, proto, hardware uint16) uint32 {
	t.Helper()
	ins, _ := bpf.Disassemble(program)
	for i := range ins {
		if ext, ok := ins[i].(bpf.LoadExtension); ok && ext.Num != bpf.ExtLen {
			ins[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: map[bpf.Extension]uint32{
				bpf.ExtProto: uint32(proto), bpf.ExtLinkLayerType: uint32(hardware), bpf.ExtType: unix.PACKET_OTHERHOST, bpf.ExtInterfaceIndex: 1,
			}[ext.Num]}
		}
	}
	vm, err := bpf.NewVM(ins)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// Every filter keeps as much of every frame, cut anywhere, as the machine of
// x/net/bpf does.
func TestFilterMachine(t *testing.T) {
	open(t, Config{Flows: 4}) // or skip
	r, frames := rand.New(rand.NewPCG(1, 2)), meaningful(t)
	var kept, dropped int
	for _, f := range filters(t) {
		for _, hardware := range []uint16{unix.ARPHRD_ETHER, unix.ARPHRD_NONE, unix.ARPHRD_INFINIBAND} {
			p, err := alone(t, f.program, hardware)
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			for range 400 {
				frame := anyBytes(r, frames)
				proto := uint16(0x88b5) // of a short frame: the kernel wants an IP header behind the other two
				if len(frame) >= 40 && frame[12] > 6 {
					proto = []uint16{0x0800, 0x86dd, uint16(frame[12])<<8 | uint16(frame[13])}[r.IntN(3)]
				}
				data := behind(frame)
				data[12], data[13] = byte(proto>>8), byte(proto)
				got, err := p.Run(&ebpf.RunOptions{Data: data})
				if err != nil {
					t.Fatal(err)
				}
				if want := machine(t, f.program, frame, proto, hardware); got != want {
					t.Fatalf("%s: %d bytes of % x, the machine says %d", f.name, got, frame, want)
				}
				if got == 0 {
					dropped++
				} else {
					kept++
				}
			}
			p.Close()
		}
	}
	if kept < 5000 || dropped < 5000 {
		t.Errorf("%d were kept and %d dropped: too few to tell", kept, dropped)
	}
}

// cable is a pair of interfaces with two filtered sockets at its end, one with the
// kernel's own classic filter and one with its translation.
type cable struct {
	out, all, classic, translated int
}

// newCable makes the pair. The kernel hands a frame to the sockets of an interface
// in the order of their binding, the latest first, so that when the first one has
// it the others have decided.
func newCable(t testing.TB) *cable {
	t.Helper()
	open(t, Config{Flows: 4}) // or skip
	from, to := wire(t)
	c := &cable{out: packetSocket(t, from, nil)}
	for _, fd := range []*int{&c.all, &c.classic, &c.translated} {
		*fd = packetSocket(t, to, nil)
		if err := unix.Bind(*fd, &unix.SockaddrLinklayer{Ifindex: to, Protocol: htons(unix.ETH_P_ALL)}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// attach puts the filter on both sockets. It reports whether both took it.
func (c *cable) attach(t fataler, program []bpf.RawInstruction) bool {
	t.Helper()
	code := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		code[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	refused := unix.SetsockoptSockFprog(c.classic, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	p, err := alone(t, program, unix.ARPHRD_ETHER)
	switch {
	case refused != nil:
		if p != nil {
			p.Close()
		}
		return false
	case err != nil:
		if !strings.Contains(err.Error(), "cannot ask the kernel") {
			t.Fatalf("the kernel takes what is refused: %v\n%v", err, program)
		}
		return false
	}
	defer p.Close()
	if err := unix.SetsockoptInt(c.translated, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, p.FD()); err != nil {
		t.Fatal(err)
	}
	return true
}

// arrives reports whether a frame can be sent, and is no tagged one that ends in its tag:
// that the kernel drops.
func arrives(frame []byte) bool {
	return len(frame) > 14 && len(frame) <= 1500 && (len(frame) >= 20 || frame[12] != 0x81 && frame[12] != 0x88)
}

// agree sends a frame and returns how much of it both sockets kept, 0 for a drop.
func (c *cable) agree(t fataler, program []bpf.RawInstruction, frame []byte) int {
	t.Helper()
	if _, err := unix.Write(c.out, frame); err != nil {
		t.Fatalf("%d bytes: %v", len(frame), err)
	}
	poll := []unix.PollFd{{Fd: int32(c.all), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, 30_000)
		if n == 1 {
			break
		}
		if err != unix.EINTR {
			t.Fatalf("the frame does not arrive: %v", err)
		}
	}
	receive := func(fd int) []byte {
		buf := make([]byte, 1<<16)
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
		return buf[:max(n, 0)]
	}
	receive(c.all)
	a, b := receive(c.classic), receive(c.translated)
	if !bytes.Equal(a, b) {
		t.Fatalf("% x\nclassic keeps    % x\ntranslated keeps % x\n%v", frame, a, b, program)
	}
	return len(a)
}

// The kernel's own classic filters and their translations keep the same of the same frames: VLAN tags taken
// off, all that the kernel knows beside them, offsets below zero, and any programs.
func TestFilterKernel(t *testing.T) {
	c := newCable(t)
	r, frames := rand.New(rand.NewPCG(3, 4)), meaningful(t)
	all := filters(t)
	// Not more: each program is freed by the kernel's shared work queue, and more than it runs at
	// once (1,024), freed faster than it works, have locked up Linux 6.18 (bpf_prog_pack_alloc).
	for range 150 {
		b := make([]byte, 6*(1+r.IntN(25)))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		all = append(all, namedFilter{"random", anyFilter(b)})
	}
	var taken, kept, cut, dropped int
	for _, f := range all {
		if random(f.program) || !c.attach(t, f.program) {
			continue
		}
		taken++
		for range 40 {
			frame := anyBytes(r, frames)
			if !arrives(frame) {
				continue
			}
			switch n := c.agree(t, f.program, frame); {
			case n == 0:
				dropped++
			case n < len(frame)-4:
				cut++
			default:
				kept++
			}
		}
	}
	if taken < 60 || kept < 500 || cut < 50 || dropped < 500 {
		t.Errorf("of %d filters %d were taken; %d frames kept, %d cut and %d dropped: too few to tell", len(all), taken, kept, cut, dropped)
	}
	t.Logf("%d filters of %d, %d frames kept, %d cut, %d dropped", taken, len(all), kept, cut, dropped)
}

// random reports whether a filter asks for a random number: no two runs of it agree.
func random(program []bpf.RawInstruction) bool {
	for _, ins := range program {
		if ins.K == 0xfffff000+uint32(bpf.ExtRand) {
			return true
		}
	}
	return false
}

// A random number is one: a filter that keeps half of the frames does about that.
func TestFilterRandom(t *testing.T) {
	open(t, Config{Flows: 4}) // or skip
	p, err := alone(t, []bpf.RawInstruction{{Op: 0x20, K: 0xfffff038}, {Op: 0x45, K: 1, Jf: 1}, {Op: 6, K: 1}, {Op: 6}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	kept := 0
	for range 1000 {
		n, err := p.Run(&ebpf.RunOptions{Data: behind(make([]byte, 60))})
		if err != nil {
			t.Fatal(err)
		}
		kept += int(n)
	}
	if kept < 350 || kept > 650 { // nine standard deviations
		t.Errorf("%d of 1000", kept)
	}
}

// The filter comes first: what it drops is counted nowhere, of what passes it keeps
// as much as it says, and the shunt does with the rest what it does without one.
func TestFilterBeforeShunt(t *testing.T) {
	ignore, err := filter.Compile(filter.Ignore{Ports: []uint16{9100}})
	if err != nil {
		t.Fatal(err)
	}
	cut, err := filter.Join(ignore, []bpf.RawInstruction{{Op: 6, K: 96}})
	if err != nil {
		t.Fatal(err)
	}
	for want, program := range map[uint32][]bpf.RawInstruction{0xffffffff: ignore, 96: cut} {
		s := open(t, Config{Flows: 16, Filter: program, Hardware: unix.ARPHRD_ETHER})
		data := make([]byte, 100)
		ignored, shunted := spec{ports: [2]uint16{40000, 9100}, flags: 16, payload: data}, spec{ports: [2]uint16{40000, 443}, flags: 16, payload: data}
		other := spec{ports: [2]uint16{40001, 443}, flags: 16, payload: data}
		for _, sp := range []spec{ignored, shunted} {
			if err := s.Add(key(sp)); err != nil {
				t.Fatal(err)
			}
		}
		look := func(sp spec) uint32 {
			data := behind(build(t, sp))
			data[12], data[13] = 0x08, 0x00 // as the kernel would say of the frame
			n, err := s.prog.Run(&ebpf.RunOptions{Data: data})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := [3]uint32{look(ignored), look(shunted), look(other)}; n != [3]uint32{0, 0, want} {
			t.Errorf("kept %v, want 0, 0 and %d", n, want)
		}
		if c, ok := s.Take(key(ignored)); !ok || c.Packets != [2]uint64{} {
			t.Errorf("of the ignored flow %+v, %v", c, ok)
		}
		if c, ok := s.Take(key(shunted)); !ok || c.Packets != [2]uint64{1} || c.Bytes != [2]uint64{100} {
			t.Errorf("of the shunted flow %+v, %v", c, ok)
		}
		if st, err := s.Stats(); err != nil || st.Passed != 1 || st.Dropped != 1 {
			t.Errorf("%+v, %v", st, err)
		}
	}
}

// With a filter that keeps everything the program is the model's, frame by frame.
func TestFilterModel(t *testing.T) {
	s := open(t, Config{Flows: 16, Filter: []bpf.RawInstruction{{Op: 6, K: 1<<32 - 1}}})
	for _, c := range named {
		frame := build(t, c.spec)
		for n := 1; n <= len(frame); n++ {
			agree(t, s, frame[:n], key(c.spec))
		}
	}
}

// The verifier takes the largest filters, and Load says what it cannot take.
func TestFilterLarge(t *testing.T) {
	many := filter.Ignore{VLANs: []uint16{1, 2, 3}}
	for i := range 180 {
		many.Networks = append(many.Networks, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(i >> 8), byte(i), 0}), 24))
		if i < 30 {
			many.Networks = append(many.Networks, netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), 128))
		}
		many.Ports = append(many.Ports, uint16(1000+i))
	}
	ignore, err := filter.Compile(many)
	if err != nil {
		t.Fatal(err)
	}
	frame := build(t, spec{ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 100)})
	for name, c := range map[string]struct {
		program []bpf.RawInstruction
		want    uint32
	}{"ignore": {ignore, 0xffffffff}} {
		s := open(t, Config{Flows: 4, Filter: c.program, Hardware: unix.ARPHRD_ETHER})
		info, err := s.prog.Info()
		if err != nil {
			t.Fatal(err)
		}
		looked, _ := info.VerifiedInstructions()
		t.Logf("%s: %d classic instructions, %d looked at by the verifier", name, len(c.program), looked)
		if n := run(t, s, frame); n != c.want {
			t.Errorf("%s: kept %d, want %d", name, n, c.want)
		}
	}
	if s, err := Load(Config{Flows: 4, Filter: []bpf.RawInstruction{{Op: 0x20, K: 0xfffff034}, {Op: 6}}}); !errors.Is(err, ErrFilter) || s != nil {
		t.Errorf("%v", err)
	}
}
