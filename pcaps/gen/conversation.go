package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// turn is what one side says before the other speaks: some bytes of a TCP stream, or one UDP datagram.
type turn struct {
	server bool
	data   []byte
}

// conversation is everything two sides say, in order, free of addresses and transport.
type conversation []turn

func fromClient(data []byte) turn { return turn{data: data} }
func fromServer(data []byte) turn { return turn{server: true, data: data} }

// segment is one TCP segment of a conversation with sequence numbers relative to each side's initial one.
type segment struct {
	server bool
	tcpHeader
	data  []byte
	sum   uint64 // of data
	label int    // where labelMark stands in data, 0 when it does not
}

func newSegment(server bool, flags byte, seq, ack uint32, data []byte) segment {
	return segment{server: server, tcpHeader: tcpHeader{seq: seq, ack: ack, flags: flags}, data: data, sum: sum(data)}
}

// segments cuts a conversation into TCP segments of at most mss bytes, after the three-way handshake.
func segments(c conversation, mss int) []segment {
	segs := []segment{
		newSegment(false, flagSYN, 0, 0, nil),
		newSegment(true, flagSYN|flagACK, 0, 1, nil),
		newSegment(false, flagACK, 1, 1, nil),
	}
	sent := [2]uint32{1, 1} // by client, by server
	for _, t := range c {
		for data := t.data; len(data) > 0; {
			n := min(mss, len(data))
			flags := byte(flagACK)
			if n == len(data) {
				flags |= flagPSH
			}
			me := side(t.server)
			segs = append(segs, newSegment(t.server, flags, sent[me], sent[1-me], data[:n]))
			sent[me] += uint32(n)
			data = data[n:]
		}
	}
	return segs
}

func side(server bool) int {
	if server {
		return 1
	}
	return 0
}

// firstData is the range of the segments that carry the client's first turn.
func firstData(segs []segment) (from, to int) {
	for from < len(segs) && len(segs[from].data) == 0 {
		from++
	}
	to = from
	for to < len(segs) && len(segs[to].data) > 0 && segs[to].server == segs[from].server {
		to++
	}
	return from, to
}

// disorder returns segs with its first data segments in another order or, where there is but one, sent twice.
func disorder(segs []segment, r *rand.Rand) []segment {
	from, to := firstData(segs)
	out := append([]segment(nil), segs[:to]...)
	if to-from > 1 && r.IntN(3) > 0 {
		out[from], out[to-1] = out[to-1], out[from]
	} else {
		out = append(out, segs[from])
	}
	return append(out, segs[to:]...)
}

// shred cuts segs' first data again, into pieces of random size in random order, one of them sent twice.
func shred(segs []segment, r *rand.Rand) []segment {
	from, to := firstData(segs)
	var pieces []segment
	for _, s := range segs[from:to] {
		for at := 0; at < len(s.data); {
			n := min(len(s.data)-at, 1+r.IntN(700))
			pieces = append(pieces, newSegment(s.server, flagACK|flagPSH, s.seq+uint32(at), s.ack, s.data[at:at+n]))
			at += n
		}
	}
	pieces = append(pieces, pieces[r.IntN(len(pieces))])
	r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	out := append([]segment(nil), segs[:from]...)
	return append(append(out, pieces...), segs[to:]...)
}

// noise fills b from r: the stand-in for keys, signatures and ciphertext.
func noise(b []byte, r *rand.Rand) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, r.Uint64())
		b = b[8:]
	}
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// seeded is a generator for one purpose: the same seed and purpose give the same numbers.
func seeded(seed uint64, purpose string) *rand.Rand {
	h := uint64(14695981039346656037)
	for i := range len(purpose) {
		h = (h ^ uint64(purpose[i])) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}
