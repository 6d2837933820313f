package main

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"time"

	"github.com/miekg/dns"
)

// namedCases are flows without a name of their own, and what DNS said before them.
var namedCases = []captureCase{
	{name: "dns-names-synthetic", holds: "hosts look up `instance-a1b2c3-relay.screenconnect.com` (TTL 60 s) and then reach its address without a name: " +
		"10.1.4.1 by TLS without SNI, 10.1.4.3 119 s later, 10.1.4.4 125 s later, 10.1.4.5 over unknown TCP and UDP and HTTP to the address, fd00:10::4 over IPv6; " +
		"10.1.4.2 without a lookup; 10.1.4.9 with other names; 10.1.4.10 by a proxy and with STARTTLS",
		yields: "ScreenConnect, tenant a1b2c3: 10.1.4.1, 10.1.4.3, 10.1.4.5 and fd00:10::4 by DNS with their sessions; 10.1.4.4, 10.1.4.9 and 10.1.4.10 the lookup alone; nothing for 10.1.4.2",
		record: recordDNSNames},
	{name: "dns-names-alias-synthetic", holds: "10.1.4.1 reaches `help.corp.example`, an alias of a ScreenConnect relay, without a name; 10.1.4.2 a relay behind a delivery network, " +
		"10.1.4.3 one at the address of `shop.example` (TTL 1 h), both 20 minutes after the lookup; 10.0.0.53 asks for its client 10.1.4.4 and goes to the address itself",
		yields: "ScreenConnect: 10.1.4.1 `help.corp.example -> instance-q07bx4-relay.screenconnect.com` with its session; 10.1.4.2 and 10.1.4.3 the lookup, and sessions of medium confidence; 10.1.4.4 the lookup; nothing for 10.0.0.53",
		record: recordDNSAliases},
	{name: "ech-synthetic", holds: "crypto/tls with ECH: 10.1.5.1 to a relay behind `provider.example`, after the lookup; 10.1.5.2 the same without one; " +
		"10.1.5.3 with the outer name `relay-3185a847.net.anydesk.com`; 10.1.5.4 the same, but filler (GREASE)",
		yields: "10.1.5.1 ScreenConnect by DNS with its session; 10.1.5.4 AnyDesk by SNI; nothing for 10.1.5.2 and 10.1.5.3",
		record: recordECH},
}

const relayName = "instance-a1b2c3-relay.screenconnect.com"

// resolve records a query and its answer, records in the form of zone files.
func (t *tape) resolve(client, server, name string, kind uint16, records ...string) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	query.Id = uint16(t.rand.Uint32())
	query.SetEdns0(1232, false)
	reply := new(dns.Msg).SetReply(query)
	reply.Compress, reply.RecursionAvailable = true, true
	for _, text := range records {
		rr, err := dns.NewRR(text)
		t.fail(err)
		reply.Answer = append(reply.Answer, rr)
	}
	t.udp(t.from(client), server, conversation{fromClient(t.pack(query)), fromServer(t.pack(reply))})
	t.pause(40 * time.Millisecond)
}

// withoutSNI is a TLS 1.3 session in which nothing says who the server is.
func (t *tape) withoutSNI(client, server string) {
	cert := issue(certShape{subject: pkix.Name{CommonName: "localhost"}, issuer: publicCA})
	t.tcp(t.from(client), server, t.shake(tlsShape{cert: cert, version: tls.VersionTLS13}, 6))
}

func recordDNSNames(t *tape) {
	const address, address6 = "203.0.113.150", "2001:db8:203::150"
	ask := func(client string) {
		t.resolve(client, resolver, relayName, dns.TypeA, relayName+". 60 IN A "+address)
	}
	ask("10.1.4.1")
	t.withoutSNI("10.1.4.1", address+":443")
	t.withoutSNI("10.1.4.2", address+":443")

	ask("10.1.4.3")
	ask("10.1.4.4")
	t.pause(119 * time.Second)
	t.withoutSNI("10.1.4.3", address+":443")
	t.pause(6 * time.Second)
	t.withoutSNI("10.1.4.4", address+":443")

	ask("10.1.4.5")
	t.tcp(t.from("10.1.4.5"), address+":9001", conversation{fromClient(t.blob("c1", 300)), fromServer(t.blob("c2", 900))})
	t.udp(t.from("10.1.4.5"), address+":9002", conversation{fromClient(t.blob("c3", 120)), fromServer(t.blob("c4", 700))})
	t.tcp(t.from("10.1.4.5"), address+":8080", conversation{
		fromClient([]byte("GET / HTTP/1.1\r\nHost: " + address + ":8080\r\n\r\n")), fromServer([]byte("HTTP/1.1 204 No Content\r\n\r\n"))})
	t.resolve("fd00:10::4", resolver6, relayName, dns.TypeAAAA, relayName+". 60 IN AAAA "+address6)
	t.withoutSNI("fd00:10::4", "["+address6+"]:443")

	ask("10.1.4.9")
	t.tcp(t.from("10.1.4.9"), address+":443", t.shake(tlsShape{name: "www.example.com"}, 4))
	t.tcp(t.from("10.1.4.9"), address+":80", conversation{
		fromClient([]byte("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")), fromServer([]byte("HTTP/1.1 204 No Content\r\n\r\n"))})

	ask("10.1.4.10")
	connect := conversation{fromClient([]byte("CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n")),
		fromServer([]byte("HTTP/1.1 200 OK\r\n\r\n"))}
	t.tcp(t.from("10.1.4.10"), address+":3128", append(connect, fromClient(t.blob("c5", 200)), fromServer(t.blob("c6", 200))))
	mail := conversation{fromServer([]byte("220 mx\r\n")), fromClient([]byte("EHLO host\r\n")), fromServer([]byte("250-mx\r\n250 STARTTLS\r\n")),
		fromClient([]byte("STARTTLS\r\n")), fromServer([]byte("220 go\r\n"))}
	t.tcp(t.from("10.1.4.10"), address+":587", append(mail, t.shake(tlsShape{name: "mail.example.com"}, 2)...))
}

func recordDNSAliases(t *tape) {
	const vendor = "instance-q07bx4-relay.screenconnect.com"
	t.resolve("10.1.4.1", resolver, "help.corp.example", dns.TypeA,
		"help.corp.example. 300 IN CNAME "+vendor+".", vendor+". 60 IN A 203.0.113.160", "other.example. 60 IN A 203.0.113.169")
	t.withoutSNI("10.1.4.1", "203.0.113.160:443")
	t.withoutSNI("10.1.4.1", "203.0.113.169:443") // an address that was not asked for

	t.resolve("10.1.4.2", resolver, relayName, dns.TypeA,
		relayName+". 3600 IN CNAME d111111abcdef8.cloudfront.net.", "d111111abcdef8.cloudfront.net. 3600 IN A 203.0.113.161")
	t.resolve("10.1.4.3", resolver, relayName, dns.TypeA, relayName+". 3600 IN A 203.0.113.162")
	t.resolve("10.1.4.5", resolver, "shop.example", dns.TypeA, "shop.example. 3600 IN A 203.0.113.162")

	client := t.from("10.1.4.4")
	query, answer, err := dnsMessages(relayName, "203.0.113.163", 0x2b2b)
	t.fail(err)
	t.udp(client, resolver, conversation{fromClient(query)})
	t.udp(t.from("10.0.0.53"), "198.51.100.53:53", conversation{fromClient(query), fromServer(answer)})
	t.udp(client, resolver, conversation{fromServer(answer)})
	t.withoutSNI("10.0.0.53", "203.0.113.163:443")

	t.pause(20 * time.Minute) // the alerts of the lookups are closed
	t.withoutSNI("10.1.4.2", "203.0.113.161:443")
	t.withoutSNI("10.1.4.3", "203.0.113.162:443")
}

func recordECH(t *tape) {
	hidden := func(outer string) tlsShape {
		return tlsShape{name: relayName, alpn: []string{"h2"}, version: tls.VersionTLS13, outer: outer}
	}
	t.resolve("10.1.5.1", resolver, relayName, dns.TypeA, relayName+". 60 IN A 203.0.113.170")
	t.tcp(t.from("10.1.5.1"), "203.0.113.170:443", t.shake(hidden("provider.example"), 4))
	t.tcp(t.from("10.1.5.2"), "203.0.113.170:443", t.shake(hidden("provider.example"), 4))
	t.tcp(t.from("10.1.5.3"), "203.0.113.171:443", t.shake(hidden(anyDeskRelay), 4))
	filler := hidden(anyDeskRelay)
	filler.filler = true
	t.tcp(t.from("10.1.5.4"), "203.0.113.172:443", t.shake(filler, 4))
}
