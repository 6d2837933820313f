package main

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/quic-go/quic-go"
)

// quicGoShape says what one connection of quic-go is to look like.
type quicGoShape struct {
	name, alpn string
	version    quic.Version // 0 is version 1
	retry      bool         // the server asks for a proof of address first
	large      bool         // a ClientHello that takes several Initial packets more than usual
}

// tappedUDP is a socket that notes what passes.
type tappedUDP struct {
	net.PacketConn
	server bool
	log    *tapLog
}

func (t tappedUDP) WriteTo(b []byte, to net.Addr) (int, error) {
	t.log.mu.Lock()
	t.log.turns = append(t.log.turns, turn{t.server, append([]byte(nil), b...)})
	t.log.mu.Unlock()
	return t.PacketConn.WriteTo(b, to)
}

// quicGo records one connection of quic-go with itself, over the loopback interface. Its connection ids and keys
// are its own: unlike every other conversation, this one is not the same bytes on every run.
func (t *tape) quicGo(client, server string, s quicGoShape) {
	c, err := recordQUICGo(s)
	if err != nil {
		t.fail(fmt.Errorf("QUIC to %q: %w", s.name, err))
		return
	}
	t.udp(t.from(client), server, c)
}

func recordQUICGo(s quicGoShape) (conversation, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// The library would otherwise complain on standard error that it cannot enlarge a tapped socket's buffer.
	if err := os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true"); err != nil {
		return nil, err
	}
	var log tapLog
	sockets := [2]net.PacketConn{}
	for i := range sockets {
		socket, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer socket.Close()
		sockets[i] = tappedUDP{socket, i == 1, &log}
	}
	alpn := []string{s.alpn}
	config := &quic.Config{DisablePathMTUDiscovery: true}
	if s.version != 0 {
		config.Versions = []quic.Version{s.version}
	}
	cert := issue(certShape{subject: pkix.Name{CommonName: s.name}, issuer: publicCA, names: []string{s.name}})
	servers := &quic.Transport{Conn: sockets[1]}
	if s.retry {
		servers.VerifySourceAddress = func(net.Addr) bool { return true }
	}
	defer servers.Close()
	listener, err := servers.Listen(&tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: alpn}, config)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- serveOnce(ctx, listener) }()

	if s.large {
		for i := range 120 {
			alpn = append(alpn, fmt.Sprintf("padding-protocol-%03d", i))
		}
	}
	clients := &quic.Transport{Conn: sockets[0]}
	defer clients.Close()
	conn, err := clients.Dial(ctx, sockets[1].LocalAddr(), &tls.Config{ServerName: s.name, NextProtos: alpn, InsecureSkipVerify: true}, config)
	if err != nil {
		return nil, err
	}
	if err := fetchOnce(ctx, conn); err != nil {
		return nil, err
	}
	if err := errors.Join(conn.CloseWithError(0, "done"), <-done); err != nil {
		return nil, err
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	return log.turns, nil
}

// serveOnce answers one stream of one connection and waits for the client to leave.
func serveOnce(ctx context.Context, l *quic.Listener) error {
	conn, err := l.Accept(ctx)
	if err != nil {
		return err
	}
	stream, err := conn.AcceptStream(ctx)
	if err != nil {
		return err
	}
	if _, err := io.ReadAll(stream); err != nil {
		return err
	}
	if _, err := stream.Write(make([]byte, 3000)); err != nil {
		return err
	}
	if err := stream.Close(); err != nil {
		return err
	}
	<-conn.Context().Done()
	return nil
}

// fetchOnce sends a request on a stream and reads the answer.
func fetchOnce(ctx context.Context, conn *quic.Conn) error {
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if _, err := stream.Write([]byte("hello")); err != nil {
		return err
	}
	if err := stream.Close(); err != nil {
		return err
	}
	_, err = io.ReadAll(stream)
	return err
}
