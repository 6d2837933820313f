package flow

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"pgregory.net/rapid"
)

// stream is a test's TCP direction: it makes segments of a payload.
type stream struct{ t *Table }

func tcp(flags uint8, seq uint32, payload []byte) *decode.Packet {
	return &decode.Packet{
		Status: decode.StatusTransport, Proto: decode.ProtoTCP, Flags: flags, Seq: seq,
		Src: decode.Addr4([]byte{10, 0, 0, 1}), Dst: decode.Addr4([]byte{192, 0, 2, 1}),
		SrcPort: 40000, DstPort: 443, Payload: payload, PayloadLen: uint32(len(payload)),
		Checksum: uint16(seq) ^ uint16(len(payload))<<4,
	}
}

// send books a packet and puts its payload in place, as the worker does.
func (s *stream) send(p *decode.Packet, now int64) (view []byte, fresh bool) {
	f, dir, _ := s.t.Get(s.t.Locate(p), p, now)
	if len(p.Payload) == 0 {
		return nil, false
	}
	view, fresh = s.t.Segment(f, dir, p)
	if fresh {
		s.t.Keep(f, dir, view)
		view = s.t.View(f, dir)
	}
	return view, fresh
}

// Any segmentation, in any order, with overlaps and retransmissions, whether
// the SYN was seen or not, gives back the stream.
func TestSegmentsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "data")
		isn := rapid.Uint32().Draw(t, "isn")
		sawSYN := rapid.Bool().Draw(t, "syn")
		n := rapid.IntRange(1, 6).Draw(t, "segments")
		type seg struct{ start, end int }
		var segs []seg
		at := 0
		for i := range n {
			end := len(data)
			if i < n-1 {
				end = rapid.IntRange(at, len(data)).Draw(t, "cut")
			}
			if end > at {
				segs = append(segs, seg{rapid.IntRange(max(0, at-100), at).Draw(t, "overlap"), end})
			}
			at = end
		}
		segs = append(segs, segs[rapid.IntRange(0, len(segs)-1).Draw(t, "again")])
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Shuffle(len(segs), func(i, j int) { segs[i], segs[j] = segs[j], segs[i] })

		s := &stream{t: New(Config{Flows: 4, SmallHeads: 2, LargeHeads: 2}, nil)}
		if sawSYN {
			s.send(tcp(decode.SYN, isn, nil), 0)
		}
		var view []byte
		for i, g := range segs {
			if v, fresh := s.send(tcp(decode.ACK, isn+1+uint32(g.start), data[g.start:g.end]), int64(i+1)*1e9); fresh {
				view = v
			}
		}
		if !bytes.Equal(view, data) {
			t.Fatalf("got %d bytes, want %d (SYN seen: %v, segments %v)", len(view), len(data), sawSYN, segs)
		}
	})
}

// Of bytes that come twice with different values, the first stay: one stated
// way, so that a test can hold it.
func TestFirstBytesStay(t *testing.T) {
	s := &stream{t: New(Config{Flows: 4}, nil)}
	s.send(tcp(decode.SYN, 99, nil), 0)
	s.send(tcp(decode.ACK, 104, []byte("fghij")), 1)
	s.send(tcp(decode.ACK, 104, []byte("FGHIJ")), 2)
	view, _ := s.send(tcp(decode.ACK, 100, []byte("ABCDEF")), 3)
	if string(view) != "ABCDfghij" {
		t.Errorf("got %q", view)
	}
}

// A segment far beyond the start, or before it, never costs memory and never
// shows bytes that were not sent.
func TestWildSequenceNumbers(t *testing.T) {
	s := &stream{t: New(Config{Flows: 4, SmallHeads: 1, LargeHeads: 1}, nil)}
	s.send(tcp(decode.SYN, 99, nil), 0)
	for i, seq := range []uint32{100 + LargeHead, 99, 0, 1 << 31, 100 + 1<<30, 100 + 3<<30} {
		if view, fresh := s.send(tcp(decode.ACK, seq, []byte("x")), int64(i)*1e9); fresh || len(view) != 0 {
			t.Errorf("sequence number %d: %q", seq, view)
		}
	}
	if view, _ := s.send(tcp(decode.ACK, 100, []byte("ok")), 20e9); string(view) != "ok" {
		t.Errorf("got %q", view)
	}
}

// A full pool gives up its oldest head, whose flow is then decided.
func TestHeadPoolIsBounded(t *testing.T) {
	table := New(Config{Flows: 100, SmallHeads: 4, LargeHeads: 2}, nil)
	var flows []*Flow
	for i := range 20 {
		p := tcp(decode.ACK, 1, []byte("partial"))
		p.SrcPort = uint16(i)
		f, d, _ := table.Get(table.Locate(p), p, int64(i))
		view, _ := table.Segment(f, d, p)
		table.Keep(f, d, view)
		flows = append(flows, f)
	}
	for i, f := range flows {
		d := f.ClientDir()
		if kept := len(table.View(f, d)) > 0; kept != (i >= 16) || f.Done(d) == kept {
			t.Errorf("flow %d: kept %v, done %v", i, kept, f.Done(d))
		}
	}
	if table.Stats.HeadEvicted != 16 {
		t.Errorf("%d heads evicted, want 16", table.Stats.HeadEvicted)
	}
}

// More holes than a head can book are refused, counted, and filled later.
func TestTooManyHoles(t *testing.T) {
	s := &stream{t: New(Config{Flows: 4}, nil)}
	s.send(tcp(decode.SYN, 0, nil), 0)
	for i := range maxIntervals + 3 {
		s.send(tcp(decode.ACK, uint32(11+i*10), []byte("12345")), int64(i)*1e9)
	}
	if s.t.Stats.Holes != 3 {
		t.Errorf("%d segments refused, want 3", s.t.Stats.Holes)
	}
	view, _ := s.send(tcp(decode.ACK, 1, bytes.Repeat([]byte("z"), 100)), 60e9)
	if len(view) != 100 {
		t.Errorf("%d bytes after the retransmission, want 100", len(view))
	}
}

// FuzzSegments feeds segments whose bytes are a function of their sequence
// number: whatever their order and cut, the view must show that function.
func FuzzSegments(f *testing.F) {
	f.Add([]byte{0, 0, 5, 0, 3, 9, 0, 10, 200})
	f.Add([]byte{0, 200, 255, 0, 0, 255, 1, 0, 255})
	f.Fuzz(func(t *testing.T, ops []byte) {
		s := &stream{t: New(Config{Flows: 2, SmallHeads: 1, LargeHeads: 1}, nil)}
		s.send(tcp(decode.SYN, 0xffffff00, nil), 0)
		for i := 0; i+3 <= len(ops); i += 3 {
			off := int(ops[i])<<8 | int(ops[i+1])
			payload := make([]byte, ops[i+2])
			for j := range payload {
				payload[j] = byte((off + j) * 7)
			}
			view, _ := s.send(tcp(decode.ACK, 0xffffff01+uint32(off), payload), int64(i)*1e9)
			for j, b := range view {
				if b != byte(j*7) {
					t.Fatalf("byte %d is %#x, want %#x", j, b, byte(j*7))
				}
			}
		}
	})
}

// Messages of one connection are consumed one after the other; segments that
// came early are kept for their turn.
func TestConsume(t *testing.T) {
	s := &stream{t: New(Config{Flows: 4}, nil)}
	s.send(tcp(decode.SYN, 0, nil), 0)
	s.send(tcp(decode.ACK, 11, []byte("late!")), 1)
	view, _ := s.send(tcp(decode.ACK, 1, []byte("0123456789")), 2)
	if string(view) != "0123456789late!" {
		t.Fatalf("got %q", view)
	}
	p := tcp(decode.ACK, 21, []byte("third"))
	f, d, _ := s.t.Get(s.t.Locate(p), p, 3)
	s.t.Segment(f, d, p) // beyond a hole
	s.t.Consume(f, d, 10)
	if got := string(s.t.View(f, d)); got != "late!" {
		t.Fatalf("after the first message: %q", got)
	}
	s.t.Consume(f, d, 5)
	if view, _ := s.send(tcp(decode.ACK, 16, []byte("fill.")), 4); string(view) != "fill.third" {
		t.Fatalf("after the second: %q", view)
	}
	s.t.Consume(f, d, 10)
	if s.t.View(f, d) != nil {
		t.Error("a head without bytes was kept")
	}
	far := tcp(decode.ACK, 26+resyncAfter, []byte("after a loss"))
	if _, fresh := s.t.Segment(f, d, far); fresh || !s.t.Resync(f, d, far) {
		t.Fatal("a lost segment was waited for")
	}
	if view, fresh := s.t.Segment(f, d, far); !fresh || string(view) != "after a loss" {
		t.Errorf("after the loss: %q", view)
	}
}

// Programs that make packets by hand often forget that a SYN takes a sequence
// number. Their first byte is not lost; a keep-alive's stays out.
func TestPayloadOnTheSYNsNumber(t *testing.T) {
	s := &stream{t: New(Config{Flows: 4}, nil)}
	s.send(tcp(decode.SYN, 0, nil), 0)
	if view, _ := s.send(tcp(decode.ACK, 0, []byte("GET / HTTP/1.1")), 1); string(view) != "GET / HTTP/1.1" {
		t.Errorf("got %q", view)
	}
	s = &stream{t: New(Config{Flows: 4}, nil)}
	s.send(tcp(decode.SYN, 0, nil), 0)
	s.send(tcp(decode.ACK, 0, []byte("\x00")), 1)
	if view, _ := s.send(tcp(decode.ACK, 1, []byte("real")), 2); string(view) != "real" {
		t.Errorf("after a keep-alive: %q", view)
	}
}
