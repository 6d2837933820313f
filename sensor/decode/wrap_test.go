package decode

import (
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// x reads hex with spaces.
func x(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

const mac = "020000000002 020000000001 " // destination, source

// A wrapping puts the same IPv4 packet into one encapsulation. The header is hex;
// IP4(proto), IP6(proto) and UDP(port) stand for outer headers with the right lengths.
type wrapping struct {
	name   string
	link   uint32
	header string
	want   Packet // NumVLAN, VLAN, Tunnel, TunnelID, Depth
}

var wrappings = []wrapping{
	{"Ethernet", 1, mac + "0800", Packet{}},
	{"802.3 SNAP", 1, mac + "0100 aaaa03 000000 0800", Packet{}},
	{"802.3 SNAP bridge tunnel", 1, mac + "0100 aaaa03 0000f8 0800", Packet{}},
	{"802.1Q", 1, mac + "8100 602a 0800", Packet{NumVLAN: 1, VLAN: [4]uint16{42}}},
	{"802.1ad", 1, mac + "88a8 0001 8100 0002 0800", Packet{NumVLAN: 2, VLAN: [4]uint16{1, 2}}},
	{"six tags", 1, mac + "9100 0001 9200 0002 9300 0003 88a8 0004 8100 0005 8100 0006 0800", Packet{NumVLAN: 6, VLAN: [4]uint16{1, 2, 3, 4}}},
	{"300 tags", 1, mac + "8100" + strings.Repeat("0001 8100", 299) + "0001 0800", Packet{NumVLAN: 255, VLAN: [4]uint16{1, 1, 1, 1}}},
	{"tag in SNAP", 1, mac + "0100 aaaa03 000000 8100 0007 0800", Packet{NumVLAN: 1, VLAN: [4]uint16{7}}},
	{"VN-tag", 1, mac + "8926 0000 0000 8100 0009 0800", Packet{NumVLAN: 1, VLAN: [4]uint16{9}}},
	{"Cisco MetaData", 1, mac + "8909 0101 0001 0002 0800", Packet{}},
	{"Cisco MetaData, three options", 1, mac + "8909 0103 0001 0002 0002 0003 0003 0004 8100 0009 0800", Packet{NumVLAN: 1, VLAN: [4]uint16{9}}},
	{"PBB", 1, mac + "88a8 0001 88e7 00abcdef" + mac + "8100 0002 0800",
		Packet{Tunnel: TunnelPBB, TunnelID: 0xabcdef, Depth: 1, NumVLAN: 2, VLAN: [4]uint16{1, 2}}},
	{"NSH", 1, mac + "894f 0fc2 0201 00002a ff", Packet{Tunnel: TunnelNSH, TunnelID: 42, Depth: 1}},
	{"NSH with context", 1, mac + "894f 0fc6 0103 00002a ff 00000001 00000002 00000003 00000004" + mac + "0800",
		Packet{Tunnel: TunnelNSH, TunnelID: 42, Depth: 1}},
	{"MPLS", 1, mac + "8847 00010 040 00011 140", Packet{Tunnel: TunnelMPLS, TunnelID: 0x11, Depth: 1}},
	{"MPLS pseudowire", 1, mac + "8847 00011 140" + mac + "0800", Packet{Tunnel: TunnelMPLS, TunnelID: 0x11, Depth: 1}},
	{"MPLS pseudowire, address like IPv4", 1, mac + "8847 00011 140 480000000002 020000000001 0800", Packet{Tunnel: TunnelMPLS, TunnelID: 0x11, Depth: 1}},
	{"MPLS pseudowire, address like IPv6", 1, mac + "8847 00011 140 600000000002 020000000001 0800", Packet{Tunnel: TunnelMPLS, TunnelID: 0x11, Depth: 1}},
	{"MPLS control word", 1, mac + "8847 00011 140 00000007" + mac + "8100 0003 0800",
		Packet{Tunnel: TunnelMPLS, TunnelID: 0x11, Depth: 1, NumVLAN: 1, VLAN: [4]uint16{3}}},
	{"PPPoE", 1, mac + "8864 1100 1234 ffff 0021", Packet{Tunnel: TunnelPPPoE, TunnelID: 0x1234, Depth: 1}},
	{"PPPoE compressed", 1, mac + "8864 1100 1234 ffff 21", Packet{Tunnel: TunnelPPPoE, TunnelID: 0x1234, Depth: 1}},
	{"PPPoE MPLS", 1, mac + "8864 1100 1234 ffff 0281 00011 140", Packet{Tunnel: TunnelMPLS, TunnelID: 0x11, Depth: 2}},

	{"AH", 1, mac + "0800 IP4(51) 0404 0000 00000001 00000002 000000000000000000000000", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"IPv4 in IPv4", 1, mac + "0800 IP4(4)", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"IPv4 in IPv6", 1, mac + "86dd IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"6in4 and back", 1, mac + "0800 IP4(41) IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 2}},
	{"extension headers", 1, mac + "86dd IP6(0) 2b00 0502 00000100 3c00 0000 00000000 2c01 010c 000000000000000000000000 3300 0000 00001234" +
		"0404 0000 00000001 00000002 000000000000000000000000", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"mobility, HIP, shim6", 1, mac + "86dd IP6(135) 8b00 000000000000 8c00 000000000000 0400 000000000000", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"EtherIP", 1, mac + "0800 IP4(97) 3000" + mac + "0800", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"MPLS in IP", 1, mac + "0800 IP4(137) 00011 140", Packet{Tunnel: TunnelMPLS, TunnelID: 0x11, Depth: 1}},

	{"GRE", 1, mac + "0800 IP4(47) 0000 0800", Packet{Tunnel: TunnelGRE, Depth: 1}},
	{"GRE with everything", 1, mac + "86dd IP6(47) f000 0800 00000000 00000007 00000001" +
		"0800 0004 01020304 0000 0000", Packet{Tunnel: TunnelGRE, TunnelID: 7, Depth: 1}},
	{"GRE PPP", 1, mac + "0800 IP4(47) 0000 880b ff03 0021", Packet{Tunnel: TunnelGRE, Depth: 1}},
	{"GRE WCCP", 1, mac + "0800 IP4(47) 0000 883e", Packet{Tunnel: TunnelGRE, Depth: 1}},
	{"GRE WCCP v2", 1, mac + "0800 IP4(47) 0000 883e 01020304", Packet{Tunnel: TunnelGRE, Depth: 1}},
	{"NVGRE", 1, mac + "0800 IP4(47) 2000 6558 00123401" + mac + "0800", Packet{Tunnel: TunnelGRE, TunnelID: 0x123401, Depth: 1}},
	{"PPTP", 1, mac + "0800 IP4(47) 3081 880b 0010 4242 00000001 00000002 ff03 0021", Packet{Tunnel: TunnelGRE, TunnelID: 0x4242, Depth: 1}},
	{"EoIP", 1, mac + "0800 IP4(47) 2001 6400 0010 0500" + mac + "0800", Packet{Tunnel: TunnelGRE, TunnelID: 5, Depth: 1}},
	{"ERSPAN I", 1, mac + "0800 IP4(47) 0000 88be" + mac + "0800", Packet{Tunnel: TunnelERSPAN, Depth: 1}},
	{"ERSPAN II", 1, mac + "0800 IP4(47) 1000 88be 00000001 1064 18a1 00000000" + mac + "8100 0064 0800",
		Packet{Tunnel: TunnelERSPAN, TunnelID: 0xa1, Depth: 1, NumVLAN: 1, VLAN: [4]uint16{100}}},
	{"ERSPAN III", 1, mac + "0800 IP4(47) 1000 22eb 00000001 2064 18a1 00000000 0000 0000" + mac + "0800",
		Packet{Tunnel: TunnelERSPAN, TunnelID: 0xa1, Depth: 1}},
	{"ERSPAN III with subheader", 1, mac + "0800 IP4(47) 1000 22eb 00000001 2064 18a1 00000000 0000 8001 0000000000000000" + mac + "0800",
		Packet{Tunnel: TunnelERSPAN, TunnelID: 0xa1, Depth: 1}},
	{"ERSPAN III of an IP packet", 1, mac + "0800 IP4(47) 1000 22eb 00000001 2064 18a1 00000000 0000 0800",
		Packet{Tunnel: TunnelERSPAN, TunnelID: 0xa1, Depth: 1}},

	{"VXLAN", 1, mac + "0800 IP4(17) UDP(4789) 08000000 001267 00" + mac + "0800", Packet{Tunnel: TunnelVXLAN, TunnelID: 4711, Depth: 1}},
	{"VXLAN group policy, old port, IPv6", 1, mac + "86dd IP6(17) UDP(8472) 88000042 001267 00" + mac + "0800", Packet{Tunnel: TunnelVXLAN, TunnelID: 4711, Depth: 1}},
	{"VXLAN-GPE", 1, mac + "0800 IP4(17) UDP(4790) 0c000001 001267 00", Packet{Tunnel: TunnelVXLAN, TunnelID: 4711, Depth: 1}},
	{"VXLAN-GPE NSH", 1, mac + "0800 IP4(17) UDP(4790) 0c000004 001267 00 0fc2 0201 00002a ff", Packet{Tunnel: TunnelNSH, TunnelID: 42, Depth: 2}},
	{"GENEVE", 1, mac + "0800 IP4(17) UDP(6081) 0100 6558 001267 00 01028000" + mac + "0800", Packet{Tunnel: TunnelGENEVE, TunnelID: 4711, Depth: 1}},
	{"GENEVE of IP", 1, mac + "0800 IP4(17) UDP(6081) 0000 0800 001267 00", Packet{Tunnel: TunnelGENEVE, TunnelID: 4711, Depth: 1}},
	{"GTP-U", 1, mac + "0800 IP4(17) UDP(2152) 30ff 0000 00abcdef", Packet{Tunnel: TunnelGTP, TunnelID: 0xabcdef, Depth: 1}},
	{"GTP-U with sequence", 1, mac + "0800 IP4(17) UDP(2152) 32ff 0000 00abcdef 0001 00 00", Packet{Tunnel: TunnelGTP, TunnelID: 0xabcdef, Depth: 1}},
	{"GTP-U with extensions", 1, mac + "0800 IP4(17) UDP(2152) 34ff 0000 00abcdef 0000 00 85 01 0001 c0 02 0000 0000 0000 00",
		Packet{Tunnel: TunnelGTP, TunnelID: 0xabcdef, Depth: 1}},
	{"Teredo", 1, mac + "0800 IP4(17) UDP(3544) 0001 0402 00000000 0000 0000000000000000 00 0000 111122223333 IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 2}},
	{"L2TP", 1, mac + "0800 IP4(17) UDP(1701) 0002 0001 0002 ff03 0021", Packet{Tunnel: TunnelL2TP, TunnelID: 0x10002, Depth: 1}},
	{"L2TP with everything", 1, mac + "0800 IP4(17) UDP(1701) 4a02 0000 0001 0002 0003 0004 0002 0000 ff03 0021", Packet{Tunnel: TunnelL2TP, TunnelID: 0x10002, Depth: 1}},
	{"TZSP", 1, mac + "0800 IP4(17) UDP(37008) 0100 0001 00 0a02ffff 01" + mac + "0800", Packet{Tunnel: TunnelTZSP, Depth: 1}},
	{"TZSP of 802.11", 1, mac + "0800 IP4(17) UDP(37008) 0100 0012 01 0801 0000" + dot11Addrs + "aaaa03 000000 0800", Packet{Tunnel: TunnelTZSP, Depth: 1}},
	{"GRE in UDP", 1, mac + "0800 IP4(17) UDP(4754) 0000 0800", Packet{Tunnel: TunnelGRE, Depth: 1}},
	{"MPLS in UDP", 1, mac + "0800 IP4(17) UDP(6635) 00011 140", Packet{Tunnel: TunnelMPLS, TunnelID: 0x11, Depth: 1}},

	{"raw BSD", 12, "", Packet{}},
	{"raw OpenBSD", 14, "", Packet{}},
	{"raw", 101, "", Packet{}},
	{"raw IPv4", 228, "", Packet{}},
	{"raw IPv6", 229, "IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"null little-endian", 0, "02000000", Packet{}},
	{"null big-endian", 0, "00000002", Packet{}},
	{"loop", 108, "00000002", Packet{}},
	{"null Linux IPv6", 0, "0a000000 IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"null OpenBSD IPv6", 108, "00000018 IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"null FreeBSD IPv6", 0, "1c000000 IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"null macOS IPv6", 0, "1e000000 IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"PPP", 9, "0021", Packet{}},
	{"PPP with address", 9, "ff03 0021", Packet{}},
	{"PPP IPv6", 9, "ff03 0057 IP6(4)", Packet{Tunnel: TunnelIPIP, Depth: 1}},
	{"PPP in HDLC", 50, "ff03 0021", Packet{}},
	{"Cisco HDLC by PPP number", 50, "0f00 0800", Packet{}},
	{"PPPoE without Ethernet", 51, "1100 1234 ffff 0021", Packet{Tunnel: TunnelPPPoE, TunnelID: 0x1234, Depth: 1}},
	{"Cisco HDLC", 104, "8f00 0800", Packet{}},
	{"SLL", 113, "0000 0001 0006 020000000001 0000 0800", Packet{}},
	{"SLL with tag", 113, "0000 0001 0006 020000000001 0000 8100 0005 0800", Packet{NumVLAN: 1, VLAN: [4]uint16{5}}},
	{"SLL 802.2", 113, "0000 0001 0006 020000000001 0000 0004 aaaa03 000000 0800", Packet{}},
	{"SLL2", 276, "0800 0000 00000002 0001 00 06 020000000001 0000", Packet{}},
	{"SLL2 with tag", 276, "8100 0000 00000002 0001 00 06 020000000001 0000 0005 0800", Packet{NumVLAN: 1, VLAN: [4]uint16{5}}},
	{"FDDI", 10, "50" + mac + "aaaa03 000000 0800", Packet{}},
	{"PF log", 117, "3d02 0000" + strings.Repeat("00", 60), Packet{}},

	{"802.11", 105, "0801 0000" + dot11Addrs + snapIPv4, Packet{}},
	{"802.11 four addresses", 105, "0803 0000" + dot11Addrs + "020000000009" + snapIPv4, Packet{}},
	{"802.11 QoS", 105, "8802 0000" + dot11Addrs + "0000" + snapIPv4, Packet{}},
	{"802.11 QoS, HT control", 105, "8883 0000" + dot11Addrs + "020000000009 0000 00000000" + snapIPv4, Packet{}},
	{"802.11 A-MSDU", 105, "8801 0000" + dot11Addrs + "8000" + mac + "0100" + snapIPv4, Packet{}},
	{"radiotap", 127, "0000 0a00 02000000 0000 0802 0000" + dot11Addrs + snapIPv4, Packet{}},
	{"radiotap, padded header", 127, "0000 1200 03000000 0000000000000000 20 00 8802 0000" + dot11Addrs + "0000 0000" + snapIPv4, Packet{}},
	{"radiotap, second bitmap", 127, "0000 1900 03000080 00000000 00000000 0000000000000000 000802 0000" + dot11Addrs + snapIPv4, Packet{}},
	{"Prism", 119, "44000000 90000000" + strings.Repeat("00", 136) + "0802 0000" + dot11Addrs + snapIPv4, Packet{}},
	{"Prism big-endian", 119, "00000044 00000090" + strings.Repeat("00", 136) + "0802 0000" + dot11Addrs + snapIPv4, Packet{}},
	{"AVS", 163, "80211001 00000040" + strings.Repeat("00", 56) + "0802 0000" + dot11Addrs + snapIPv4, Packet{}},
	{"PPI", 192, "0000 0c00 69000000 00000000 0802 0000" + dot11Addrs + snapIPv4, Packet{}},
	{"PPI of Ethernet", 192, "0000 0800 01000000" + mac + "0800", Packet{}},
	{"PKTAP", 258, "6c000000 01000000 01000000" + strings.Repeat("00", 96) + mac + "0800", Packet{}},
	{"PKTAP of old", 149, "6c000000 01000000 0c000000" + strings.Repeat("00", 96), Packet{}},
}

const (
	dot11Addrs = "020000000001 020000000002 020000000003 1000"
	snapIPv4   = "aaaa03 000000 0800"
)

var macro = regexp.MustCompile(`(IP4|IP6|UDP)\((\d+)\)`)

// frame builds the wrapping around inner, from the innermost header outwards.
func (w *wrapping) frame(t testing.TB, inner []byte) []byte {
	b, end := inner, len(w.header)
	for _, at := range slices.Backward(macro.FindAllStringSubmatchIndex(w.header, -1)) {
		b = slices.Concat(x(w.header[at[1]:end]), b)
		end = at[0]
		n, _ := strconv.Atoi(w.header[at[4]:at[5]])
		switch w.header[at[2]:at[3]] {
		case "IP4":
			b = stack(t, v4(layers.IPProtocol(n)), gopacket.Payload(b))
		case "IP6":
			b = stack(t, v6(layers.IPProtocol(n)), gopacket.Payload(b))
		case "UDP":
			h := binary.BigEndian.AppendUint16([]byte{50000 >> 8, 50000 & 0xff}, uint16(n))
			h = binary.BigEndian.AppendUint16(h, uint16(8+len(b)))
			b = slices.Concat(h, []byte{0, 0}, b)
		}
	}
	return slices.Concat(x(w.header[:end]), b)
}

// innerPacket is what every wrapping carries.
func innerPacket(t testing.TB) ([]byte, Packet) {
	ip := v4(layers.IPProtocolTCP)
	payload := []byte("the payload")
	packet := stack(t, ip, tcpOver(ip), gopacket.Payload(payload))
	return packet, Packet{
		Payload: payload, PayloadLen: uint32(len(payload)), Src: Addr4(ipA4), Dst: Addr4(ipB4),
		SrcPort: 50123, DstPort: 443, Seq: 0x01020304, Ack: 0x05060708, Flags: ACK | PSH,
		Proto: ProtoTCP, Status: StatusTransport, TTL: 63, IPID: 0x1234,
	}
}

// The same packet in any wrapping is the same packet, also when bytes trail it, and
// cut anywhere never another one.
func TestWrappings(t *testing.T) {
	inner, want := innerPacket(t)
	for _, w := range wrappings {
		t.Run(w.name, func(t *testing.T) {
			want := want
			want.NumVLAN, want.VLAN, want.Depth, want.Tunnel, want.TunnelID = w.want.NumVLAN, w.want.VLAN, w.want.Depth, w.want.Tunnel, w.want.TunnelID
			frame := w.frame(t, inner)
			var d Decoder
			var p Packet
			d.Decode(w.link, frame, &p)
			if !equal(p, want) {
				t.Fatalf("%x\n got %+v\nwant %+v", frame, p, want)
			}
			if d.Stats.Status[StatusTransport] != 1 || w.want.Depth > 0 && d.Stats.Tunnel[w.want.Tunnel] != 1 {
				t.Errorf("%+v", d.Stats)
			}
			d.Decode(w.link, append(frame[:len(frame):len(frame)], "FCS."...), &p)
			if !equal(p, want) {
				t.Fatalf("with a trailer: %+v", p)
			}
			eachCut(t, w.link, frame, p)
		})
	}
}
