package main

import (
	"encoding/binary"
	"time"
)

// reshape changes what a session looks like on the wire without changing what it says.
type reshape func([]packet) []packet

// fragmented cuts every IP packet that is longer than mtu into fragments. Those of every other packet arrive in
// reverse order, and the first fragment of every third one twice.
func fragmented(mtu int) reshape {
	return func(packets []packet) []packet {
		var out []packet
		for i, p := range packets {
			pieces := fragments4(p.data, mtu, uint16(i))
			if p.data[0]>>4 == 6 {
				pieces = fragments6(p.data, mtu, uint32(i))
			}
			if i%3 == 2 {
				pieces = append(pieces, pieces[0])
			}
			for j := range pieces {
				at := j
				if i%2 == 1 {
					at = len(pieces) - 1 - j
				}
				out = append(out, packet{p.at.Add(time.Duration(j) * time.Microsecond), pieces[at]})
			}
		}
		return out
	}
}

func fragments4(p []byte, mtu int, id uint16) [][]byte {
	if len(p) <= mtu {
		return [][]byte{p}
	}
	var pieces [][]byte
	payload, step := p[20:], (mtu-20)&^7
	for at := 0; at < len(payload); at += step {
		end := min(at+step, len(payload))
		f := append(append([]byte(nil), p[:20]...), payload[at:end]...)
		offset := uint16(at / 8)
		if end < len(payload) {
			offset |= 0x2000 // more fragments
		}
		binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
		binary.BigEndian.PutUint16(f[4:], id)
		binary.BigEndian.PutUint16(f[6:], offset)
		f[10], f[11] = 0, 0
		binary.BigEndian.PutUint16(f[10:], ^fold(sum(f[:20])))
		pieces = append(pieces, f)
	}
	return pieces
}

func fragments6(p []byte, mtu int, id uint32) [][]byte {
	if len(p) <= mtu {
		return [][]byte{p}
	}
	var pieces [][]byte
	payload, step := p[40:], (mtu-48)&^7
	for at := 0; at < len(payload); at += step {
		end := min(at+step, len(payload))
		more := byte(0)
		if end < len(payload) {
			more = 1
		}
		f := append([]byte(nil), p[:40]...)
		f = append(f, p[6], 0, byte(at>>8), byte(at)|more)
		f = append(binary.BigEndian.AppendUint32(f, id), payload[at:end]...)
		f[6] = 44
		binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
		pieces = append(pieces, f)
	}
	return pieces
}

// mirroredTwice is a span port that copies each frame where it enters the switch and where it leaves it.
func mirroredTwice(packets []packet) []packet {
	var out []packet
	for _, p := range packets {
		out = append(out, p, packet{p.at.Add(3 * time.Microsecond), p.data})
	}
	return out
}

// oneWay keeps what comes from, or goes to, the server: a tap on one fibre of the two.
func oneWay(fromServer bool) reshape {
	return func(packets []packet) []packet {
		var out []packet
		for _, p := range packets {
			// Clients of the cases use ports above those of any server.
			srcPort := binary.BigEndian.Uint16(p.data[20:])
			if (srcPort < 50000) == fromServer {
				out = append(out, p)
			}
		}
		return out
	}
}

// withoutStart leaves the first n packets out.
func withoutStart(n int) reshape {
	return func(packets []packet) []packet { return packets[n:] }
}
