package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// tlsShape says what one TLS handshake is to look like.
type tlsShape struct {
	name    string           // SNI; none is sent when empty
	alpn    []string         // offered by the client; the server takes the first
	version uint16           // highest version of both sides; 0 is TLS 1.3
	classic bool             // X25519 alone: a ClientHello of one segment
	shuffle bool             // extensions in random order, as Chromium sends them
	cert    *tls.Certificate // the server's; nil: one for name

	clientCert *tls.Certificate // nil: the client shows none

	outer  string // the name outside of an encrypted hello; none is encrypted when empty
	filler bool   // what looks encrypted is marked as what Firefox fills a hello with
}

// tap is one end of a connection that notes what is written to it.
type tap struct {
	net.Conn
	server bool
	log    *tapLog
}

type tapLog struct {
	mu    sync.Mutex
	turns conversation
}

func (t tap) Write(b []byte) (int, error) {
	t.log.mu.Lock()
	if last := len(t.log.turns) - 1; last >= 0 && t.log.turns[last].server == t.server {
		t.log.turns[last].data = append(t.log.turns[last].data, b...)
	} else {
		t.log.turns = append(t.log.turns, turn{t.server, append([]byte(nil), b...)})
	}
	t.log.mu.Unlock()
	return t.Conn.Write(b)
}

// recordTLS has crypto/tls shake hands with itself and returns what both sides said.
func recordTLS(s tlsShape, r *rand.Rand) (conversation, error) {
	clientConn, serverConn := net.Pipe()
	defer clientConn.Close()
	defer serverConn.Close()
	cert := s.cert
	if cert == nil {
		cert = issue(certShape{subject: pkix.Name{CommonName: s.name}, issuer: publicCA, names: []string{s.name}})
	}
	config := &tls.Config{
		ServerName: s.name, InsecureSkipVerify: true, NextProtos: s.alpn,
		MinVersion: tls.VersionTLS12, MaxVersion: s.version, SessionTicketsDisabled: true,
	}
	if s.classic {
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	}
	serverConfig := config.Clone()
	serverConfig.Certificates = []tls.Certificate{*cert}
	if s.outer != "" {
		list, keys, err := echKeys(s.outer)
		if err != nil {
			return nil, err
		}
		config.MinVersion, config.EncryptedClientHelloConfigList = tls.VersionTLS13, list
		serverConfig.EncryptedClientHelloKeys = keys
	}
	if s.clientCert != nil {
		config.Certificates = []tls.Certificate{*s.clientCert}
		serverConfig.ClientAuth = tls.RequireAnyClientCert
	}

	var log tapLog
	done := make(chan error, 1)
	go func() { done <- tls.Server(tap{serverConn, true, &log}, serverConfig).Handshake() }()
	if err := tls.Client(tap{clientConn, false, &log}, config).Handshake(); err != nil {
		return nil, fmt.Errorf("handshake with %q: %w", s.name, err)
	}
	if err := <-done; err != nil {
		return nil, fmt.Errorf("handshake of %q: %w", s.name, err)
	}
	scrubTLS(log.turns, r)
	if s.outer != "" {
		scrubECH(log.turns[0].data[5:], s.filler, r)
	}
	if s.shuffle {
		shuffleExtensions(log.turns[0].data[5:], r)
	}
	return log.turns, nil
}

// scrubTLS overwrites everything that crypto/tls drew from the system's randomness with noise from r, so that the
// same seed gives the same capture. What a passive observer can read stays.
func scrubTLS(c conversation, r *rand.Rand) {
	var encrypted [2]bool
	for _, t := range c {
		for b := t.data; len(b) >= 5; {
			n := 5 + int(binary.BigEndian.Uint16(b[3:]))
			record := b[5:n]
			switch {
			case b[0] == 20: // ChangeCipherSpec: the next record of TLS 1.2 is encrypted
				encrypted[side(t.server)] = true
			case b[0] == 22 && !encrypted[side(t.server)]:
				scrubHandshake(record, r)
			default:
				noise(record, r)
			}
			b = b[n:]
		}
	}
}

func scrubHandshake(b []byte, r *rand.Rand) {
	for len(b) >= 4 {
		n := 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		message := b[4:n]
		switch b[0] {
		case 1, 2: // ClientHello, ServerHello
			noise(message[2:34], r)
			noise(message[35:35+int(message[34])], r)
			scrubKeyShares(message, b[0] == 1, r)
		case 12: // ServerKeyExchange: curve, public key, algorithm, signature
			key := 4 + int(message[3])
			noise(message[4:key], r)
			noise(message[key+4:], r)
		case 15: // CertificateVerify: algorithm, signature
			noise(message[4:], r)
		case 16: // ClientKeyExchange
			noise(message[1:], r)
		}
		b = b[n:]
	}
}

// extensions returns the extension block of a hello and where it starts.
func extensions(hello []byte, client bool) []byte {
	at := 35 + int(hello[34])
	if client {
		at += 2 + int(binary.BigEndian.Uint16(hello[at:])) // cipher suites
		at += 1 + int(hello[at])                           // compression methods
	} else {
		at += 3
	}
	if at+2 > len(hello) {
		return nil
	}
	return hello[at+2:]
}

func scrubKeyShares(hello []byte, client bool, r *rand.Rand) {
	for b := extensions(hello, client); len(b) >= 4; {
		n := 4 + int(binary.BigEndian.Uint16(b[2:]))
		if binary.BigEndian.Uint16(b) == 51 {
			shares := b[4:n]
			if client {
				shares = shares[2:]
			}
			for len(shares) >= 4 {
				end := 4 + int(binary.BigEndian.Uint16(shares[2:]))
				noise(shares[4:end], r)
				shares = shares[end:]
			}
		}
		b = b[n:]
	}
}

// shuffleExtensions reorders the extensions of the ClientHello message b in place.
func shuffleExtensions(b []byte, r *rand.Rand) {
	block := extensions(b[4:], true)
	var parts [][]byte
	for at := 0; at+4 <= len(block); {
		n := 4 + int(binary.BigEndian.Uint16(block[at+2:]))
		parts = append(parts, append([]byte(nil), block[at:at+n]...))
		at += n
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	for _, p := range parts {
		block = block[copy(block, p):]
	}
}

// certShape says what a certificate says of its owner.
type certShape struct {
	subject, issuer pkix.Name
	names           []string
}

// publicCA is the issuer of ordinary certificates.
var publicCA = pkix.Name{CommonName: "Example Public CA R3", Organization: []string{"Example Trust"}, Country: []string{"US"}}

// issue makes a certificate with keys derived from the names in it: the same shape gives the same bytes.
func issue(s certShape) *tls.Certificate {
	key := keyOf(s.subject.String() + fmt.Sprint(s.names))
	caKey := keyOf(s.issuer.String())
	serial := sha256.Sum256([]byte(s.subject.String() + fmt.Sprint(s.names)))
	leaf := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[1:17]), Subject: s.subject, DNSNames: s.names,
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: s.issuer, IsCA: true, BasicConstraintsValid: true,
		NotBefore: leaf.NotBefore.AddDate(-5, 0, 0), NotAfter: leaf.NotAfter.AddDate(15, 0, 0),
		KeyUsage: x509.KeyUsageCertSign,
	}
	if s.subject.String() == s.issuer.String() {
		return &tls.Certificate{Certificate: [][]byte{mustSign(leaf, leaf, key.Public(), key)}, PrivateKey: key}
	}
	return &tls.Certificate{
		Certificate: [][]byte{mustSign(leaf, ca, key.Public(), caKey), mustSign(ca, ca, caKey.Public(), caKey)},
		PrivateKey:  key,
	}
}

func keyOf(purpose string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(purpose))
	return ed25519.NewKeyFromSeed(seed[:])
}

// mustSign panics on failure, which only a wrong shape in this program can cause.
func mustSign(cert, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) []byte {
	der, err := x509.CreateCertificate(nil, cert, parent, public, key)
	if err != nil {
		panic(fmt.Sprintf("certificate of %v: %v", cert.Subject, err))
	}
	return der
}
