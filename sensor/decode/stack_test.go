package decode

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A plan is a random stack of gopacket layers, and the Packet that it should give.
type plan struct {
	r      *rand.Rand
	layers []gopacket.SerializableLayer
	want   Packet
}

func (s *plan) push(l gopacket.SerializableLayer) { s.layers = append(s.layers, l) }

// ethernet starts a frame: some VLAN tags, then IP.
func (s *plan) ethernet() {
	next := layers.EthernetTypeIPv4
	six := s.r.IntN(2) == 0
	if six {
		next = layers.EthernetTypeIPv6
	}
	shape := s.r.IntN(4)
	switch {
	case s.want.Depth > 0:
	case shape == 0:
		next = layers.EthernetTypeMPLSUnicast
	case shape == 1:
		next = layers.EthernetTypePPPoESession
	}
	tags := max(0, s.r.IntN(8)-3)
	first := next
	if tags > 0 {
		first = []layers.EthernetType{layers.EthernetTypeDot1Q, layers.EthernetTypeQinQ}[s.r.IntN(2)]
	}
	s.push(eth(first))
	for i := range tags {
		id := uint16(s.r.IntN(4096))
		tag := &layers.Dot1Q{VLANIdentifier: id, Priority: uint8(s.r.IntN(8)), Type: layers.EthernetTypeDot1Q}
		if i == tags-1 {
			tag.Type = next
		}
		s.push(tag)
		if s.want.NumVLAN < 4 {
			s.want.VLAN[s.want.NumVLAN] = id
		}
		s.want.NumVLAN++
	}
	switch next {
	case layers.EthernetTypeMPLSUnicast:
		s.mpls(six)
	case layers.EthernetTypePPPoESession:
		s.pppoe(six)
	default:
		s.ip(six)
	}
}

func (s *plan) mpls(six bool) {
	for n := 1 + s.r.IntN(4); n > 0; n-- {
		label := uint32(16 + s.r.IntN(1<<20-16))
		s.push(&layers.MPLS{Label: label, StackBottom: n == 1, TTL: 9})
		s.want.Tunnel, s.want.TunnelID = TunnelMPLS, label
	}
	s.want.Depth++
	s.ip(six)
}

func (s *plan) pppoe(six bool) {
	id := uint16(s.r.Uint32())
	s.push(&layers.PPPoE{Version: 1, Type: 1, SessionId: id})
	s.want.Tunnel, s.want.TunnelID = TunnelPPPoE, uint32(id)
	s.want.Depth++
	kind := layers.PPPTypeIPv4
	if six {
		kind = layers.PPPTypeIPv6
	}
	s.push(&layers.PPP{PPPType: kind})
	s.ip(six)
}

// ip pushes an IP header with a random tunnel, or the transport, inside.
func (s *plan) ip(six bool) {
	inside := s.r.IntN(8)
	if s.want.Depth > 4 {
		inside = 7
	}
	proto := layers.IPProtocolUDP
	innerSix := s.r.IntN(2) == 0
	switch inside {
	case 0, 1:
		proto = layers.IPProtocolGRE
	case 2:
		proto = layers.IPProtocolIPv4
		if innerSix {
			proto = layers.IPProtocolIPv6
		}
	case 3, 4: // VXLAN, GENEVE
	case 5:
		proto = layers.IPProtocolUDP
	default:
		proto = layers.IPProtocolTCP
	}
	ip := s.header(six, proto)
	switch inside {
	case 0, 1:
		s.gre()
	case 2:
		s.enter(TunnelIPIP, 0)
		s.ip(innerSix)
	case 3:
		s.push(udpOver(ip, s.port(), 4789))
		vni := s.r.Uint32() >> 8
		s.push(&layers.VXLAN{ValidIDFlag: true, VNI: vni})
		s.enter(TunnelVXLAN, vni)
		s.ethernet()
	case 4:
		s.push(udpOver(ip, s.port(), 6081))
		vni := s.r.Uint32() >> 8
		// gopacket 1.1.19 writes no GENEVE: eight bytes, and eight of options.
		s.push(gopacket.Payload{2, 0, 0x65, 0x58, byte(vni >> 16), byte(vni >> 8), byte(vni), 0, 0xff, 0xff, 1, 1, 0, 0, 0, 0})
		s.enter(TunnelGENEVE, vni)
		s.ethernet()
	default:
		s.transport(ip, proto)
	}
}

func (s *plan) port() layers.UDPPort { return layers.UDPPort(49152 + s.r.IntN(10000)) }

func (s *plan) enter(t Tunnel, id uint32) {
	s.want.Tunnel, s.want.TunnelID = t, id
	s.want.Depth++
}

// header pushes an IP header and the addresses that it should give.
func (s *plan) header(six bool, proto layers.IPProtocol) gopacket.NetworkLayer {
	address := func(n int) net.IP {
		b := make(net.IP, n)
		for i := range b {
			b[i] = byte(s.r.Uint32())
		}
		return b
	}
	s.want.TTL = uint8(s.r.Uint32())
	s.want.Proto = uint8(proto)
	if six {
		ip := &layers.IPv6{Version: 6, HopLimit: s.want.TTL, NextHeader: proto, SrcIP: address(16), DstIP: address(16)}
		s.want.Src, s.want.Dst, s.want.IPID = Addr16(ip.SrcIP), Addr16(ip.DstIP), 0
		s.push(ip)
		if s.r.IntN(3) == 0 {
			ip.NextHeader = layers.IPProtocolIPv6Destination
			s.push(gopacket.Payload{byte(proto), 0, 1, 4, 0, 0, 0, 0})
		}
		return ip
	}
	ip := &layers.IPv4{Version: 4, TTL: s.want.TTL, Id: uint16(s.r.Uint32()), Protocol: proto, SrcIP: address(4), DstIP: address(4)}
	if s.r.IntN(3) == 0 {
		ip.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
	}
	s.want.Src, s.want.Dst, s.want.IPID = Addr4(ip.SrcIP), Addr4(ip.DstIP), ip.Id
	s.push(ip)
	return ip
}

func (s *plan) gre() {
	gre := &layers.GRE{
		ChecksumPresent: s.r.IntN(2) == 0, KeyPresent: s.r.IntN(2) == 0, SeqPresent: s.r.IntN(2) == 0,
		Seq: s.r.Uint32(),
	}
	if gre.KeyPresent {
		gre.Key = s.r.Uint32()
	}
	s.push(gre)
	s.enter(TunnelGRE, gre.Key)
	switch s.r.IntN(4) {
	case 0:
		gre.Protocol = layers.EthernetTypeIPv4
		s.ip(false)
	case 1:
		gre.Protocol = layers.EthernetTypeIPv6
		s.ip(true)
	case 2:
		gre.Protocol = layers.EthernetTypeMPLSUnicast
		s.mpls(s.r.IntN(2) == 0)
	default:
		gre.Protocol = layers.EthernetTypeTransparentEthernetBridging
		s.ethernet()
	}
}

func (s *plan) transport(ip gopacket.NetworkLayer, proto layers.IPProtocol) {
	s.want.Payload = make([]byte, s.r.IntN(64))
	for i := range s.want.Payload {
		s.want.Payload[i] = byte(s.r.Uint32())
	}
	s.want.PayloadLen = uint32(len(s.want.Payload))
	s.want.SrcPort, s.want.DstPort = uint16(s.port()), uint16(1+s.r.IntN(1000))
	s.want.Status = StatusTransport
	if proto == layers.IPProtocolUDP {
		s.push(udpOver(ip, layers.UDPPort(s.want.SrcPort), layers.UDPPort(s.want.DstPort)))
	} else {
		tcp := tcpOver(ip)
		tcp.SrcPort, tcp.DstPort = layers.TCPPort(s.want.SrcPort), layers.TCPPort(s.want.DstPort)
		if s.r.IntN(2) == 0 {
			tcp.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}
		}
		s.want.Seq, s.want.Ack, s.want.Flags = tcp.Seq, tcp.Ack, ACK|PSH
		s.push(tcp)
	}
	s.push(gopacket.Payload(s.want.Payload))
}

// equal compares all but the checksum, which gopacket computes after the plan was
// made, and does not tell an empty payload from none.
func equal(got, want Packet) bool {
	if !bytes.Equal(got.Payload, want.Payload) {
		return false
	}
	got.Payload, want.Payload = nil, nil
	got.Checksum, want.Checksum = 0, 0
	return got.same(&want)
}

// same compares all fields but the payload.
func (p *Packet) same(q *Packet) bool {
	return p.Src == q.Src && p.Dst == q.Dst && p.PayloadLen == q.PayloadLen && p.Seq == q.Seq && p.Ack == q.Ack &&
		p.SrcPort == q.SrcPort && p.DstPort == q.DstPort && p.Checksum == q.Checksum && p.Flags == q.Flags &&
		p.Proto == q.Proto && p.Status == q.Status && p.TTL == q.TTL && p.IPID == q.IPID &&
		p.NumVLAN == q.NumVLAN && p.Tunnel == q.Tunnel && p.Depth == q.Depth && p.VLAN == q.VLAN &&
		p.TunnelID == q.TunnelID && p.Frag == q.Frag
}

func TestRandomStacks(t *testing.T) {
	var d Decoder
	var tunnels [NumTunnel]int
	for seed := range uint64(5000) {
		s := plan{r: rand.New(rand.NewPCG(seed, 0))}
		s.ethernet()
		frame := stack(t, s.layers...)
		var p Packet
		d.Decode(linkEthernet, frame, &p)
		if !equal(p, s.want) {
			t.Fatalf("seed %d: %x\n got %+v\nwant %+v", seed, frame, p, s.want)
		}
		tunnels[p.Tunnel]++
		if seed%20 == 0 {
			eachCut(t, linkEthernet, frame, p)
		}
	}
	for _, k := range []Tunnel{TunnelNone, TunnelGRE, TunnelVXLAN, TunnelGENEVE, TunnelIPIP, TunnelMPLS, TunnelPPPoE} {
		if tunnels[k] < 50 {
			t.Errorf("only %d stacks ended in tunnel %d", tunnels[k], k)
		}
	}
}

// eachCut decodes a good frame cut at every length: never a five-tuple that is not
// the whole frame's, never a payload that is not its beginning, and never malformed.
func eachCut(t *testing.T, link uint32, frame []byte, whole Packet) {
	t.Helper()
	var d Decoder
	for n := range frame {
		var p Packet
		d.Decode(link, frame[:n:n], &p)
		switch p.Status {
		case StatusTransport, StatusFragment:
			if !bytes.HasPrefix(whole.Payload, p.Payload) {
				t.Fatalf("cut at %d of %x: another payload", n, frame)
			}
			p.Payload = nil
			if !p.same(&whole) {
				t.Fatalf("cut at %d of %x:\n got %+v\nwant %+v", n, frame, p, whole)
			}
		case StatusTruncated:
		default:
			t.Fatalf("cut at %d of %x: status %d", n, frame, p.Status)
		}
	}
}
