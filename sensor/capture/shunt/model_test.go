package shunt

import (
	"encoding/binary"
	"net/netip"
)

// seen is what the model says of one frame.
type seen struct {
	counts  bool // it belongs to a flow that may be in the map, and nothing in it must pass
	syn     bool // it begins a new connection of key
	key     Key
	dir     int
	payload uint64
}

// judge is the model: what docs/shunt.md says of a frame, written with slices
// and netip, in another order than the program.
func judge(frame []byte) (s seen) {
	if len(frame) < 14 {
		return s
	}
	et, rest := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	for range 2 {
		if et != 0x8100 && et != 0x88a8 && et != 0x9100 && et != 0x9200 && et != 0x9300 {
			break
		}
		if len(rest) < 4 {
			return s
		}
		et, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	var src, dst netip.Addr
	var proto byte
	switch {
	case et == 0x0800 && len(rest) >= 20 && rest[0]>>4 == 4:
		header, total := int(rest[0]&15)*4, int(binary.BigEndian.Uint16(rest[2:]))
		if header < 20 || total < header || total > len(rest) || rest[6]&0x3f|rest[7] != 0 {
			return s
		}
		src, dst = netip.AddrFrom4([4]byte(rest[12:16])), netip.AddrFrom4([4]byte(rest[16:20]))
		proto, rest = rest[9], rest[header:total]
	case et == 0x86dd && len(rest) >= 40 && rest[0]>>4 == 6:
		n := int(binary.BigEndian.Uint16(rest[4:]))
		if n == 0 || 40+n > len(rest) {
			return s
		}
		src, dst = netip.AddrFrom16([16]byte(rest[8:24])), netip.AddrFrom16([16]byte(rest[24:40]))
		proto, rest = rest[6], rest[40:40+n]
	default:
		return s
	}
	switch proto {
	case 6:
		if len(rest) < 20 || rest[12]>>4 < 5 || int(rest[12]>>4)*4 > len(rest) {
			return s
		}
		flags := rest[13]
		s.syn = flags&2 != 0 && flags&(4|16) == 0
		s.counts = flags&7 == 0
		s.payload = uint64(len(rest) - int(rest[12]>>4)*4)
	case 17:
		if len(rest) < 9 {
			return s
		}
		n := int(binary.BigEndian.Uint16(rest[4:]))
		s.counts = n >= 9 && n <= len(rest) && rest[8] < 0xc0
		s.payload = uint64(n - 8)
	default:
		return s
	}
	sp, dp := binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	for _, port := range []uint16{53, 853, 5353, 5355, 1701, 2152, 3544, 4754, 4789, 4790, 6081, 6635, 8472, 37008} {
		if proto == 17 && (sp == port || dp == port) {
			s.counts = false
		}
	}
	a, b := netip.AddrPortFrom(netip.AddrFrom16(src.As16()), sp), netip.AddrPortFrom(netip.AddrFrom16(dst.As16()), dp)
	if a.Compare(b) > 0 {
		a, b, s.dir = b, a, 1
	}
	s.key = Key{addr(a.Addr()), addr(b.Addr()), a.Port(), b.Port(), proto}
	return s
}

func addr(ip netip.Addr) Addr {
	b := ip.As16()
	return Addr{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}
