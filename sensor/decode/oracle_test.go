package decode

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// oracle decodes Ethernet, VLAN tags, IPv4 or IPv6 without extension headers, TCP or
// UDP with gopacket's decoders. It has no opinion on anything else, nor on what
// gopacket finds in error or cut.
func oracle(frame []byte) (want Packet, ok bool) {
	var ethernet layers.Ethernet
	var feedback cutNoticed
	if ethernet.DecodeFromBytes(frame, &feedback) != nil {
		return
	}
	next, b := ethernet.EthernetType, ethernet.Payload
	for next == layers.EthernetTypeDot1Q {
		var tag layers.Dot1Q
		if tag.DecodeFromBytes(b, &feedback) != nil {
			return
		}
		addVLAN(&want, tag.VLANIdentifier)
		next, b = tag.Type, tag.Payload
	}
	var proto layers.IPProtocol
	var four layers.IPv4
	var six layers.IPv6
	switch {
	case len(b) == 0:
		return
	case next == layers.EthernetTypeIPv4 && b[0]>>4 == 4: // gopacket does not look at the version
		if four.DecodeFromBytes(b, &feedback) != nil || four.Flags&layers.IPv4MoreFragments != 0 || four.FragOffset != 0 {
			return
		}
		want.Src, want.Dst, want.TTL, want.IPID = Addr4(four.SrcIP), Addr4(four.DstIP), four.TTL, four.Id
		proto, b = four.Protocol, four.Payload
	case next == layers.EthernetTypeIPv6 && b[0]>>4 == 6:
		if six.DecodeFromBytes(b, &feedback) != nil {
			return
		}
		want.Src, want.Dst, want.TTL = Addr16(six.SrcIP), Addr16(six.DstIP), six.HopLimit
		proto, b = six.NextHeader, six.Payload
	default:
		return
	}
	want.Proto, want.Status = uint8(proto), StatusTransport
	switch proto {
	case layers.IPProtocolTCP:
		var tcp layers.TCP
		if tcp.DecodeFromBytes(b, &feedback) != nil {
			return
		}
		want.SrcPort, want.DstPort, want.Seq, want.Ack = uint16(tcp.SrcPort), uint16(tcp.DstPort), tcp.Seq, tcp.Ack
		want.Flags, want.Checksum, want.Payload = tcp.Contents[13], tcp.Checksum, tcp.Payload
	case layers.IPProtocolUDP:
		var udp layers.UDP
		if udp.DecodeFromBytes(b, &feedback) != nil || tunnelPort(uint16(udp.SrcPort), uint16(udp.DstPort)) != 0 {
			return
		}
		if udp.Length == 0 && len(b) <= 0xffff && want.Src.Is4() {
			return // gopacket takes it for a jumbogram
		}
		want.SrcPort, want.DstPort, want.Checksum, want.Payload = uint16(udp.SrcPort), uint16(udp.DstPort), udp.Checksum, udp.Payload
	default:
		return
	}
	want.PayloadLen = uint32(len(want.Payload))
	return want, feedback == false
}

// cutNoticed is a gopacket.DecodeFeedback.
type cutNoticed bool

func (c *cutNoticed) SetTruncated() { *c = true }

// FuzzDecode decodes anything as any link type: what comes out is consistent, and it
// is what gopacket says of plain frames.
//
// Kept seed 4f50eeb1b00a54d2: an authentication header in a reassembled IPv4 datagram,
// followed by a fragment header: malformed, but it kept the fragment's payload.
func FuzzDecode(f *testing.F) {
	inner, _ := innerPacket(f)
	for _, w := range wrappings {
		f.Add(uint16(w.link), w.frame(f, inner))
	}
	for _, frame := range commonFrames(f) {
		f.Add(uint16(linkEthernet), frame)
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte) {
		var d Decoder
		p := Packet{Seq: 1, Depth: 3, NumVLAN: 5, Tunnel: TunnelNSH, VLAN: [4]uint16{1, 2, 3, 4}} // of another frame
		d.Decode(uint32(link), data, &p)
		consistent(t, &p, data)
		if want, ok := oracle(data); ok && link == linkEthernet && !(equal(p, want) && p.Checksum == want.Checksum) {
			t.Fatalf(" got %+v\nwant %+v", p, want)
		}
		for loops := 0; p.Status == StatusFragment; loops++ {
			if loops > MaxDepth {
				t.Fatal("more fragments in fragments than tunnels")
			}
			datagram := p.Payload
			d.Reassembled(&p, datagram)
			consistent(t, &p, data)
		}
	})
}

// consistent checks what holds for every Packet, whatever the frame.
func consistent(t *testing.T, p *Packet, frame []byte) {
	t.Helper()
	bad := ""
	switch {
	case p.Status >= NumStatus || p.Tunnel >= NumTunnel || p.Depth > MaxDepth:
		bad = "out of range"
	case (p.Tunnel == TunnelNone) != (p.Depth == 0):
		bad = "tunnel and depth disagree"
	case p.Status == StatusTransport && p.Proto != ProtoTCP && p.Proto != ProtoUDP:
		bad = "transport of neither kind"
	case p.Status == StatusTransport || p.Status == StatusFragment:
		if uint64(len(p.Payload)) > uint64(p.PayloadLen) {
			bad = "payload longer than its length"
		}
	case p.Payload != nil || p.SrcPort|p.DstPort != 0 || p.Frag != Fragment{}:
		bad = "transport fields without transport"
	}
	if len(p.Payload) > 0 {
		start, end := uintptr(unsafe.Pointer(&frame[0])), uintptr(unsafe.Pointer(&frame[len(frame)-1]))
		if at := uintptr(unsafe.Pointer(&p.Payload[0])); at < start || at+uintptr(len(p.Payload))-1 > end {
			bad = "payload outside the frame"
		}
	}
	if bad != "" {
		t.Fatalf("%s: %+v\n%x", bad, *p, frame)
	}
}

// TestCorpusOracle compares every frame of the captures with gopacket: the plain ones
// in all fields, the rest by innermost five-tuple.
func TestCorpusOracle(t *testing.T) {
	frames, plain, differ := 0, 0, 0
	for _, c := range captures(t) {
		eachFrame(t, c.path, func(n int, link uint32, data []byte) {
			var d Decoder
			var p Packet
			d.Decode(link, data, &p)
			consistent(t, &p, data)
			frames++
			if link == linkEthernet {
				if want, ok := oracle(data); ok {
					if plain++; !equal(p, want) {
						t.Errorf("%s frame %d\n got %+v\nwant %+v", c.path, n, p, want)
					}
					return
				}
			}
			theirs := gopacketTuple(link, data)
			if ours := tuple(&p); theirs.tuple != "" && ours != theirs.tuple && !theirs.excused(&p) {
				if differ++; differ <= 20 {
					t.Errorf("%s frame %d link %d status %d\n got %s\nwant %s (%s)", c.path, n, link, p.Status, ours, theirs.tuple, theirs.names)
				}
			}
		})
	}
	t.Logf("%d frames, %d of them plain, %d differ", frames, plain, differ)
	if frames < 1000 {
		t.Error("hardly any frames")
	}
}

// theirs is what gopacket makes of a frame: the innermost five-tuple, the names of
// all layers, and whether it found one of them cut or in error.
type theirs struct {
	tuple, names string
	bad, tunnel  bool // tunnel: the last UDP header has a tunnel's port
}

// excused reports whether a difference from gopacket is one that we want.
func (g theirs) excused(p *Packet) bool {
	switch {
	case g.bad && (p.Status == StatusMalformed || p.Status == StatusTruncated):
		return true // it keeps the ports of a header that it then finds wrong
	case g.tunnel && strings.HasSuffix(g.names, "UDP Payload") && p.Depth > 0:
		return true // it does not know the tunnel of that port
	case p.Depth == 0 && (strings.Contains(g.names, "Geneve") || strings.Contains(g.names, "GTPv1U")):
		return true // it does not look at their version and message type
	}
	return false
}

func gopacketTuple(link uint32, data []byte) (g theirs) {
	if link > 255 {
		return g
	}
	packet := gopacket.NewPacket(data, layers.LinkType(link), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	var src, dst string
	var names []string
	for _, l := range packet.Layers() {
		names = append(names, l.LayerType().String())
		switch l := l.(type) {
		case *layers.IPv4:
			src, dst, g.tuple = l.SrcIP.String(), l.DstIP.String(), ""
			g.bad = g.bad || l.Version != 4
		case *layers.IPv6:
			src, dst, g.tuple = l.SrcIP.String(), l.DstIP.String(), ""
		case *layers.TCP:
			g.tuple = fmt.Sprintf("6 %s %d %s %d", src, l.SrcPort, dst, l.DstPort)
		case *layers.UDP:
			g.tuple = fmt.Sprintf("17 %s %d %s %d", src, l.SrcPort, dst, l.DstPort)
			g.bad = g.bad || l.Length < 8
			g.tunnel = tunnelPort(uint16(l.SrcPort), uint16(l.DstPort)) != 0
		}
	}
	g.names = strings.Join(names, " ")
	g.bad = g.bad || packet.ErrorLayer() != nil || packet.Metadata().Truncated
	return g
}
