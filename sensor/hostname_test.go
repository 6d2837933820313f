package sensor_test

import (
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	mdns "github.com/miekg/dns"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// begin is when the made frames start.
const begin = int64(1772632931e9)

// tape makes frames of one millisecond each.
type tape struct {
	t      testing.TB
	frames []capture.Frame
}

func (w *tape) add(tcp bool, src, dst string, seq uint32, payload []byte) {
	w.t.Helper()
	from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, Id: uint16(len(w.frames)), SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	stack := []gopacket.SerializableLayer{eth, ip}
	if tcp {
		ip.Protocol = layers.IPProtocolTCP
		t := &layers.TCP{SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()), Seq: seq, ACK: payload != nil, SYN: payload == nil, Window: 1000}
		t.SetNetworkLayerForChecksum(ip)
		stack = append(stack, t)
	} else {
		u := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
		u.SetNetworkLayerForChecksum(ip)
		stack = append(stack, u)
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(stack, gopacket.Payload(payload))...); err != nil {
		w.t.Fatal(err)
	}
	n := len(w.frames)
	w.frames = append(w.frames, capture.Frame{
		Data: slices.Clone(buf.Bytes()), Link: 1, WireLen: uint32(len(buf.Bytes())), Time: begin + int64(n)*1e6, Number: uint64(n + 1),
	})
}

func (w *tape) udp(src, dst string, payload []byte) { w.t.Helper(); w.add(false, src, dst, 0, payload) }

// dhcp is a message of a client, or to it.
func (w *tape) dhcp(op layers.DHCPOp, typ layers.DHCPMsgType, mac byte, ciaddr, yiaddr, name string) []byte {
	w.t.Helper()
	m := &layers.DHCPv4{
		Operation: op, HardwareType: layers.LinkTypeEthernet, HardwareLen: 6, Xid: 0x1000 + uint32(mac), ClientHWAddr: net.HardwareAddr{2, 0, 0, 0, 1, mac},
		ClientIP: net.ParseIP(ciaddr).To4(), YourClientIP: net.ParseIP(yiaddr).To4(), NextServerIP: net.IPv4zero.To4(), RelayAgentIP: net.IPv4zero.To4(),
		Options: layers.DHCPOptions{layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{byte(typ)})},
	}
	if name != "" {
		m.Options = append(m.Options, layers.NewDHCPOption(layers.DHCPOptHostname, []byte(name)))
	}
	buf := gopacket.NewSerializeBuffer()
	if err := m.SerializeTo(buf, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		w.t.Fatal(err)
	}
	return slices.Clone(buf.Bytes())
}

// dns packs a message.
func (w *tape) dns(m *mdns.Msg) []byte {
	w.t.Helper()
	b, err := m.Pack()
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// ticketFor is an AS-REQ of a machine account, no more than the parser needs.
func ticketFor(account string) []byte {
	wrap := func(class, tag int, parts ...[]byte) []byte {
		b, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: slices.Concat(parts...)})
		if err != nil {
			panic(err)
		}
		return b
	}
	number := func(n int) []byte { b, _ := asn1.Marshal(n); return b }
	name, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagGeneralString, Bytes: []byte(account)})
	seq := func(parts ...[]byte) []byte { return wrap(0, asn1.TagSequence, parts...) }
	field := func(n int, parts ...[]byte) []byte { return wrap(asn1.ClassContextSpecific, n, parts...) }
	body := seq(field(0, []byte{3, 5, 0, 0x40, 0x81, 0, 0x10}), field(1, seq(field(0, number(1)), field(1, seq(name)))), field(2, name))
	return wrap(asn1.ClassApplication, 10, seq(field(1, number(5)), field(2, number(10)), field(4, body)))
}

// netBIOSName is the encoding of RFC 1001 section 14.1.
func netBIOSName(name string) string {
	var b strings.Builder
	for _, c := range []byte((name + strings.Repeat(" ", 15))[:15] + "\x00") {
		b.WriteByte('A' + c>>4)
		b.WriteByte('A' + c&15)
	}
	return b.String() + "."
}

// office is a capture of seven hosts that tell their names, each in its own way, and
// look up a relay of AnyDesk afterwards.
func office(t testing.TB) (frames []capture.Frame, want map[string]string) {
	w := &tape{t: t}
	const everybody, server = "255.255.255.255:67", "10.1.0.1:67"
	for range 20 { // one flow for the whole network: it is never decided
		w.udp("0.0.0.0:68", everybody, w.dhcp(layers.DHCPOpRequest, layers.DHCPMsgTypeRequest, 99, "0.0.0.0", "0.0.0.0", "noise"))
	}
	w.udp("0.0.0.0:68", everybody, w.dhcp(layers.DHCPOpRequest, layers.DHCPMsgTypeRequest, 1, "0.0.0.0", "0.0.0.0", "DESK-17"))
	w.udp(server, "10.1.2.1:68", w.dhcp(layers.DHCPOpReply, layers.DHCPMsgTypeAck, 1, "0.0.0.0", "10.1.2.1", ""))
	w.udp("10.1.2.2:68", server, w.dhcp(layers.DHCPOpRequest, layers.DHCPMsgTypeRequest, 2, "10.1.2.2", "0.0.0.0", "renews\x1b[2J"))
	w.udp("0.0.0.0:68", everybody, w.dhcp(layers.DHCPOpRequest, layers.DHCPMsgTypeRequest, 3, "0.0.0.0", "0.0.0.0", "refused"))
	w.udp(server, "255.255.255.255:68", w.dhcp(layers.DHCPOpReply, layers.DHCPMsgTypeNak, 3, "0.0.0.0", "0.0.0.0", ""))
	announce := &mdns.Msg{MsgHdr: mdns.MsgHdr{Response: true, Authoritative: true}, Answer: []mdns.RR{
		&mdns.A{Hdr: mdns.RR_Header{Name: "Laptop-9.local.", Rrtype: mdns.TypeA, Class: 0x8001, Ttl: 120}, A: net.IP{10, 1, 2, 4}},
		&mdns.A{Hdr: mdns.RR_Header{Name: "Laptop-9.local.", Rrtype: mdns.TypeA, Class: 0x8001, Ttl: 120}, A: net.IP{10, 1, 3, 4}},
		&mdns.A{Hdr: mdns.RR_Header{Name: "Other.local.", Rrtype: mdns.TypeA, Class: 0x8001, Ttl: 120}, A: net.IP{10, 1, 2, 8}},
	}}
	w.udp("10.1.2.4:5353", "224.0.0.251:5353", w.dns(announce))
	register := &mdns.Msg{
		MsgHdr: mdns.MsgHdr{Opcode: 5}, Question: []mdns.Question{{Name: netBIOSName("OLD-BOX"), Qtype: 32, Qclass: 1}},
		Extra: []mdns.RR{&mdns.RFC3597{Hdr: mdns.RR_Header{Name: netBIOSName("OLD-BOX"), Rrtype: 32, Class: 1, Ttl: 300}, Rdata: "00000a010205"}},
	}
	w.udp("10.1.2.5:137", "10.1.2.255:137", w.dns(register))
	register.Question[0].Name = netBIOSName("HEARSAY")
	register.Extra[0] = &mdns.RFC3597{Hdr: mdns.RR_Header{Name: netBIOSName("HEARSAY"), Rrtype: 32, Class: 1, Ttl: 300}, Rdata: "00000a010203"}
	w.udp("10.1.2.5:137", "10.1.0.3:137", w.dns(register))
	announce.Answer = announce.Answer[2:]
	w.udp("10.1.2.4:5353", "224.0.0.251:5353", w.dns(announce))
	w.udp("10.1.2.6:50001", "10.1.0.2:88", ticketFor("KRB-6$"))
	message := ticketFor("KRB-7$")
	w.add(true, "10.1.2.7:50002", "10.1.0.2:88", 100, nil)
	w.add(true, "10.1.2.7:50002", "10.1.0.2:88", 101, append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
	for n := 1; n <= 8; n++ {
		ask := new(mdns.Msg).SetQuestion("relay-3185a847.net.anydesk.com.", mdns.TypeA)
		w.udp(fmt.Sprintf("10.1.2.%d:40000", n), "10.0.0.53:53", w.dns(ask))
	}
	return w.frames, map[string]string{
		"10.1.2.1": "desk-17", "10.1.2.2": `renews\x1b[2j`, "10.1.2.3": "", "10.1.2.4": "laptop-9", "10.1.2.5": "old-box",
		"10.1.2.6": "krb-6", "10.1.2.7": "krb-7", "10.1.2.8": "",
	}
}

// made is a source of frames that were made.
type made struct{ frames []capture.Frame }

func (m *made) ReadBatch(frames []capture.Frame) (int, error) {
	if len(m.frames) == 0 {
		return 0, io.EOF
	}
	n := copy(frames, m.frames)
	m.frames = m.frames[n:]
	return n, nil
}

func TestHostNames(t *testing.T) {
	frames, want := office(t)
	r := replaySource(t, small(), &made{frames}, func(uint32) string { return "office.pcap" })
	got := map[string]string{}
	for _, a := range r.alerts {
		got[a.Host.String()] = a.HostName
	}
	if len(got) != len(want) {
		t.Errorf("%d hosts, want %d", len(got), len(want))
	}
	for host, name := range want { // in any order
		if got[host] != name {
			t.Errorf("%s is %q, want %q", host, got[host], name)
		}
	}
	told := slices.Collect(strings.Lines(r.eve))
	slices.Sort(told)
	for _, n := range []int{1, 2, 5} { // a DHCP client and its server speak on different workers
		parts := make([]*made, n)
		var sources []capture.Source
		for i := range parts {
			parts[i] = new(made)
			sources = append(sources, parts[i])
		}
		for i, f := range frames {
			ip := f.Data[14:]
			side := 0
			for _, b := range ip[12:20] {
				side += int(b)
			}
			parts[side%n].frames = append(parts[side%n].frames, frames[i])
		}
		l := &sensor.Live{Sources: sources}
		if lines := closed(t, l, ruleset(t), "office.pcap"); !slices.Equal(lines, told) {
			t.Errorf("%d workers:\n%s\nreplay:\n%s", n, strings.Join(lines, ""), strings.Join(told, ""))
		}
	}
}

// What speaks on other ports costs no allocation, nor does what is cut off before a
// name.
func TestHostNamesCostNothing(t *testing.T) {
	w := &tape{t: t}
	for n := range 8 {
		w.udp(fmt.Sprintf("10.1.2.%d:40000", n), "192.0.2.1:9999", make([]byte, 600))
		w.udp(fmt.Sprintf("10.1.2.%d:40000", n), "10.1.0.2:88", ticketFor("KRB$")[:20])
		w.udp(fmt.Sprintf("10.1.2.%d:68", n), "10.1.0.1:67", make([]byte, 300))
		w.udp(fmt.Sprintf("10.1.2.%d:137", n), "10.1.2.255:137", make([]byte, 60))
	}
	cfg := small()
	var s nameSink
	worker := sensor.NewWorker(&cfg, ruleset(t), &s, nil, [2]uint64{1, 2})
	n := testing.AllocsPerRun(5, func() { // fewer times than decide a flow
		for _, f := range w.frames {
			f.Data[14+5] += 32 // another IP identification: the same one would be a mirrored copy
		}
		worker.Batch(w.frames)
	})
	if n > 0 {
		t.Errorf("%v allocations for %d frames", n, len(w.frames))
	}
	if len(s.seen) > 0 {
		t.Errorf("told: %v", s.seen)
	}
}
