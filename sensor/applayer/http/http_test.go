package http

import (
	"fmt"
	"strings"
	"testing"
)

// crlf writes heads in tests with plain line ends.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

var agentHead = crlf("GET /agent.ashx HTTP/1.1\nHost: mesh.example.com:8443\nUser-Agent: MeshAgent 2026-01-02\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Protocol: chisel-v3\nContent-Length: 0\n\n")

// brief is the outcome of a request in one line.
func brief(st Status, r *RequestHead) string {
	return fmt.Sprintf("%d %s %s HTTP/%d.%d host=%s:%d field=%s:%d path=%s agent=%s len=%d",
		st, r.Method, r.Target, r.Major, r.Minor, r.Host, r.Port, r.HostHeader, r.HostHeaderPort, r.Path, r.UserAgent, r.HeadLen)
}

func TestRequest(t *testing.T) {
	tests := []struct {
		name, head string
		want       string // brief
	}{
		{"plain", crlf("GET /a?b=c HTTP/1.1\nHost: h.example\nUser-Agent: x y\n\n"),
			"3 GET /a?b=c HTTP/1.1 host=h.example:0 field=h.example:0 path=/a?b=c agent=x y len=57"},
		{"bare LF, body behind", "POST / HTTP/1.0\nhost:h.example\n\nbody",
			"3 POST / HTTP/1.0 host=h.example:0 field=h.example:0 path=/ agent= len=32"},
		{"empty lines first", "\r\n\nGET / HTTP/1.1\r\n\r\n",
			"3 GET / HTTP/1.1 host=:0 field=:0 path=/ agent= len=21"},
		{"no host", crlf("HEAD /x HTTP/1.0\nAccept: *\n\n"),
			"3 HEAD /x HTTP/1.0 host=:0 field=:0 path=/x agent= len=31"},
		{"white space around the colon and behind the value", crlf("GET / HTTP/1.1\nhOsT \t:\t h.example \t\n\n"),
			"3 GET / HTTP/1.1 host=h.example:0 field=h.example:0 path=/ agent= len=40"},
		{"folded host", crlf("GET / HTTP/1.1\nHost:\n h.example:81\nUser-Agent: a\n\tb\n\n"),
			"3 GET / HTTP/1.1 host=h.example:81 field=h.example:81 path=/ agent=a\r\n\tb len=59"},
		{"first host counts", crlf("GET / HTTP/1.1\nHost: one\nHost: two\n\n"),
			"3 GET / HTTP/1.1 host=one:0 field=one:0 path=/ agent= len=40"},
		{"line without colon", crlf("GET / HTTP/1.1\nrubbish\n: none\nHost: h\n\n"),
			"3 GET / HTTP/1.1 host=h:0 field=h:0 path=/ agent= len=44"},
		{"line that starts with CR", crlf("GET / HTTP/1.1\n\rx: y\nHost: h\n\n"),
			"3 GET / HTTP/1.1 host=h:0 field=h:0 path=/ agent= len=34"},
		{"IPv6 host", crlf("GET / HTTP/1.1\nHost: [2001:db8::1]:8080\n\n"),
			"3 GET / HTTP/1.1 host=2001:db8::1:8080 field=2001:db8::1:8080 path=/ agent= len=44"},
		{"absolute target", crlf("GET http://u:p@relay.example:8040/x?y HTTP/1.1\nHost: proxy.example:3128\n\n"),
			"3 GET http://u:p@relay.example:8040/x?y HTTP/1.1 host=relay.example:8040 field=proxy.example:3128 path=/x?y agent= len=76"},
		{"absolute target without path", crlf("POST HTTPS://[::1] HTTP/1.1\nHost: proxy\n\n"),
			"3 POST HTTPS://[::1] HTTP/1.1 host=::1:0 field=proxy:0 path= agent= len=44"},
		{"path that contains a URL", crlf("GET /r?to=http://other.example/ HTTP/1.1\nHost: h\n\n"),
			"3 GET /r?to=http://other.example/ HTTP/1.1 host=h:0 field=h:0 path=/r?to=http://other.example/ agent= len=53"},
		{"target of no form that contains a URL", crlf("GET x?u=http://other.example/ HTTP/1.1\nHost: h\n\n"),
			"3 GET x?u=http://other.example/ HTTP/1.1 host=h:0 field=h:0 path=x?u=http://other.example/ agent= len=51"},
		{"CONNECT", crlf("CONNECT relay.example:443 HTTP/1.1\nHost: proxy.example\n\n"),
			"3 CONNECT relay.example:443 HTTP/1.1 host=relay.example:443 field=proxy.example:0 path= agent= len=59"},
		{"CONNECT with a path, as net/rpc", crlf("CONNECT /_goRPC_ HTTP/1.0\n\n"),
			"3 CONNECT /_goRPC_ HTTP/1.0 host=:0 field=:0 path=/_goRPC_ agent= len=29"},
		{"SSDP", crlf("M-SEARCH * HTTP/1.1\nHOST: 239.255.255.250:1900\n\n"),
			"3 M-SEARCH * HTTP/1.1 host=239.255.255.250:1900 field=239.255.255.250:1900 path=* agent= len=51"},
		{"desktop gateway", crlf("RDG_OUT_DATA /remoteDesktopGateway/ HTTP/1.1\nHost: rdg.example\n\n"),
			"3 RDG_OUT_DATA /remoteDesktopGateway/ HTTP/1.1 host=rdg.example:0 field=rdg.example:0 path=/remoteDesktopGateway/ agent= len=67"},
		{"unknown method, space in the target", crlf("X!y /a b HTTP/1.1\n\n"),
			"3 X!y /a b HTTP/1.1 host=:0 field=:0 path=/a b agent= len=21"},
		{"request without version", crlf("GET /gen.php?hwid=1\nHost: h\n\n"),
			"3 GET /gen.php?hwid=1 HTTP/0.9 host=h:0 field=h:0 path=/gen.php?hwid=1 agent= len=32"},
		{"HTTP/0.9", crlf("GET /old\n"),
			"3 GET /old HTTP/0.9 host=:0 field=:0 path=/old agent= len=10"},
		{"HTTP/0.9 by name has fields", crlf("GET /old HTTP/0.9\nHost: h\n\n"),
			"3 GET /old HTTP/0.9 host=h:0 field=h:0 path=/old agent= len=30"},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04",
			"3 PRI * HTTP/2.0 host=:0 field=:0 path= agent= len=24"},
		{"RTSP", crlf("OPTIONS rtsp://cam/ RTSP/1.0\nCSeq: 1\n\n"), "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"SIP", crlf("REGISTER sip:h.example SIP/2.0\n\n"), "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"0.9 of another method", crlf("POST /x\n"), "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"SMTP", crlf("EHLO client.example\n"), "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"version without target", crlf("GET HTTP/1.1\n\n"), "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"method alone", "GET\r\n", "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"control bytes in the target", "GET /\x1b[31m\x01\x7f HTTP/1.1\r\nHost: h\r\n\r\n",
			"3 GET /\x1b[31m\x01\x7f HTTP/1.1 host=h:0 field=h:0 path=/\x1b[31m\x01\x7f agent= len=34"},
		{"control bytes without version", "GET /\x1b\r\nHost: h\r\n\r\n", "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"control bytes behind an unknown method", "GOT /\x1b HTTP/1.1\r\n\r\n", "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"CR in the target", "GET /\r\x1b HTTP/1.1\r\n\r\n", "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"binary target", "GET /\x00\x01 HTTP/1.1\r\n\r\n", "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"long method", strings.Repeat("A", 25) + " / HTTP/1.1\r\n\r\n", "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"long method so far", strings.Repeat("A", 25), "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
		{"TLS", "\x16\x03\x01\x02\x00\x01", "0   HTTP/0.0 host=:0 field=:0 path= agent= len=0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r RequestHead
			if got := brief(Request([]byte(tt.head), &r), &r); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRequestOtherFields(t *testing.T) {
	var r RequestHead
	if st := Request([]byte(agentHead), &r); st != Done {
		t.Fatalf("status %d", st)
	}
	if string(r.Upgrade) != "websocket" || string(r.WebSocketProtocol) != "chisel-v3" || r.ContentLength != 0 || r.Connect || !r.HostDone {
		t.Errorf("%+v", r)
	}
	Request([]byte(crlf("CONNECT a:1 HTTP/1.1\nContent-Length: 1x\nContent-Length: 18446744073709551617\nContent-Length: 7\n\n")), &r)
	if !r.Connect || r.ContentLength != 7 || r.Upgrade != nil {
		t.Errorf("%+v", r)
	}
}

// TestTruncated cuts good heads at every length: NeedMore each time, and
// whatever HostDone promises is what the whole head says.
func TestTruncated(t *testing.T) {
	heads := []string{
		agentHead, "\r\n" + agentHead, strings.ReplaceAll(agentHead, "\r\n", "\n"),
		crlf("CONNECT relay.example:443 HTTP/1.1\nHost:\n proxy.example\n\tb\nA: b\n\n"), preface, "\n" + preface,
		crlf("GET / HTTP/1.1\nHost: a\n .b\nA: b\n\n"), crlf("\nPOST /\x01\x1b[ m HTTP/1.0\nHost: a\nA: b\n\n"),
	}
	for _, head := range heads {
		var whole, r RequestHead
		if st := Request([]byte(head), &whole); st != Done || whole.HeadLen != len(head) {
			t.Fatalf("%q: status %d, length %d", head, st, whole.HeadLen)
		}
		for n := range len(head) {
			if st := Request([]byte(head[:n]), &r); st != NeedMore {
				t.Fatalf("%q: status %d, want NeedMore", head[:n], st)
			}
			if r.HostDone && (string(r.Host) != string(whole.Host) || r.Port != whole.Port) {
				t.Fatalf("%q: host %q is called final, is %q", head[:n], r.Host, whole.Host)
			}
			if want := LooksLikeRequest([]byte(head[:n])); want == NotHTTP {
				t.Fatalf("%q does not look like a request", head[:n])
			}
		}
		if r.HostDone != (len(whole.Host) > 0) {
			t.Errorf("%q: one byte before the end the host is not known", head)
		}
	}
	head := []byte(crlf("HTTP/1.1 101 Switching\nServer: x\nUpgrade: websocket\n\n"))
	var r ResponseHead
	for n := range len(head) {
		if st := Response(head[:n:n], &r); st != NeedMore {
			t.Fatalf("%q: status %d, want NeedMore", head[:n], st)
		}
	}
	if string(r.Server) != "x" || r.Status != 101 {
		t.Errorf("one byte before the end: status %d, server %q", r.Status, r.Server)
	}
}

func TestTooLong(t *testing.T) {
	head := []byte("GET / HTTP/1.1\r\nHost: h.example\r\nCookie: " + strings.Repeat("x", MaxHead))
	var r RequestHead
	if st := Request(head[:MaxHead-1], &r); st != NeedMore {
		t.Errorf("one byte less than the limit: status %d, want NeedMore", st)
	}
	if st := Request(head[:MaxHead], &r); st != Malformed || string(r.Host) != "h.example" || !r.HostDone {
		t.Errorf("at the limit: status %d, host %q", st, r.Host)
	}
	if st := Request([]byte("GET /"+strings.Repeat("x", MaxHead)), &r); st != Malformed {
		t.Errorf("endless target: status %d, want Malformed", st)
	}
	exact := []byte("GET / HTTP/1.1\r\nCookie: " + strings.Repeat("x", MaxHead))
	copy(exact[MaxHead-4:], "\r\n\r\n")
	if st := Request(exact, &r); st != Done || r.HeadLen != MaxHead {
		t.Errorf("a head of the longest size: status %d", st)
	}
	var p ResponseHead
	if st := Response([]byte("HTTP/1.1 200 "+strings.Repeat("x", MaxHead)), &p); st != Malformed {
		t.Errorf("endless reason: status %d, want Malformed", st)
	}
}

func TestResponse(t *testing.T) {
	tests := []struct{ name, head, want string }{
		{"NetSupport, bare LF", "HTTP/1.1 200 OK\nServer: NetSupport Gateway/1.92 (Windows NT)\nContent-Type: application/x\nContent-Length: 61\n\nCMD=",
			"3 200 HTTP/1.1 server=NetSupport Gateway/1.92 (Windows NT) type=application/x upgrade= length=61 len=109"},
		{"no reason", crlf("HTTP/1.1 200\n\n"), "3 200 HTTP/1.1 server= type= upgrade= length=-1 len=16"},
		{"switch", crlf("HTTP/1.1 101 x\nUpgrade: DERP\nSERVER :y\n\n"), "3 101 HTTP/1.1 server=y type= upgrade=DERP length=-1 len=44"},
		{"status 099", crlf("HTTP/1.1 099 x\n\n"), "0 99 HTTP/1.1 server= type= upgrade= length=-1 len=0"},
		{"four digits", crlf("HTTP/1.1 2000\n\n"), "0 0 HTTP/0.0 server= type= upgrade= length=-1 len=0"},
		{"RTSP", crlf("RTSP/1.0 200 OK\n\n"), "0 0 HTTP/0.0 server= type= upgrade= length=-1 len=0"},
		{"short", "HTTP/1.1 20\n", "0 0 HTTP/0.0 server= type= upgrade= length=-1 len=0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r ResponseHead
			st := Response([]byte(tt.head), &r)
			got := fmt.Sprintf("%d %d HTTP/%d.%d server=%s type=%s upgrade=%s length=%d len=%d",
				st, r.Status, r.Major, r.Minor, r.Server, r.ContentType, r.Upgrade, r.ContentLength, r.HeadLen)
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestLooksLikeRequest(t *testing.T) {
	for _, list := range methods {
		for _, m := range list {
			for n := range len(m) {
				if st := LooksLikeRequest([]byte(m[:n])); st != NeedMore {
					t.Errorf("%q: status %d, want NeedMore", m[:n], st)
				}
			}
			if st := LooksLikeRequest([]byte(m)); st != Done {
				t.Errorf("%q: status %d, want Done", m, st)
			}
			if len(m) > maxMethod {
				t.Errorf("%q is longer than maxMethod", m)
			}
		}
	}
	for _, s := range []string{"get ", "GETX", "GET\t", "\x16\x03\x01", "SSH-2.0-x", "{", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET "} {
		if st := LooksLikeRequest([]byte(s)); st != NotHTTP {
			t.Errorf("%q: status %d, want NotHTTP", s, st)
		}
	}
}

func TestHostPort(t *testing.T) {
	tests := []struct {
		in, host string
		port     uint16
	}{
		{"h", "h", 0}, {"h:", "h", 0}, {"h:80", "h", 80}, {"h:65537", "h", 0}, {"h:0", "h", 0}, {"h:8x", "h", 0},
		{" h : 80", "h ", 0}, {"", "", 0}, {":80", "", 80}, {"::1", "::1", 0}, {"[::1]", "::1", 0},
		{"[::1]:443", "::1", 443}, {"[::1]443", "::1", 0}, {"[::1]x:443", "::1", 0}, {"[::1", "[::1", 0}, {"[fe80::1%25eth0]:1", "fe80::1%25eth0", 1},
		{"h:99999999999999999999999", "h", 0},
	}
	for _, tt := range tests {
		host, port := hostPort([]byte(tt.in))
		if string(host) != tt.host || port != tt.port {
			t.Errorf("hostPort(%q) = %q, %d, want %q, %d", tt.in, host, port, tt.host, tt.port)
		}
	}
}

func TestAllocations(t *testing.T) {
	head, connect := []byte(agentHead), []byte(crlf("CONNECT relay.example:443 HTTP/1.1\nHost: a\n\n"))
	proxied, answer := []byte(crlf("GET http://a.example/x HTTP/1.1\nHost: a\n\n")), []byte("HTTP/1.1 200 OK\nServer: x\n\n")
	var r RequestHead
	var p ResponseHead
	if n := testing.AllocsPerRun(100, func() {
		LooksLikeRequest(head)
		Request(head, &r)
		Request(head[:40], &r)
		Request(head[:10], &r)
		Request(connect, &r)
		Request(proxied, &r)
		Response(answer, &p)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	head := []byte(agentHead)
	var r RequestHead
	b.ReportAllocs()
	for b.Loop() {
		if Request(head, &r) != Done {
			b.Fatal("not parsed")
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	head := []byte("HTTP/1.1 200 OK\nServer: NetSupport Gateway/1.92 (Windows NT)\nContent-Type: application/x\nContent-Length: 61\n\n")
	var r ResponseHead
	b.ReportAllocs()
	for b.Loop() {
		if Response(head, &r) != Done {
			b.Fatal("not parsed")
		}
	}
}

func BenchmarkLooksLikeRequestMiss(b *testing.B) {
	head := []byte("SSH-2.0-OpenSSH_9.9\r\n")
	for b.Loop() {
		if LooksLikeRequest(head) != NotHTTP {
			b.Fatal("SSH taken for HTTP")
		}
	}
}
