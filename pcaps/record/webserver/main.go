// Command webserver is the server that chromium.sh records Chromium against: one page, over TLS and over QUIC, with
// a certificate of its own making. It prints the hash of its key, by which Chromium is told to trust it.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"time"

	"github.com/quic-go/quic-go/http3"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: webserver ADDRESS:PORT NAME")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "webserver:", err)
		os.Exit(1)
	}
}

func serve(address, name string) error {
	cert, err := selfSigned(name)
	if err != nil {
		return err
	}
	spki := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	fmt.Println(base64.StdEncoding.EncodeToString(spki[:]))
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<p>%s over %s</p>\n", r.Host, r.Proto)
	})
	config := &tls.Config{Certificates: []tls.Certificate{*cert}}
	failed := make(chan error, 2)
	go func() {
		failed <- (&http.Server{Addr: address, Handler: page, TLSConfig: config}).ListenAndServeTLS("", "")
	}()
	go func() {
		failed <- (&http3.Server{Addr: address, Handler: page, TLSConfig: http3.ConfigureTLSConfig(config)}).ListenAndServe()
	}()
	return <-failed
}

// selfSigned makes a P-256 certificate for name that is valid for two weeks, the longest that Chromium takes from a
// key it is told to trust for QUIC.
func selfSigned(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(13 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
