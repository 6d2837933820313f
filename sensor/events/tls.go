package events

import (
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/eve"
)

// Hello writes a ClientHello as a tls or a quic event. quicVersion is the
// QUIC version's name for tls.OverQUIC.
func (w *Writer) Hello(m Meta, h *tls.ClientHello, transport byte, quicVersion string) {
	event := "tls"
	if transport == tls.OverQUIC {
		event = "quic"
	}
	l := w.begin(m, event, event)
	v := vars{w: w, l: l}
	for it := h.ALPNs(); ; {
		name, ok := it.Next()
		if !ok {
			break
		}
		v.add("tls.alpn", name)
	}
	if h.HasECH {
		kind, _ := h.ECH()
		v.add("tls.ech", []byte(kind.String()))
	}
	if m.Encrypted != dns.Plain {
		v.add("dns.encrypted", []byte(m.Encrypted.String()))
	}
	if m.Carried {
		v.add("carried", []byte("true"))
	}
	v.close()

	l.Open(event)
	if len(h.SNI) > 0 {
		w.raw(l, "sni", h.SNI)
	}
	if transport == tls.OverQUIC {
		l.Str("version", quicVersion)
	} else {
		l.Str("version", tls.VersionName(h.Version))
	}
	w.text = h.JA3(w.text[:0])
	if len(w.text) > 0 {
		l.Open("ja3")
		l.Text("hash", w.text)
		w.text = h.AppendJA3(w.text[:0])
		l.Text("string", w.text)
		l.Close()
	}
	if w.text = h.AppendJA4(w.text[:0], transport); len(w.text) > 0 {
		l.Text("ja4", w.text)
	}
	l.Close()
	w.end()
}

// Flight writes what a TLS server answered as a tls event.
func (w *Writer) Flight(m Meta, s *tls.ServerFlight) {
	l := w.begin(m, "tls", "tls")
	v := vars{w: w, l: l}
	if len(s.ALPN) > 0 {
		v.add("tls.server_alpn", s.ALPN)
	}
	if s.CertStatus == tls.CertOK {
		for it := s.Cert.SANs(); ; {
			kind, name, ok := it.Next()
			if !ok {
				break
			}
			if kind == tls.SANDNS {
				v.add("tls.san", name)
			}
		}
	}
	v.close()

	l.Open("tls")
	l.Str("version", tls.VersionName(s.Version))
	l.Open("ja3s")
	w.text = s.JA3S(w.text[:0])
	l.Text("hash", w.text)
	w.text = s.AppendJA3S(w.text[:0])
	l.Text("string", w.text)
	l.Close()
	if s.CertStatus == tls.CertOK {
		w.certificate(l, &s.Cert)
	}
	l.Close()
	w.end()
}

func (w *Writer) certificate(l *eve.Line, c *tls.Certificate) {
	w.raw(l, "subject", tls.AppendDN(nil, &c.Subject))
	w.raw(l, "issuerdn", tls.AppendDN(nil, &c.Issuer))
	var serial strings.Builder
	for i, b := range c.Serial {
		if i > 0 {
			serial.WriteByte(':')
		}
		serial.WriteString(strings.ToUpper(hexByte(b)))
	}
	l.Str("serial", serial.String())
	for _, d := range []struct {
		key string
		at  int64
	}{{"notbefore", c.NotBefore}, {"notafter", c.NotAfter}} {
		if d.at != tls.NoTime {
			l.Str(d.key, time.Unix(d.at, 0).UTC().Format("2006-01-02T15:04:05"))
		}
	}
}

func hexByte(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}
