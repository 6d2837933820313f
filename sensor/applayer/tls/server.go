package tls

const (
	versionTLS13 = 0x0304

	// draftTLS13 is the high byte of the versions of the TLS 1.3 drafts, which
	// encrypt certificates just so.
	draftTLS13 = 0x7f
)

// retryRandom marks a ServerHello as HelloRetryRequest: the SHA-256 of those
// words (RFC 8446 section 4.1.3).
const retryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// CertStatus says what became of the server's certificate.
type CertStatus uint8

const (
	CertNone      CertStatus = iota // none so far; after Done: encrypted (TLS 1.3), resumed session, or no certificate
	CertOK                          // Cert is valid
	CertMalformed                   // the fields of Cert before the defect are set
	CertTooLong                     // the leaf is longer than a Parser can join
)

// ServerFlight is what a server answered. Its slices alias the head that was
// parsed, or the parser's scratch where something was spread over records or
// had to be converted: valid until the head changes or the parser is used again.
type ServerFlight struct {
	ALPN       []byte // the chosen protocol; always nil in TLS 1.3, which encrypts it
	Extensions []byte // of the ServerHello, as on the wire

	LegacyVersion uint16 // of the ServerHello itself
	Version       uint16 // the chosen version
	Cipher        uint16 // the chosen cipher suite

	HelloDone  bool  // a ServerHello was read and the fields above hold, whatever the Status is
	Retry      bool  // a HelloRetryRequest came first; the fields are its own until the second hello is there
	Alerted    bool  // the server sent a plaintext alert
	Alert      uint8 // description of the last one (RFC 8446 section 6)
	CertStatus CertStatus
	Cert       Certificate // see CertStatus
}

// Server parses the server's direction of a connection. head holds its first
// bytes, contiguous, from the start of a record. It asks for more while a leaf
// certificate may still come.
func (p *Parser) Server(head []byte, s *ServerFlight) Status {
	*s = ServerFlight{}
	if st := LooksLikeServerFlight(head); st != Done {
		return st
	}
	r := records{head: head, spill: p.scratch[:0]}
	for {
		m, ev := r.next()
		switch ev {
		case evEnd:
			return NeedMore
		case evBroken:
			// What the first part of a message decides, junk behind it must not
			// change: the answer would depend on how the head was cut.
			if m.body != nil {
				if st, _ := p.serverMessage(m, evPart, s); st == Done {
					return Done
				}
			}
			return Malformed
		case evOther:
			if st, last := s.other(&r); last {
				return st
			}
		default:
			if st, last := p.serverMessage(m, ev, s); last {
				return st
			}
		}
	}
}

// other handles a record that is no handshake record. last means that the
// flight has been decided, with that status.
func (s *ServerFlight) other(r *records) (st Status, last bool) {
	body := r.head[r.pos+recordHeader:]
	switch {
	case r.other == recordAlert && len(body) < 2:
		return NeedMore, true
	case r.other == recordAlert:
		// Servers warn that they do not know the SNI and then go on (RFC 6066
		// section 3); a close_notify is a warning too, but nothing follows it.
		const warning, closeNotify = 1, 0
		s.Alerted, s.Alert = true, body[1]
		if body[0] != warning || body[1] == closeNotify {
			return Done, true
		}
	case r.other == recordChangeCipherSpec && s.Retry && s.Version == versionTLS13:
		// Some servers send one between a HelloRetryRequest and the second
		// ServerHello (RFC 8446 appendix D.4).
	case s.HelloDone:
		return Done, true // all that follows is encrypted
	default:
		return Malformed, true
	}
	return NeedMore, !r.skip()
}

// serverMessage handles one message. last means that the flight has been
// decided, with that status.
func (p *Parser) serverMessage(m message, ev event, s *ServerFlight) (st Status, last bool) {
	if m.kind == msgCertificate && s.HelloDone {
		return p.leaf(m, ev, s), true
	}
	again := s.Retry && m.kind == msgServerHello
	known := m.kind == msgHelloRequest || m.kind == msgSupplementalData ||
		m.kind == msgServerHello && (!s.HelloDone || again)
	switch {
	case !known && s.HelloDone:
		return Done, true // key exchange or ticket without a certificate: anonymous, PSK, resumed
	case !known || ev == evFull || m.length > maxMessage-messageHeader:
		return Malformed, true
	case ev == evPart:
		return NeedMore, true
	case m.kind != msgServerHello:
		return 0, false
	}
	if !s.readHello(m.body) {
		return Malformed, true
	}
	retry := string(m.body[2:34]) == retryRandom
	if retry && again {
		return Malformed, true // RFC 8446 section 4.1.4 allows one
	}
	s.Retry = s.Retry || retry
	encrypted := s.Version >= versionTLS13 && s.Version>>8 == 3 || s.Version>>8 == draftTLS13
	return Done, encrypted && !retry
}

// readHello reads the body of a whole ServerHello (RFC 8446 section 4.1.3).
func (s *ServerFlight) readHello(b []byte) bool {
	const fixed = 2 + 32 // legacy_version, random
	if len(b) < fixed {
		return false
	}
	version := u16(b)
	_, b, ok := vector8(b[fixed:]) // legacy_session_id_echo
	if !ok || len(b) < 3 {
		return false
	}
	s.LegacyVersion, s.Version, s.Cipher = version, version, u16(b)
	s.Extensions, s.ALPN, s.HelloDone = nil, nil, true
	b = b[3:] // cipher_suite, legacy_compression_method
	if len(b) == 0 {
		return true // no extensions: allowed up to TLS 1.2
	}
	all, _, ok := vector16(b)
	if !ok {
		return false
	}
	b = all
	for len(b) >= 4 {
		typ, end := u16(b), 4+be16(b[2:])
		if end > len(b) {
			break
		}
		body := b[4:end:end]
		switch {
		case typ == extSupportedVersions && len(body) == 2:
			s.Version = u16(body)
		case typ == extALPN && s.ALPN == nil:
			s.ALPN, _, _ = vector8(clip16(body))
		}
		b = b[end:]
	}
	s.Extensions = all[: len(all)-len(b) : len(all)-len(b)]
	return len(b) == 0
}

// leaf takes the first certificate of a Certificate message up to TLS 1.2 (RFC
// 5246 section 7.4.2): it does not wait for the rest of the chain.
func (p *Parser) leaf(m message, ev event, s *ServerFlight) Status {
	const headers = 3 + 3 // lengths of the list and of its first certificate
	if m.length == 3 {
		return Done // an empty list
	}
	if m.length < headers {
		s.CertStatus = CertMalformed
		return Done
	}
	if len(m.body) >= headers {
		end := headers + be24(m.body[3:])
		switch {
		case end > m.length:
			s.CertStatus = CertMalformed
			return Done
		case end <= len(m.body):
			s.CertStatus = p.certificate(m.body[headers:end:end], &s.Cert)
			return Done
		case end > maxMessage-messageHeader:
			ev = evFull
		}
	}
	if ev == evFull {
		s.CertStatus = CertTooLong
		return Done
	}
	return NeedMore
}
