package tls

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	gotls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/crypto/cryptobyte"
)

// tap records what is written to a connection.
type tap struct {
	net.Conn
	mu      sync.Mutex
	written []byte
}

func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.written = append(c.written, b...)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tap) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.written)
}

// handshake lets crypto/tls talk to itself and returns what each side sent.
// Either side may refuse: the flights until then count.
func handshake(t testing.TB, client, server *gotls.Config) (fromClient, fromServer []byte) {
	t.Helper()
	a, b := connect(t)
	left, right := &tap{Conn: a}, &tap{Conn: b}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv := gotls.Server(right, server)
		if srv.Handshake() == nil {
			io.WriteString(srv, "x") // takes TLS 1.3 session tickets along
		}
		b.Close()
	}()
	cli := gotls.Client(left, client)
	if cli.Handshake() == nil {
		cli.Read(make([]byte, 1))
	}
	a.Close()
	<-done
	return left.bytes(), right.bytes()
}

// connect returns both ends of a loopback connection. Unlike net.Pipe it
// buffers, so that both sides may send an alert at once.
func connect(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// hello returns the ClientHello record of a client configuration.
func hello(t testing.TB, client *gotls.Config) []byte {
	t.Helper()
	sent, _ := handshake(t, client, serverConfig(t))
	return sent[:recordHeader+be16(sent[3:])]
}

// bigHello is today's usual hello: X25519MLKEM768 takes it beyond a segment.
func bigHello(t testing.TB) []byte {
	return hello(t, &gotls.Config{ServerName: "instance-x1-relay.screenconnect.com", NextProtos: []string{"h2", "http/1.1"}, InsecureSkipVerify: true})
}

var makeKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// selfSigned makes a certificate of a template.
func selfSigned(t testing.TB, template *x509.Certificate) gotls.Certificate {
	t.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(0x1234567890)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Date(2024, 2, 29, 23, 59, 58, 0, time.UTC)
		template.NotAfter = time.Date(2054, 12, 31, 0, 0, 1, 0, time.UTC)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, makeKey().Public(), makeKey())
	if err != nil {
		t.Fatal(err)
	}
	return gotls.Certificate{Certificate: [][]byte{der, der}, PrivateKey: makeKey()}
}

func serverConfig(t testing.TB) *gotls.Config {
	return &gotls.Config{
		Certificates: []gotls.Certificate{selfSigned(t, &x509.Certificate{
			Subject:     pkix.Name{CommonName: "AnyNet Relay", Organization: []string{"philandro Software GmbH"}, Country: []string{"DE"}},
			DNSNames:    []string{"relay.example", "*.example"},
			IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1).To4(), net.ParseIP("2001:db8::1")},
		})},
		NextProtos: []string{"h2", "http/1.1", "anydesk/6.2.0/linux"},
	}
}

// rerecord puts the payload of the handshake records at the start of head into
// records of the given sizes, the last size repeating; what follows is kept.
func rerecord(head []byte, sizes ...int) []byte {
	var payload, out []byte
	rest := head
	for len(rest) >= recordHeader && rest[0] == recordHandshake {
		end := recordHeader + be16(rest[3:])
		payload = append(payload, rest[recordHeader:end]...)
		rest = rest[end:]
	}
	for i := 0; len(payload) > 0; i++ {
		n := min(sizes[min(i, len(sizes)-1)], len(payload))
		out = append(out, recordHandshake, 3, 1, byte(n>>8), byte(n))
		out = append(out, payload[:n]...)
		payload = payload[n:]
	}
	return append(out, rest...)
}

// describe renders everything that a hello yields.
func describe(h *ClientHello) string {
	kind, proven := h.ECH()
	return fmt.Sprintf("%q %v %q %x %x %x %x %x %04x %04x %v %v %v %v %v %s %s %s",
		h.SNI, h.HasSNI, h.ALPN, h.CipherSuites, h.V2CipherSpecs, h.Groups, h.PointFormats, h.SigAlgs, h.LegacyVersion, h.Version,
		h.Ticket, h.PSK, h.SSLv2, kind, proven, h.AppendJA3(nil), h.JA3(nil), h.AppendJA4(nil, OverTCP))
}

// describeFlight does so for a server's flight.
func describeFlight(s *ServerFlight) string {
	c := &s.Cert
	text := fmt.Sprintf("%q %04x %04x %04x %v %v %v %d %d %s | %x %x %d %d | %s | %s |",
		s.ALPN, s.LegacyVersion, s.Version, s.Cipher, s.HelloDone, s.Retry, s.Alerted, s.Alert, s.CertStatus, s.AppendJA3S(nil),
		c.Raw, c.Serial, c.NotBefore, c.NotAfter, AppendDN(nil, &c.Subject), AppendDN(nil, &c.Issuer))
	for it := c.SANs(); ; {
		kind, value, ok := it.Next()
		if !ok {
			return text
		}
		text += fmt.Sprintf(" %d:%q", kind, value)
	}
}

// inside reports whether a view lies within one of the buffers.
func inside(view []byte, buffers ...[]byte) bool {
	if cap(view) == 0 || len(view) == 0 {
		return true
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(view)))
	for _, b := range buffers {
		start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		if from >= start && from+uintptr(len(view)) <= start+uintptr(cap(b)) {
			return true
		}
	}
	return false
}

// echConfig makes an ECHConfigList (RFC 9849 section 4).
func echConfig(t testing.TB, publicName string) []byte {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(0xfe0d)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint8(42)      // config_id
			b.AddUint16(0x0020) // DHKEM(X25519, HKDF-SHA256)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(key.PublicKey().Bytes()) })
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(1); b.AddUint16(1) })
			b.AddUint8(32) // maximum_name_length
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(publicName)) })
			b.AddUint16(0)
		})
	})
	return b.BytesOrPanic()
}

// testHello builds a ClientHello message, header included.
type testHello struct {
	version uint16
	suites  []uint16
	exts    []testExt
	noExts  bool
	tail    []byte
}

type testExt struct {
	typ  uint16
	body []byte
}

func (c testHello) message() []byte {
	var b cryptobyte.Builder
	b.AddUint8(msgClientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(c.version)
		b.AddBytes(make([]byte, 32))
		b.AddUint8(0)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range c.suites {
				b.AddUint16(s)
			}
		})
		b.AddBytes([]byte{1, 0})
		if c.noExts {
			b.AddBytes(c.tail)
			return
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, e := range c.exts {
				b.AddUint16(e.typ)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(e.body) })
			}
		})
		b.AddBytes(c.tail)
	})
	return b.BytesOrPanic()
}

// parse runs ParseClientHello and demands the status.
func (c testHello) parse(t *testing.T, want Status) *ClientHello {
	t.Helper()
	var h ClientHello
	if got := ParseClientHello(c.message(), &h); got != want {
		t.Fatalf("status %d, want %d", got, want)
	}
	return &h
}

// codes16 is a vector of two-byte codes with two length bytes.
func codes16(values ...uint16) []byte {
	b := []byte{byte(len(values) >> 7), byte(2 * len(values))}
	for _, v := range values {
		b = append(b, byte(v>>8), byte(v))
	}
	return b
}
