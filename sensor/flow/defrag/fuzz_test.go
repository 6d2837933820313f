package defrag

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// FuzzDefrag cuts a known payload into fragments, of random sizes, some of them
// overlapping, some twice, in random order: what comes out is what went in.
func FuzzDefrag(f *testing.F) {
	f.Add(uint64(1), uint16(9), uint16(8))
	f.Add(uint64(2), uint16(1473), uint16(1480))
	f.Add(uint64(3), uint16(65535), uint16(1280))
	f.Add(uint64(4), uint16(513), uint16(256))
	table := New(Config{})
	now := int64(0)
	f.Fuzz(func(t *testing.T, seed uint64, size, largest uint16) {
		r := rand.New(rand.NewPCG(seed, 0))
		payload := random(seed, int(size))
		var all []*decode.Packet
		for at := 0; at < len(payload); {
			n := min((1+r.IntN(int(largest)/unit+1))*unit, len(payload)-at)
			back := r.IntN(2) * min(at, r.IntN(4)*unit)
			all = append(all, frag(1, uint32(at-back), at+n < len(payload), payload[at-back:at+n]))
			at += n
		}
		if len(all) < 2 {
			return
		}
		for range r.IntN(3) {
			all = append(all, all[r.IntN(len(all))])
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		now += second
		times := 0
		for _, p := range all {
			got, whole := table.Add(p, now)
			if !whole {
				continue
			}
			if times++; !bytes.Equal(got, payload) {
				t.Fatal("not what was sent")
			}
		}
		if times != 1 || table.Stats.Conflicts != 0 || table.Stats.Live != 0 {
			t.Fatalf("whole %d times, %+v", times, table.Stats)
		}
		check(t, table)
	})
}

// naive is the policy said in the simplest way, one byte at a time: the reference
// for FuzzHostile. It knows one datagram.
type naive struct {
	bytes, there [1 << 17]byte
	end, total   int
}

func (n *naive) add(p *decode.Packet) (whole []byte, contradictory bool) {
	data := p.Payload
	if p.Frag.More {
		data = data[:len(data)/8*8]
	}
	at, end := int(p.Frag.Offset), int(p.Frag.Offset)+len(data)
	if len(data) == 0 || end > 65535 {
		return nil, false
	}
	n.end = max(n.end, end)
	if !p.Frag.More {
		if n.total != 0 && n.total != end {
			return nil, true
		}
		n.total = end
	}
	if n.total != 0 && n.end > n.total {
		return nil, true
	}
	for i, b := range data {
		if n.there[at+i] == 0 {
			n.there[at+i], n.bytes[at+i] = 1, b
		}
	}
	if n.total == 0 || bytes.Contains(n.there[:n.total], []byte{0}) {
		return nil, false
	}
	return n.bytes[:n.total], false
}

// FuzzHostile takes a script of fragments, each four bytes: offset and flags, then
// length. With any script the table does what the naive reference does, in a budget
// that other datagrams use up.
func FuzzHostile(f *testing.F) {
	script := func(words ...uint16) (b []byte) {
		for _, w := range words {
			b = binary.BigEndian.AppendUint16(b, w)
		}
		return b
	}
	f.Add(script(0x2000, 16, 0x0002, 16))
	f.Add(script(0x0002, 16, 0x2000, 16))
	f.Add(script(0x2001, 16, 0x2000, 24, 0x0002, 11))
	f.Add(script(0x2000, 16, 0x0001, 3))
	f.Add(script(0x1fff, 7, 0x2000, 0xfff8))
	f.Fuzz(func(t *testing.T, script []byte) {
		table := New(Config{MaxDatagrams: 3, MaxBytes: 1})
		model := new(naive)
		fill := byte(0)
		for range min(len(script)/4, 64) {
			word, size := binary.BigEndian.Uint16(script), binary.BigEndian.Uint16(script[2:])
			script = script[4:]
			fill++
			p := frag(1, uint32(word&0x1fff)*8, word&0x2000 != 0, bytes.Repeat([]byte{fill}, int(size)))
			if word&0x8000 != 0 { // not ours; its life is not followed
				p.Frag.ID = uint32(word>>14&1) + 2
				evicted := table.Stats.Evicted
				table.Add(p, 0)
				check(t, table)
				if table.Stats.Evicted != evicted {
					return // maybe ours
				}
				continue
			}
			dropped := table.Stats.Contradictory
			got, whole := table.Add(p, 0)
			check(t, table)
			expect, contradictory := model.add(p)
			if whole != (expect != nil) || !bytes.Equal(got, expect) {
				t.Fatalf("whole %v, %d bytes; the reference has %d", whole, len(got), len(expect))
			}
			if contradictory != (table.Stats.Contradictory != dropped) {
				t.Fatalf("contradictory: the reference says %v", contradictory)
			}
			if whole {
				return // what follows are copies
			}
			if contradictory {
				model = new(naive)
			}
		}
	})
}
