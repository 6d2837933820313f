package capture

import (
	"bytes"
	"testing"
)

// snoopFile is a snoop capture of three packets.
func snoopFile() *capfile {
	c := &capfile{order: bigEndian, data: []byte(snoopMagic)}
	c.u32(2, 4)
	c.mark()
	for i, n := range []int{60, 0, 61} {
		pad := -n & 3
		c.u32(uint32(n+i), uint32(n), uint32(24+n+pad), 0, 1700000000, 42)
		c.data = append(c.data, payload(n)...)
		c.data = append(c.data, make([]byte, pad)...)
		c.want(Frame{Data: payload(n), Time: 1700000000_000042_000, WireLen: uint32(n + i), Link: 1})
		c.mark()
	}
	return c
}

func TestSnoop(t *testing.T) { snoopFile().check(t) }

func TestSnoopDamage(t *testing.T) {
	for name, tc := range map[string]struct {
		at, value int // of the four bytes to change
		offset    int64
	}{
		"version":            {8, 3, 0},
		"datalink type":      {12, 9, 0},
		"captured length":    {16 + 4, MaxFrame + 1, 16},
		"short record":       {16 + 8, 24 + 59, 16},
		"record of 2 GB":     {16 + 8, 0x7fffffff, 16},
		"second record of 0": {16 + 84 + 8, 0, 16 + 84},
	} {
		c := snoopFile()
		copy(c.data[tc.at:], c.order.AppendUint32(nil, uint32(tc.value)))
		_, damage := readStream(t, bytes.NewReader(c.data), 4)
		if damage == nil || damage.Truncated || damage.Offset != tc.offset {
			t.Errorf("%s: %v, want damage at %d", name, damage, tc.offset)
		}
	}
}
