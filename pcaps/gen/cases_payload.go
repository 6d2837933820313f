package main

import (
	"encoding/hex"
	"time"
)

// unhex decodes hexadecimal digits of this program's own.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// blob is n bytes of noise behind a head of known bytes.
func (t *tape) blob(head string, n int) []byte {
	b := make([]byte, n)
	noise(b, t.rand)
	copy(b, unhex(head))
	return b
}

// payloadCases are protocols that are known by their first bytes alone, built from the documented facts of each.
var payloadCases = []captureCase{
	{name: "teamviewer-synthetic", holds: "a TeamViewer client on a router (tcp/5938), then peer to peer (UDP)",
		yields: "10.1.2.3 TeamViewer: payload `17 24 0a 20` and `11 30`, UDP peer hello",
		record: recordTeamViewer},
	{name: "radmin-synthetic", holds: "Radmin 3, hello and authentication",
		yields: "10.1.2.3 Radmin: payload", record: recordRadmin},
	{name: "rustdesk-synthetic", holds: "RustDesk: relay by name, rendezvous over UDP and TCP, LAN discovery",
		yields: "10.1.2.3 RustDesk: DNS `rs-ny.rustdesk.com`, payloads on 21116 and 21119", record: recordRustDesk},
	{name: "tailscale-disco-synthetic", holds: "Tailscale disco messages between two peers on a port of their own",
		yields: "10.1.2.3 Tailscale: payload `54 53 f0 9f 92 ac`", record: recordDisco},
	{name: "server-first-synthetic", holds: "VNC on port 80 and port 5900: the server speaks first",
		yields: "10.1.2.3 VNC: payload `RFB 003.008`, on any port", record: recordVNC},
}

func recordTeamViewer(t *tape) {
	blocks := func(head string, n int) []byte { return t.blob(head, n) }
	t.tcp(t.from("10.1.2.3"), "203.0.113.59:5938", conversation{
		fromClient(blocks("17240a2000000000000000000048008000010000001480000070b78c804805532216142004", 37)),
		fromClient(blocks("1724281800008000007fffffff8080000000000000000000000000000000", 42)),
		fromServer(blocks("113036001800000001000000000000001b00000018000000", 48)),
		fromServer(blocks("11303c007b00000002000000000000001b00000018000000", 147)),
		fromClient(blocks("17243c29078c000080148000001400000001000000", 700)),
		fromServer(blocks("11303f001000000003000000000000001b000000", 60)),
		fromClient(unhex("17241b0000")), fromServer(unhex("17241b0000")),
	})
	hello := append(unhex("00000000000000000000031724475000050000000000000000000000"), "203.0.113.241"...)
	hello = append(hello, make([]byte, 96-len(hello))...)
	t.udp(t.from("10.1.2.3"), "198.51.100.23:36037", conversation{
		fromClient(hello), fromServer(hello),
		fromClient(t.blob("0000000000000000442603172473040000000000", 20)),
		fromServer(t.blob("000000000000000044260317246f280000000000", 56)),
	})
}

func recordRadmin(t *tape) {
	t.tcp(t.from("10.1.2.3"), "198.51.100.49:4899", conversation{
		fromClient(unhex("01000000010000000808")),
		fromServer(append(unhex("010000002500000212080200000a"), make([]byte, 32)...)),
		fromClient(unhex("0100000005000002272702000000")),
		fromServer(unhex("0100000005000000272700000000")),
	})
}

func recordRustDesk(t *tape) {
	t.lookup("10.1.2.3", resolver, "rs-ny.rustdesk.com", "203.0.113.21")
	t.udp(t.from("10.1.2.3"), "203.0.113.21:21116", conversation{
		fromClient(append(unhex("320b0a09"), "123456789"...)), fromServer(unhex("3a00")),
		fromClient(append(unhex("320b0a09"), "123456789"...)), fromServer(unhex("3a00")),
	})
	t.pause(time.Second)
	// The length prefix (n<<2) of one byte, then PunchHoleRequest with a peer id and a licence key.
	punch := append(unhex("420d0a09"), "987654321"...)
	punch = append(punch, 0x10, 0x02)
	t.tcp(t.from("10.1.2.3"), "203.0.113.21:21116", conversation{
		fromClient(append([]byte{byte(len(punch) << 2)}, punch...)), fromServer(unhex("1c" + "4a051a0331323a")),
	})
	t.udp(t.from("10.1.2.3"), "255.255.255.255:21119", conversation{fromClient(append(unhex("b201060a04"), "ping"...))})
}

func recordDisco(t *tape) {
	const magic = "5453f09f92ac"
	c := conversation{}
	for range 3 {
		c = append(c, fromClient(t.blob(magic, 6+32+24+30)), fromServer(t.blob(magic, 6+32+24+46)))
	}
	t.udp(t.from("10.1.2.3"), "198.51.100.41:29871", c)
}

func recordVNC(t *tape) {
	session := func() conversation {
		return conversation{
			fromServer([]byte("RFB 003.008\n")), fromClient([]byte("RFB 003.008\n")),
			fromServer([]byte{2, 2, 16}), fromClient([]byte{2}),
			fromServer(t.blob("", 16)), fromClient(t.blob("", 16)), fromServer([]byte{0, 0, 0, 0}),
		}
	}
	t.tcp(t.from("10.1.2.3"), "198.51.100.59:80", session())
	t.tcp(t.from("10.1.2.3"), "198.51.100.59:5900", session())
}
