package sensor

import (
	"bytes"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/quic"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// maxDatagrams is how many datagrams of a direction are looked at before a UDP
// flow is taken for decided. A QUIC client repeats its Initials a few times; a
// protocol that shows itself at all does so in its first exchange.
const maxDatagrams = 10

// datagram looks at the payload of a UDP packet.
func (w *Worker) datagram(f *flow.Flow, dir flow.Dir, p *decode.Packet) {
	b := p.Payload
	if dns.Plausible(b) && w.dnsMessage(f, dir, b, len(b) < int(p.PayloadLen)) {
		w.datagramPayload(f, dir, p) // a tunnel's first messages are DNS like any other
		return                       // one socket may ask for many names: never decided
	}
	if w.hostName(f, dir, p) {
		w.datagramPayload(f, dir, p)
		return
	}
	if f.App&appMask == appQUIC || quic.LooksLikeInitial(b) {
		w.quicDatagram(f, dir, b)
		return
	}
	if len(b) < int(p.PayloadLen) && dir == f.ClientDir() && quic.BeginsInitial(b) {
		unread(f, dir, true)
		w.datagramPayload(f, dir, p)
	} else {
		w.datagramPayload(f, dir, p)
		if dir == f.ClientDir() {
			w.nameless(f)
		}
	}
	if f.Tries[dir]++; f.Tries[dir] >= maxDatagrams && f.App&appMask != appDNS {
		w.flows.Decide(f, dir)
	}
}

// datagramPayload matches a datagram against the payload patterns.
func (w *Worker) datagramPayload(f *flow.Flow, dir flow.Dir, p *decode.Packet) {
	msg := magic.Message{Proto: decode.ProtoUDP, From: magic.FromServer, Head: p.Payload, Size: uint32(p.PayloadLen)}
	if dir == f.ClientDir() {
		msg.From = magic.FromClient
	}
	w.payload(f, &msg, 0)
}

// dnsMessage reads b as one DNS message and reports whether it is one. cut
// says that the capture did not keep all of it. On ports that are not DNS's,
// only a message without any doubt is taken for one.
func (w *Worker) dnsMessage(f *flow.Flow, dir flow.Dir, b []byte, cut bool) bool {
	lo, hi := f.Ports()
	kind := dns.KindOf(lo, hi)
	if kind == dns.KindNone {
		return false
	}
	usual := dns.UsualPort(lo) || dns.UsualPort(hi)
	switch st := dns.Parse(b, &w.message); {
	case st == dns.NotDNS, !usual && (st != dns.Done || w.message.Trailing > 0):
		return false
	case st == dns.Malformed, st == dns.Partial && !cut: // its questions count all the same
		w.Stats.Malformed.DNS++
		if w.message.NumQuestions == 0 {
			return true
		}
	}
	f.App = f.App&^appMask | appDNS
	if !f.ClientSure() && kind == dns.KindDNS {
		if w.message.Response() {
			f.SetClient(dir.Opposite())
		} else {
			f.SetClient(dir)
		}
	}
	w.sawDNS(f, dir, &w.message, kind)
	return true
}

// leastDNS is the least of a DNS message over TCP that can be told from
// anything else: its length, its header and a question for the root.
const leastDNS = 2 + 12 + 5

// dnsStream reads the DNS messages at the start of a TCP direction.
func (w *Worker) dnsStream(f *flow.Flow, dir flow.Dir, b []byte) (n int, v verdict) {
	for n < len(b) {
		if len(b)-n < leastDNS {
			if f.App&appMask == appDNS || dns.UsualPort(f.ServerPort()) {
				return n, needMore
			}
			return n, decided
		}
		if !dns.Plausible(b[n+2:]) {
			return n, decided
		}
		msg, rest, st := dns.TCP(b[n:])
		switch st {
		case dns.NeedMore:
			return n, needMore
		case dns.Done:
			if !w.dnsMessage(f, dir, msg, false) {
				return n, decided
			}
		default:
			return n, decided
		}
		n = len(b) - len(rest)
	}
	return n, consumed
}

// quicDatagram opens the client's Initial packets and puts its CRYPTO stream
// together. The first Destination Connection ID, from which the keys of the
// whole handshake derive, is kept where the server's first bytes would be:
// they are not needed.
func (w *Worker) quicDatagram(f *flow.Flow, dir flow.Dir, b []byte) {
	f.App = f.App&^appMask | appQUIC
	if dir != f.ClientDir() {
		return
	}
	server := dir.Opposite()
	known := w.flows.View(f, server)
	res := w.quic.Client(b, known)
	if res.Status == quic.StatusOpened && !bytes.Equal(res.DCID, known) {
		// The first flight, or one after a Retry or a Version Negotiation: the
		// stream begins anew.
		w.flows.Release(f, dir)
		w.flows.Release(f, server)
		w.flows.Keep(f, server, res.DCID)
	}
	var view []byte
	for _, c := range res.Crypto {
		view, _ = w.flows.Insert(f, dir, c.Offset, c.Data)
	}
	st := tls.NeedMore
	if len(view) > 0 {
		st = tls.ParseClientHello(view, &w.hello)
	}
	if len(res.Crypto) > 0 {
		unread(f, dir, st == tls.NeedMore)
	}
	switch st {
	case tls.NeedMore:
		if f.Tries[dir]++; f.Tries[dir] < maxDatagrams {
			return
		}
		w.nameless(f)
	case tls.Done:
		w.sawHello(f, &w.hello, tls.OverQUIC)
	default:
		w.Stats.Malformed.QUIC++
		w.nameless(f)
	}
	w.flows.Decide(f, dir)
	w.flows.Decide(f, server)
}
