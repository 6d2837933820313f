package defrag

import (
	"bytes"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

const second = 1e9

var (
	src4, dst4 = addr("192.0.2.1"), addr("198.51.100.2")
	src6, dst6 = addr("2001:db8::1"), addr("2001:db8::2")
)

func addr(s string) decode.Addr { return decode.AddrFrom(netip.MustParseAddr(s)) }

// frag makes a fragment of an IPv4 datagram.
func frag(id, offset uint32, more bool, payload []byte) *decode.Packet {
	return &decode.Packet{
		Status: decode.StatusFragment, Src: src4, Dst: dst4, Proto: decode.ProtoUDP,
		Payload: payload, PayloadLen: uint32(len(payload)),
		Frag: decode.Fragment{ID: id, Offset: offset, More: more},
	}
}

// split cuts payload into fragments of about size bytes.
func split(id uint32, payload []byte, size int) (all []*decode.Packet) {
	size = max(unit, size&^(unit-1))
	for at := 0; at < len(payload); at += size {
		end := min(at+size, len(payload))
		all = append(all, frag(id, uint32(at), end < len(payload), payload[at:end]))
	}
	return all
}

func random(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// want adds fragments and demands that exactly the last makes the payload whole.
func want(t *testing.T, table *Table, now int64, payload []byte, all ...*decode.Packet) {
	t.Helper()
	for i, p := range all {
		got, whole := table.Add(p, now)
		if whole != (i == len(all)-1) {
			t.Fatalf("fragment %d of %d: whole %v", i+1, len(all), whole)
		}
		if whole && !bytes.Equal(got, payload) {
			t.Fatalf("got %d bytes, not the %d that were sent", len(got), len(payload))
		}
	}
	check(t, table)
}

// none adds fragments that must not make anything whole.
func none(t *testing.T, table *Table, now int64, all ...*decode.Packet) {
	t.Helper()
	for i, p := range all {
		if _, whole := table.Add(p, now); whole {
			t.Fatalf("fragment %d of %d made a datagram whole", i+1, len(all))
		}
	}
	check(t, table)
}

// check demands that no memory was lost or is used twice.
func check(t *testing.T, table *Table) {
	t.Helper()
	owner := make([]int, len(table.have))
	for _, b := range table.freeBlocks {
		owner[b-1]++
		if table.have[b-1] != 0 {
			t.Fatalf("free block %d has units", b)
		}
	}
	live, older := uint64(0), uint32(0)
	for ref := table.oldest; ref != 0; ref = table.datagrams[ref-1].newer {
		d := &table.datagrams[ref-1]
		if d.older != older {
			t.Fatalf("datagram %d: older is %d, not %d", ref, d.older, older)
		}
		for _, b := range d.blocks {
			if b != 0 {
				owner[b-1]++
			}
		}
		live, older = live+1, ref
	}
	if live != table.Stats.Live || older != table.newest {
		t.Fatalf("%d datagrams in the list, Live is %d", live, table.Stats.Live)
	}
	for ref := table.freeDatagram; ref != 0; ref = table.datagrams[ref-1].next {
		live++
	}
	if live != uint64(len(table.datagrams)) {
		t.Fatalf("%d datagrams of %d are accounted for", live, len(table.datagrams))
	}
	for b, n := range owner {
		if n != 1 {
			t.Fatalf("block %d has %d owners", b+1, n)
		}
	}
}

func TestOrders(t *testing.T) {
	table := New(Config{})
	now := int64(0)
	for _, size := range []int{9, 511, 512, 513, 1480, 4000, 65535} {
		for _, each := range []int{8, 24, 520, 1480} {
			payload := random(uint64(size), size)
			all := split(7, payload, each)
			if len(all) == 1 {
				continue
			}
			want(t, table, now, payload, all...)
			now += second // or they would be copies of the ones before
			for i := range len(all) / 2 {
				j := len(all) - 1 - i
				all[i], all[j] = all[j], all[i]
			}
			want(t, table, now, payload, all...)
			now += second
		}
	}
	if table.Stats.Live != 0 || table.Stats.Conflicts != 0 || table.Stats.Duplicates != 0 {
		t.Errorf("%+v", table.Stats)
	}
}

func TestKeys(t *testing.T) {
	a, b := random(1, 32), random(2, 32)
	differ := map[string]func(*decode.Packet){
		"id":          func(p *decode.Packet) { p.Frag.ID++ },
		"source":      func(p *decode.Packet) { p.Src = addr("192.0.2.9") },
		"destination": func(p *decode.Packet) { p.Dst = addr("192.0.2.9") },
		"protocol":    func(p *decode.Packet) { p.Proto = decode.ProtoTCP },
	}
	for name, change := range differ {
		t.Run(name, func(t *testing.T) {
			one, two := split(1, a, 16), split(1, b, 16)
			for _, p := range two {
				change(p)
			}
			table := New(Config{})
			none(t, table, 0, one[0], two[1])
			want(t, table, 0, a, one[1])
			want(t, table, 0, b, two[0])
		})
	}
	t.Run("IPv6 leaves the protocol out", func(t *testing.T) {
		all := split(1, a, 16)
		for i, p := range all {
			p.Src, p.Dst, p.Proto = src6, dst6, uint8(i)
		}
		want(t, New(Config{}), 0, a, all...)
	})
}

func TestOverlap(t *testing.T) {
	first, second := bytes.Repeat([]byte{'1'}, 24), bytes.Repeat([]byte{'2'}, 24)
	table := New(Config{})
	none(t, table, 0, frag(1, 8, true, first[:16]))
	none(t, table, 0, frag(1, 0, true, second))
	want(t, table, 0, []byte("222222221111111111111111222"), frag(1, 16, false, second[:11]))
	if table.Stats.Conflicts != 2 || table.Stats.Duplicates != 0 {
		t.Errorf("%+v", table.Stats)
	}
}

func TestDuplicates(t *testing.T) {
	payload := random(1, 3000)
	all := split(1, payload, 1480)
	table := New(Config{})
	none(t, table, 0, all[0], all[0], all[2], all[2])
	want(t, table, 0, payload, all[1])
	none(t, table, 50e6, all[0], all[1], all[2]) // a second mirror, a little later
	if table.Stats.Duplicates != 5 || table.Stats.Live != 0 || table.Stats.Conflicts != 0 {
		t.Errorf("%+v", table.Stats)
	}
	want(t, table, second, payload, all...) // the identification is used again
}

func TestContradictions(t *testing.T) {
	b := random(1, 64)
	for name, all := range map[string][]*decode.Packet{
		"two ends":         {frag(1, 16, false, b[:16]), frag(1, 24, false, b[:16])},
		"beyond the end":   {frag(1, 16, false, b[:16]), frag(1, 40, true, b[:16])},
		"an earlier end":   {frag(1, 40, true, b[:16]), frag(1, 16, false, b[:16])},
		"end in a segment": {frag(1, 8, true, b[:16]), frag(1, 16, false, b[:3])},
	} {
		t.Run(name, func(t *testing.T) {
			table := New(Config{})
			none(t, table, 0, all...)
			if table.Stats.Contradictory != 1 || table.Stats.Live != 0 {
				t.Errorf("%+v", table.Stats)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	b := random(1, 65535)
	cut := frag(1, 0, true, b[:16])
	cut.PayloadLen = 24
	table := New(Config{})
	none(t, table, 0, cut)
	if table.Stats.Cut != 1 {
		t.Errorf("cut: %+v", table.Stats)
	}
	none(t, table, 0,
		frag(1, 8, false, nil),
		frag(1, 8, true, b[:7]),                   // nothing left after rounding down
		frag(1, 65528, false, b[:8]),              // 65536
		frag(1, 65528, true, b[:1480]),            // the ping of death
		frag(1, 0, false, append(b, 0)),           // a jumbogram's
		frag(1, 4, true, b[:16]),                  // no header can say so
		frag(1, math.MaxUint32-7, true, b[:1480])) // nor this
	if table.Stats.Malformed != 7 || table.Stats.Live != 0 {
		t.Errorf("%+v", table.Stats)
	}
	want(t, table, 0, b, frag(1, 65528, false, b[65528:]), frag(1, 0, true, b[:65528]))
}

// An unaligned middle fragment is rounded down, so its tail must come again.
func TestUnaligned(t *testing.T) {
	b := random(1, 32)
	table := New(Config{})
	none(t, table, 0, frag(1, 0, true, b[:13]), frag(1, 16, false, b[16:]))
	want(t, table, 0, b, frag(1, 8, true, b[8:16]))
}

func TestTimeout(t *testing.T) {
	b := random(1, 32)
	all := split(1, b, 16)
	for name, c := range map[string]struct {
		first, last int64
		whole       bool
	}{
		"in time":       {0, 30 * second, true},
		"too late":      {0, 30*second + 1, false},
		"clock back":    {100 * second, 95 * second, true},
		"far back":      {100 * second, 69 * second, false},
		"from the end":  {math.MaxInt64, math.MinInt64, false},
		"from the dawn": {math.MinInt64, math.MaxInt64, false},
	} {
		t.Run(name, func(t *testing.T) {
			table := New(Config{})
			none(t, table, c.first, all[0])
			_, whole := table.Add(all[1], c.last)
			check(t, table)
			if whole != c.whole {
				t.Errorf("whole %v", whole)
			}
			if !whole && table.Stats.TimedOut != 1 {
				t.Errorf("%+v", table.Stats)
			}
		})
	}
}

// A datagram hidden from expire, behind one from a clock that ran ahead, still
// times out when its key comes up again.
func TestTimeoutBehindFutureClock(t *testing.T) {
	b := random(1, 32)
	one, two := split(1, b, 16), split(2, b, 16)
	table := New(Config{})
	none(t, table, 50*second, one[0])
	none(t, table, 25*second, two[0])
	none(t, table, 60*second, two[1])
	if table.Stats.TimedOut != 1 || table.Stats.Live != 2 {
		t.Errorf("%+v", table.Stats)
	}
}

// Datagrams that nobody asks for again time out too.
func TestExpire(t *testing.T) {
	b := random(1, 32)
	table := New(Config{Timeout: second})
	for id := range uint32(10) {
		none(t, table, int64(id)*second/10, split(id, b, 16)[0])
	}
	none(t, table, 3*second/2, split(99, b, 16)[0])
	if table.Stats.TimedOut != 5 || table.Stats.Live != 6 {
		t.Errorf("%+v", table.Stats)
	}
}

func TestEvictionOfDatagrams(t *testing.T) {
	b := random(1, 32)
	table := New(Config{MaxDatagrams: 4})
	for id := range uint32(5) {
		none(t, table, 0, split(id, b, 16)[0])
	}
	none(t, table, 0, split(0, b, 16)[1]) // given up for 4; takes the place of 1
	want(t, table, 0, b, split(2, b, 16)[1])
	if table.Stats.Evicted != 2 || table.Stats.Live != 3 {
		t.Errorf("%+v", table.Stats)
	}
}

// The oldest gives way to the others' need for blocks, but not to its own.
func TestEvictionOfBlocks(t *testing.T) {
	big := random(1, 65535)
	all := split(1, big, 1024)
	table := New(Config{MaxDatagrams: 1000, MaxBytes: 1})
	none(t, table, 0, all[0])
	for id := range uint32(500) {
		none(t, table, 0, frag(id+2, 800, true, big[:8]))
	}
	if got := table.Stats.Evicted; got != 500+1-blocksOfOne {
		t.Errorf("%d evicted", got)
	}
	want(t, table, 0, big, all...)
	if table.Stats.Live != 0 {
		t.Errorf("%+v", table.Stats)
	}
}

func TestOldestMayTakeAll(t *testing.T) {
	big := random(1, 65535)
	all := split(1, big, 1024)
	table := New(Config{MaxBytes: 1})
	none(t, table, 0, all[0])
	for id := range uint32(50) {
		none(t, table, 0, frag(id+2, 800, true, big[:8]))
	}
	want(t, table, 0, big, all[1:]...)
}

// A flood of fragments evicts; a datagram sent in the middle of it arrives.
func TestFlood(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	table := New(Config{})
	junk := random(1, 1480)
	payload := random(2, 3000)
	blocks, capacity := len(table.have), cap(table.freeBlocks)
	for i := range uint32(200_000) {
		table.Add(frag(r.Uint32()|1<<31, r.Uint32N(40)*1480, r.Uint32N(4) != 0, junk), int64(i)*1000)
		if i == 100_000 {
			want(t, table, int64(i)*1000, payload, split(1, payload, 1480)...)
		}
	}
	check(t, table)
	if len(table.have) != blocks || cap(table.freeBlocks) != capacity || table.Stats.Evicted == 0 {
		t.Errorf("memory changed, or nothing was evicted: %+v", table.Stats)
	}
}

// The payload of a whole datagram may hold a fragment of another one.
func TestNested(t *testing.T) {
	inner := random(1, 2000)
	outer := split(1, inner[:1000], 504)
	table := New(Config{})
	table.Add(outer[0], 0)
	got, whole := table.Add(outer[1], 0)
	if !whole {
		t.Fatal("not whole")
	}
	none(t, table, 0, frag(2, 0, true, got))
	want(t, table, 0, inner, frag(2, 1000, false, inner[1000:]))
}

func TestAllocations(t *testing.T) {
	table := New(Config{})
	all := split(1, random(1, 9000), 1480)
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		for _, p := range all {
			table.Add(p, now)
		}
		now += second
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if table.Stats.Reassembled == 0 {
		t.Error("nothing was reassembled")
	}
}

func BenchmarkAdd(b *testing.B) {
	table := New(Config{})
	all := split(1, random(1, 2960), 1480)
	now := int64(0)
	b.SetBytes(2960)
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range all {
			table.Add(p, now)
		}
		now += second
	}
	if table.Stats.Reassembled == 0 {
		b.Error("nothing was reassembled")
	}
}
