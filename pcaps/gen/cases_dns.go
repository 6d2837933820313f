package main

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// dnsCases are names asked for, and the ways in which a resolver is reached.
var dnsCases = []captureCase{
	{name: "dns-tcp-synthetic", holds: "DNS over TCP: two queries on one connection, the second cut inside its length",
		yields: "10.1.2.3 TeamViewer: DNS `router15.teamviewer.com`; AnyDesk: DNS `" + anyDeskRelay + "`",
		record: recordDNSOverTCP},
	{name: "dns-records-synthetic", holds: "CNAME, AAAA and HTTPS answers with compression and EDNS",
		yields: "10.1.2.3 Splashtop: DNS question and answers for `st2-v3-univ.relay.splashtop.com`", record: recordDNSKinds},
	{name: "dns-encrypted-synthetic", holds: "DoT (port 853, ALPN dot), DoH (SNI dns.google, ALPN h2), DoQ (ALPN doq)",
		yields: "no alert; 10.1.2.3 resolves over TLS, HTTPS and QUIC", record: recordEncryptedDNS},
	{name: "dns-multicast-synthetic", holds: "mDNS and LLMNR questions that name a tool",
		yields: "no alert: mDNS and LLMNR are told apart from DNS", record: recordMulticastDNS},
	{name: "dns-resolver-synthetic", holds: "a client asks 10.0.0.53, which asks 198.51.100.53 on its behalf",
		yields: "10.1.2.3 AnyDesk: DNS `" + anyDeskRelay + "`; nothing for the resolver 10.0.0.53", record: recordResolver},
}

// framed is a DNS message with its length in front, as TCP carries it (RFC 1035, 4.2.2).
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func recordDNSOverTCP(t *tape) {
	var c conversation
	for i, name := range []string{"router15.teamviewer.com", anyDeskRelay} {
		query, answer, err := dnsMessages(name, "203.0.113.15", uint16(0x1234+i))
		if err != nil {
			t.fail(err)
			return
		}
		q := framed(query)
		if i == 1 {
			c = append(c, fromClient(q[:1]))
			q = q[1:]
		}
		c = append(c, fromClient(q), fromServer(framed(answer)))
	}
	t.tcp(t.from("10.1.2.3"), resolver, c)
}

func recordDNSKinds(t *tape) {
	const name, target = "st2-v3-univ.relay.splashtop.com.", "relay-eu.cdn.example."
	answers := map[uint16][]string{
		dns.TypeA:     {name + " 60 IN CNAME " + target, target + " 60 IN A 203.0.113.90", target + " 60 IN A 203.0.113.91"},
		dns.TypeAAAA:  {name + " 60 IN CNAME " + target, target + " 60 IN AAAA 2001:db8:203::90"},
		dns.TypeHTTPS: {name + ` 60 IN HTTPS 1 . alpn="h3,h2" ipv4hint=203.0.113.90`},
	}
	for i, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS} {
		query := new(dns.Msg).SetQuestion(name, kind)
		query.Id = uint16(0x4000 + i)
		query.SetEdns0(1232, true)
		reply := new(dns.Msg).SetReply(query)
		reply.Compress = true
		for _, text := range answers[kind] {
			rr, err := dns.NewRR(text)
			t.fail(err)
			reply.Answer = append(reply.Answer, rr)
		}
		reply.SetEdns0(1232, true)
		t.udp(t.from("10.1.2.3"), resolver, conversation{fromClient(t.pack(query)), fromServer(t.pack(reply))})
	}
}

// pack is the wire form of a message.
func (t *tape) pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	t.fail(err)
	return b
}

func recordEncryptedDNS(t *tape) {
	t.tcp(t.from("10.1.2.3"), "203.0.113.53:853", t.shake(tlsShape{name: "dns.example.net", alpn: []string{"dot"}}, 4))
	t.tcp(t.from("10.1.2.3"), "203.0.113.8:443", t.shake(tlsShape{name: "dns.google", alpn: []string{"h2"}}, 4))
	t.quicGo("10.1.2.3", "203.0.113.54:853", quicGoShape{name: "dns.example.org", alpn: "doq"})
}

func recordMulticastDNS(t *tape) {
	ask := func(name string) []byte {
		m := new(dns.Msg).SetQuestion(name, dns.TypeA)
		m.Id, m.RecursionDesired = 0, false
		return t.pack(m)
	}
	for _, name := range []string{"anydesk.local.", anyDeskRelay + "."} {
		mdns := t.from("10.1.2.3")
		if name == "anydesk.local." {
			mdns = addrPort("10.1.2.3:5353") // a full responder asks from the port it answers on
		}
		t.udp(mdns, "224.0.0.251:5353", conversation{fromClient(ask(name))})
		t.udp(t.from("10.1.2.3"), "224.0.0.252:5355", conversation{fromClient(ask(name))})
		t.udp(t.from("fd00:10::3"), "[ff02::1:3]:5355", conversation{fromClient(ask(name))})
	}
}

func recordResolver(t *tape) {
	query, answer, err := dnsMessages(anyDeskRelay, "203.0.113.176", 0x2b2b)
	if err != nil {
		t.fail(err)
		return
	}
	client := t.from("10.1.2.3")
	t.udp(client, resolver, conversation{fromClient(query)})
	t.udp(t.from("10.0.0.53"), "198.51.100.53:53", conversation{fromClient(query), fromServer(answer)})
	t.udp(client, resolver, conversation{fromServer(answer)})
}
