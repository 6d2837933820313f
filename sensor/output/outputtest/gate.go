package outputtest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Mode is what a Gate does with connections.
type Mode int

const (
	Pass       Mode = iota
	Refuse          // nobody listens: connections are refused
	Slow            // a few bytes at a time reach the receiver
	HalfClosed      // the receiver says that it has nothing more to say, and reads nothing
	Silent          // connections are taken, everything is read and thrown away, nothing is said
	NoName          // the receiver's name cannot be resolved
)

// Gate stands between a sink and its receiver and fails as told. It forwards
// half-closes, so that a sink can tell that the receiver itself has read to the
// end.
type Gate struct {
	target func() string // address of the receiver

	mu    sync.Mutex
	mode  Mode
	ln    net.Listener
	addr  string
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// NewGate opens a gate to the receiver at target, which is asked for each
// connection.
func NewGate(t testing.TB, target func() string) *Gate {
	t.Helper()
	g := &Gate{target: target, conns: map[net.Conn]bool{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	g.listen(ln)
	t.Cleanup(func() {
		g.Set(Refuse)
		g.wg.Wait()
	})
	return g
}

// Addr is where the sink connects to.
func (g *Gate) Addr() string { return g.addr }

func (g *Gate) listen(ln net.Listener) {
	g.ln = ln
	g.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			g.wg.Go(func() { g.serve(c) })
		}
	})
}

// Set changes the mode. Connections of the mode before are reset.
func (g *Gate) Set(m Mode) {
	g.Kill()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mode = m
	refuse := m == Refuse
	switch {
	case refuse && g.ln != nil:
		g.ln.Close()
		g.ln = nil
	case !refuse && g.ln == nil:
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			ln, err := net.Listen("tcp", g.addr)
			if err == nil {
				g.listen(ln)
				return
			}
			if time.Now().After(deadline) {
				panic(err)
			}
		}
	}
}

// Kill resets all connections, as the death of a receiver does.
func (g *Gate) Kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		reset(c)
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

func (g *Gate) keep(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = true
}

func (g *Gate) forget(c net.Conn) {
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
	c.Close()
}

func (g *Gate) serve(c net.Conn) {
	g.keep(c)
	defer g.forget(c)
	g.mu.Lock()
	mode := g.mode
	g.mu.Unlock()
	switch mode {
	case Silent:
		io.Copy(io.Discard, c) // until the sink gives up
		reset(c)
		return
	case HalfClosed:
		c.(*net.TCPConn).CloseWrite()
		time.Sleep(50 * time.Millisecond)
		reset(c)
		return
	}
	up, err := net.Dial("tcp", g.target())
	if err != nil {
		reset(c)
		return
	}
	g.keep(up)
	defer g.forget(up)
	var back sync.WaitGroup
	back.Go(func() { pipe(c, up, Pass) })
	pipe(up, c, mode)
	back.Wait()
}

// pipe copies from src to dst and hands on how src ended.
func pipe(dst, src net.Conn, mode Mode) {
	buf := make([]byte, 32<<10)
	if mode == Slow {
		buf = buf[:64]
	}
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				reset(src)
				return
			}
			if mode == Slow {
				time.Sleep(time.Millisecond)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if tcp, ok := dst.(*net.TCPConn); ok {
				tcp.CloseWrite()
			}
			return
		case err != nil:
			reset(dst)
			return
		}
	}
}

// Dial connects like net.Dialer, but fails as a resolver does while the gate's
// mode is NoName. Any name leads to the gate.
func (g *Gate) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	g.mu.Lock()
	mode := g.mode
	g.mu.Unlock()
	if mode == NoName {
		host, _, _ := net.SplitHostPort(address)
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, g.addr)
}
