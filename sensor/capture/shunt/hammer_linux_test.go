package shunt

import (
	"sync"
	"testing"

	"github.com/cilium/ebpf"
)

// While the kernel counts on one CPU, another goroutine adds, takes and removes the
// same flows: every packet that was dropped is in exactly one result of Remove, or
// known to be late.
func TestRace(t *testing.T) {
	s := open(t, Config{Flows: 8})
	const flows, repeat, rounds = 4, 500, 400
	var frames [flows][]byte
	var keys [flows]Key
	for i := range frames {
		sp := spec{ports: [2]uint16{uint16(40000 + i), 443}, flags: 16, payload: make([]byte, 100)}
		frames[i], keys[i] = build(t, sp), key(sp)
	}
	done := make(chan struct{})
	var counting sync.WaitGroup
	counting.Go(func() {
		defer close(done)
		for i := range rounds {
			if _, err := s.prog.Run(&ebpf.RunOptions{Data: behind(frames[i%flows]), Repeat: repeat}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var packets, bytes, removals uint64
	remove := func(k Key) {
		taken, was := s.Take(k)
		c, ok := s.Remove(k)
		if was != ok || c.Packets[0] < taken.Packets[0] {
			t.Errorf("taken %+v, removed %+v, %v", taken, c, ok)
		}
		packets, bytes, removals = packets+c.Packets[0]+c.Packets[1], bytes+c.Bytes[0]+c.Bytes[1], removals+1
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, k := range keys {
			if err := s.Add(k); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range keys {
			remove(k)
		}
	}
	counting.Wait()
	st, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d removals, %+v", removals, st)
	if st.Dropped == 0 || packets+st.Late != st.Dropped || bytes > 100*st.Dropped || bytes < 99*packets || st.Flows != 0 {
		t.Errorf("%d packets and %d bytes were removed, %+v", packets, bytes, st)
	}
}

// Neither makes garbage: a worker calls them between packets.
func TestAllocations(t *testing.T) {
	s := open(t, Config{Flows: 8})
	k := key(spec{ports: [2]uint16{40000, 443}})
	n := testing.AllocsPerRun(1000, func() {
		if err := s.Add(k); err != nil {
			t.Fatal(err)
		}
		s.Take(k)
		s.Remove(k)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a packet costs in the program.
func BenchmarkProgram(b *testing.B) {
	s := open(b, Config{})
	tcp := spec{ports: [2]uint16{40000, 443}, flags: 16, payload: make([]byte, 1000)}
	if err := s.Add(key(tcp)); err != nil {
		b.Fatal(err)
	}
	six := tcp
	six.six = true
	if err := s.Add(key(six)); err != nil {
		b.Fatal(err)
	}
	other := tcp
	other.ports[0]++
	syn := other
	syn.flags = 17
	dns := spec{udp: true, ports: [2]uint16{40000, 53}, payload: make([]byte, 40)}
	for _, c := range []struct {
		name string
		spec spec
	}{{"counted", tcp}, {"counted-IPv6", six}, {"other-flow", other}, {"FIN", syn}, {"DNS", dns}} {
		b.Run(c.name, func(b *testing.B) {
			frame := build(b, c.spec)
			const repeat = 1_000_000
			var total float64
			for range b.N {
				_, took, err := s.prog.Benchmark(behind(frame), repeat, nil)
				if err != nil {
					b.Fatal(err)
				}
				total += float64(took.Nanoseconds())
			}
			b.ReportMetric(total/float64(b.N), "ns/packet")
		})
	}
}

// What user space pays for one flow.
func BenchmarkCalls(b *testing.B) {
	s := open(b, Config{})
	k := key(spec{ports: [2]uint16{40000, 443}})
	b.Run("Add+Remove", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if err := s.Add(k); err != nil {
				b.Fatal(err)
			}
			s.Remove(k)
		}
	})
	if err := s.Add(k); err != nil {
		b.Fatal(err)
	}
	b.Run("Take", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			s.Take(k)
		}
	})
}
