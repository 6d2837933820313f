package events

import (
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// Hello writes a ClientHello as a tls event, or as a quic event where transport
// is tls.OverQUIC; quicVersion is then the QUIC version's name. It keeps
// nothing of h.
func (w *Writer) Hello(m Meta, h *tls.ClientHello, transport byte, quicVersion string) {
	event, version := "tls", ""
	if transport == tls.OverQUIC {
		event, version = "quic", quicVersion
	} else {
		version = tls.VersionName(h.Version)
	}
	l := w.begin(&m, event, event)
	for it := h.ALPNs(); ; {
		name, ok := it.Next()
		if !ok {
			break
		}
		w.flowvar("tls.alpn", name)
	}
	if h.HasECH {
		kind, _ := h.ECH()
		w.flowvar("tls.ech", []byte(kind.String()))
	}
	if m.Encrypted != dns.Plain {
		w.flowvar("dns.encrypted", []byte(m.Encrypted.String()))
	}
	if m.Carried {
		w.flowvar("carried", always)
	}
	w.endVars()

	l.Open(event)
	if len(h.SNI) > 0 {
		w.raw("sni", h.SNI)
	}
	l.Str("version", version)
	if w.text = h.JA3(w.text[:0]); len(w.text) > 0 {
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

// Flight writes what a TLS server answered as a tls event. s.HelloDone holds.
// It keeps nothing of s.
func (w *Writer) Flight(m Meta, s *tls.ServerFlight) {
	l := w.begin(&m, "tls", "tls")
	if len(s.ALPN) > 0 {
		w.flowvar("tls.server_alpn", s.ALPN)
	}
	if m.Carried {
		w.flowvar("carried", always)
	}
	if s.CertStatus == tls.CertOK {
		for it := s.Cert.SANs(); ; {
			kind, name, ok := it.Next()
			if !ok {
				break
			}
			if kind == tls.SANDNS {
				w.flowvar("tls.san", name)
			}
		}
	}
	w.endVars()

	l.Open("tls")
	l.Str("version", tls.VersionName(s.Version))
	l.Open("ja3s")
	w.text = s.JA3S(w.text[:0])
	l.Text("hash", w.text)
	w.text = s.AppendJA3S(w.text[:0])
	l.Text("string", w.text)
	l.Close()
	if s.CertStatus == tls.CertOK {
		w.certificate(&s.Cert)
	}
	l.Close()
	w.end()
}

// certificate adds a leaf certificate's fields to a tls object.
func (w *Writer) certificate(c *tls.Certificate) {
	w.name4514("subject", &c.Subject)
	w.name4514("issuerdn", &c.Issuer)
	w.serial(c.Serial)
	w.date("notbefore", c.NotBefore)
	w.date("notafter", c.NotAfter)
}

// name4514 adds a distinguished name in the form of RFC 4514.
func (w *Writer) name4514(key string, name *tls.DN) {
	w.text = tls.AppendDN(w.text[:0], name)
	made := len(w.text)
	v, _ := printable.Clip(w.text, maxText)
	w.text = printable.AppendDN(w.text, v)
	w.line.Text(key, w.text[made:])
}

// maxSerial is how many bytes of a serial number are shown. RFC 5280 section
// 4.1.2.2 allows 20.
const maxSerial = 64

// serial adds a serial number as Suricata does: 0A:1B.
func (w *Writer) serial(b []byte) {
	const hex = "0123456789ABCDEF"
	b, _ = printable.Clip(b, maxSerial)
	w.text = w.text[:0]
	for i, c := range b {
		if i > 0 {
			w.text = append(w.text, ':')
		}
		w.text = append(w.text, hex[c>>4], hex[c&15])
	}
	w.line.Text("serial", w.text)
}

// date adds a certificate's date, where it could be read.
func (w *Writer) date(key string, at int64) {
	if at == tls.NoTime {
		return
	}
	w.text = time.Unix(at, 0).UTC().AppendFormat(w.text[:0], "2006-01-02T15:04:05")
	w.line.Text(key, w.text)
}
