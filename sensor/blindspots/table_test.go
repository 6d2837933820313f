package blindspots

import (
	"encoding/binary"
	"slices"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

func addr(i uint32) decode.Addr {
	return decode.Addr4(binary.BigEndian.AppendUint32(nil, 10<<24|i))
}

const hour = halfLife

func TestWeakens(t *testing.T) {
	table := NewTable(64)
	count := func(a decode.Addr, k Kind, n int) {
		for range n {
			table.Count(1, a, k)
		}
	}
	a, b := addr(1), addr(2)
	count(a, Flow, 100)
	count(a, Hello, 40)
	count(a, HiddenHello, 12)
	count(a, Lookup, 3)
	count(a, HiddenLookup, 1)
	count(a, QUIC, 9)
	count(a, UnreadQUIC, 2) // two are chance
	count(a, OneSided, 10)
	count(a, Gap, 9) // 9 % happen
	count(b, Flow, 1000)
	table.Captured(980, 20)
	for _, c := range []struct {
		what string
		got  []string
		want []string
	}{
		{"a", table.Of(2, a).Weakens(), []string{"12 of 40 TLS handshakes hid the server's name (ECH)", "names are looked up over encrypted DNS (34 % of lookups)",
			"10 of 100 flows were captured in one direction only", "the capture lost 2 % of the packets"}},
		{"b", table.Of(2, b).Weakens(), []string{"the capture lost 2 % of the packets"}},
		{"all", table.All(2).Weakens(), []string{"12 of 40 TLS handshakes hid the server's name (ECH)", "names are looked up over encrypted DNS (34 % of lookups)", "the capture lost 2 % of the packets"}},
		{"nobody", NewTable(8).Of(1, a).Weakens(), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q\nwant %q", c.what, c.got, c.want)
		}
	}
	table.Captured(1e6, 0)
	if got := table.Of(2, b).Weakens(); got != nil {
		t.Errorf("b without loss: %q", got)
	}
	// Two hours later it counts a quarter, and a day later not at all.
	if v := table.Of(1+2*hour, a); v.ECH != (Share{3, 10}) || v.OneSided != (Share{2, 25}) {
		t.Errorf("after two hours: %+v", v)
	}
	if got := table.Of(1+24*hour, a).Weakens(); got != nil {
		t.Errorf("after a day: %q", got)
	}
}

// Two workers that shared the hosts say together what one says.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, parts := NewTable(4096), [2]*Table{NewTable(4096), NewTable(4096)}
		for range rapid.IntRange(1, 300).Draw(t, "counts") {
			a, k := addr(rapid.Uint32Range(0, 30).Draw(t, "host")), Kind(rapid.IntRange(0, int(kinds)-1).Draw(t, "kind"))
			one.Count(5, a, k)
			parts[rapid.IntRange(0, 1).Draw(t, "worker")].Count(5, a, k)
		}
		one.Captured(30, 3)
		parts[0].Captured(10, 1)
		parts[1].Captured(20, 2)
		merged := NewTable(4096)
		merged.Merge(6, parts[0])
		merged.Merge(6, parts[1])
		for i := range uint32(31) {
			if got, want := merged.Of(6, addr(i)), one.Of(6, addr(i)); got != want {
				t.Fatalf("host %d: %+v, want %+v", i, got, want)
			}
		}
		if got, want := merged.All(6), one.All(6); got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// What another table counted hours ago counts less by now.
func TestMergeOld(t *testing.T) {
	old, table := NewTable(8), NewTable(8)
	for range 40 {
		old.Count(1, addr(1), Hello)
		old.Count(1, addr(1), HiddenHello)
	}
	table.Merge(1+2*hour, old)
	if v := table.Of(1+2*hour, addr(1)); v.ECH != (Share{10, 10}) {
		t.Errorf("%+v", v)
	}
}

func BenchmarkCount(b *testing.B) {
	table := NewTable(1 << 16)
	b.ReportAllocs()
	for i := range b.N {
		table.Count(1, decode.Addr{Lo: uint64(uint32(i) * 2654435761 >> 17)}, Flow)
	}
}

// More hosts than there is room for: the quiet ones go, and nothing grows.
func TestBounded(t *testing.T) {
	table := NewTable(1000)
	if n := len(table.hosts); n != 1024 || unsafe.Sizeof(host{}) > 64 {
		t.Errorf("%d hosts of %d bytes", n, unsafe.Sizeof(host{}))
	}
	busy := addr(0)
	for i := range uint32(100_000) {
		table.Count(int64(i), addr(1+i), Flow)
		table.Count(int64(i), busy, Flow)
		table.Count(int64(i), busy, OneSided)
	}
	if v := table.Of(100_000, busy); v.OneSided != (Share{100_000, 100_000}) {
		t.Errorf("the busy host: %+v", v)
	}
	if table.GivenUp < 90_000 || table.All(100_000).OneSided.Of != 200_000 {
		t.Errorf("%d given up, %+v", table.GivenUp, table.All(100_000))
	}
	i := uint32(0)
	if n := testing.AllocsPerRun(1000, func() { i++; table.Count(1, decode.Addr{Lo: uint64(i)}, Hello); table.Of(1, busy) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	// What waits is counted when somebody asks.
	table.Count(100_000, busy, Gap)
	if v := table.Of(100_000, busy); v.Gaps.Hidden != 1 {
		t.Errorf("%+v", v)
	}
	// Counts stop, and do not begin anew.
	h := table.find(busy)
	h.counts[Flow] = ^uint32(0) - 1
	for range 4 {
		table.Count(100_000, busy, Flow)
	}
	table.All(100_000)
	if h.counts[Flow] != ^uint32(0) {
		t.Errorf("%d", h.counts[Flow])
	}
}
