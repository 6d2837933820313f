package syslog_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	sink "github.com/rmmwatch/rmmwatch/sensor/output/syslog"
)

// receiver takes syslog over TCP or TLS as RFC 6587 and 5425 say: it stores what
// it read in whole and closes when the sender has.
type receiver struct {
	t       testing.TB
	framing sink.Framing
	ln      net.Listener

	mu       sync.Mutex
	records  []*rfc5424.SyslogMessage
	conns    map[net.Conn]bool
	accepted int
	stopped  bool
	wg       sync.WaitGroup
}

func receive(t testing.TB, framing sink.Framing, config *tls.Config) *receiver {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{t: t, framing: framing, ln: ln, conns: map[net.Conn]bool{}}
	r.wg.Go(func() {
		for {
			plain, err := ln.Accept()
			if err != nil {
				return
			}
			c := plain
			if config != nil {
				c = tls.Server(plain, config)
			}
			r.mu.Lock()
			r.accepted++
			r.conns[plain] = true
			stopped := r.stopped
			r.mu.Unlock()
			if stopped {
				plain.Close()
				continue
			}
			r.wg.Go(func() { r.serve(c, plain) })
		}
	})
	t.Cleanup(r.Stop)
	return r
}

func (r *receiver) serve(c, plain net.Conn) {
	defer func() {
		c.Close()
		plain.Close()
		r.mu.Lock()
		delete(r.conns, plain)
		r.mu.Unlock()
	}()
	in := bufio.NewReader(c)
	for {
		raw, err := readFrame(in, r.framing)
		if err != nil {
			return
		}
		m := parse(r.t, raw)
		r.mu.Lock()
		if r.stopped {
			r.mu.Unlock()
			return
		}
		r.records = append(r.records, m)
		r.mu.Unlock()
	}
}

// readFrame reads one message as RFC 6587 3.4.1 or 3.4.2 say.
func readFrame(in *bufio.Reader, framing sink.Framing) ([]byte, error) {
	if framing == sink.Newline {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		return line[:len(line)-1], nil
	}
	count, err := in.ReadString(' ')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(count, " "))
	if err != nil {
		return nil, err
	}
	raw := make([]byte, n)
	_, err = io.ReadFull(in, raw)
	return raw, err
}

// parse is the oracle's reading of a message.
func parse(t testing.TB, raw []byte) *rfc5424.SyslogMessage {
	m, err := rfc5424.NewParser().Parse(raw)
	if err != nil {
		t.Errorf("%v in %q", err, raw)
		return &rfc5424.SyslogMessage{}
	}
	return m.(*rfc5424.SyslogMessage)
}

func (r *receiver) Addr() string { return r.ln.Addr().String() }

func (r *receiver) Received() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.records {
		if m.Message == nil || m.StructuredData == nil {
			r.t.Errorf("a record without message or structured data: %+v", m)
			continue
		}
		id := outputtest.ID([]byte(*m.Message))
		if sd := (*m.StructuredData)["rmmwatch@32473"]["id"]; id == "" || sd != id {
			r.t.Errorf("id %q with body %q", sd, *m.Message)
		}
		ids = append(ids, id)
	}
	return ids
}

// Stop kills it: connections are reset.
func (r *receiver) Stop() {
	r.mu.Lock()
	r.stopped = true
	for c := range r.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	r.mu.Unlock()
	r.ln.Close()
	r.wg.Wait()
}

// The kit: over TCP with both framings and over TLS, whatever the receiver does,
// what was sent is received.
func TestKit(t *testing.T) {
	for _, framing := range []sink.Framing{sink.OctetCounted, sink.Newline} {
		t.Run(string(framing), func(t *testing.T) {
			outputtest.Kit{
				TLS: true,
				Receive: func(t *testing.T, config *tls.Config) outputtest.Receiver {
					return receive(t, framing, config)
				},
				Sink: func(t *testing.T, o outputtest.Options) output.Sink {
					cfg := sink.Config{Network: "tcp", Address: o.Addr, Framing: framing, Dial: o.Dial}
					if o.CAFile != "" {
						cfg.Network, cfg.TLS.CAFile = "tls", o.CAFile
					}
					return newSink(t, cfg)
				},
			}.Run(t)
		})
	}
}

func newSink(t testing.TB, cfg sink.Config) *sink.Sink {
	t.Helper()
	s, err := sink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
