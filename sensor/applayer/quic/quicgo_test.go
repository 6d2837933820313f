package quic

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// datagram is one that a client's socket sent or received.
type datagram struct {
	server bool
	data   []byte
}

// recorder is a client's socket that keeps what passes. It hides the methods of
// *net.UDPConn by which quic-go would send several datagrams at once.
type recorder struct {
	net.PacketConn
	mu  sync.Mutex
	log []datagram
}

func (r *recorder) record(server bool, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, datagram{server, bytes.Clone(b)})
}

func (r *recorder) WriteTo(b []byte, to net.Addr) (int, error) {
	r.record(false, b)
	return r.PacketConn.WriteTo(b, to)
}

func (r *recorder) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := r.PacketConn.ReadFrom(b)
	if err == nil {
		r.record(true, b[:n])
	}
	return n, from, err
}

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"relay.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// listen opens a socket on the loopback interface.
func listen(t testing.TB) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// handshake has quic-go connect to itself and returns the datagrams.
func handshake(t testing.TB, client, server *quicgo.Config, retry bool, alpn []string) []datagram {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	st := &quicgo.Transport{Conn: listen(t)}
	defer st.Close()
	if retry {
		st.VerifySourceAddress = func(net.Addr) bool { return true }
	}
	ln, err := st.Listen(&tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: alpn[:1]}, server)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		_, err := ln.Accept(ctx)
		accepted <- err
	}()

	rec := &recorder{PacketConn: listen(t)}
	ct := &quicgo.Transport{Conn: rec}
	defer ct.Close()
	conn, err := ct.Dial(ctx, ln.Addr(), &tls.Config{ServerName: "relay.example.com", NextProtos: alpn, InsecureSkipVerify: true}, client)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	conn.CloseWithError(0, "")
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.log
}

// follow feeds datagrams of a connection to an Opener as a worker does: it keeps
// the DCID of the client's last opened Initial, and both CRYPTO streams.
type follow struct {
	o              Opener
	odcid          []byte
	client, server stream
	statuses       [NumStatus]int
	initials       int    // client datagrams that brought CRYPTO
	version        uint32 // of the last datagram that opened
}

func (f *follow) datagram(t testing.TB, d datagram) {
	before := bytes.Clone(d.data)
	var res Result
	if d.server {
		res = f.o.Server(d.data, f.odcid)
		f.server.add(t, res.Crypto)
	} else {
		res = f.o.Client(d.data, f.odcid)
		f.client.add(t, res.Crypto)
		if res.Status == StatusOpened {
			f.odcid = bytes.Clone(res.DCID)
		}
		if len(res.Crypto) > 0 {
			f.initials++
		}
	}
	if res.Status == StatusOpened {
		f.version = res.Version
	}
	f.statuses[res.Status]++
	if !bytes.Equal(before, d.data) {
		t.Error("the datagram was changed")
	}
}

func TestQUICGo(t *testing.T) {
	v1, v2 := []quicgo.Version{quicgo.Version1}, []quicgo.Version{quicgo.Version2}
	short := []string{"rmm"}
	var long []string
	for i := range 120 {
		long = append(long, fmt.Sprintf("a-protocol-with-a-long-name-%03d", i))
	}
	for _, tc := range []struct {
		name        string
		client      *quicgo.Config
		server      *quicgo.Config
		retry       bool
		alpn        []string
		version     uint32
		datagrams   int // of the client with CRYPTO bytes, at least
		retries     int
		negotiation int
	}{
		{name: "v1", client: &quicgo.Config{Versions: v1}, alpn: short, version: Version1, datagrams: 2},
		{name: "v2", client: &quicgo.Config{Versions: v2}, alpn: short, version: Version2, datagrams: 2},
		{name: "long hello", client: &quicgo.Config{Versions: v1}, alpn: long, version: Version1, datagrams: 4},
		{name: "retry", client: &quicgo.Config{Versions: v1}, retry: true, alpn: short, version: Version1, datagrams: 3, retries: 1},
		{name: "retry, v2", client: &quicgo.Config{Versions: v2}, retry: true, alpn: long, version: Version2, datagrams: 5, retries: 1},
		{name: "version negotiation", client: &quicgo.Config{Versions: append(v2, v1...)}, server: &quicgo.Config{Versions: v1}, alpn: short, version: Version1, datagrams: 3, negotiation: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := handshake(t, tc.client, tc.server, tc.retry, tc.alpn)
			if !LooksLikeInitial(log[0].data) {
				t.Error("the first datagram does not look like an Initial")
			}
			f := new(follow)
			for _, d := range log {
				f.datagram(t, d)
			}
			info := readHello(t, f.client.message())
			if info == nil || info.ServerName != "relay.example.com" || len(info.SupportedProtos) != len(tc.alpn) {
				t.Errorf("crypto/tls reads %+v from %d bytes", info, len(f.client.start()))
			}
			if m := f.server.message(); len(m) == 0 || m[0] != 2 {
				t.Errorf("no ServerHello in %d bytes", len(f.server.start()))
			}
			if f.version != tc.version || f.initials < tc.datagrams {
				t.Errorf("version %#x, %d datagrams with CRYPTO bytes", f.version, f.initials)
			}
			// The client may answer a Version Negotiation or Retry with more
			// than one flight, and the server an Initial twice.
			if f.statuses[StatusRetry] < tc.retries || f.statuses[StatusNegotiation] < tc.negotiation {
				t.Errorf("datagrams by status: %v", f.statuses)
			}
			if f.statuses[StatusSealed]+f.statuses[StatusMalformed]+f.statuses[StatusUnknown] != 0 || f.o.Stats.BadFrames+f.o.Stats.Dropped != 0 {
				t.Errorf("datagrams by status: %v, %+v", f.statuses, f.o.Stats)
			}
		})
	}
}

// The worker comes late: the first flight, or the Retry and all before it, is
// missing. A flight after a Retry opens by the connection ID that it carries.
func TestMissedStart(t *testing.T) {
	log := handshake(t, &quicgo.Config{}, nil, true, []string{"rmm"})
	f := new(follow)
	past := false
	for _, d := range log {
		if past {
			f.datagram(t, d)
		}
		past = past || d.server // the first from the server is the Retry
	}
	info := readHello(t, f.client.message())
	if info == nil || info.ServerName != "relay.example.com" {
		t.Errorf("crypto/tls reads %+v", info)
	}
	if m := f.server.message(); len(m) == 0 || m[0] != 2 {
		t.Error("no ServerHello")
	}
}
