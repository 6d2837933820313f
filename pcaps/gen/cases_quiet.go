package main

import (
	"fmt"
	"net/netip"
)

// addrPort is an address of this program's own.
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// quietCases must not raise an alert.
var quietCases = []captureCase{
	{name: "benign-synthetic", holds: "ordinary lookups, web, mail and time",
		yields: "no alert", record: recordBenign},
	{name: "lookalikes-synthetic", holds: "names that contain a tool's name or domain and are not its own",
		yields: "no tool: none of these names belongs to one; 10.1.2.3 look-alikes of AnyDesk and TeamViewer: those below .com", record: recordLookalikes},
	{name: "lookalike-domains-synthetic", holds: "look-alikes, a host for each technique; the same name from two hosts; through a resolver, HTTP, CONNECT and QUIC; then honest names near to them",
		yields: "look-alikes: 10.1.3.1 wrong-tld, 10.1.3.2 joined, 10.1.3.3 confusable (xn--), 10.1.3.4 confusable (rn), 10.1.3.5 edited, 10.1.3.6 inside, " +
			"10.1.3.7 label, 10.1.3.8 and 10.1.3.9 the same name, 10.1.3.10 through the resolver, 10.1.3.11 HTTP, 10.1.3.12 CONNECT, 10.1.3.13 QUIC; nothing for the resolver, nor for 10.1.3.20",
		record: recordLookalikeDomains},
	{name: "ports-only-synthetic", holds: "other protocols on the ports of tools: 3389, 4899, 5900, 5938, 6568, 7070, 8041, 21116",
		yields: "no alert: a port alone never alerts", record: recordPortsOnly},
}

func recordBenign(t *tape) {
	for i, name := range []string{"www.example.com", "mail.example.org", "updates.vendor.example", "cdn.jsdelivr.net", "en.wikipedia.org"} {
		t.visit("10.1.2.3", name, fmt.Sprintf("203.0.113.%d", 100+i))
	}
	t.tcp(t.from("10.1.2.3"), "203.0.113.110:80", conversation{
		fromClient([]byte("GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\n\r\n")),
		fromServer([]byte("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")),
	})
	t.tcp(t.from("10.1.2.3"), "203.0.113.111:25", conversation{
		fromServer([]byte("220 mail.example.org ESMTP\r\n")), fromClient([]byte("EHLO host.corp.example\r\n")),
		fromServer([]byte("250 mail.example.org\r\n")), fromClient([]byte("QUIT\r\n")),
	})
	t.udp(t.from("10.1.2.3"), "203.0.113.123:123", conversation{fromClient(t.blob("23000000", 48)), fromServer(t.blob("24010000", 48))})
}

func recordLookalikes(t *tape) {
	for i, name := range []string{
		"relay-3185a847.net.anydesk.com.evil.example", "notteamviewer.com", "anydeskupdate.com", "net-anydesk.com",
		"router1-teamviewer.com", "instance-a1b2c3-relay.screenconnect.com.evil.example", "myscreenconnect.com.example",
		"teamviewer.ddns.example", "splashtop.example.com", "xn--nydesk-3we.com",
	} {
		t.visit("10.1.2.3", name, fmt.Sprintf("203.0.113.%d", 120+i))
	}
}

func recordLookalikeDomains(t *tape) {
	for i, name := range []string{
		"splashtop.asia", "www.anydesk-access.com", "xn--nydesk-2nf.com", "tearnviewer.com", "teamviewerr.online", "anydeskxxvvza.top",
		"logmein.loginto.me", "anydeskapp.online", "anydeskapp.online",
	} {
		t.visit(fmt.Sprintf("10.1.3.%d", i+1), name, fmt.Sprintf("203.0.113.%d", 60+i))
	}
	const upstream = "198.51.100.53:53"
	t.lookup("10.1.3.10", resolver, "download-tightvnc.com", "203.0.113.70")
	t.lookup("10.0.0.53", upstream, "download-tightvnc.com", "203.0.113.70")
	t.tcp(t.from("10.1.3.11"), "203.0.113.71:80", conversation{
		fromClient([]byte("GET /AnyDesk.exe HTTP/1.1\r\nHost: youranydesk.com\r\nUser-Agent: Mozilla/5.0\r\n\r\n")),
		fromServer([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nMZ")),
	})
	t.tcp(t.from("10.1.3.12"), proxy, append(connect("ultraviewer-en.com:443"), t.shake(tlsShape{name: "ultraviewer-en.com"}, 2)...))
	hello, err := quicOpening(quicV1, tlsShape{name: "teamviewer.ddns.net", alpn: []string{"h3"}}, t.rand)
	t.fail(err)
	t.udp(t.from("10.1.3.13"), "203.0.113.73:443", hello)
	for i, name := range []string{
		"www.autodesk.com", "visionline.hu", "teamviewer.local", "teamviewer.com.corp.example", "anydeskapp.online.dbl.spamhaus.org", "www.teamviewer.cn",
	} {
		t.lookup("10.1.3.20", resolver, name, fmt.Sprintf("203.0.113.%d", 80+i))
	}
}

func recordPortsOnly(t *tape) {
	for i, port := range []int{3389, 4899, 5900, 5938, 6568, 7070, 8041} {
		server := fmt.Sprintf("203.0.113.%d:%d", 140+i, port)
		t.tcp(t.from("10.1.2.3"), server, conversation{fromClient(t.blob("a5a5", 200)), fromServer(t.blob("5a5a", 900))})
		t.tcp(t.from("10.1.2.3"), server, conversation{
			fromClient([]byte("GET / HTTP/1.1\r\nHost: app.corp.example\r\n\r\n")),
			fromServer([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
		})
	}
	t.udp(t.from("10.1.2.3"), "203.0.113.150:21116", conversation{fromClient(t.blob("a5a5", 300)), fromServer(t.blob("5a5a", 500))})
}
