package tls

// Extension types (IANA "TLS ExtensionType Values") that are looked into.
const (
	extServerName        = 0
	extSupportedGroups   = 10
	extPointFormats      = 11
	extSignatureAlgs     = 13
	extALPN              = 16
	extRecordSizeLimit   = 28
	extSessionTicket     = 35
	extPreSharedKey      = 41
	extSupportedVersions = 43
	extECH               = 0xfe0d
)

// ClientHello is what a client said first. Its slices alias the head that was
// parsed, or the parser's scratch when the hello was spread over records: they
// are valid until the head changes or the parser is used again. Lists of codes
// are raw, two bytes a code, GREASE (RFC 8701) included; a trailing odd byte is
// cut off.
type ClientHello struct {
	SNI           []byte // first host_name of server_name (RFC 6066 section 3), raw: any bytes, any case
	ALPN          []byte // the protocol names, each with a length byte before it (RFC 7301 section 3.1); see ALPNs
	CipherSuites  []byte // nil for SSLv2
	V2CipherSpecs []byte // only SSLv2: three bytes each
	Extensions    []byte // as on the wire: type, length, body; those before a defect
	Groups        []byte // supported_groups
	PointFormats  []byte // ec_point_formats, one byte each
	SigAlgs       []byte // signature_algorithms

	LegacyVersion uint16 // of the hello itself
	Version       uint16 // highest of supported_versions without GREASE, or LegacyVersion

	HasSNI bool // there is a server_name extension, though perhaps without a host_name
	HasECH bool // there is an encrypted_client_hello extension; see ECH
	Ticket bool // a session ticket is offered (RFC 5077), an empty extension is not one
	PSK    bool // a pre-shared key is offered: resumption or external (RFC 8446 section 4.2.11)
	SSLv2  bool // an SSLv2-compatible hello (RFC 5246 appendix E.2): versions and V2CipherSpecs are all it has

	ech []byte // body of encrypted_client_hello
}

// Client parses the client's direction of a connection. head holds its first
// bytes, contiguous, from the start of a record.
func (p *Parser) Client(head []byte, h *ClientHello) Status {
	*h = ClientHello{}
	if st := LooksLikeClientHello(head); st != Done {
		return st
	}
	if head[0] != recordHandshake {
		return parseSSLv2(head, h)
	}
	r := records{head: head, spill: p.scratch[:0]}
	m, ev := r.next()
	switch {
	case ev == evEnd:
		return NeedMore
	case ev == evBroken || ev == evFull || ev == evOther || m.length > maxMessage-messageHeader:
		return Malformed
	case ev == evPart:
		return NeedMore
	}
	return parseHello(m.body, h)
}

// ParseClientHello parses a ClientHello as a bare handshake message: type,
// length, body, perhaps not yet complete. QUIC carries it so (RFC 9001 section
// 4). h aliases msg.
func ParseClientHello(msg []byte, h *ClientHello) Status {
	*h = ClientHello{}
	if len(msg) > 0 && msg[0] != msgClientHello {
		return NotTLS
	}
	if len(msg) < messageHeader {
		return NeedMore
	}
	end := messageHeader + be24(msg[1:])
	switch {
	case end > maxMessage:
		return Malformed
	case end > len(msg):
		return NeedMore
	}
	return parseHello(msg[messageHeader:end:end], h)
}

// parseHello reads the body of a whole ClientHello (RFC 8446 section 4.1.2).
// Bytes after the extensions are ignored, as some servers do.
func parseHello(b []byte, h *ClientHello) Status {
	const fixed = 2 + 32 // legacy_version, random
	if len(b) < fixed {
		return Malformed
	}
	h.LegacyVersion = u16(b)
	h.Version = h.LegacyVersion
	b = b[fixed:]
	_, b, ok := vector8(b) // legacy_session_id
	if !ok {
		return Malformed
	}
	suites, b, ok := vector16(b)
	if !ok {
		return Malformed
	}
	h.CipherSuites = even(suites)
	_, b, ok = vector8(b) // legacy_compression_methods
	if !ok {
		return Malformed
	}
	if len(b) == 0 {
		return Done // no extensions: allowed up to TLS 1.2
	}
	exts, _, ok := vector16(b)
	if !ok {
		return Malformed
	}
	return h.readExtensions(exts)
}

// wanted has a bit for each extension type below 64 that readExtension reads:
// most of a browser's extensions are passed over on one test.
const wanted = 1<<extServerName | 1<<extSupportedGroups | 1<<extPointFormats | 1<<extSignatureAlgs |
	1<<extALPN | 1<<extSessionTicket | 1<<extPreSharedKey | 1<<extSupportedVersions

// readExtensions picks out what the fields want. Of an extension that occurs
// twice the first counts, though fingerprints list both.
func (h *ClientHello) readExtensions(all []byte) Status {
	pos := 0
	for len(all)-pos >= 4 {
		head := all[pos : pos+4]
		typ, end := uint(be16(head)), pos+4+be16(head[2:])
		if end > len(all) {
			break
		}
		if typ < 64 && uint64(wanted)>>typ&1 != 0 || typ == extECH {
			h.readExtension(typ, all[pos+4:end:end])
		}
		pos = end
	}
	h.Extensions = all[:pos:pos]
	if pos != len(all) {
		return Malformed
	}
	return Done
}

// readExtension reads one extension. A body that contradicts itself leaves its
// field as far as it was understood: servers differ in what they forgive.
func (h *ClientHello) readExtension(typ uint, body []byte) {
	switch typ {
	case extServerName:
		if !h.HasSNI {
			h.HasSNI = true
			h.SNI = hostName(body)
		}
	case extSupportedGroups:
		if h.Groups == nil {
			h.Groups = even(clip16(body))
		}
	case extPointFormats:
		if h.PointFormats == nil {
			h.PointFormats = clip8(body)
		}
	case extSignatureAlgs:
		if h.SigAlgs == nil {
			h.SigAlgs = even(clip16(body))
		}
	case extALPN:
		if h.ALPN == nil {
			h.ALPN = clip16(body)
		}
	case extSessionTicket:
		h.Ticket = h.Ticket || len(body) != 0
	case extPreSharedKey:
		h.PSK = true
	case extSupportedVersions:
		if v := highest(clip8(body)); v != 0 {
			h.Version = v
		}
	case extECH:
		if !h.HasECH {
			h.HasECH = true
			h.ech = body
		}
	}
}

// hostName returns the first name of type host_name in a server_name body.
func hostName(body []byte) []byte {
	b := clip16(body)
	for len(b) >= 3 {
		kind := b[0]
		name, rest, ok := vector16(b[1:])
		if !ok {
			return nil
		}
		if kind == 0 {
			return name
		}
		b = rest
	}
	return nil
}

// highest returns the newest version of a list, GREASE aside; 0 for none.
func highest(list []byte) (best uint16) {
	for ; len(list) >= 2; list = list[2:] {
		v := u16(list)
		switch {
		case isGREASE(v):
		case best == 0:
			best = v
		case v >= 0xfe00 && best >= 0xfe00: // DTLS counts downwards
			best = min(best, v)
		default:
			best = max(best, v)
		}
	}
	return best
}

// isGREASE reports the reserved values of RFC 8701 section 2: 0x0a0a, 0x1a1a ...
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// ALPNs walks over a hello's ALPN list.
type ALPNs struct{ rest []byte }

// ALPNs returns an iterator over the offered protocols, in the client's order.
func (h *ClientHello) ALPNs() ALPNs { return ALPNs{h.ALPN} }

// Next returns the next protocol name: raw bytes, possibly none.
func (it *ALPNs) Next() (name []byte, ok bool) {
	name, it.rest, ok = vector8(it.rest)
	return name, ok
}

// FirstALPN returns the protocol that the client prefers, nil without ALPN.
func (h *ClientHello) FirstALPN() []byte {
	name, _, _ := vector8(h.ALPN)
	return name
}

// vector8 splits off a vector with one length byte.
func vector8(b []byte) (v, rest []byte, ok bool) {
	if len(b) < 1 || len(b)-1 < int(b[0]) {
		return nil, nil, false
	}
	end := 1 + int(b[0])
	return b[1:end:end], b[end:], true
}

// vector16 splits off a vector with two length bytes.
func vector16(b []byte) (v, rest []byte, ok bool) {
	if len(b) < 2 || len(b)-2 < be16(b) {
		return nil, nil, false
	}
	end := 2 + be16(b)
	return b[2:end:end], b[end:], true
}

// clip8 and clip16 return a vector, or as much of it as there is.
func clip8(b []byte) []byte {
	if len(b) < 1 {
		return nil
	}
	end := min(len(b), 1+int(b[0]))
	return b[1:end:end]
}

func clip16(b []byte) []byte {
	if len(b) < 2 {
		return nil
	}
	end := min(len(b), 2+be16(b))
	return b[2:end:end]
}

// even cuts an odd byte off a list of two-byte codes.
func even(b []byte) []byte { return b[: len(b)&^1 : len(b)&^1] }
