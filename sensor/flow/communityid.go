package flow

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// CommunityID returns the Community ID version 1 of a flow
// (https://github.com/corelight/community-id-spec): the same text whichever
// direction the packet had. For ICMP and ICMPv6 the ports are type and code;
// protocols without ports pass zeros and hasPorts false.
func CommunityID(seed uint16, proto uint8, src, dst netip.Addr, sport, dport uint16, hasPorts bool) string {
	oneWay := false
	switch proto {
	case 1:
		sport, dport, oneWay = icmpPorts(icmp4Pairs[:], sport, dport)
	case 58:
		sport, dport, oneWay = icmpPorts(icmp6Pairs[:], sport, dport)
	}
	if c := src.Compare(dst); !oneWay && (c > 0 || c == 0 && sport > dport) {
		src, dst, sport, dport = dst, src, dport, sport
	}
	buf := make([]byte, 0, 40)
	buf = binary.BigEndian.AppendUint16(buf, seed)
	buf = append(buf, src.AsSlice()...)
	buf = append(buf, dst.AsSlice()...)
	buf = append(buf, proto, 0)
	if hasPorts {
		buf = binary.BigEndian.AppendUint16(buf, sport)
		buf = binary.BigEndian.AppendUint16(buf, dport)
	}
	sum := sha1.Sum(buf)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}

// Request and reply types that make one ICMP conversation.
var (
	icmp4Pairs = [...][2]uint16{{8, 0}, {13, 14}, {15, 16}, {17, 18}, {10, 9}}
	icmp6Pairs = [...][2]uint16{{128, 129}, {133, 134}, {135, 136}, {130, 131}, {139, 140}, {144, 145}}
)

// icmpPorts maps an ICMP type to the pair that stands for ports; a message
// without a counterpart keeps type and code and is never turned round.
func icmpPorts(pairs [][2]uint16, typ, code uint16) (sport, dport uint16, oneWay bool) {
	for _, p := range pairs {
		switch typ {
		case p[0]:
			return p[0], p[1], false
		case p[1]:
			return p[1], p[0], false
		}
	}
	return typ, code, true
}

// CommunityID returns the flow's Community ID with the default seed 0.
func (t Tuple) CommunityID() string {
	return CommunityID(0, t.Proto, t.Client, t.Server, t.ClientPort, t.ServerPort, true)
}
