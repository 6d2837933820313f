package sensor

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/carrier"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/http"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/events"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// maxShown is how many bytes of a name, path or agent an alert shows. Host
// names have at most 253; what is longer is not read further by a person.
const maxShown = 256

// shownPayload is how many of a payload's first bytes an alert shows.
const shownPayload = 24

// sight is the scratch memory of matching.
type sight struct {
	fields   detect.Fields
	names    [][]byte
	zone     zoneNames
	sans     [][]byte
	alpn     [][]byte
	subject  []detect.Attribute
	issuer   []detect.Attribute
	ja3, ja4 [40]byte
	hits     []detect.Hit
	magics   []magic.Hit
	partial  partials
	path     dnsPath
	known    [][]byte
}

// begin readies the fields of a flow for one message.
func (w *Worker) begin(f *flow.Flow, kind detect.Kind) *detect.Fields {
	w.fields = detect.Fields{Kind: kind, Proto: f.Proto(), ServerPort: f.ServerPort()}
	if a := f.ServerAddr(); w.rules.AddrOfInterest(a.Hi, a.Lo) {
		w.fields.ServerAddr = a.Netip()
	}
	if w.places != nil && w.rules.UsesASN() {
		w.fields.ServerASN = w.places.ASN(f.ServerAddr().Netip())
	}
	w.names = w.names[:0]
	w.zone.reset()
	return &w.fields
}

// firstPayload books a flow that begins to carry something.
func (w *Worker) firstPayload(f *flow.Flow, p *decode.Packet) {
	f.Mark |= flow.MarkPort
	if p.Proto == decode.ProtoTCP && !f.SawStart(flow.LoHi) && !f.SawStart(flow.HiLo) {
		w.Stats.Midstream++
	}
	w.seen.flow(f)
	if a := f.ServerAddr(); w.rules.PortOfInterest(f.Proto(), f.ServerPort()) || w.rules.AddrOfInterest(a.Hi, a.Lo) ||
		w.places != nil && w.rules.UsesASN() && w.rules.ASNOfInterest(w.places.ASN(a.Netip())) {
		w.match(f, w.begin(f, detect.KindFlow), nil)
	}
}

// sawHello takes a ClientHello, over TCP or QUIC.
func (w *Worker) sawHello(f *flow.Flow, h *tls.ClientHello, transport byte) {
	kind := detect.KindSNI
	if transport == tls.OverQUIC {
		kind = detect.KindQUIC
	}
	fields := w.begin(f, kind)
	if len(h.SNI) > 0 && !hidesName(h) {
		w.names = append(w.names, h.SNI)
	}
	fields.NoSNI = !h.HasSNI
	w.alpn = w.alpn[:0]
	for it := h.ALPNs(); len(w.alpn) < 16; {
		name, ok := it.Next()
		if !ok {
			break
		}
		w.alpn = append(w.alpn, name)
	}
	fields.Names, fields.ALPN = w.names, w.alpn
	if w.rules.NeedJA3() {
		fields.JA3 = h.JA3(w.ja3[:0])
	}
	if a := h.JA4a(transport); w.rules.NeedJA4(a[:]) {
		fields.JA4 = h.AppendJA4(w.ja4[:0], transport)
	}
	encrypted := w.seenHello(f, h, transport)
	if w.events != nil {
		m := w.meta(f)
		m.Encrypted = encrypted
		w.events.Hello(m, h, transport, w.quic.Version())
	}
	own := len(w.names) > 0 && isHostName(h.SNI)
	w.imitated(f, fields, len(fields.Names))
	w.match(f, fields, nil)
	w.settle(f, own)
}

// hidesName reports whether the name in a ClientHello is only that of the provider
// who decrypts the real one.
func hidesName(h *tls.ClientHello) bool {
	kind, _ := h.ECH()
	return kind == tls.ECHReal
}

// sawFlight takes what a TLS server answered.
func (w *Worker) sawFlight(f *flow.Flow, s *tls.ServerFlight) {
	if w.events != nil {
		w.events.Flight(w.meta(f), s)
	}
	if s.CertStatus != tls.CertOK {
		return
	}
	fields := w.begin(f, detect.KindCert)
	w.subject = attributes(w.subject[:0], &s.Cert.Subject)
	w.issuer = attributes(w.issuer[:0], &s.Cert.Issuer)
	w.sans = w.sans[:0]
	for it := s.Cert.SANs(); len(w.sans) < 64; {
		kind, name, ok := it.Next()
		if !ok {
			break
		}
		if kind == tls.SANDNS {
			w.sans = append(w.sans, name)
		}
	}
	w.names = append(w.names, w.sans...)
	if cn := s.Cert.Subject.Get(tls.AttrCN); len(cn) > 0 {
		w.names = append(w.names, cn)
	}
	fields.Names, fields.SAN = w.names, w.sans
	fields.Subject, fields.Issuer = w.subject, w.issuer
	w.match(f, fields, nil)
}

// attributes copies a distinguished name into the form that rules match.
func attributes(dst []detect.Attribute, dn *tls.DN) []detect.Attribute {
	for _, a := range dn.Attributes() {
		if name := attrNames[a.Type]; len(name) > 0 {
			dst = append(dst, detect.Attribute{Type: name, Value: a.Value})
		}
	}
	return dst
}

// attrNames are the short names of attribute types, as bytes.
var attrNames = func() (names [tls.NumAttr][]byte) {
	for t := range names {
		names[t] = []byte(tls.AttrType(t).String())
	}
	return names
}()

// sawRequest takes an HTTP request head.
func (w *Worker) sawRequest(f *flow.Flow, r *http.RequestHead) {
	kind := detect.KindHTTP
	if r.Connect {
		kind = detect.KindConnect
	}
	fields := w.begin(f, kind)
	if len(r.Host) > 0 {
		w.names = append(w.names, r.Host)
	}
	if len(r.HostHeader) > 0 && !bytes.Equal(r.HostHeader, r.Host) {
		w.names = append(w.names, r.HostHeader)
	}
	fields.Names = w.names
	fields.Method, fields.Host, fields.Path, fields.Agent = r.Method, r.Host, r.Path, r.UserAgent
	fields.Upgrade, fields.WebSocket = r.Upgrade, r.WebSocketProtocol
	if w.events != nil {
		w.events.Request(w.meta(f), r)
	}
	w.imitated(f, fields, len(fields.Names))
	w.match(f, fields, nil)
	w.settle(f, r.Connect || isHostName(r.Host) || isHostName(r.HostHeader))
}

// sawNegotiation takes the target of a SOCKS request.
func (w *Worker) sawNegotiation(f *flow.Flow, n *carrier.Negotiation) {
	if n.Kind != carrier.RDP {
		ownName(f)
	}
	if len(n.Host) == 0 {
		return
	}
	fields := w.begin(f, detect.KindConnect)
	w.names = append(w.names, n.Host)
	fields.Names = w.names
	w.imitated(f, fields, len(fields.Names))
	w.match(f, fields, nil)
}

// sawDNS takes a DNS message. Multicast names say what is near, not what a
// host uses: they are shown as events, and matched against nothing; only what a host
// says of its own address is told.
func (w *Worker) sawDNS(f *flow.Flow, dir flow.Dir, m *dns.Message, kind dns.Kind) {
	if w.events != nil {
		w.events.DNS(w.meta(f), m, kind)
	}
	if kind == dns.KindMDNS {
		w.announced(f, dir, m)
	}
	if kind != dns.KindDNS {
		return
	}
	fields := w.begin(f, detect.KindDNS)
	for _, q := range m.Questions[:m.NumQuestions] {
		w.names = append(w.names, w.zone.add(m.Name(q.Name), len(w.names)))
	}
	for i := range m.Answers[:m.NumAnswers] {
		switch a := &m.Answers[i]; a.Type {
		case dns.TypeCNAME, dns.TypeDNAME, dns.TypeSVCB, dns.TypeHTTPS:
			w.names = append(w.names, w.zone.add(m.Name(a.Target), len(w.names)))
		}
	}
	fields.Names = w.names
	w.imitated(f, fields, m.NumQuestions) // what an answer leads to was not asked for
	w.match(f, fields, nil)
	w.learn(f, m, fields.Names)
}

// allTried in Flow.Tries says that the payload patterns have had their look at
// a TCP direction; below it is how many bytes they saw. Patterns end before.
const allTried = 255

// magic matches the first bytes of a TCP direction against the payload
// patterns. It reports whether one of them wants more bytes.
func (w *Worker) magic(f *flow.Flow, dir flow.Dir, b []byte, side magic.Side) (more bool) {
	done := f.Tries[dir]
	if done == allTried {
		return false
	}
	msg := magic.Message{Proto: decode.ProtoTCP, From: side, Head: b, First: f.SawStart(dir) && f.Sent(dir.Opposite()) == 0}
	if more = w.payload(f, &msg, int(done)); !more {
		f.Tries[dir] = allTried
	} else {
		f.Tries[dir] = uint8(min(len(b), allTried-1))
	}
	return more
}

// payload matches a message against the payload patterns. What the first done
// bytes show by themselves was matched before.
func (w *Worker) payload(f *flow.Flow, msg *magic.Message, done int) (more bool) {
	m := w.rules.Magic()
	w.magics, more = m.Match(msg, w.magics[:0])
	if done > 0 {
		kept := w.magics[:0]
		for _, h := range w.magics {
			if m.Fresh(h.ID, done) {
				kept = append(kept, h)
			}
		}
		w.magics = kept
	}
	if len(w.magics) > 0 {
		fields := w.begin(f, detect.KindPayload)
		fields.Payload = w.magics
		w.match(f, fields, msg.Head)
	}
	return more
}

// match asks the rules about fields and passes complete hits on as sightings.
// b is the payload for KindPayload.
func (w *Worker) match(f *flow.Flow, fields *detect.Fields, b []byte) {
	w.hits = w.rules.Match(fields, w.hits[:0])
	w.zone.show(fields.Names)
	for i := range w.hits {
		h := &w.hits[i]
		if !h.Complete() && !w.partial.complete(f.ID(), h) {
			continue
		}
		if fields.Kind != detect.KindDNS {
			f.Mark |= flow.MarkHit
			w.meters.begin(f, h.Indicator)
		}
		w.Stats.Matches++
		s := w.sighting(f, h.Indicator, fields.Kind, value(fields, h, b, w))
		s.Tenant = strings.ToLower(printable.Text(h.Tenant))
		s.Name = hostName(fields, h)
		if asked, _ := detect.SplitAlias(s.Value); asked != "" && fields.Kind == detect.KindDNS {
			s.Name = asked // what people configure and know
		}
		w.sink.Add(s)
	}
}

// sighting is a match in the frame being looked at.
func (w *Worker) sighting(f *flow.Flow, in *detect.Indicator, kind detect.Kind, value string) *alert.Sighting {
	return &alert.Sighting{
		Indicator: in,
		Kind:      kind,
		Value:     value,
		Time:      w.frame.Time,
		Frame:     alert.Frame{File: w.frame.File, Number: w.frame.Number},
		Flow:      alert.Flow{Tuple: f.Tuple(), ID: f.ID(), Start: f.First(), VLAN: f.VLAN, Tunnel: f.Tunnel, TunnelID: f.TunnelID},
	}
}

// value is what an alert shows of a match, as printable ASCII.
func value(fields *detect.Fields, h *detect.Hit, b []byte, w *Worker) string {
	if h.Name >= 0 {
		if fields.Kind == detect.KindDNS && int(h.Name) >= w.message.NumQuestions && w.message.NumQuestions > 0 {
			return aliasText(fields.Names, int(h.Name)) // what the answer leads to
		}
		return nameText(fields.Kind, fields.Names[h.Name])
	}
	need := h.Indicator.Need
	switch fields.Kind {
	case detect.KindFlow:
		return fmt.Sprintf("%s/%d", protoName(fields.Proto), fields.ServerPort)
	case detect.KindPayload:
		return payloadText(b)
	case detect.KindCert:
		shown, _ := printable.Clip(tls.AppendDN(nil, &w.flight.Cert.Subject), maxShown)
		return string(printable.AppendDN(nil, shown))
	case detect.KindHTTP, detect.KindConnect:
		shown, _ := printable.Clip(fields.Path, maxShown)
		if need&detect.CondAgent != 0 {
			shown, _ = printable.Clip(fields.Agent, maxShown)
		}
		return printable.Text(fields.Method) + " " + printable.Text(shown)
	}
	switch {
	case need&detect.CondALPN != 0:
		return printable.Text(h.ALPN(fields))
	case need&detect.CondJA4 != 0:
		return string(fields.JA4)
	case need&detect.CondJA3 != 0:
		return string(fields.JA3)
	}
	return "no SNI"
}

// hostName is the name of the host that a message is for or about: the one that
// matched, or the one that a hello or request has beside what matched.
func hostName(fields *detect.Fields, h *detect.Hit) string {
	switch {
	case h.Name >= 0:
		return nameText(fields.Kind, fields.Names[h.Name])
	case len(fields.Names) == 0 || fields.Kind == detect.KindDNS || fields.Kind == detect.KindCert:
		return ""
	}
	return nameText(fields.Kind, fields.Names[0])
}

// nameText shows a host name.
func nameText(kind detect.Kind, name []byte) string {
	name, _ = printable.Clip(name, maxShown)
	text := string(name) // of DNS: escaped as in zone files
	if kind != detect.KindDNS {
		text = printable.Text(name)
	}
	return strings.ToLower(text) // ASCII by now: other bytes than letters are as they were
}

// payloadText shows the first bytes of a payload: as text where it begins with
// some, else in hexadecimal.
func payloadText(b []byte) string {
	shown, cut := printable.Clip(b, shownPayload)
	text := len(b) >= 4
	for _, c := range b[:min(len(b), 4)] {
		text = text && ' ' <= c && c <= '~'
	}
	s := hex.EncodeToString(shown)
	if text {
		s = printable.Text(shown)
	}
	if cut {
		s += "..."
	}
	return s
}

func protoName(proto uint8) string {
	if proto == decode.ProtoUDP {
		return "udp"
	}
	return "tcp"
}

// meta is what every event says of its packet and flow.
func (w *Worker) meta(f *flow.Flow) events.Meta {
	return events.Meta{Flow: f, Time: w.frame.Time, Number: w.frame.Number, File: w.frame.File, Carried: f.App&carried != 0}
}
