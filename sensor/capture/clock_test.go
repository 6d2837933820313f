package capture

import (
	"math"
	"math/big"
	"testing"
	"testing/quick"
)

// exactTime is the oracle of clock.time, in numbers without limits.
func exactTime(ticks uint64, resolution uint8, offset int64) int64 {
	units := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(resolution)), nil)
	if resolution&0x80 != 0 {
		units.Lsh(big.NewInt(1), uint(resolution&0x7f))
	}
	giga := big.NewInt(1e9)
	ns := new(big.Int).Mul(new(big.Int).SetUint64(ticks), giga)
	ns.Quo(ns, units)
	ns.Add(ns, new(big.Int).Mul(big.NewInt(offset), giga))
	sec := new(big.Int).Div(ns, giga) // rounded down
	switch {
	case sec.Cmp(big.NewInt(maxSeconds)) > 0:
		return math.MaxInt64
	case sec.Cmp(big.NewInt(-maxSeconds)) < 0:
		return math.MinInt64
	}
	return ns.Int64()
}

func TestClock(t *testing.T) {
	check := func(ticks uint64, resolution uint8, offset int64) bool {
		c := newClock(resolution, offset)
		got, want := c.time(ticks), exactTime(ticks, resolution, offset)
		if got != want {
			t.Errorf("%d ticks of resolution %#x, offset %d: %d, want %d", ticks, resolution, offset, got, want)
		}
		return got == want
	}
	ticks := []uint64{0, 1, 999_999_999, 1_700_000_000_000_001, 1 << 62, 1<<62 - 1, 1<<63 - 1, 1 << 63, math.MaxUint64}
	offsets := []int64{0, 1, -1, 3600, -1_800_000_000, 1<<32 - 1, 1 << 32, -1 << 32, maxSeconds, -maxSeconds, maxSeconds + 1, math.MaxInt64, math.MinInt64}
	for resolution := range 256 {
		for _, tick := range ticks {
			for _, offset := range offsets {
				check(tick, uint8(resolution), offset)
			}
		}
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 20_000}); err != nil {
		t.Error(err)
	}
}
