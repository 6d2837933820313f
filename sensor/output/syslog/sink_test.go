package syslog_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	sink "github.com/rmmwatch/rmmwatch/sensor/output/syslog"
)

func TestConfig(t *testing.T) {
	yes := true
	for want, cfg := range map[string]sink.Config{
		"none of udp, tcp, tls, unix": {Network: "relp", Address: "h:1"},
		"is not host:port":            {Network: "tcp", Address: "h"},
		"names no host":               {Network: "tcp", Address: ":514"},
		"from 1 to 65535":             {Network: "tcp", Address: "h:0"},
		"no absolute path":            {Network: "unix", Address: "log"},
		"framing: \"nul\"":            {Network: "tcp", Address: "h:1", Framing: "nul"},
		"udp has none":                {Network: "udp", Address: "h:1", Framing: sink.Newline},
		"for tls://, not for tcp":     {Network: "tcp", Address: "h:1", TLS: output.TLS{CAFile: "x"}},
		"belong together":             {Network: "tls", Address: "h:1", TLS: output.TLS{CertFile: "x"}},
		"ca_file":                     {Network: "tls", Address: "h:1", TLS: output.TLS{CAFile: "/nowhere"}},
		"facility: \"local8\"":        {Network: "tcp", Address: "h:1", Facility: "local8"},
		"facility: \"24\"":            {Network: "tcp", Address: "h:1", Facility: "24"},
		"hostname: \"a b\"":           {Network: "tcp", Address: "h:1", Hostname: "a b"},
		"up to 48":                    {Network: "tcp", Address: "h:1", AppName: strings.Repeat("a", 49)},
		"max_bytes: 100":              {Network: "tcp", Address: "h:1", MaxBytes: 100},
		"max_bytes: 70000":            {Network: "udp", Address: "h:1", MaxBytes: 70000},
		"udp cannot be confirmed":     {Network: "udp", Address: "h:1", Confirm: &yes},
		"is negative":                 {Network: "tcp", Address: "h:1", Timeout: -1},
	} {
		if _, err := sink.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, not %q", cfg, err, want)
		}
	}
	s := newSink(t, sink.Config{Network: "tls", Address: "siem.example:6514"})
	if got, want := s.Describe(), "syslog tls://siem.example:6514"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

// datagrams reads what comes to a packet socket until it is quiet.
func datagrams(t *testing.T, c net.PacketConn, n int) (got []string) {
	t.Helper()
	buf := make([]byte, 1<<16)
	for range n {
		c.SetReadDeadline(time.Now().Add(outputtest.Patience))
		size, _, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		m := parse(t, buf[:size])
		got = append(got, outputtest.ID([]byte(*m.Message)))
	}
	return got
}

func send(t *testing.T, s *sink.Sink, want bool, says string) {
	t.Helper()
	batch := []output.Message{outputtest.Message("a"), outputtest.Message("b")}
	n, err := s.Send(context.Background(), batch)
	if want && (n != 2 || err != nil) || !want && (n != 0 || err == nil || !strings.Contains(err.Error(), says)) {
		t.Errorf("%d, %v", n, err)
	}
}

// UDP: a host without a receiver refuses, and one that is back gets all.
func TestUDP(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := c.LocalAddr().String()
	s := newSink(t, sink.Config{Network: "udp", Address: addr})
	send(t, s, true, "")
	if got := datagrams(t, c, 2); got[0] != "a" || got[1] != "b" {
		t.Errorf("%q", got)
	}
	c.Close()
	send(t, s, false, "connection refused")
	if c, err = net.ListenPacket("udp", addr); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, s, true, "")
	datagrams(t, c, 2)
	long := outputtest.Message("long")
	long.Body = []byte(strings.Repeat("x", 9000))
	if n, err := s.Send(context.Background(), []output.Message{long}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	buf := make([]byte, 1<<16)
	if size, _, err := c.ReadFrom(buf); err != nil || size != 8192 {
		t.Errorf("%d bytes, %v", size, err)
	}
}

// A unix socket: missing, there, gone, back; and one that is a stream.
func TestUnix(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "rmmwatch") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "log")
	s := newSink(t, sink.Config{Network: "unix", Address: path})
	send(t, s, false, "no such file")
	for range 2 {
		c, err := net.ListenPacket("unixgram", path)
		if err != nil {
			t.Fatal(err)
		}
		send(t, s, true, "")
		datagrams(t, c, 2)
		c.Close()
		send(t, s, false, "unix://"+path)
		os.Remove(path)
	}
	full, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if n, err := s.Send(ctx, make([]output.Message, 100000)); n != 0 || err == nil {
		t.Errorf("a full socket took %d, %v", n, err)
	}
	os.Remove(path)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan string, 1)
	go func() {
		if c, err := ln.Accept(); err == nil {
			raw, _ := io.ReadAll(c)
			c.Close()
			got <- string(raw)
		}
	}()
	send(t, s, true, "")
	if lines := strings.Split(<-got, "\n"); len(lines) != 3 || lines[2] != "" || *parse(t, []byte(lines[1])).Message != string(outputtest.Body("b")) {
		t.Errorf("%q", lines)
	}
}

// A receiver that never closes is no proof; the error names the way out, and with it
// what TCP acknowledged counts, over one connection.
func TestNeverCloses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 9)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- c
			go io.Copy(io.Discard, c)
		}
	}()
	s := newSink(t, sink.Config{Network: "tcp", Address: ln.Addr().String(), Timeout: 300 * time.Millisecond})
	send(t, s, false, "set confirm: false")
	(<-accepted).Close()
	s = newSink(t, sink.Config{Network: "tcp", Address: ln.Addr().String(), Confirm: &no})
	send(t, s, true, "")
	send(t, s, true, "")
	c := <-accepted
	if len(accepted) > 0 {
		t.Error("a connection for each batch")
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	// The reset is known at once over loopback: a new connection is made.
	send(t, s, true, "")
	(<-accepted).Close()
}

// A receiver that reads a part and closes, with a reset or without, got nothing.
func TestReadsAPart(t *testing.T) {
	for name, end := range map[string]func(c *net.TCPConn){
		"closes":                       func(c *net.TCPConn) { c.Close() },
		"resets":                       func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"half-closes, then closes":     func(c *net.TCPConn) { c.CloseWrite(); time.Sleep(100 * time.Millisecond); c.Close() },
		"waits for our end and closes": func(c *net.TCPConn) { time.Sleep(100 * time.Millisecond); c.Close() },
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.ReadFull(c, make([]byte, 700)) // of the two messages
			end(c.(*net.TCPConn))
		}()
		s := newSink(t, sink.Config{Network: "tcp", Address: ln.Addr().String(), Timeout: 20 * time.Second})
		t.Run(name, func(t *testing.T) { send(t, s, false, "the receiver ") })
		ln.Close()
	}
}

func BenchmarkTCP(b *testing.B) {
	r := receive(b, sink.OctetCounted, nil)
	s := newSink(b, sink.Config{Network: "tcp", Address: r.Addr()})
	batch := make([]output.Message, 100)
	for i := range batch {
		batch[i] = outputtest.Message("a")
	}
	for b.Loop() {
		if n, err := s.Send(context.Background(), batch); n != len(batch) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "records/s")
}
