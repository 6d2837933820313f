package main

import (
	"encoding/binary"
	"fmt"
)

const splitName = "instance-d4e5f6-relay.screenconnect.com"

// The post-quantum ClientHello of crypto/tls, extensions shuffled as Chromium does, in every awkward piece.
var tlsCases = []captureCase{
	{name: "clienthello-disordered-synthetic",
		holds:  "a ClientHello in three segments: last, first, middle overlapping both, and the first again",
		yields: "10.1.2.3 ScreenConnect: SNI `" + splitName + "` (tenant d4e5f6), once", record: recordDisordered},
	{name: "clienthello-shredded-synthetic", holds: "ten ClientHellos in pieces of random size in random order",
		yields: "10.1.2.3 ScreenConnect: SNI `instance-0000NN-relay.screenconnect.com`, all ten", record: recordShredded},
	{name: "clienthello-records-synthetic", holds: "a ClientHello over many TLS records of 1 to 90 bytes",
		yields: "10.1.2.3 ScreenConnect: SNI `" + splitName + "`", record: recordManyRecords},
	{name: "clienthello-bytes-synthetic", holds: "a ClientHello one byte to a segment",
		yields: "10.1.2.3 ScreenConnect: SNI `" + splitName + "`", record: recordBytes},
}

func (t *tape) splitHello() conversation {
	return t.shake(tlsShape{name: splitName, alpn: []string{"h2"}, shuffle: true}, 2)
}

func recordDisordered(t *tape) {
	c := t.splitHello()
	segs := segments(c, mss4)
	from, to := firstData(segs)
	hello := c[0].data
	a, b := len(hello)/3, 2*len(hello)/3
	piece := func(from, to int) segment {
		return newSegment(false, flagACK|flagPSH, 1+uint32(from), 1, hello[from:to])
	}
	out := append([]segment(nil), segs[:from]...)
	out = append(out, piece(b, len(hello)), piece(0, a), piece(a-100, b+100), piece(0, a))
	t.play(t.from("10.1.2.3"), webServer, append(out, segs[to:]...))
}

func recordShredded(t *tape) {
	for i := range 10 {
		shape := tlsShape{name: fmt.Sprintf("instance-%06d-relay.screenconnect.com", i), shuffle: true}
		t.play(t.from("10.1.2.3"), webServer, shred(segments(t.shake(shape, 0), mss4), t.rand))
	}
}

// intoRecords splits the handshake message of the first record in b into records of random size up to most.
func intoRecords(b []byte, most int, random func(int) int) []byte {
	message, out := b[5:], []byte(nil)
	for len(message) > 0 {
		n := min(1+random(most), len(message))
		out = append(out, b[0], b[1], b[2])
		out = append(binary.BigEndian.AppendUint16(out, uint16(n)), message[:n]...)
		message = message[n:]
	}
	return out
}

func recordManyRecords(t *tape) {
	if c := t.splitHello(); len(c) > 0 {
		c[0].data = intoRecords(c[0].data, 90, t.rand.IntN)
		t.tcp(t.from("10.1.2.3"), webServer, c)
	}
}

func recordBytes(t *tape) {
	c := t.shake(tlsShape{name: splitName, classic: true}, 0)
	t.play(t.from("10.1.2.3"), webServer, segments(c[:1], 1))
}

const proxy = "10.0.0.8:3128"

// proxyCases hide a name behind what is said before TLS or beside it. The proxies stand on inside addresses.
var proxyCases = []captureCase{
	{name: "proxy-connect-synthetic", holds: "HTTP CONNECT, once to a name, once to an address: then only the SNI tells",
		yields: "10.1.2.3 TeamViewer: CONNECT target and SNI `router15.teamviewer.com`; 10.1.2.4 Atera: SNI `agent-api.atera.com`",
		record: func(t *tape) {
			t.tcp(t.from("10.1.2.3"), proxy, append(connect("router15.teamviewer.com:443"), t.shake(tlsShape{name: "router15.teamviewer.com"}, 2)...))
			t.tcp(t.from("10.1.2.4"), proxy, append(connect("203.0.113.12:443"), t.shake(tlsShape{name: "agent-api.atera.com"}, 2)...))
		}},
	{name: "proxy-socks5-synthetic", holds: "SOCKS5 to an address: without authentication, then with user and password",
		yields: "10.1.2.3 TeamViewer: SNI `router15.teamviewer.com`; 10.1.2.4 Atera: SNI `agent-api.atera.com`",
		record: func(t *tape) {
			t.tcp(t.from("10.1.2.3"), "10.0.0.8:1080", append(socks5(false), t.shake(tlsShape{name: "router15.teamviewer.com"}, 2)...))
			t.tcp(t.from("10.1.2.4"), "10.0.0.8:1080", append(socks5(true), t.shake(tlsShape{name: "agent-api.atera.com"}, 2)...))
		}},
	{name: "proxy-http-synthetic", holds: "absolute-form requests to two hosts over one kept-alive proxy connection",
		yields: "10.1.2.3: HTTP hosts `www.example.com` and `rl.ammyy.com`; Ammyy by the second",
		record: recordAbsoluteForm},
	{name: "rdp-tls-synthetic", holds: "RDP's own negotiation on port 13389, then TLS",
		yields: "10.1.2.3 RDP: payload of client and server; TLS SNI `desk.corp.example`", record: recordRDP},
}

// connect is an HTTP CONNECT that the proxy grants.
func connect(target string) conversation {
	return conversation{
		fromClient([]byte("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\nUser-Agent: Mozilla/5.0\r\nProxy-Connection: keep-alive\r\n\r\n")),
		fromServer([]byte("HTTP/1.1 200 Connection established\r\n\r\n")),
	}
}

// socks5 is a granted request of RFC 1928 for an IPv4 address, after the authentication of RFC 1929 when asked.
func socks5(authenticated bool) conversation {
	c := conversation{fromClient([]byte{5, 1, 0}), fromServer([]byte{5, 0})}
	if authenticated {
		c = conversation{
			fromClient([]byte{5, 2, 0, 2}), fromServer([]byte{5, 2}),
			fromClient([]byte("\x01\x05alice\x06secret")), fromServer([]byte{1, 0}),
		}
	}
	return append(c, fromClient([]byte{5, 1, 0, 1, 203, 0, 113, 12, 1, 187}), fromServer([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}))
}

func recordAbsoluteForm(t *tape) {
	get := func(method, host, body string) turn {
		return fromClient([]byte(fmt.Sprintf("%s http://%s/ HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", method, host, host, len(body), body)))
	}
	ok := fromServer([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nok\n"))
	t.tcp(t.from("10.1.2.3"), proxy, conversation{get("GET", "www.example.com", ""), ok, get("POST", "rl.ammyy.com", "v=3.5"), ok})
}

func recordRDP(t *tape) {
	request := unhex("0300002d28e00000000000" + "436f6f6b69653a206d737473686173683d" + "6f70657261746f72" + "0d0a" + "0100080003000000")
	request[3], request[4] = byte(len(request)), byte(len(request)-5)
	c := conversation{fromClient(request), fromServer(unhex("030000130ed00000123400021f080001000000"))}
	t.tcp(t.from("10.1.2.3"), "198.51.100.33:13389", append(c, t.shake(tlsShape{name: "desk.corp.example"}, 4)...))
}
