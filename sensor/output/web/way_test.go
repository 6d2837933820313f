package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

// leading is a connection that says that it leads to address.
type leading struct {
	net.Conn
	address net.Addr
}

func (c leading) RemoteAddr() net.Addr { return c.address }

// A name that resolves to a metadata address is refused before a byte is sent;
// one that does so only the second time as well.
func TestRebinding(t *testing.T) {
	h := outputtest.NewHTTP(t, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, "" })
	var bad atomic.Bool
	c := client(t, web.Options{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, h.Addr())
		if err == nil && bad.Load() {
			conn = leading{conn, &net.TCPAddr{IP: net.IPv4(169, 254, 169, 254), Port: 80}}
		}
		return conn, err
	}})
	if _, err := post(t, c, "http://rebind.example"); err != nil {
		t.Fatal(err)
	}
	bad.Store(true)
	c.Close() // the connection that is judged already must not serve
	for _, base := range []string{"http://rebind.example", "https://rebind.example"} {
		_, err := post(t, c, base)
		if text := noSecret(t, err); !strings.Contains(text, "link-local") {
			t.Error(text)
		}
	}
	if n, _ := h.Requests(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Without a Dial of the test's the same holds, before anything is connected to.
func TestMetadataIsRefused(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "100.100.100.200", "0.0.0.0", "0", "2852039166", "[64:ff9b::a9fe:a9fe]", "metadata.google.internal"} {
		_, err := post(t, client(t, web.Options{}), "http://"+host)
		if text := noSecret(t, err); !strings.Contains(text, "refused") {
			t.Error(text)
		}
		// Not even by way of a proxy.
		_, err = post(t, client(t, web.Options{Proxy: "http://192.0.2.1:3128"}), "http://"+host)
		if text := noSecret(t, err); !strings.Contains(text, "refused") {
			t.Error(text)
		}
	}
}

// proxy is an HTTP proxy for CONNECT and plain requests, written from RFC 9110 and
// 9112.
type proxy struct {
	addr string
	mu   sync.Mutex
	asks []string
	auth string
}

func newProxy(t *testing.T, config *tls.Config, target string) *proxy {
	p := &proxy{}
	p.addr = outputtest.Raw(t, func(c net.Conn) {
		if config != nil {
			c = tls.Server(c, config)
			defer c.Close()
		}
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			p.mu.Lock()
			p.asks = append(p.asks, req.Method+" "+req.RequestURI)
			p.auth = req.Header.Get("Proxy-Authorization")
			p.mu.Unlock()
			up, err := net.Dial("tcp", target)
			if err != nil {
				io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			if req.Method == http.MethodConnect {
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				go func() { io.Copy(up, r); up.(*net.TCPConn).CloseWrite() }()
				io.Copy(c, up)
				up.Close()
				return
			}
			req.Header.Del("Proxy-Authorization") // it is for this proxy alone
			req.Write(up)
			resp, err := http.ReadResponse(bufio.NewReader(up), req)
			if err != nil {
				up.Close()
				return
			}
			resp.Write(c)
			up.Close()
		}
	})
	return p
}

func TestProxy(t *testing.T) {
	ca := outputtest.NewCA(t)
	cert, _, _ := ca.Issue(t, outputtest.ServerName, time.Now().Add(time.Hour))
	server := &tls.Config{Certificates: []tls.Certificate{cert}}
	for _, scheme := range []string{"http", "https"} {
		for _, proxyScheme := range []string{"http", "https"} {
			t.Run(scheme+" by way of "+proxyScheme, func(t *testing.T) {
				config := map[string]*tls.Config{"https": server}
				h := outputtest.NewHTTP(t, config[scheme], func(r *http.Request, body []byte) ([]string, int, string) {
					if r.Header.Get("Proxy-Authorization") != "" || r.Host != outputtest.ServerName {
						t.Errorf("%s, %v", r.Host, r.Header)
					}
					return nil, 200, ""
				})
				p := newProxy(t, config[proxyScheme], h.Addr())
				c := client(t, web.Options{
					Proxy: proxyScheme + "://me:secret-proxy@" + outputtest.ServerName + ":3128", TLS: output.TLS{CAFile: ca.File(t)},
					Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
						if address != outputtest.ServerName+":3128" {
							t.Errorf("%s was connected to", address)
						}
						return new(net.Dialer).DialContext(ctx, network, p.addr)
					},
				})
				for range 2 {
					if a, err := post(t, c, scheme+"://"+outputtest.ServerName); err != nil || a.Err() != nil {
						t.Fatal(a, err)
					}
				}
				p.mu.Lock()
				defer p.mu.Unlock()
				want := "POST http://" + outputtest.ServerName + "/secret-path-1234?token=secret-query-1"
				if scheme == "https" {
					want = "CONNECT " + outputtest.ServerName + ":443"
				}
				if p.asks[0] != want || p.auth != "Basic "+base64.StdEncoding.EncodeToString([]byte("me:secret-proxy")) {
					t.Errorf("%q, %q", p.asks, p.auth)
				}
				if scheme == "https" && len(p.asks) != 1 {
					t.Errorf("%d tunnels for 2 requests", len(p.asks))
				}
			})
		}
	}
}

// A proxy that refuses, lies or keeps silent.
func TestBadProxy(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n": "407", "HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n": "302",
		"hello\r\n\r\n": "malformed", "HTTP/1.1 200 OK\r\n\r\nearly bytes": "before the receiver", "": "in time",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 1<<17) + "\r\n\r\n": "EOF",
	} {
		bad := strings.TrimPrefix(answering(t, text), "http://")
		c := client(t, web.Options{Proxy: "http://me:secret-proxy@" + bad, Timeout: 500 * time.Millisecond})
		_, err := post(t, c, "https://soar.example")
		if got := noSecret(t, err); !strings.Contains(got, want) {
			t.Errorf("%.60q: %q does not say %q", text, got, want)
		}
	}
}

// The proxy's own address is judged too.
func TestProxyIsJudged(t *testing.T) {
	c := client(t, web.Options{Proxy: "http://proxy.example:3128", Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		far.Close()
		return leading{near, &net.TCPAddr{IP: net.ParseIP("fd00:ec2::254"), Port: 3128}}, nil
	}})
	for _, base := range []string{"http://soar.example", "https://soar.example"} {
		_, err := post(t, c, base)
		if text := noSecret(t, err); !strings.Contains(text, "metadata") {
			t.Error(text)
		}
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	h := outputtest.NewHTTP(t, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, "" })
	p := newProxy(t, nil, h.Addr())
	t.Setenv("HTTP_PROXY", "http://"+p.addr)
	t.Setenv("NO_PROXY", "inside.example")
	c, err := web.NewClient(web.Options{Timeout: patience, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "inside.example:80" {
			address = h.Addr()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, base := range []string{"http://soar.example", "http://inside.example"} {
		if a, err := post(t, c, base); err != nil || a.Err() != nil {
			t.Fatal(a, err)
		}
	}
	if len(p.asks) != 1 {
		t.Errorf("%q", p.asks)
	}
}
