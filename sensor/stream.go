package sensor

import (
	"bytes"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/carrier"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/http"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/quic"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// What a flow's App says it carries. carried and resolved are bits beside it.
const (
	appUnknown uint8 = iota
	appTLS
	appHTTP // requests follow one another on the connection
	appDNS
	appQUIC

	appMask  uint8 = 0x0f
	carried  uint8 = 0x10 // a proxy or upgrade negotiation came first
	resolved uint8 = 0x20 // it has a name of its own, or DNS was asked for one
)

// maxCarried bounds how many negotiations are unwrapped on one connection: a
// proxy, a second one behind it, RDP's, and one to spare.
const maxCarried = 4

// maxUnknown is how many first bytes of a direction that no parser knows are
// searched for a TLS handshake behind them, as after STARTTLS.
const maxUnknown = flow.SmallHead

// parsers is the scratch memory of everything that reads first bytes.
type parsers struct {
	tls         *tls.Parser
	quic        quic.Opener
	hello       tls.ClientHello
	flight      tls.ServerFlight
	request     http.RequestHead
	response    http.ResponseHead
	negotiation carrier.Negotiation
	message     dns.Message
}

// verdict is what is to become of a direction's first bytes.
type verdict uint8

const (
	decided  verdict = iota // nothing more is to be learned
	needMore                // keep them and ask again
	consumed                // they were read; what follows starts anew
)

// stream puts a TCP segment in order and looks at the direction's first bytes.
func (w *Worker) stream(f *flow.Flow, dir flow.Dir, p *decode.Packet) {
	view, fresh := w.flows.Segment(f, dir, p)
	if !fresh {
		if f.App&appMask != appHTTP || !w.flows.Resync(f, dir, p) {
			return
		}
		view = p.Payload
	}
	w.settleClient(f, dir, view)
	if p.DstPort == portKerberos {
		w.ticketStream(p, view)
	}
	skip := w.flows.Skip(f, dir)
	var v verdict
	if dir == f.ClientDir() {
		if at := len(view) - len(p.Payload); at > skip && !f.SawStart(dir) && http.LooksLikeRequest(view[at:]) == http.Done {
			skip = at // the capture began inside something else, which ended here
		}
		v, skip = w.fromClient(f, dir, view, skip)
	} else {
		v, skip = w.fromServer(f, dir, view, skip)
	}
	if v == needMore && len(view) >= flow.LargeHead-1 {
		w.Stats.HeadFull++
		v = decided
	}
	switch v {
	case decided:
		w.flows.Decide(f, dir)
	case consumed:
		f.Tries[dir] = allTried
		if w.flows.Consume(f, dir, skip); skip < len(view) {
			w.flows.Keep(f, dir, view[skip:])
		}
	case needMore:
		w.flows.Keep(f, dir, view)
		w.flows.SetSkip(f, dir, skip)
	}
}

// settleClient corrects a guess of who the client is by what it sends.
func (w *Worker) settleClient(f *flow.Flow, dir flow.Dir, view []byte) {
	if f.ClientSure() {
		return
	}
	switch {
	case tls.LooksLikeClientHello(view) == tls.Done, http.LooksLikeRequest(view) == http.Done:
		f.SetClient(dir)
	case tls.LooksLikeServerFlight(view) == tls.Done, bytes.HasPrefix(view, []byte("HTTP/1.")):
		f.SetClient(dir.Opposite())
	}
}

// fromClient looks at the client's first bytes from skip on. It returns how
// many of view belong to what was read.
func (w *Worker) fromClient(f *flow.Flow, dir flow.Dir, view []byte, skip int) (verdict, int) {
	for range maxCarried {
		b := view[skip:]
		if len(b) == 0 {
			return needMore, skip
		}
		more := w.magic(f, dir, b, magic.FromClient)
		if f.App&appMask != appHTTP {
			switch tls.LooksLikeClientHello(b) {
			case tls.Done:
				if v, ok := w.clientHello(f, b); ok {
					return v, skip
				}
			case tls.NeedMore:
				return needMore, skip
			}
		}
		var n int
		var v verdict
		if n, v = w.requests(f, b); v == decided {
			if n, v = w.negotiate(f, b); v == decided {
				if n, v = w.dnsStream(f, dir, b); v == decided {
					return w.unknown(f, dir, view, skip, more, true)
				}
			}
		}
		if v == needMore {
			return needMore, skip + n
		}
		skip += n
		if f.App&appMask != appUnknown {
			return consumed, skip
		}
		f.Tries[dir] = 0 // what is carried has first bytes of its own
	}
	return decided, skip
}

// fromServer looks at the server's first bytes from skip on.
func (w *Worker) fromServer(f *flow.Flow, dir flow.Dir, view []byte, skip int) (verdict, int) {
	for range maxCarried {
		b := view[skip:]
		if len(b) == 0 {
			return needMore, skip
		}
		more := w.magic(f, dir, b, magic.FromServer)
		if f.App&appMask == appHTTP && !more {
			return decided, skip // pages and their like
		}
		switch tls.LooksLikeServerFlight(b) {
		case tls.Done:
			return w.serverFlight(f, b), skip
		case tls.NeedMore:
			return needMore, skip
		}
		var n int
		var v verdict
		if n, v = w.answer(f, b); v == decided {
			if n, v = w.dnsStream(f, dir, b); v == decided {
				return w.unknown(f, dir, view, skip, more, false)
			}
			if v == consumed {
				return consumed, skip + n
			}
		}
		if v == needMore {
			return needMore, skip + n
		}
		skip += n
		f.Tries[dir] = 0
	}
	return decided, skip
}

// clientHello reads a ClientHello at the start of b. It is not ok when these
// bytes are none after all: where the flow's start was missed, or segments are
// out of order, anything may stand first.
func (w *Worker) clientHello(f *flow.Flow, b []byte) (v verdict, ok bool) {
	st := w.tls.Client(b, &w.hello)
	unread(f, f.ClientDir(), st == tls.NeedMore)
	switch st {
	case tls.NeedMore:
		return needMore, true
	case tls.Done:
		f.App = f.App&^appMask | appTLS
		w.sawHello(f, &w.hello, tls.OverTCP)
		return decided, true
	case tls.Malformed:
		w.Stats.Malformed.TLS++
		if w.hello.HasSNI {
			w.sawHello(f, &w.hello, tls.OverTCP)
			return decided, true
		}
	}
	return decided, false
}

// serverFlight reads a ServerHello and, where it can be read, the certificate.
func (w *Worker) serverFlight(f *flow.Flow, b []byte) verdict {
	st := w.tls.Server(b, &w.flight)
	if w.flight.Retry && f.Mark&flow.MarkRetry == 0 {
		f.Mark |= flow.MarkRetry
		w.flows.Reopen(f, f.ClientDir()) // a second ClientHello, perhaps another one, is to come
	}
	more := st == tls.NeedMore && len(b) < flow.LargeHead-1
	unread(f, f.ClientDir().Opposite(), more)
	if more {
		return needMore
	}
	if st == tls.Malformed {
		w.Stats.Malformed.TLS++
	}
	if w.flight.HelloDone {
		f.App = f.App&^appMask | appTLS
		w.sawFlight(f, &w.flight)
	}
	return decided
}

// requests reads the HTTP/1 requests at the start of b. After CONNECT it
// returns with App unknown again: another protocol follows.
func (w *Worker) requests(f *flow.Flow, b []byte) (n int, v verdict) {
	for {
		switch http.LooksLikeRequest(b[n:]) {
		case http.NeedMore:
			return n, needMore
		case http.NotHTTP:
			if f.App&appMask == appHTTP {
				return len(b), consumed // a body, or frames after an upgrade
			}
			return n, decided
		}
		st := http.Request(b[n:], &w.request)
		unread(f, f.ClientDir(), st == http.NeedMore)
		switch st {
		case http.NeedMore:
			return n, needMore
		case http.Malformed: // padding a head beyond what is read must not hide its host
			w.Stats.Malformed.HTTP++
			if len(w.request.Host) > 0 {
				w.sawRequest(f, &w.request)
			}
			fallthrough
		case http.NotHTTP:
			if f.App&appMask == appHTTP {
				return len(b), consumed
			}
			return n, decided
		}
		if w.request.HTTP2 { // no request itself, and those behind it are not read
			f.App = f.App&^appMask | appHTTP
			w.nameless(f)
			return len(b), consumed
		}
		w.sawRequest(f, &w.request)
		n += w.request.HeadLen
		if w.request.Connect {
			f.App = f.App&^appMask | carried
			return n, consumed
		}
		f.App = f.App&^appMask | appHTTP
		if body := w.request.ContentLength; body > 0 {
			n += int(min(body, int64(len(b)-n))) // another request may follow it
		}
		if n == len(b) {
			return n, consumed
		}
	}
}

// negotiate reads a SOCKS or RDP negotiation at the start of b.
func (w *Worker) negotiate(f *flow.Flow, b []byte) (n int, v verdict) {
	switch carrier.Client(b, &w.negotiation) {
	case carrier.NeedMore:
		return 0, needMore
	case carrier.Done:
		w.sawNegotiation(f, &w.negotiation)
		f.App |= carried
		return w.negotiation.Len, consumed
	}
	return 0, decided
}

// answer reads what a server says before the carried protocol begins.
func (w *Worker) answer(f *flow.Flow, b []byte) (n int, v verdict) {
	switch http.Response(b, &w.response) {
	case http.NeedMore:
		return 0, needMore
	case http.Done:
		// Only what follows CONNECT, or what may have followed one that was
		// not seen, is of interest; a body is not.
		if f.App&appMask == appHTTP || w.response.Status/100 != 2 {
			return 0, decided
		}
		return w.response.HeadLen, consumed
	}
	switch carrier.Server(b, &w.negotiation) {
	case carrier.NeedMore:
		return 0, needMore
	case carrier.Done:
		return w.negotiation.Len, consumed
	}
	return 0, decided
}

// unknown decides about bytes that nothing above knows: a TLS handshake may
// still follow them, as after STARTTLS, and a payload pattern may want more.
// They are kept only where an earlier segment may still come, so that ordinary
// flows of other protocols hold no memory.
func (w *Worker) unknown(f *flow.Flow, dir flow.Dir, view []byte, skip int, more, client bool) (verdict, int) {
	if at := findHandshake(view[skip:], client); at >= 0 {
		f.Tries[dir] = 0
		if !client {
			return w.serverFlight(f, view[skip+at:]), skip + at
		}
		if v, ok := w.clientHello(f, view[skip+at:]); ok {
			return v, skip + at
		}
	}
	if client && f.App&(appMask|resolved) == appUnknown {
		w.namelessBytes(f, dir)
	}
	switch {
	case more:
		return needMore, skip
	case f.Sent(dir) >= maxUnknown:
		return decided, skip
	case !f.SawStart(dir):
		return needMore, skip
	}
	return consumed, len(view) - unfinished(view[skip:])
}

// unfinished is how many of the last bytes could be the beginning of what
// findHandshake looks for.
func unfinished(b []byte) int {
	b = b[max(len(b)-handshakeHead+1, 0):]
	if i := bytes.IndexByte(b, 0x16); i >= 0 {
		return len(b) - i
	}
	return 0
}

// handshakeHead is how many bytes findHandshake has to see.
const handshakeHead = 11

// findHandshake returns where in b a TLS record with a ClientHello, or with a
// ServerHello, starts: record type and version, message type, a length of less
// than 64 KiB, and the hello's own version. Forty fixed bits do not come by
// chance.
func findHandshake(b []byte, client bool) int {
	want := byte(2)
	if client {
		want = 1
	}
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], 0x16)
		if i < 0 || from+i+handshakeHead > len(b) {
			return -1
		}
		at := from + i
		if h := b[at : at+handshakeHead]; h[1] == 3 && h[2] <= 4 && h[5] == want && h[6] == 0 && h[9] == 3 && h[10] <= 4 {
			return at
		}
		from = at + 1
	}
}
