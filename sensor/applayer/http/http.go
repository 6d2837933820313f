package http

// Status is what Request and Response made of the bytes. Malformed input is a
// status to be counted, never an error.
type Status uint8

const (
	// NotHTTP: no head starts here.
	NotHTTP Status = iota
	// NeedMore: all there is agrees with HTTP, but the head does not end. The
	// fields of complete lines are valid: a capture that ends here has shown
	// what they say.
	NeedMore
	// Malformed: a head starts here and does not end within MaxHead bytes. The
	// fields seen up to there are valid.
	Malformed
	// Done: the head is complete.
	Done
)

// MaxHead is the longest head that is read, in bytes: the most that common
// servers take is 8 KiB (Apache, nginx) and 16 KiB (IIS, Node.js).
const MaxHead = 16 << 10

// maxMethod is the longest method that is recognised; "BASELINE-CONTROL" has
// 16 bytes.
const maxMethod = 24

// maxBlank is how many bytes of empty lines may precede a head. RFC 9112
// section 2.2 asks servers to ignore one; some clients send it after a body.
const maxBlank = 16

// methods are those that LooksLikeRequest knows, by first letter, each with the
// space behind it: RFC 9110, WebDAV and its extensions, UPnP, Microsoft's
// remote procedure calls, desktop gateway, tunnels and transfers, HTTP/2's
// preface.
var methods = byLetter(
	"GET ", "POST ", "HEAD ", "PUT ", "CONNECT ", "OPTIONS ", "DELETE ", "PATCH ", "TRACE ", "QUERY ", "PRI ",
	"ACL ", "BASELINE-CONTROL ", "BIND ", "CHECKIN ", "CHECKOUT ", "COPY ", "LABEL ", "LINK ", "LOCK ", "MERGE ",
	"MKACTIVITY ", "MKCALENDAR ", "MKCOL ", "MKREDIRECTREF ", "MKWORKSPACE ", "MOVE ", "ORDERPATCH ", "PROPFIND ",
	"PROPPATCH ", "REBIND ", "REPORT ", "SEARCH ", "UNBIND ", "UNCHECKOUT ", "UNLINK ", "UNLOCK ", "UPDATE ",
	"UPDATEREDIRECTREF ", "VERSION-CONTROL ", "PURGE ", "SOURCE ",
	"M-SEARCH ", "NOTIFY ", "SUBSCRIBE ", "UNSUBSCRIBE ",
	"RPC_IN_DATA ", "RPC_OUT_DATA ", "RDG_IN_DATA ", "RDG_OUT_DATA ", "SSTP_DUPLEX_POST ", "BITS_POST ", "CCM_POST ",
	"BCOPY ", "BDELETE ", "BMOVE ", "BPROPFIND ", "BPROPPATCH ", "POLL ",
)

func byLetter(list ...string) (t [26][]string) {
	for _, m := range list {
		t[m[0]-'A'] = append(t[m[0]-'A'], m)
	}
	return t
}

// LooksLikeRequest is the cheap question at the first bytes of a flow, a few
// ns: Done when b starts with a known method and a space, NeedMore when it may
// still come to that, else NotHTTP. Request has the last word after Done, and
// takes unknown methods too.
func LooksLikeRequest(b []byte) Status {
	b = b[blank(b):]
	if len(b) == 0 {
		return NeedMore
	}
	letter := b[0] - 'A'
	if int(letter) >= len(methods) {
		return NotHTTP
	}
	for _, m := range methods[letter] {
		n := min(len(b), len(m))
		if string(b[:n]) != m[:n] {
			continue
		}
		if n == len(m) {
			return Done
		}
		return NeedMore
	}
	return NotHTTP
}

// blank is how many bytes of empty lines b starts with.
func blank(b []byte) int {
	n := 0
	for n < len(b) && n < maxBlank && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	return n
}
