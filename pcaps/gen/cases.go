package main

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// allCases is every synthetic capture of pcaps/, in the order of its README.
func allCases() []captureCase {
	var all []captureCase
	for _, group := range [][]captureCase{toolCases, payloadCases, tlsCases, proxyCases, quicCases, dnsCases, namedCases, wrappedCases(), quietCases} {
		all = append(all, group...)
	}
	return all
}

// writeCases makes the named cases in dir, or all of them.
func writeCases(dir string, names []string) error {
	wanted := make(map[string]bool)
	for _, n := range names {
		wanted[strings.TrimSuffix(n, "-synthetic")] = true
	}
	for _, c := range allCases() {
		short := strings.TrimSuffix(c.name, "-synthetic")
		if len(names) > 0 && !wanted[short] {
			continue
		}
		delete(wanted, short)
		data, err := c.bytes()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, c.fileName()), data, 0o644); err != nil {
			return err
		}
	}
	for _, n := range names {
		if wanted[strings.TrimSuffix(n, "-synthetic")] {
			return fmt.Errorf("there is no case %q", n)
		}
	}
	return nil
}

// anyDeskClient is the certificate that every AnyDesk program shows; it signs itself.
var anyDeskClient = certShape{
	subject: pkix.Name{CommonName: "AnyDesk Client"},
	issuer:  pkix.Name{CommonName: "AnyDesk Client"},
}

const (
	anyDeskRelay = "relay-3185a847.net.anydesk.com"
	anyDeskAll   = "10.1.2.3 AnyDesk: DNS `" + anyDeskRelay + "`, ALPN `anydesk/6.2.0/linux` without SNI, certificate `AnyNet Relay`"
)

// anyDeskShape is the handshake of an AnyDesk client with a relay: TLS 1.2, no SNI, certificates both ways.
func anyDeskShape() tlsShape {
	return tlsShape{
		alpn: []string{"anydesk/6.2.0/linux"}, version: tls.VersionTLS12, classic: true,
		cert: issue(anyNetRelay), clientCert: issue(anyDeskClient),
	}
}

// recordAnyDesk is the session that every encapsulation below carries, over the IP version of the client.
func recordAnyDesk(client string) func(*tape) {
	return func(t *tape) {
		t.rand = seeded(1, "AnyDesk") // the same session in each case
		server, ask := "203.0.113.176", resolver
		if netip.MustParseAddr(client).Is6() {
			server, ask = "2001:db8:203::176", resolver6
		}
		t.lookup(client, ask, anyDeskRelay, server)
		t.pause(40 * time.Millisecond)
		to := netip.AddrPortFrom(netip.MustParseAddr(server), 443)
		t.tcp(t.from(client), to.String(), t.shake(anyDeskShape(), 8))
	}
}

// toolNames is one name that only the tool's own program asks for, for each tool of many-tools.
var toolNames = []struct{ tool, name string }{
	{"AnyDesk", "relay-0badc0de.net.anydesk.com"},
	{"TeamViewer", "router15.teamviewer.com"},
	{"ScreenConnect", "instance-a1b2c3-relay.screenconnect.com"},
	{"Splashtop", "203-0-113-9.relay.splashtop.com"},
	{"Atera", "agent-api.atera.com"},
	{"NinjaOne", "agent.ninjarmm.com"},
	{"Datto RMM", "agent.centrastage.net"},
	{"N-able", "comserver.corporate.beanywhere.com"},
	{"Kaseya", "relay.kaseya.net"},
	{"Syncro", "rmm.syncromsp.com"},
	{"Action1", "server.action1.com"},
	{"Level", "agents.level.io"},
	{"LogMeIn", "update.logmein.com"},
	{"GoToMyPC", "poll.gotomypc.com"},
	{"BeyondTrust", "license.bomgar.com"},
	{"Zoho Assist", "gateway.zohoassist.com"},
	{"RustDesk", "rs-ny.rustdesk.com"},
	{"DWService", "node1234.dwservice.net"},
	{"Ammyy", "rl.ammyy.com"},
	{"Chrome Remote Desktop", "remotedesktop-pa.googleapis.com"},
	{"ngrok", "connect.ngrok-agent.com"},
	{"Tailscale", "controlplane.tailscale.com"},
	{"cloudflared", "region1.v2.argotunnel.com"},
	{"NetSupport", "geo.netsupportsoftware.com"},
}

func recordToolNames(t *tape) {
	for i, n := range toolNames {
		t.visit(fmt.Sprintf("10.1.2.%d", 20+i), n.name, fmt.Sprintf("203.0.113.%d", 20+i))
		t.pause(time.Second)
	}
}

func toolNamesYield() string {
	var hosts []string
	for i, n := range toolNames {
		hosts = append(hosts, fmt.Sprintf("10.1.2.%d %s", 20+i, n.tool))
	}
	return strings.Join(hosts, ", ") + "; each by DNS and by SNI"
}

// httpTools are the programs that show themselves in clear HTTP.
var httpTools = []struct{ request, server, answer string }{
	{"POST / HTTP/1.1\r\nHost: rl.ammyy.com\r\nContent-Length: 5\r\n\r\nv=3.5", "203.0.113.61:80",
		"HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\nYour IP=198.51.100.7, country = US\r\n"},
	{"GET /din.aspx?s=00000000&id=0&client=DynGate&p=10000001 HTTP/1.1\r\nAccept: */*\r\n" +
		"User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; DynGate)\r\nHost: 203.0.113.62\r\n\r\n", "203.0.113.62:80",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	{"GET /agent.ashx HTTP/1.1\r\nHost: mesh.corp.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\n\r\n", "203.0.113.63:8080",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
	{"GET /machine-1709560931000-1?ping=53475F31&x=5375697465 HTTP/1.1\r\nHost: help.corp.example\r\n" +
		"User-Agent: Java/17.0.9\r\n\r\n", "203.0.113.64:80", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	{"GET /customer/SimpleHelpCustomer-version.txt?time=1709560931 HTTP/1.1\r\nHost: help.corp.example\r\n" +
		"User-Agent: JWrapperDownloader\r\n\r\n", "203.0.113.64:80", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n12"},
}

func recordHTTPTools(t *tape) {
	for i, h := range httpTools {
		t.tcp(t.from(fmt.Sprintf("10.1.2.%d", 51+i)), h.server, conversation{fromClient([]byte(h.request)), fromServer([]byte(h.answer))})
	}
}

var toolCases = []captureCase{
	{name: "anydesk-synthetic", holds: "an AnyDesk client finds its relay and connects; it shows the certificate `AnyDesk Client`", yields: anyDeskAll,
		record: recordAnyDesk("10.1.2.3")},
	{name: "anydesk-ipv6-synthetic", holds: "the same over IPv6", record: recordAnyDesk("fd00:10::3"),
		yields: strings.Replace(anyDeskAll, "10.1.2.3", "fd00:10::3", 1)},
	{name: "many-tools-synthetic", holds: "one host for each tool: its lookup and its TLS connection",
		yields: toolNamesYield(), record: recordToolNames},
	{name: "http-tools-synthetic", holds: "tools that speak clear HTTP",
		yields: "10.1.2.51 Ammyy (host), 10.1.2.52 TeamViewer (path, agent), 10.1.2.53 MeshCentral (path), " +
			"10.1.2.54 SimpleHelp (path), 10.1.2.55 SimpleHelp (agent)",
		record: recordHTTPTools},
	{name: "netsupport-synthetic", holds: "a NetSupport client polls its gateway: clear HTTP on port 443",
		yields: "10.1.2.3 NetSupport: path `/fakeurl.htm`, agent `NetSupport Manager/1.3`, server banner",
		record: recordNetSupport},
	{name: "screenconnect-synthetic", holds: "a ScreenConnect client by name (TLS), then a self-hosted relay by address (raw, port 8041)",
		yields: "10.1.2.3 ScreenConnect: DNS and SNI `instance-a1b2c3-relay.screenconnect.com` (tenant a1b2c3), payload",
		record: recordScreenConnect},
	{name: "cloudflared-synthetic", holds: "cloudflared on port 7844, over TLS and over QUIC",
		yields: "10.1.2.3 cloudflared: DNS, SNI `h2.cftunnel.com`, QUIC SNI `quic.cftunnel.com`, ALPN `argotunnel`",
		record: func(t *tape) {
			t.lookup("10.1.2.3", resolver, "region1.v2.argotunnel.com", "203.0.113.84")
			t.tcp(t.from("10.1.2.3"), "203.0.113.84:7844", t.shake(tlsShape{name: "h2.cftunnel.com", alpn: []string{"h2"}}, 4))
			t.quicGo("10.1.2.3", "203.0.113.84:7844", quicGoShape{name: "quic.cftunnel.com", alpn: "argotunnel"})
		}},
}

func recordNetSupport(t *tape) {
	client := t.from("10.1.2.3")
	poll := "CMD=POLL\nINFO=1\nACK=1\n"
	request := "POST http://203.0.113.44/fakeurl.htm HTTP/1.1\r\nUser-Agent: NetSupport Manager/1.3\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + fmt.Sprint(len(poll)) +
		"\r\nHost: 203.0.113.44\r\nConnection: Keep-Alive\r\n\r\n" + poll
	answer := "HTTP/1.1 200 OK\nServer: NetSupport Gateway/1.92 (Windows NT)\n" +
		"Content-Type: application/x-www-form-urlencoded\nContent-Length: 14\nConnection: Keep-Alive\n\nCMD=HEARTBEAT\n"
	var c conversation
	for range 3 {
		c = append(c, fromClient([]byte(request)), fromServer([]byte(answer)))
	}
	t.tcp(client, "203.0.113.44:443", c)
}

func recordScreenConnect(t *tape) {
	t.visit("10.1.2.3", "instance-a1b2c3-relay.screenconnect.com", "203.0.113.71")
	hello := []byte{0x87, 0x15, 0x10, 21: 0x0a, 22: 0x01, 23: 0x0c}
	hello = append(hello, "session-0001"...)
	answer := make([]byte, 90)
	noise(answer, t.rand)
	answer[0] = 0x88
	t.tcp(t.from("10.1.2.3"), "203.0.113.72:8041", conversation{fromClient(hello), fromServer(answer), fromClient(answer[:40])})
}
