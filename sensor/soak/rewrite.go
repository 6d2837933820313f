package main

import "encoding/binary"

// rewrite gives the hosts of the home networks in an Ethernet frame other
// addresses and their high ports other numbers, in place, the same ones for the same loop.
// Both directions of a flow stay one flow, payloads stay, and checksums stay as right or
// wrong as they were. Inside tunnels nothing changes, nor do the ports of fragments:
// the later ones do not tell theirs.
func rewrite(frame []byte, loop uint32) {
	switch proto, packet := network(frame); proto {
	case 0x0800:
		rewrite4(packet, loop)
	case 0x86dd:
		rewrite6(packet, loop)
	}
}

// network returns the EtherType behind up to two VLAN tags, and what follows.
func network(frame []byte) (proto uint16, packet []byte) {
	if len(frame) < 14 {
		return 0, nil
	}
	at := 12
	for range 2 {
		if t := binary.BigEndian.Uint16(frame[at:]); (t == 0x8100 || t == 0x88a8) && len(frame) >= at+6 {
			at += 4
		}
	}
	return binary.BigEndian.Uint16(frame[at:]), frame[at+2:]
}

// fragment4 reports whether a frame carries a fragment of an IPv4 datagram.
func fragment4(frame []byte) bool {
	proto, p := network(frame)
	return proto == 0x0800 && len(p) >= 20 && binary.BigEndian.Uint16(p[6:])&0x3fff != 0
}

func rewrite4(p []byte, loop uint32) {
	if len(p) < 20 || p[0]>>4 != 4 || int(p[0]&15)*4 < 20 || int(p[0]&15)*4 > len(p) {
		return
	}
	header := int(p[0]&15) * 4
	fragment := binary.BigEndian.Uint16(p[6:])
	sums := []int{10}
	var sum int
	if fragment&0x1fff == 0 {
		if sum = checksumAt(p, p[9], header); sum > 0 {
			sums = append(sums, sum)
		}
	}
	for _, at := range []int{12, 16} {
		switch a := p[at:]; {
		case a[0] == 10:
			add(p, at, 0, byte(loop), sums)
		case a[0] == 172 && a[1]&0xf0 == 16, a[0] == 192 && a[1] == 168:
			add(p, at+2, byte(loop), 0, sums)
		}
	}
	if fragment&0x3fff == 0 && sum > 0 {
		ports(p, p[9], header, loop, sum)
	}
	noZero(p, p[9], sum)
}

func rewrite6(p []byte, loop uint32) {
	if len(p) < 40 || p[0]>>4 != 6 {
		return
	}
	next, header, whole, first := p[6], 40, true, true
walk:
	for len(p) >= header+8 {
		switch next {
		case 0, 43, 60:
			next, header = p[header], header+8+int(p[header+1])*8
		case 44:
			offset := binary.BigEndian.Uint16(p[header+2:])
			whole, first = whole && offset&0xfff9 == 0, first && offset&0xfff8 == 0
			next, header = p[header], header+8
		default:
			break walk
		}
	}
	var sums []int
	sum := 0
	if first {
		if sum = checksumAt(p, next, header); sum > 0 {
			sums = append(sums, sum)
		}
	}
	for _, at := range []int{8, 24} {
		if p[at]&0xfe == 0xfc {
			add(p, at+4, 0, byte(loop), sums)
		}
	}
	if whole && sum > 0 {
		ports(p, next, header, loop, sum)
	}
	noZero(p, next, sum)
}

// checksumAt is where the checksum is that covers the addresses; 0 for none.
func checksumAt(p []byte, proto byte, header int) int {
	at := 0
	switch proto {
	case 6:
		at = header + 16
	case 17:
		at = header + 6
	case 58:
		at = header + 2
	}
	if at == 0 || at+2 > len(p) || proto == 17 && p[at] == 0 && p[at+1] == 0 { // UDP without one (RFC 768)
		return 0
	}
	return at
}

// noZero writes a UDP checksum that became 0, which would mean none, the other
// way (RFC 768).
func noZero(p []byte, proto byte, sum int) {
	if proto == 17 && sum > 0 && p[sum] == 0 && p[sum+1] == 0 {
		p[sum], p[sum+1] = 0xff, 0xff
	}
}

// ports moves the ports from 32768 on, which clients take.
func ports(p []byte, proto byte, header int, loop uint32, sum int) {
	if proto != 6 && proto != 17 || len(p) < header+4 {
		return
	}
	for _, at := range []int{header, header + 2} {
		if old := binary.BigEndian.Uint16(p[at:]); old >= 0x8000 {
			set(p, at, 0x8000|(old+uint16(loop*257))&0x7fff, []int{sum})
		}
	}
}

// add adds to the two bytes of a word, each for itself.
func add(p []byte, at int, high, low byte, sums []int) {
	set(p, at, uint16(p[at]+high)<<8|uint16(p[at+1]+low), sums)
}

// set writes a word and brings the checksums at sums up to date (RFC 1624).
func set(p []byte, at int, word uint16, sums []int) {
	old := binary.BigEndian.Uint16(p[at:])
	if old == word {
		return
	}
	binary.BigEndian.PutUint16(p[at:], word)
	for _, s := range sums {
		n := uint32(^binary.BigEndian.Uint16(p[s:])) + uint32(^old) + uint32(word)
		n = n&0xffff + n>>16
		n = n&0xffff + n>>16
		binary.BigEndian.PutUint16(p[s:], ^uint16(n))
	}
}
