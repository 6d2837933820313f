package capture

import (
	"math"
	"math/bits"
)

// maxSeconds is the last second whose every nanosecond fits an int64 (in the
// year 2262). Times beyond it saturate to math.MaxInt64, and before its
// negative to math.MinInt64.
const maxSeconds = math.MaxInt64/1_000_000_000 - 1

// clock turns a pcapng interface's ticks into nanoseconds since the Unix epoch.
type clock struct {
	// ticks below fast are ticks*unit+shift, without overflow: whole
	// nanoseconds to a tick and a sane offset. All others take the long way.
	fast  uint64
	unit  uint64 // nanoseconds in a tick
	shift int64  // if_tsoffset, in nanoseconds

	resolution uint8 // if_tsresol: a power of ten, or of two with the top bit set
	offset     int64 // if_tsoffset, in seconds
}

// newClock makes a clock of the options if_tsresol and if_tsoffset.
func newClock(resolution uint8, offset int64) clock {
	c := clock{resolution: resolution, offset: offset}
	if resolution <= 9 && offset > -1<<32 && offset < 1<<32 {
		c.unit = pow10(9 - int(resolution))
		c.shift = offset * 1e9
		c.fast = (1 << 62) / c.unit // 2^62 ns and 2^32 s are below 2^63 ns together
	}
	return c
}

// time is the moment of a tick, in nanoseconds since the Unix epoch, saturated.
func (c *clock) time(ticks uint64) int64 {
	if ticks < c.fast {
		return int64(ticks*c.unit) + c.shift
	}
	sec, ns := c.split(ticks)
	if c.offset >= 0 {
		sum, carry := bits.Add64(sec, uint64(c.offset), 0)
		if carry != 0 || sum > maxSeconds {
			return math.MaxInt64
		}
		return int64(sum)*1e9 + ns
	}
	back := -uint64(c.offset) // 2^63 for the smallest int64
	if sec >= back {
		if sec-back > maxSeconds {
			return math.MaxInt64
		}
		return int64(sec-back)*1e9 + ns
	}
	if back-sec > maxSeconds {
		return math.MinInt64
	}
	return -int64(back-sec)*1e9 + ns
}

// split takes ticks apart into seconds and nanoseconds, rounded down.
func (c *clock) split(ticks uint64) (sec uint64, ns int64) {
	exp := int(c.resolution & 0x7f)
	if c.resolution&0x80 == 0 {
		switch {
		case exp <= 9:
			unit := pow10(exp)
			return ticks / unit, int64(ticks % unit * pow10(9-exp))
		case exp <= 19:
			unit := pow10(exp)
			return ticks / unit, int64(ticks % unit / pow10(exp-9))
		case exp <= 28:
			return 0, int64(ticks / pow10(exp-9))
		}
		return 0, 0
	}
	if exp >= 64 {
		hi, _ := bits.Mul64(ticks, 1e9)
		return 0, int64(hi >> (exp - 64))
	}
	hi, lo := bits.Mul64(ticks&(1<<exp-1), 1e9)
	return ticks >> exp, int64(hi<<(64-exp) | lo>>exp)
}

// pow10 is ten to the power of n, for n up to 19.
func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
