package http

import "bytes"

// RequestHead is what the head of a request says. All slices are views of the
// bytes given to Request, nil when the head has no such part. It belongs to
// the caller and is overwritten whole by each call.
type RequestHead struct {
	Method []byte
	Target []byte // as sent, RFC 9112 section 3.2
	Path   []byte // the target's path with its query; "*" for the whole server; nil for CONNECT and where an absolute target has none

	// Host is whom the request is for: the host of an absolute target
	// (http://host/path, as to a proxy) or of CONNECT, which both go before the
	// Host field (RFC 9112 section 3.2.2), else that of the field. Without port
	// and without the brackets of an IPv6 address; not proven to be a host name.
	Host []byte
	Port uint16 // that came with Host; 0 for none

	HostHeader     []byte // the host of the Host field, cut like Host
	HostHeaderPort uint16

	UserAgent         []byte
	Upgrade           []byte
	WebSocketProtocol []byte // Sec-WebSocket-Protocol, RFC 6455 section 11.3.4
	ContentLength     int64  // bytes; -1 when not given or not a number

	HeadLen int // Done: bytes up to and including the empty line

	Major, Minor uint8 // HTTP version; 0.9 when the line has none
	Connect      bool  // the method is CONNECT: another protocol follows
	HTTP2        bool  // HTTP/2's preface (RFC 9113 section 3.4), complete; its requests are not read
	HostDone     bool  // Host is final, whatever the rest of the head says
}

// preface starts an HTTP/2 connection over TCP without TLS.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Request reads the request head at the start of head into r. A request is
// METHOD SP target SP HTTP/d.d with any method, or GET SP /path: HTTP/0.9 when
// nothing follows, else, as some malware sends it, a head without its version.
// Tolerated are empty lines before it, bare LF as line end, folded
// lines, white space around colons and at the ends of lines, lines without a
// colon, spaces in the target, a missing Host and a repeated one (the first
// counts), and behind a known method, in a line with a version, control bytes
// in the target but NUL and CR: one of them must not hide a request from us
// that a server reads.
func Request(head []byte, r *RequestHead) Status {
	*r = RequestHead{ContentLength: -1}
	full := len(head) >= MaxHead
	head = head[:min(len(head), MaxHead)]
	start := blank(head)
	if n := min(len(head)-start, len(preface)); n > len("PRI ") && string(head[start:start+n]) == preface[:n] {
		if n < len(preface) {
			return NeedMore
		}
		r.Method, r.Target, r.Major, r.HTTP2 = head[start:start+3], head[start+4:start+5], 2, true
		r.HeadLen = start + n
		return Done
	}
	st := NotHTTP
	end := bytes.IndexByte(head[start:], '\n')
	switch {
	case end < 0:
		st = startsRequest(head[start:])
	case !r.line(trimLine(head[start : start+end])):
	case r.Major == 0 && start+end+1 == len(head):
		r.HeadLen = len(head)
		st = Done
	default:
		st = r.fields(&fields{head: head, at: start + end + 1})
	}
	if st == NeedMore && full {
		return Malformed
	}
	return st
}

// startsRequest is NeedMore when line, which has no end yet, can become a
// request line, else NotHTTP.
func startsRequest(line []byte) Status {
	n := token(line)
	switch {
	case n > maxMethod || n == 0 && len(line) > 0:
		return NotHTTP
	case n == len(line):
		return NeedMore
	case line[n] != ' ' || !targetBytes(line, trimLine(line[n:])):
		return NotHTTP
	}
	return NeedMore
}

// line takes the request line apart.
func (r *RequestHead) line(line []byte) bool {
	n := token(line)
	if n == 0 || n > maxMethod || n == len(line) || line[n] != ' ' || !targetBytes(line, line[n:]) {
		return false
	}
	method, target := line[:n:n], trim(line[n:])
	last := bytes.LastIndexByte(target, ' ')
	major, minor, ok := version(target[last+1:])
	switch {
	case ok && last > 0:
		r.Major, r.Minor = major, minor
		target = trim(target[:last:last])
	case last < 0 && string(method) == "GET" && target[0] == '/' && printable(target):
		r.Minor = 9
	default:
		return false
	}
	r.Method, r.Target = method, target
	r.Connect = string(method) == "CONNECT"
	r.target()
	return true
}

// target finds host and path in r.Target by its form, RFC 9112 section 3.2.
func (r *RequestHead) target() {
	t := r.Target
	if t[0] == '/' || t[0] == '*' && !r.Connect {
		r.Path = t
		return
	}
	if !r.Connect {
		scheme := bytes.Index(t, []byte("://"))
		if scheme <= 0 || bytes.ContainsAny(t[:scheme], ":/?#") {
			r.Path = t // not a form that the RFC knows
			return
		}
		t = t[scheme+3:]
	}
	if end := bytes.IndexAny(t, "/?#"); end >= 0 {
		if !r.Connect {
			r.Path = t[end:]
		}
		t = t[:end:end]
	}
	if at := bytes.LastIndexByte(t, '@'); at >= 0 {
		t = t[at+1:]
	}
	r.Host, r.Port = hostPort(t)
	r.HostDone = len(r.Host) > 0
}

// fields takes the fields that are of interest.
func (r *RequestHead) fields(f *fields) Status {
	for {
		name, value, st := f.next()
		switch st {
		case NeedMore:
			return NeedMore
		case Done:
			r.HostDone = true
			r.HeadLen = f.at
			return Done
		}
		switch {
		case is(name, "host"):
			r.host(value, f.at < len(f.head))
		case is(name, "user-agent"):
			set(&r.UserAgent, value)
		case is(name, "upgrade"):
			set(&r.Upgrade, value)
		case is(name, "sec-websocket-protocol"):
			set(&r.WebSocketProtocol, value)
		case is(name, "content-length"):
			if r.ContentLength < 0 {
				r.ContentLength = number(value)
			}
		}
	}
}

// host takes the value of a Host field. sure says that the next line has
// begun, so that this one is not folded.
func (r *RequestHead) host(value []byte, sure bool) {
	if r.HostHeader != nil {
		return
	}
	r.HostHeader, r.HostHeaderPort = hostPort(value)
	if !r.HostDone {
		r.Host, r.Port = r.HostHeader, r.HostHeaderPort
		r.HostDone = sure
	}
}

// token is how many bytes b starts with that RFC 9110 section 5.6.2 allows in
// a method, at most one more than maxMethod.
func token(b []byte) int {
	for i, c := range b[:min(len(b), maxMethod+1)] {
		if !isToken[c] {
			return i
		}
	}
	return min(len(b), maxMethod+1)
}

var isToken = func() (t [256]bool) {
	for c := '0'; c <= 'z'; c++ {
		t[c] = c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// targetBytes reports whether b, the part of line behind the method, may hold a
// target. Bytes that are no text are one only where the method is known:
// anything may start with a word and a space.
func targetBytes(line, b []byte) bool {
	return printable(b) || bytes.IndexByte(b, 0) < 0 && bytes.IndexByte(b, '\r') < 0 && LooksLikeRequest(line) == Done
}

// printable reports whether b has no control byte but tabs.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
