package events

import (
	"net/netip"
	"strconv"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/eve"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// DNS writes a message as dns events: one for each question, each with all
// answers of a response; one where there is no question. mDNS and LLMNR are
// told apart by app_proto. It keeps nothing of msg.
func (w *Writer) DNS(m Meta, msg *dns.Message, kind dns.Kind) {
	app := "dns"
	switch kind {
	case dns.KindMDNS:
		app = "mdns"
	case dns.KindLLMNR:
		app = "llmnr"
	}
	for i := range max(msg.NumQuestions, 1) {
		l := w.begin(&m, "dns", app)
		l.Open("dns")
		l.Uint("version", 2) // Suricata's second way of writing answers, which both schemas have
		if msg.Response() {
			l.Str("type", "answer")
		} else {
			l.Str("type", "query")
		}
		l.Uint("id", uint64(msg.ID))
		if i < msg.NumQuestions {
			q := &msg.Questions[i]
			l.Text("rrname", msg.Name(q.Name))
			l.Str("rrtype", dns.TypeName(q.Type))
		}
		l.Uint("opcode", uint64(msg.Opcode))
		if msg.Response() {
			w.response(l, msg)
		}
		l.Close()
		w.end()
	}
}

// flags are the header bits that have a key of their own.
var flags = [...]struct {
	key string
	bit uint16
}{{"aa", dns.FlagAA}, {"rd", dns.FlagRD}, {"ra", dns.FlagRA}}

// response adds what only a response has.
func (w *Writer) response(l *eve.Line, msg *dns.Message) {
	w.text = strconv.AppendUint(w.text[:0], uint64(msg.Flags), 16)
	l.Text("flags", w.text)
	l.Bool("qr", true)
	for i := range flags {
		if msg.Flags&flags[i].bit != 0 {
			l.Bool(flags[i].key, true)
		}
	}
	l.Str("rcode", rcode(msg.RCode))
	if msg.NumAnswers == 0 {
		return
	}
	l.OpenList("answers")
	for i := range msg.Answers[:msg.NumAnswers] {
		w.answer(l, msg, &msg.Answers[i])
	}
	l.CloseList()
}

// answer adds one record of the answer section. Data of types that lead to no
// name or address is left out.
func (w *Writer) answer(l *eve.Line, msg *dns.Message, a *dns.Answer) {
	l.Open("")
	l.Text("rrname", msg.Name(a.Owner))
	l.Str("rrtype", dns.TypeName(a.Type))
	l.Uint("ttl", uint64(a.TTL))
	switch a.Type {
	case dns.TypeA, dns.TypeAAAA:
		if ip, ok := netip.AddrFromSlice(a.Data); ok {
			l.Addr("rdata", ip)
		}
	case dns.TypeCNAME, dns.TypeDNAME, dns.TypeNS, dns.TypePTR, dns.TypeMX, dns.TypeSRV:
		l.Text("rdata", msg.Name(a.Target))
	case dns.TypeSVCB, dns.TypeHTTPS:
		w.text = appendService(w.text[:0], msg, a)
		l.Text("rdata", w.text)
	}
	l.Close()
}

// appendService appends SVCB or HTTPS data in the manner of RFC 9460's
// presentation format, all of it printable.
func appendService(dst []byte, msg *dns.Message, a *dns.Answer) []byte {
	dst = strconv.AppendUint(dst, uint64(a.Priority), 10)
	dst = append(dst, ' ')
	dst = append(dst, msg.Name(a.Target)...)
	dst = append(dst, '.')
	sep := " alpn="
	for id, rest := dns.NextALPN(a.ALPN); id != nil; id, rest = dns.NextALPN(rest) {
		dst = printable.AppendWord(append(dst, sep...), id)
		sep = ","
	}
	if a.Port != 0 {
		dst = strconv.AppendUint(append(dst, " port="...), uint64(a.Port), 10)
	}
	dst = appendHints(dst, " ipv4hint=", a.IPv4Hint, 4)
	dst = appendHints(dst, " ipv6hint=", a.IPv6Hint, 16)
	if a.ECH {
		dst = append(dst, " ech"...)
	}
	return dst
}

// appendHints appends a list of addresses of size bytes each.
func appendHints(dst []byte, sep string, hints []byte, size int) []byte {
	for ; len(hints) >= size; hints = hints[size:] {
		ip, _ := netip.AddrFromSlice(hints[:size])
		dst = ip.AppendTo(append(dst, sep...))
		sep = ","
	}
	return dst
}

var rcodes = [...]string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"}

// rcode names a response code (IANA "DNS RCODEs").
func rcode(c uint16) string {
	if int(c) < len(rcodes) {
		return rcodes[c]
	}
	return strconv.Itoa(int(c))
}
