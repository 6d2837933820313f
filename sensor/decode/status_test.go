package decode

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func TestStatus(t *testing.T) {
	long := strings.Repeat("00", 64)
	for _, c := range []struct {
		name   string
		link   uint32
		frame  string // hex, macros as in wrappings
		status Status
		proto  uint8
	}{
		{"ARP", 1, mac + "0806" + long, StatusOther, 0},
		{"spanning tree", 1, mac + "0026 424203" + long, StatusOther, 0},
		{"Novell raw", 1, mac + "0026 ffff" + long, StatusOther, 0},
		{"CDP", 1, mac + "0026 aaaa03 00000c 2000" + long, StatusOther, 0},
		{"SNAP in SNAP", 1, mac + "0026 aaaa03 000000 0026 aaaa03 000000 0800" + long, StatusOther, 0},
		{"PPPoE discovery", 1, mac + "8863 1109 0000" + long, StatusOther, 0},
		{"PPPoE LCP", 1, mac + "8864 1100 0001 0040 c021" + long, StatusOther, 0},
		{"PPPoE of another version", 1, mac + "8864 2100 0001 0040 0021" + long, StatusOther, 0},
		{"PPPoE with a length too short", 1, mac + "8864 1100 0001 0008 0021 IP4(59)", StatusMalformed, 0},
		{"MACsec", 1, mac + "88e5" + long, StatusOther, 0},
		{"MPLS of nothing known", 1, mac + "8847 00011 140 5" + long + "0", StatusOther, 0},
		{"MPLS of IP from 8.0.65.1", 1, mac + "8847 00011 140 4500 0014 0000 0000 403b 0000 08004101 c0000201", StatusOther, 59},
		{"MPLS associated channel", 1, mac + "8847 00011 140 1000 0021" + long, StatusOther, 0},
		{"SLL CAN", 113, "0001 0118 0000 0000000000000000 000c" + long, StatusOther, 0},
		{"HDLC keepalive", 104, "8f00 8035" + long, StatusOther, 0},
		{"null ARP", 0, "07000000" + long, StatusOther, 0},
		{"802.11 beacon", 105, "8000 0000" + dot11Addrs + long, StatusOther, 0},
		{"802.11 protected", 105, "0841 0000" + dot11Addrs + long, StatusOther, 0},
		{"802.11 without data", 105, "4801 0000" + dot11Addrs + long, StatusOther, 0},
		{"802.11 acknowledgment", 105, "d400 0000 020000000001", StatusOther, 0},
		{"802.11 second fragment", 105, "0801 0000 020000000001 020000000002 020000000003 1100" + snapIPv4 + long, StatusOther, 0},
		{"radiotap of version 1", 127, "0100 0800 00000000" + long, StatusMalformed, 0},
		{"radiotap shorter than itself", 127, "0000 0700 00000000" + long, StatusMalformed, 0},
		{"radiotap of bitmaps only", 127, "0000 1000 00000080 00000080 00000080" + long, StatusMalformed, 0},
		{"radiotap without its fields", 127, "0000 0800 03000000", StatusTruncated, 0},
		{"PPI in PPI", 192, "0000 0800 c0000000" + long, StatusMalformed, 0},
		{"PKTAP of a megabyte", 258, "00001000 01000000 01000000" + long, StatusMalformed, 0},
		{"unknown link", 147, long, StatusUnknownLink, 0},
		{"unknown link in PPI", 192, "0000 0800 93000000" + long, StatusUnknownLink, 0},

		{"ICMP", 101, "IP4(1) 0800" + long, StatusOther, 1},
		{"ICMPv6", 101, "IP6(58) 8000" + long, StatusOther, 58},
		{"ESP", 101, "IP4(50)" + long, StatusOther, 50},
		{"no next header", 101, "IP6(59)", StatusOther, 59},
		{"neither version", 101, "5" + long + "0", StatusOther, 0},
		{"hop-by-hop in IPv4", 101, "IP4(0) 0600" + long, StatusOther, 0},

		{"IPv4 of version 6", 1, mac + "0800 6500 0028" + long, StatusMalformed, 0},
		{"IPv6 of version 4", 1, mac + "86dd 4500 0028" + long, StatusMalformed, 0},
		{"IPv4 header of 16", 101, "4400 0040" + long, StatusMalformed, 0},
		{"IPv4 total below header", 101, "4600 0017" + long, StatusMalformed, 0},
		{"TCP cut by IP", 101, "IP4(6) 01bb 01bb 00000000 00000000 5000 0000 0000 00", StatusMalformed, 6},
		{"TCP offset 4", 101, "IP4(6) 01bb 01bb 00000000 00000000 4000 0000 0000 0000 00000000", StatusMalformed, 6},
		{"TCP offset beyond", 101, "IP4(6) 01bb 01bb 00000000 00000000 6000 0000 0000 0000 000000", StatusMalformed, 6},
		{"UDP of 7", 101, "IP4(17) 01bb 01bb 0007 0000 00", StatusMalformed, 17},
		{"UDP of 0 over IPv4", 101, "IP4(17) 01bb 01bb 0000 0000 00", StatusMalformed, 17},
		{"UDP beyond IP", 101, "IP4(17) 01bb 01bb 000a 0000 00", StatusMalformed, 17},
		{"UDP cut by IP", 101, "IP4(17) 01bb 01bb 0008 00", StatusMalformed, 17},
		{"AH beyond IP", 101, "IP4(51) 0604 0000 00000000", StatusMalformed, 51},
		{"extension beyond IP", 101, "IP6(60) 0602 0000 00000000", StatusMalformed, 60},
		{"extension of nothing", 101, "IP6(60)", StatusMalformed, 60},
		{"IPv4 in IPv4 cut by it", 101, "IP4(4) 4500", StatusMalformed, 0},

		{"GRE keepalive", 101, "IP4(47) 0000 0000", StatusOther, 0},
		{"GRE version 2", 101, "IP4(47) 0002 0800" + long, StatusOther, 47},
		{"GRE cut by IP", 101, "IP4(47) 2000 0800", StatusMalformed, 47},
		{"PPTP acknowledgment", 101, "IP4(47) 2081 880b 0000 0001 00000001", StatusOther, 47},
		{"PPTP without key", 101, "IP4(47) 1001 880b 00000001" + long, StatusMalformed, 47},
		{"PPTP of IP", 101, "IP4(47) 3001 0800 0010 0001 00000001" + long, StatusMalformed, 47},
		{"ERSPAN of version 3", 101, "IP4(47) 1000 88be 00000001 3064 18a1 00000000" + long, StatusOther, 47},
		{"ERSPAN III of a reserved type", 101, "IP4(47) 1000 22eb 00000001 2064 18a1 00000000 0000 0400" + long, StatusOther, 47},
		{"NSH of version 1", 1, mac + "894f 4fc2 0201 00002a ff" + long, StatusMalformed, 0},

		{"nested as deep as it goes", 101, strings.Repeat("IP4(4)", 7) + "IP4(41) IP6(59)", StatusOther, 59},
		{"nested too deep", 101, strings.Repeat("IP4(4)", 8) + "IP4(41) IP6(59)", StatusTooDeep, 41},
		{"all extensions", 101, "IP6(60)" + strings.Repeat("3c00 000000000000", 30) + "3b00 000000000000", StatusOther, 59},
		{"too many extensions", 101, "IP6(60)" + strings.Repeat("3c00 000000000000", 31) + "3b00 000000000000", StatusTooDeep, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := wrapping{header: c.frame}
			frame := w.frame(t, nil)
			var d Decoder
			p := Packet{Status: NumStatus, Proto: 99, NumVLAN: 9}
			d.Decode(c.link, frame, &p)
			if p.Status != c.status || p.Proto != c.proto {
				t.Errorf("status %d, protocol %d: %x", p.Status, p.Proto, frame)
			}
			if d.Stats.Status[c.status] != 1 {
				t.Errorf("%+v", d.Stats)
			}
		})
	}
}

// A datagram to a tunnel's port that is not the tunnel is plain UDP.
func TestNotATunnel(t *testing.T) {
	quic := "c000000001 08 0102030405060708 00 00 449e" + strings.Repeat("5a", 64)
	for name, header := range map[string]string{
		"VXLAN port, QUIC":            "IP4(17) UDP(4789)" + quic,
		"VXLAN port, empty":           "IP4(17) UDP(4789)",
		"VXLAN of ARP":                "IP4(17) UDP(4789) 08000000 001267 00" + mac + "0806" + strings.Repeat("00", 28),
		"VXLAN of a cut packet":       "IP4(17) UDP(4789) 08000000 001267 00" + mac + "0800 4500",
		"VXLAN of a bad packet":       "IP4(17) UDP(4789) 08000000 001267 00" + mac + "0800" + strings.Repeat("55", 28),
		"GENEVE port, QUIC":           "IP4(17) UDP(6081)" + quic,
		"GENEVE options beyond":       "IP4(17) UDP(6081) 3f00 6558 001267 00" + mac + "0800",
		"GTP-C echo":                  "IP4(17) UDP(2152) 3201 0000 00000000",
		"GTP-U extension of length 0": "IP4(17) UDP(2152) 34ff 0000 00abcdef 0000 00 85 00" + strings.Repeat("45", 40),
		"Teredo port, DNS":            "IP4(17) UDP(3544) 1234 0100 0001" + strings.Repeat("00", 20),
		"L2TP control":                "IP4(17) UDP(1701) c802 000c 0000 0000 0000 0000",
		"L2TP version 3":              "IP4(17) UDP(1701) 0003 0000 00000001" + strings.Repeat("45", 40),
		"TZSP keepalive":              "IP4(17) UDP(37008) 0104 0000 01",
		"GENEVE of version 1":         "IP4(17) UDP(6081) 4000 0800 001267 00 IP4(59)",
		"VXLAN without VNI":           "IP4(17) UDP(4789) 00000000 001267 00" + mac + "0800 IP4(59)",
		"VXLAN with reserved flags":   "IP4(17) UDP(4789) 28000000 001267 00" + mac + "0800 IP4(59)",
		"L2TP of another version":     "IP4(17) UDP(1701) 0003 0001 0002 ff03 0021 IP4(59)",
		"L2TP with reserved flags":    "IP4(17) UDP(1701) 0012 0001 0002 ff03 0021 IP4(59)",
		"TZSP of another type":        "IP4(17) UDP(37008) 0102 0001 01" + mac + "0800 IP4(59)",
		"GTP prime":                   "IP4(17) UDP(2152) 20ff 0000 00abcdef IP4(59)",
		"GTP-U end marker":            "IP4(17) UDP(2152) 30fe 0000 00abcdef IP4(59)",
		"TZSP without end":            "IP4(17) UDP(37008) 0100 0001" + strings.Repeat("00", 40),
		"GRE port, DNS":               "IP4(17) UDP(4754) 1234 0100 0001" + strings.Repeat("00", 20),
		"MPLS port, zeros":            "IP4(17) UDP(6635)" + strings.Repeat("00", 40),
	} {
		t.Run(name, func(t *testing.T) {
			w := wrapping{header: header}
			frame := w.frame(t, nil)
			var d Decoder
			var p Packet
			d.Decode(linkRaw, frame, &p)
			if p.Status != StatusTransport || p.Proto != ProtoUDP || p.SrcPort != 50000 || p.Depth != 0 || p.Tunnel != TunnelNone ||
				p.Src != Addr4(ipA4) || p.TTL != 63 || int(p.PayloadLen) != len(frame)-28 || len(p.Payload) != len(frame)-28 {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestLengths(t *testing.T) {
	const tcp = "01bb 01bb 00000001 00000002 5018 0000 0000 0000"
	for _, c := range []struct {
		name             string
		frame            string
		captured, length int
	}{
		{"Ethernet padding", "4500 0029 0000 0000 4006 0000 c0000201 c0000202" + tcp + "61 0000000000", 1, 1},
		{"IPv4 total 0", "4500 0000 0000 0000 4006 0000 c0000201 c0000202" + tcp + "616263", 3, 3},
		{"cut payload", "4500 05dc 0000 4000 4006 0000 c0000201 c0000202" + tcp + "616263", 3, 1460},
		{"cut TCP options", "4500 05dc 0000 4000 4006 0000 c0000201 c0000202 01bb 01bb 00000001 00000002 8018 0000 0000 0000 0101", 0, 1448},
		{"UDP shorter than IP", "4500 0024 0000 0000 4011 0000 c0000201 c0000202 01bb 01bb 000a 0000 6162 63646566", 2, 2},
		{"IPv6 length 0", "6000 0000 0000 0640" + long6 + tcp + "616263", 3, 3},
		{"IPv6 jumbogram", "6000 0000 0000 0040" + long6 + "0600 c204 00020000" + tcp + "616263", 3, 131072 - 8 - 20},
		{"UDP length 0 over IPv6", "6000 0000 000b 1140" + long6 + "01bb 01bb 0000 0000 616263", 3, 3},
		{"UDP in a jumbogram", "6000 0000 0000 0040" + long6 + "1100 c204 00020000 01bb 01bb 0000 0000 616263", 3, 131072 - 8 - 8},
		{"jumbo length below 65536", "6000 0000 0000 0040" + long6 + "0600 c204 00000100" + tcp + "616263", 3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			var p Packet
			d.Decode(linkRaw, x(c.frame), &p)
			if p.Status != StatusTransport || len(p.Payload) != c.captured || int(p.PayloadLen) != c.length {
				t.Errorf("%d of %d bytes: %+v", len(p.Payload), p.PayloadLen, p)
			}
			if want := "abcdef"[:c.captured]; string(p.Payload) != want {
				t.Errorf("payload %q", p.Payload)
			}
		})
	}
	t.Run("UDP length 0 in a large send", func(t *testing.T) {
		var d Decoder
		var p Packet
		d.Decode(linkRaw, append(x("4500 0000 0000 0000 4011 0000 c0000201 c0000202 01bb 01bb 0000 0000"), make([]byte, 70000)...), &p)
		if p.Status != StatusTransport || p.PayloadLen != 70000 {
			t.Errorf("%+v", p)
		}
	})
}

const long6 = "20010db8000000000000000000000001 20010db8000000000000000000000002"

func TestFragments(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		want        Fragment
		proto       uint8
		payload     string
	}{
		{"IPv4 first", "4500 001c 1234 2000 4011 0000 c0000201 c0000202 6162636465666768", Fragment{0x1234, 0, true}, 17, "abcdefgh"},
		{"IPv4 last", "4500 0017 1234 0003 4006 0000 c0000201 c0000202 616263 000000", Fragment{0x1234, 24, false}, 6, "abc"},
		{"IPv4 highest", "4500 001c 1234 1fff 4011 0000 c0000201 c0000202 6162636465666768", Fragment{0x1234, 65528, false}, 17, "abcdefgh"},
		{"IPv6 first", "6000 0000 0010 2c40" + long6 + "1100 0001 00012345 6162636465666768", Fragment{0x12345, 0, true}, 17, "abcdefgh"},
		{"IPv6 last, after options", "6000 0000 0013 0040" + long6 + "2c00 000000000000 1100 0038 00012345 616263", Fragment{0x12345, 56, false}, 17, "abc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			var p Packet
			d.Decode(linkRaw, x(c.frame), &p)
			if p.Status != StatusFragment || p.Frag != c.want || p.Proto != c.proto || string(p.Payload) != c.payload || int(p.PayloadLen) != len(c.payload) || p.IPID != uint16(c.want.ID) {
				t.Errorf("%+v", p)
			}
		})
	}
}

// What was fragmented decodes, once whole, as if it had never been.
func TestReassembled(t *testing.T) {
	inner, _ := innerPacket(t)
	for _, w := range wrappings {
		if w.link != linkEthernet {
			continue
		}
		for _, six := range []bool{false, true} {
			frame := w.frame(t, inner)
			var d Decoder
			var want, p Packet
			d.Decode(linkEthernet, frame, &want)

			// The frame in GRE is the datagram; its fragment has the first 8 bytes.
			datagram := append(x("0000 6558"), frame...)
			outer := x("4500 001c 1234 2000 402f 0000 c0000201 c0000202")
			if six {
				outer = x("6000 0000 0010 2c40" + long6 + "2f00 0001 00001234")
			}
			d.Decode(linkRaw, append(outer, datagram[:8]...), &p)
			if p.Status != StatusFragment {
				t.Fatalf("%s: %+v", w.name, p)
			}
			d.Reassembled(&p, datagram)
			want.Depth++
			if want.Tunnel == TunnelNone {
				want.Tunnel = TunnelGRE
			}
			if !equal(p, want) {
				t.Errorf("%s: six %v\n got %+v\nwant %+v", w.name, six, p, want)
			}
			if d.Stats.Status[StatusFragment] != 1 || d.Stats.Status[StatusTransport] != 2 {
				t.Errorf("%+v", d.Stats)
			}
		}
	}
}

// The depth limit holds across reassembly, and a datagram is not fragmented twice.
func TestReassembledLimits(t *testing.T) {
	var d Decoder
	p := Packet{Status: StatusFragment, Depth: MaxDepth, Proto: protoIPv4, Src: Addr4(ipA4), Dst: Addr4(ipB4)}
	d.Reassembled(&p, make([]byte, 40))
	if p.Status != StatusTooDeep {
		t.Errorf("status %d", p.Status)
	}
	p = Packet{Status: StatusFragment, Proto: protoFragment, Src: Addr16(ipA6), Dst: Addr16(ipB6)}
	d.Reassembled(&p, x("1100 0001 00000001 6162636465666768"))
	if p.Status != StatusMalformed {
		t.Errorf("status %d", p.Status)
	}
	inner := v4(layers.IPProtocolUDP)
	inner.Flags = layers.IPv4MoreFragments
	p = Packet{Status: StatusFragment, Proto: protoIPv4, Src: Addr4(ipA4), Dst: Addr4(ipB4)}
	d.Reassembled(&p, stack(t, inner, gopacket.Payload("12345678")))
	if p.Status != StatusFragment || p.Depth != 1 || string(p.Payload) != "12345678" {
		t.Errorf("%+v", p)
	}
}

// Decode leaves nothing of the packet before.
func TestDecodeResets(t *testing.T) {
	inner, _ := innerPacket(t)
	var d Decoder
	var p Packet
	for _, w := range wrappings {
		d.Decode(w.link, w.frame(t, inner), &p)
		d.Decode(linkEthernet, nil, &p)
		if p.Payload != nil || !p.same(&Packet{Status: StatusTruncated}) {
			t.Fatalf("%s: %+v", w.name, p)
		}
	}
}

func TestPacketIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Packet{}); size > 128 {
		t.Errorf("a Packet has %d bytes: two cache lines are 128", size)
	}
}

func TestAllocations(t *testing.T) {
	inner, _ := innerPacket(t)
	var d Decoder
	var p Packet
	for _, w := range wrappings {
		frame := w.frame(t, inner)
		if n := testing.AllocsPerRun(10, func() { d.Decode(w.link, frame, &p) }); n != 0 {
			t.Errorf("%s: %v allocations", w.name, n)
		}
	}
}

func TestAddr(t *testing.T) {
	four, six := Addr4(ipA4), Addr16(ipA6)
	if !four.Is4() || six.Is4() || four.Netip().String() != "192.0.2.1" || six.Netip().String() != "2001:db8::1" {
		t.Errorf("%v %v", four.Netip(), six.Netip())
	}
	if AddrFrom(four.Netip()) != four || AddrFrom(six.Netip()) != six {
		t.Error("AddrFrom is not the inverse of Netip")
	}
}
