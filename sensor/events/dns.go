package events

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/eve"
)

// DNS writes a message as dns events: one for each question, with the answers
// in a response's. mDNS and LLMNR are told apart by app_proto.
func (w *Writer) DNS(m Meta, msg *dns.Message, kind dns.Kind) {
	app := "dns"
	switch kind {
	case dns.KindMDNS:
		app = "mdns"
	case dns.KindLLMNR:
		app = "llmnr"
	}
	for i := range max(msg.NumQuestions, 1) {
		l := w.begin(m, "dns", app)
		l.Open("dns")
		l.Uint("version", 2)
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
			w.answers(l, msg)
		}
		l.Close()
		w.end()
	}
}

func (w *Writer) answers(l *eve.Line, msg *dns.Message) {
	l.Str("flags", fmt.Sprintf("%x", msg.Flags))
	l.Bool("qr", true)
	for _, f := range []struct {
		key string
		bit uint16
	}{{"aa", dns.FlagAA}, {"rd", dns.FlagRD}, {"ra", dns.FlagRA}} {
		if msg.Flags&f.bit != 0 {
			l.Bool(f.key, true)
		}
	}
	l.Str("rcode", rcode(msg.RCode))
	if msg.NumAnswers == 0 {
		return
	}
	l.OpenList("answers")
	for i := range msg.Answers[:msg.NumAnswers] {
		a := &msg.Answers[i]
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
			w.raw(l, "rdata", append([]byte(nil), w.text...))
		}
		l.Close()
	}
	l.CloseList()
}

// appendService appends SVCB or HTTPS data in the manner of RFC 9460's
// presentation format.
func appendService(dst []byte, msg *dns.Message, a *dns.Answer) []byte {
	dst = strconv.AppendUint(dst, uint64(a.Priority), 10)
	dst = append(dst, ' ')
	dst = append(dst, msg.Name(a.Target)...)
	dst = append(dst, '.')
	for i, list := 0, a.ALPN; ; i++ {
		id, rest := dns.NextALPN(list)
		if id == nil {
			break
		}
		if i == 0 {
			dst = append(dst, " alpn="...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, id...)
		list = rest
	}
	dst = appendHints(dst, " ipv4hint=", a.IPv4Hint, 4)
	dst = appendHints(dst, " ipv6hint=", a.IPv6Hint, 16)
	if a.ECH {
		dst = append(dst, " ech"...)
	}
	return dst
}

func appendHints(dst []byte, key string, hints []byte, size int) []byte {
	for i := 0; i+size <= len(hints); i += size {
		if i == 0 {
			dst = append(dst, key...)
		} else {
			dst = append(dst, ',')
		}
		ip, _ := netip.AddrFromSlice(hints[i : i+size])
		dst = ip.AppendTo(dst)
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
