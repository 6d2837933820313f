//go:build linux

package afpacket

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// verdict is an eBPF program that returns n for every frame.
func verdict(t *testing.T, n int32) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SocketFilter, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, n), asm.Return()},
	})
	if err != nil {
		skipOrFail(t, "an eBPF program: ", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// A program takes the place of the filter, also where the ring needs a new
// socket and after its owner closed it; without it the filter is in force again.
func TestAttach(t *testing.T) {
	for _, rings := range []int{1, 2} {
		namespace(t)
		r := open(t, Config{RingBytes: MinRing, Filter: onlyIPv4(t), Rings: rings, Group: 8}) // alone in its group
		four, other := udp(1, 2, 1, 2, "four"), ethernet(nil, "other")
		check := func(want ...[]byte) {
			t.Helper()
			newSender(t, "peer", false).send(t, four, other)
			expect(t, r, want)
		}
		check(four)
		all, none := verdict(t, -1), verdict(t, 0)
		if err := r.Attach(none.FD()); err != nil {
			t.Fatal(err)
		}
		check()
		if err := r.Attach(all.FD()); err != nil {
			t.Fatal(err)
		}
		all.Close()
		check(four, other)
		if err := r.Attach(r.FD()); err == nil {
			t.Error("a socket was attached as a program")
		}
		check(four, other)
		run(t, "ip link del eth0")
		until(t, []*Ring{r}, func(d []*DownError) bool { return len(d) == 1 })
		pair(t)
		until(t, []*Ring{r}, allUp([]*Ring{r}))
		check(four, other)
		if err := r.Detach(); err != nil {
			t.Fatal(err)
		}
		check(four)
	}
}
