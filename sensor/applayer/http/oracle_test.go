package http

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// compare reads head with net/http too and returns the first difference. Where
// net/http refuses, we may accept; where it accepts, we agree, but for what is
// listed in known.
func compare(head []byte) string {
	var r RequestHead
	st := Request(head, &r)
	reader := bufio.NewReader(bytes.NewReader(head))
	want, err := nethttp.ReadRequest(reader)
	if err != nil || known(head, want) {
		return ""
	}
	if st != Done {
		return fmt.Sprintf("status %d, net/http accepts", st)
	}
	if r.HTTP2 {
		return ""
	}
	rest := reader.Buffered()
	if r.HeadLen != len(head)-rest && len(head) < 4096 { // the size of its buffer
		return fmt.Sprintf("head of %d bytes, want %d", r.HeadLen, len(head)-rest)
	}
	host, port := splitHost(want.Host)
	switch {
	case string(r.Method) != want.Method:
		return fmt.Sprintf("method %q, want %q", r.Method, want.Method)
	case string(r.Target) != want.RequestURI:
		return fmt.Sprintf("target %q, want %q", r.Target, want.RequestURI)
	case string(r.Host) != host || int(r.Port) != port:
		return fmt.Sprintf("host %q port %d, want %q %d", r.Host, r.Port, host, port)
	case int(r.Major) != want.ProtoMajor || int(r.Minor) != want.ProtoMinor:
		return fmt.Sprintf("version %d.%d, want %s", r.Major, r.Minor, want.Proto)
	}
	for _, f := range []struct {
		name string
		got  []byte
	}{{"User-Agent", r.UserAgent}, {"Upgrade", r.Upgrade}, {"Sec-Websocket-Protocol", r.WebSocketProtocol}} {
		if unfold(f.got) != strings.TrimSpace(want.Header.Get(f.name)) { // it keeps the space of a last, empty fold
			return fmt.Sprintf("%s %q, want %q", f.name, f.got, want.Header.Get(f.name))
		}
	}
	uri := want.URL.RequestURI()
	form := want.URL.Host != "" || strings.HasPrefix(want.RequestURI, "/") // else one that RFC 9112 does not have
	if form && !r.Connect && !sameURI(r.Path, uri) {
		return fmt.Sprintf("path %q, want %q", r.Path, uri)
	}
	return ""
}

var isHost = regexp.MustCompile(`^(\[[^][ ]*\](:[0-9]*)?|([^][% \t@\r\n:][^][% \t@\r\n]*)?)$`)

// known says where we differ from net/http on purpose:
//   - a field name with white space behind it is that field to us, and to many
//     servers, but another one to net/http;
//   - a Host that is none (white space, an @, brackets elsewhere than around an
//     address) is cut differently, and one that is but a port, as in
//     "CONNECT :443", leaves the word to the Host field;
//   - net/http decodes a URL's host (absolute targets), we do not;
//   - a CONNECT to nobody is not HTTP to us;
//   - the first half of HTTP/2's preface is a request to net/http;
//   - beyond MaxHead we stop, and beyond maxMethod no method is one.
func known(head []byte, want *nethttp.Request) bool {
	if bytes.HasPrefix(head, []byte(preface[:18])) {
		return true
	}
	if len(head) >= MaxHead || len(want.Method) > maxMethod || want.RequestURI == "" || !isHost.MatchString(want.Host) {
		return true
	}
	if strings.Contains(want.RequestURI, "%") && !strings.HasPrefix(want.RequestURI, "/") {
		return true
	}
	for name := range want.Header {
		if strings.TrimSpace(name) != name {
			return true
		}
	}
	return false
}

// unfold puts a folded value on one line the way net/http does.
func unfold(value []byte) string {
	lines := strings.Split(string(value), "\n")
	for i := range lines {
		lines[i] = strings.Trim(strings.TrimSuffix(lines[i], "\r"), " \t")
	}
	return strings.TrimSpace(strings.Join(lines, " "))
}

// splitHost is hostPort by other means.
func splitHost(s string) (string, int) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), 0
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		n = 0
	}
	return host, int(n)
}

// sameURI compares a path as sent with what net/http makes of it: it adds the
// slash that an absolute target may lack, drops a final ? and escapes what
// needs it.
func sameURI(got []byte, want string) bool {
	u, err := url.ParseRequestURI("/" + strings.TrimPrefix(string(got), "/"))
	return err != nil || u.RequestURI() == want || string(got) == want
}

// TestOracle holds random heads, from plain to as odd as net/http still takes,
// against net/http.
func TestOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 112))
	accepted := 0
	for range 20_000 {
		head := randomHead(r)
		if diff := compare(head); diff != "" {
			t.Fatalf("%q: %s", head, diff)
		}
		if _, err := nethttp.ReadRequest(bufio.NewReader(bytes.NewReader(head))); err == nil {
			accepted++
		}
	}
	if accepted < 10_000 {
		t.Errorf("only %d heads were good enough to compare", accepted)
	}
}

func pick(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

func randomHead(r *rand.Rand) []byte {
	var b strings.Builder
	eol := pick(r, "\r\n", "\r\n", "\n")
	host := pick(r, "h.example", "192.0.2.1", "[2001:db8::1]", "A-b_c.example.") + pick(r, "", ":80", ":8443", ":")
	target := pick(r, "/", "/a/b?c=d&e", "/%41?%20", "*", "http://"+host+"/x", "https://"+host, "http://"+host+"?q", "//x/y", "/r?u=http://x.example/y")
	method := pick(r, "GET", "POST", "M-SEARCH", "RPC_IN_DATA", "CONNECT", "x!#")
	if method == "CONNECT" {
		target = host
	}
	fmt.Fprintf(&b, "%s %s HTTP/%s%s", method, target, pick(r, "1.1", "1.1", "1.0", "0.9", "2.0"), eol)
	for range r.IntN(8) {
		name := pick(r, "Host", "host", "User-Agent", "USER-AGENT", "Upgrade", "Sec-WebSocket-Protocol", "X-Other", "Hos", "Cookie")
		value := pick(r, host, "other.example:81", "Mozilla/5.0 (X11)", "websocket", "a:b, c", "", "\"\\")
		sep := pick(r, ": ", ":", ":  ", ":\t", ":"+eol+" ")
		fmt.Fprintf(&b, "%s%s%s%s%s", name, sep, value, pick(r, "", "", " ", "\t ", eol+"  folded"), eol)
	}
	b.WriteString(eol)
	if r.IntN(4) == 0 {
		b.WriteString("\x16\x03\x01body\r\n\r\n")
	}
	return []byte(b.String())
}

// FuzzRequest compares with net/http, and every prefix of a good head must
// ask for more.
// Seeds with a story: b9daa62fc36820cd, "g:000://000" has the scheme g and no
// host, because a scheme ends at the first colon; bb08f52344150eb5, "CONNECT
// :000" names a port and nobody, so that the Host field says who is meant;
// c44be3c365a388be has a method of 25 bytes; 0bb081692702f23e, "CONNECT *000",
// was taken for a request to the whole server; 30728b1d09f5150b folds a value
// onto an empty line, which is no part of it to us.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(agentHead))
	f.Add([]byte(crlf("CONNECT [::1]:443 HTTP/1.1\nHost:\n a\n\tb\n\n")))
	f.Add([]byte("GET http://h:80?x HTTP/1.0\n\nbody"))
	f.Add([]byte(preface))
	f.Fuzz(func(t *testing.T, head []byte) {
		if diff := compare(head); diff != "" {
			t.Fatal(diff)
		}
		var r RequestHead
		if Request(head, &r) != Done {
			return
		}
		for n := range min(r.HeadLen, 512) {
			if st := Request(head[:n:n], &r); st != NeedMore && !(st == Done && r.Major == 0) {
				t.Fatalf("%d bytes: status %d, want NeedMore", n, st)
			}
		}
	})
}

// FuzzResponse: what net/http reads as a response, we read alike.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\nServer: NetSupport Gateway/1.92 (Windows NT)\n\nCMD="))
	f.Add([]byte(crlf("HTTP/1.0 407\nContent-Length: 3\n\nabc")))
	f.Fuzz(func(t *testing.T, head []byte) {
		var r ResponseHead
		st := Response(head, &r)
		if len(head) >= MaxHead {
			return
		}
		want, err := nethttp.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
		if err != nil {
			return
		}
		for name := range want.Header {
			if strings.TrimSpace(name) != name {
				return
			}
		}
		// net/http takes any number of spaces before the status, RFC 9112 section
		// 4 and we take one (seed aceb3d1994bb4400: two).
		if want.StatusCode < 100 || strings.Contains(want.Status, "\t") || bytes.Contains(head, []byte(want.Proto+"  ")) {
			return
		}
		if st != Done || r.Status != want.StatusCode || unfold(r.Server) != want.Header.Get("Server") {
			t.Fatalf("status %d: %d %q, want %d %q", st, r.Status, r.Server, want.StatusCode, want.Header.Get("Server"))
		}
	})
}
