package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

func client(t *testing.T, o web.Options) *web.Client {
	t.Helper()
	if o.Proxy == "" {
		o.Proxy = "none"
	}
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	c, err := web.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// post sends a small request to a secret path of addr.
func post(t *testing.T, c *web.Client, base string) (*web.Answer, error) {
	t.Helper()
	return c.Post(t.Context(), web.Request{URL: parse(t, base+"/secret-path-1234?token=secret-query-1"), Body: []byte("{}"), Header: http.Header{"X-A": {"secret-header"}}, Secrets: []string{"secret-header"}})
}

// noSecret demands an error without what must not be shown.
func noSecret(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return ""
	}
	if strings.Contains(err.Error(), "secret-") {
		t.Errorf("a secret is shown: %v", err)
	}
	return err.Error()
}

func TestRedirectIsNotFollowed(t *testing.T) {
	followed := outputtest.NewHTTP(t, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, "" })
	for status := 300; status < 309; status++ {
		h := outputtest.NewHTTP(t, nil, nil)
		h.Answer(status, http.Header{"Location": {"http://" + followed.Addr() + "/secret-other"}})
		a, err := post(t, client(t, web.Options{}), "http://"+h.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if text := noSecret(t, a.Err()); !strings.Contains(text, "redirect") {
			t.Error(text)
		}
	}
	a, err := post(t, client(t, web.Options{}), answering(t, "HTTP/1.1 302 Found\r\nContent-Length: 26\r\n\r\n<a href=/secret-other>x</a>"))
	if err != nil {
		t.Fatal(err)
	}
	noSecret(t, a.Err())
	if n, _ := followed.Requests(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// answering returns a receiver that says text after it has read a request's head,
// and then keeps the connection until the sink closes it.
func answering(t *testing.T, text string) string {
	return "http://" + outputtest.Raw(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		io.WriteString(c, text)
		io.Copy(io.Discard, c)
	})
}

func TestGarbageAnswers(t *testing.T) {
	for _, text := range []string{
		"220 mail.example ESMTP\r\n", "\x16\x03\x01\x02\x00", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 99999 no\r\n\r\n", "HTTP/3.7 200 secret-path-1234\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: secret-header\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "secret-query-1\x1b[31m secret-path-1234\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Long: "+strings.Repeat("y", 1000)+"\r\n", 100) + "\r\n",
	} {
		_, err := post(t, client(t, web.Options{Timeout: time.Second}), answering(t, text))
		said := noSecret(t, err)
		if !strings.HasPrefix(said, "http://127.0.0.1:") || len(said) > 600 || strings.ContainsAny(said, "\x1b\r\n") {
			t.Errorf("%.40q: %q", text, said)
		}
	}
}

func TestHugeAnswerIsReadToALimit(t *testing.T) {
	sent := make(chan int64, 1)
	addr := outputtest.Raw(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n", int64(1)<<40)
		n := int64(0)
		for chunk := []byte(strings.Repeat("secret-path-1234 ", 1000)); ; {
			m, err := c.Write(chunk)
			if n += int64(m); err != nil {
				sent <- n
				return
			}
		}
	})
	a, err := post(t, client(t, web.Options{}), "http://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Body) != 64<<10 || a.Whole {
		t.Errorf("%d bytes were read, whole: %v", len(a.Body), a.Whole)
	}
	if text := noSecret(t, a.Err()); len(text) > 400 {
		t.Errorf("a long error: %s", text)
	}
	if n := <-sent; n > 64<<20 { // socket buffers
		t.Errorf("the connection took %d bytes before it was closed", n)
	}
}

func TestNeverEndingAnswers(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nX-A: "
	for name, text := range map[string]string{"head": head, "silence": "", "continue": strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 3)} {
		_, err := post(t, client(t, web.Options{Timeout: 200 * time.Millisecond}), answering(t, text))
		if !strings.Contains(noSecret(t, err), "no answer in time") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The status of an answer counts even if its body never ends.
	a, err := post(t, client(t, web.Options{Timeout: 200 * time.Millisecond}), answering(t, "HTTP/1.1 200 OK\r\n\r\nhello"))
	if err != nil || a.Err() != nil || a.Whole || string(a.Body) != "hello" {
		t.Errorf("%+v, %v", a, err)
	}
}

// A receiver that answers before it has read the request, and then reads no more.
func TestEarlyAnswer(t *testing.T) {
	addr := outputtest.Raw(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
		io.CopyN(io.Discard, r.Body, 1<<20)
		<-t.Context().Done() // the rest is never read
	})
	a, err := client(t, web.Options{}).Post(t.Context(), web.Request{URL: parse(t, "http://"+addr), Body: make([]byte, 64<<20)})
	var refused *output.RefusedError
	if err != nil || !errors.As(a.Err(), &refused) || !strings.Contains(refused.Reason, "413") {
		t.Errorf("%v, %v", a, err)
	}
}

func TestCancel(t *testing.T) {
	for name, base := range map[string]string{"silent": answering(t, ""), "no handshake": "https" + strings.TrimPrefix(answering(t, ""), "http")} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		done := make(chan error, 1)
		c := client(t, web.Options{})
		go func() {
			_, err := c.Post(ctx, web.Request{URL: parse(t, base)})
			done <- err
		}()
		select {
		case err := <-done:
			noSecret(t, err)
		case <-time.After(patience / 2):
			t.Errorf("%s: the request does not end with its context", name)
		}
	}
}

// A connection that died while it was idle costs nothing: the request goes out
// over a new one.
func TestStaleConnection(t *testing.T) {
	var conns atomic.Int32
	addr := outputtest.Raw(t, func(c net.Conn) {
		conns.Add(1)
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		// What comes next is read and then the connection is cut, which is the
		// moment in which nobody can know whether the request was taken.
		r.Peek(1)
		c.(*net.TCPConn).SetLinger(0)
	})
	c := client(t, web.Options{})
	for range 5 {
		if a, err := post(t, c, "http://"+addr); err != nil || a.Err() != nil {
			t.Fatal(a, err)
		}
	}
	if n := conns.Load(); n != 5 {
		t.Errorf("%d connections for 5 requests", n)
	}
}

func TestKeepAlive(t *testing.T) {
	h := outputtest.NewHTTP(t, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, "thanks" })
	c := client(t, web.Options{})
	for range 10 {
		if _, err := post(t, c, "http://"+h.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	if n, conns := h.Requests(); n != 10 || conns != 1 {
		t.Errorf("%d requests over %d connections", n, conns)
	}
}

func TestGzipAndHeader(t *testing.T) {
	for _, zip := range []bool{false, true} {
		want := strings.Repeat("records ", 1000)
		h := outputtest.NewHTTP(t, nil, func(r *http.Request, body []byte) ([]string, int, string) {
			if string(body) != want || (r.Header.Get("Content-Encoding") == "gzip") != zip || zip && r.ContentLength > 1000 {
				t.Errorf("gzip %v: %d bytes came as %d, %v", zip, len(body), r.ContentLength, r.Header)
			}
			if _, ok := r.Header["Idempotency-Key"]; ok || r.UserAgent() != "rmmwatch" || r.Header.Get("Accept-Encoding") != "" {
				t.Errorf("%v", r.Header)
			}
			if user, password, _ := r.BasicAuth(); user != "joe" || password != "secret-word" {
				t.Errorf("%q, %q", user, password)
			}
			if r.RequestURI != "/a%2Fb/c?q=1" {
				t.Errorf("%q was asked for", r.RequestURI)
			}
			return nil, 200, ""
		})
		c := client(t, web.Options{Gzip: zip})
		for range 2 {
			if _, err := c.Post(t.Context(), web.Request{URL: parse(t, "http://joe:secret-word@"+h.Addr()+"/a%2Fb?x=1"), Path: "c", Query: "q=1", Body: []byte(want)}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A path of ours goes below whatever path was configured.
func TestPath(t *testing.T) {
	for given, want := range map[string]string{"": "/x/y", "/": "/x/y", "/a": "/a/x/y", "/a/": "/a/x/y"} {
		h := outputtest.NewHTTP(t, nil, func(r *http.Request, _ []byte) ([]string, int, string) {
			if r.RequestURI != want {
				t.Errorf("%q: %q was asked for", given, r.RequestURI)
			}
			return nil, 200, ""
		})
		if a, err := client(t, web.Options{}).Post(t.Context(), web.Request{URL: parse(t, "http://"+h.Addr()+given), Path: "x/y"}); err != nil || a.Err() != nil {
			t.Error(a, err)
		}
	}
}

// Certificates: own authority, one of ours demanded, both exchanged while the
// client works.
func TestClientCertificate(t *testing.T) {
	ca := outputtest.NewCA(t)
	server, _, _ := ca.Issue(t, outputtest.ServerName, time.Now().Add(time.Hour))
	_, certFile, keyFile := ca.Issue(t, "sensor.test", time.Now().Add(time.Hour))
	_, strangeCert, strangeKey := outputtest.NewCA(t).Issue(t, "sensor.test", time.Now().Add(time.Hour))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM)
	h := outputtest.NewHTTP(t, &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
		func(r *http.Request, _ []byte) ([]string, int, string) {
			if name := r.TLS.PeerCertificates[0].Subject.CommonName; name != "sensor.test" {
				t.Errorf("the certificate is %s's", name)
			}
			return nil, 200, ""
		})
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, h.Addr())
	}
	base := "https://" + outputtest.ServerName
	_, err := post(t, client(t, web.Options{Dial: dial, TLS: output.TLS{CAFile: ca.File(t)}}), base)
	noSecret(t, err)
	c := client(t, web.Options{Dial: dial, TLS: output.TLS{CAFile: ca.File(t), CertFile: strangeCert, KeyFile: strangeKey}})
	_, err = post(t, c, base)
	noSecret(t, err)
	for from, to := range map[string]string{certFile: strangeCert, keyFile: strangeKey} {
		raw, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if a, err := post(t, c, base); err != nil || a.Err() != nil {
		t.Errorf("the new certificate is not used: %v, %v", a, err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	ca := outputtest.NewCA(t)
	cert, _, _ := ca.Issue(t, outputtest.ServerName, time.Now().Add(time.Hour))
	h := outputtest.NewHTTP(t, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, nil)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, h.Addr())
	}
	_, err := post(t, client(t, web.Options{Dial: dial, TLS: output.TLS{CAFile: ca.File(t)}}), "https://"+outputtest.ServerName)
	if text := noSecret(t, err); !strings.Contains(text, "version") {
		t.Error(text)
	}
}

func TestNewClientJudges(t *testing.T) {
	for want, o := range map[string]web.Options{
		"socks5": {Proxy: "socks5://p.example:1080"}, "proxy: not a URL": {Proxy: "http://u:secret-1@[::1"}, "169.254.169.254": {Proxy: "http://169.254.169.254:80"},
		"timeout": {Timeout: -1}, "one needs the other": {TLS: output.TLS{CertFile: "x"}}, "ca_file": {TLS: output.TLS{CAFile: "/does/not/exist"}},
	} {
		_, err := web.NewClient(o)
		if text := noSecret(t, err); !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	for _, bad := range []string{"", "soar.example/hook", "ftp://soar.example", "http:///x", "https:soar.example", "http://169.254.169.254/latest", "http://u:secret-1@[::1", "http://\x00secret-2"} {
		_, err := web.ParseURL(bad)
		noSecret(t, err)
	}
}
