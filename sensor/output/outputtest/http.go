package outputtest

import (
	"compress/gzip"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// HTTP is a receiver that speaks HTTP. What a request means is up to the test of
// the sink.
type HTTP struct {
	server *httptest.Server

	mu       sync.Mutex
	records  []string
	requests int
	conns    map[string]bool
	status   int
	header   http.Header
}

// Accept judges a request with its body, decoded, and returns the ids of its
// records that are received with it and the answer.
type Accept func(r *http.Request, body []byte) (ids []string, status int, answer string)

// NewHTTP starts a receiver; with config it speaks TLS.
func NewHTTP(t testing.TB, config *tls.Config, accept Accept) *HTTP {
	t.Helper()
	h := &HTTP{conns: map[string]bool{}}
	h.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(r)
		if err != nil {
			return // it never came in whole
		}
		h.mu.Lock()
		h.requests++
		h.conns[r.RemoteAddr] = true
		status, header := h.status, h.header
		h.mu.Unlock()
		if status != 0 {
			for name, values := range header {
				w.Header()[name] = values
			}
			w.WriteHeader(status)
			io.WriteString(w, "this is a test")
			return
		}
		ids, status, answer := accept(r, body)
		h.mu.Lock()
		h.records = append(h.records, ids...)
		h.mu.Unlock()
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	h.server.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are wanted
	if config == nil {
		h.server.Start()
	} else {
		h.server.TLS = config.Clone()
		h.server.StartTLS()
	}
	t.Cleanup(h.Stop)
	return h
}

func readBody(r *http.Request) ([]byte, error) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = zip
	}
	return io.ReadAll(body)
}

// Addr implements Receiver.
func (h *HTTP) Addr() string { return h.server.Listener.Addr().String() }

// Received implements Receiver.
func (h *HTTP) Received() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.records)
}

// Requests is how many requests came in whole, over how many connections.
func (h *HTTP) Requests() (requests, conns int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests, len(h.conns)
}

// Answer implements HTTPReceiver.
func (h *HTTP) Answer(status int, header http.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status, h.header = status, header
}

// Stop implements Receiver.
func (h *HTTP) Stop() {
	h.server.Listener.Close()
	h.server.CloseClientConnections()
	h.server.Close()
}

// Raw is a receiver that answers each connection's first bytes with whatever a
// test wants: what no HTTP server would say.
func Raw(t testing.TB, answer func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				answer(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}
