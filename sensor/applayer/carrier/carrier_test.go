package carrier

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/proxy"
)

// record runs golang.org/x/net's SOCKS5 client against a scripted server and
// returns what each side sent: the oracle of the wire format.
func record(t *testing.T, auth *proxy.Auth, target string) (client, server []byte) {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan []byte)
	go func() {
		var got bytes.Buffer
		read := func(n int) []byte {
			p := make([]byte, n)
			if _, err := io.ReadFull(b, p); err != nil {
				return make([]byte, n)
			}
			got.Write(p)
			return p
		}
		write := func(p []byte) { server = append(server, p...); b.Write(p) }
		read(int(read(2)[1]))
		if auth != nil {
			write([]byte{5, 2})
			read(int(read(2)[1]))
			read(int(read(1)[0]))
			write([]byte{1, 0})
		} else {
			write([]byte{5, 0})
		}
		h := read(5)
		switch h[3] {
		case 1:
			read(3 + 2)
		case 3:
			read(int(h[4]) + 2)
		case 4:
			read(15 + 2)
		}
		write([]byte{5, 0, 0, 1, 192, 0, 2, 9, 1, 187})
		done <- got.Bytes()
	}()
	d, err := proxy.SOCKS5("tcp", "proxy:1080", auth, dialer{a})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.(proxy.ContextDialer).DialContext(context.Background(), "tcp", target); err != nil {
		t.Fatal(err)
	}
	return <-done, server
}

type dialer struct{ conn net.Conn }

func (d dialer) Dial(string, string) (net.Conn, error) { return d.conn, nil }

func TestSOCKS5(t *testing.T) {
	for _, auth := range []*proxy.Auth{nil, {User: "user", Password: "secret"}} {
		for target, want := range map[string]string{
			"relay.example:443":             "relay.example",
			"192.0.2.7:5938":                "192.0.2.7",
			"[2001:db8::7]:8041":            "2001:db8::7",
			strings.Repeat("x", 250) + ":1": strings.Repeat("x", 250),
		} {
			client, server := record(t, auth, target)
			var n Negotiation
			if st := Client(append(client, "\x16\x03\x01"...), &n); st != Done || n.Len != len(client) || n.Kind != SOCKS5 {
				t.Fatalf("%s: status %d, %+v", target, st, n)
			}
			got := string(n.Host)
			if n.Addr.IsValid() {
				got = n.Addr.String()
			}
			if got != want {
				t.Errorf("target %q, want %q", got, want)
			}
			if st := Server(append(server, 0x16), &n); st != Done || n.Len != len(server) {
				t.Errorf("server: status %d, %+v", st, n)
			}
			everyPrefix(t, client, Client)
			everyPrefix(t, server, Server)
		}
	}
}

// everyPrefix demands that a good negotiation cut anywhere asks for more.
func everyPrefix(t *testing.T, b []byte, read func([]byte, *Negotiation) Status) {
	t.Helper()
	for i := range b {
		var n Negotiation
		if st := read(b[:i], &n); st != NeedMore {
			t.Fatalf("cut at %d of %d: status %d", i, len(b), st)
		}
	}
}

func TestSOCKS4AndRDP(t *testing.T) {
	for _, c := range []struct {
		name   string
		read   func([]byte, *Negotiation) Status
		bytes  string
		host   string
		addr   string
		server bool
	}{
		{"socks4", Client, "\x04\x01\x01\xbb\xc0\x00\x02\x07me\x00", "", "192.0.2.7", false},
		{"socks4a", Client, "\x04\x01\x01\xbb\x00\x00\x00\x01\x00relay.example\x00", "relay.example", "", false},
		{"socks4 granted", Server, "\x00\x5a\x00\x00\x00\x00\x00\x00", "", "", true},
		{"rdp request", Client, "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", "", "", false},
		{"rdp cookie", Client, "\x03\x00\x00\x2a\x25\xe0\x00\x00\x00\x00\x00Cookie: mstshash=user\r\n\x01\x00\x08\x00\x03\x00\x00\x00", "", "", false},
		{"rdp confirm", Server, "\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00", "", "", true},
	} {
		var n Negotiation
		if st := c.read([]byte(c.bytes+"\x16"), &n); st != Done || n.Len != len(c.bytes) {
			t.Errorf("%s: status %d, %+v", c.name, st, n)
		}
		if string(n.Host) != c.host || n.Addr.IsValid() && n.Addr.String() != c.addr {
			t.Errorf("%s: target %q %v", c.name, n.Host, n.Addr)
		}
		everyPrefix(t, []byte(c.bytes), c.read)
	}
}

func TestOthersAreRefused(t *testing.T) {
	for _, s := range []string{"GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00\x01", "\x05\x00", "\x05\x01\x20", "\x04\x07", "\x03\x01", "\x03\x00\x00\x05\x00\xe0", "RFB 003.008\n"} {
		var n Negotiation
		if st := Client([]byte(s), &n); st != None {
			t.Errorf("client %q: status %d", s, st)
		}
	}
	for _, s := range []string{"\x05\xff", "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", "HTTP/1.1"} {
		var n Negotiation
		if st := Server([]byte(s), &n); st != None {
			t.Errorf("server %q: status %d", s, st)
		}
	}
}

func FuzzCarrier(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x05relay\x01\xbb"))
	f.Add([]byte("\x04\x01\x01\xbb\x00\x00\x00\x01\x00relay.example\x00"))
	f.Add([]byte("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, read := range []func([]byte, *Negotiation) Status{Client, Server} {
			var n Negotiation
			if st := read(b, &n); st == Done && (n.Len <= 0 || n.Len > len(b)) {
				t.Fatalf("%d bytes of %d", n.Len, len(b))
			}
		}
	})
}
