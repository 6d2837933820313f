package main

// encapsulations are the ways in which a frame reaches a sensor. Each carries the same AnyDesk session and must
// give the same alert.
var encapsulations = []struct {
	name   string
	holds  string
	link   uint32
	layers []layer // innermost first
}{
	{"vlan", "802.1Q", linkEthernet, []layer{tag(etherVLAN, 20), ethernet}},
	{"qinq", "802.1ad around 802.1Q", linkEthernet, []layer{tag(etherVLAN, 20), tag(etherQinQ, 100), ethernet}},
	{"mpls", "two MPLS labels", linkEthernet, []layer{mpls(16001), mpls(24005), ethernet}},
	{"pppoe", "PPPoE session", linkEthernet, []layer{pppoe, ethernet}},
	{"ppp", "PPP", 9, []layer{ppp}},
	{"gre", "GRE", linkEthernet, []layer{gre, ethernet}},
	{"gre-keyed", "GRE with key and sequence number, a whole frame inside", linkEthernet, []layer{ethernet, greKeyed, ethernet}},
	{"erspan1", "ERSPAN type I", linkEthernet, []layer{ethernet, erspan(1), ethernet}},
	{"erspan2", "ERSPAN type II", linkEthernet, []layer{ethernet, erspan(2), ethernet}},
	{"erspan3", "ERSPAN type III", linkEthernet, []layer{ethernet, erspan(3), ethernet}},
	{"vxlan", "VXLAN", linkEthernet, []layer{ethernet, vxlan(42), ethernet}},
	{"geneve", "GENEVE with an option", linkEthernet, []layer{ethernet, geneve(42), ethernet}},
	{"ipip", "IPv4 in IPv4", linkEthernet, []layer{ipInIP, ethernet}},
	{"nested", "VLAN in VXLAN in GRE in QinQ", linkEthernet, []layer{tag(etherVLAN, 20), ethernet, vxlan(42), gre,
		tag(etherVLAN, 30), tag(etherQinQ, 100), ethernet}},
	{"sll", "Linux cooked capture, version 1", 113, []layer{sll}},
	{"sll2", "Linux cooked capture, version 2 (`tcpdump -i any`)", linkSLL2, []layer{sll2}},
	{"raw", "bare IP", linkRaw, []layer{}},
	{"null", "BSD loopback", 0, []layer{loopback}},
	{"radiotap", "802.11 data frames behind radiotap", 127, []layer{radiotap}},
}

// wrappedCases are the AnyDesk session in every encapsulation, and bent in every way that leaves it readable.
func wrappedCases() []captureCase {
	session, session6 := recordAnyDesk("10.1.2.3"), recordAnyDesk("fd00:10::3")
	cases := []captureCase{}
	for _, e := range encapsulations {
		cases = append(cases, captureCase{name: "anydesk-" + e.name + "-synthetic", holds: "the AnyDesk session in " + e.holds,
			yields: sameAlert, record: session, link: e.link, layers: e.layers})
	}
	same6 := sameAlert + ", host fd00:10::3"
	return append(cases,
		captureCase{name: "anydesk-6in4-synthetic", holds: "the IPv6 session in IPv4", yields: same6,
			record: session6, link: linkEthernet, layers: []layer{ipInIP, ethernet}},
		captureCase{name: "anydesk-mixed-links-synthetic", holds: "pcapng: Ethernet, SLL2 and raw IP interfaces with clocks of their own take turns",
			yields: sameAlert, record: session, format: mixedLinks},
		captureCase{name: "anydesk-fragments-synthetic", holds: "IPv4 fragments of 136 bytes, some in reverse order, some twice",
			yields: sameAlert, record: session, reshape: fragmented(136)},
		captureCase{name: "anydesk-fragments6-synthetic", holds: "IPv6 fragments of 176 bytes, some in reverse order, some twice",
			yields: same6, record: session6, reshape: fragmented(176)},
		captureCase{name: "anydesk-mirrored-twice-synthetic", holds: "each frame twice, 3 us apart",
			yields: sameAlert + "; bytes and packets counted once", record: session, reshape: mirroredTwice},
		captureCase{name: "anydesk-client-only-synthetic", holds: "only what the client sends",
			yields: "10.1.2.3 AnyDesk: DNS, ALPN", record: session, reshape: oneWay(false)},
		captureCase{name: "anydesk-server-only-synthetic", holds: "only what the servers send",
			yields: "10.1.2.3 AnyDesk: DNS answer, relay certificate", record: session, reshape: oneWay(true)},
		captureCase{name: "anydesk-midstream-synthetic", holds: "a capture that starts at the ClientHello: no lookup, no SYN",
			yields: "10.1.2.3 AnyDesk: ALPN, certificate", record: session, reshape: withoutStart(5)},
		captureCase{name: "anydesk-snapped-synthetic", holds: "snap length 240: the certificate is cut off",
			yields: "10.1.2.3 AnyDesk: DNS", record: session, damage: snapped(240)},
		captureCase{name: "anydesk-truncated-synthetic", holds: "a file that ends inside its last packet",
			yields: sameAlert + "; a warning with the byte offset", record: session, damage: cutShort},
		captureCase{name: "anydesk-damaged-synthetic", holds: "a packet length of 4 GB after two thirds of the packets",
			yields: sameAlert + "; a warning with the byte offset", record: session, damage: badLength},
	)
}

const sameAlert = "as `anydesk-synthetic.pcap`"
