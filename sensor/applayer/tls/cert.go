package tls

// Certificate is what is read of a leaf certificate (RFC 5280 section 4.1).
// Nothing is verified. Slices alias the head or the parser's scratch, as
// ServerFlight says.
type Certificate struct {
	Raw       []byte // the whole DER
	Serial    []byte // big-endian two's complement, as in the certificate
	Issuer    DN
	Subject   DN
	NotBefore int64 // seconds since 1970, or NoTime
	NotAfter  int64

	names []byte // content of the subjectAltName extension's GeneralNames
}

// certificate reads a DER certificate as far as its extensions.
func (p *Parser) certificate(raw []byte, c *Certificate) CertStatus {
	c.Raw = raw
	c.NotBefore, c.NotAfter = NoTime, NoTime
	p.text = p.text[:0]
	cert, _, ok := expect(raw, tagSequence)
	if !ok {
		return CertMalformed
	}
	tbs, _, ok := expect(cert, tagSequence)
	if !ok {
		return CertMalformed
	}
	const tagVersion = 0xa0 // [0] EXPLICIT, absent in version 1
	if _, rest, ok := expect(tbs, tagVersion); ok {
		tbs = rest
	}
	if c.Serial, tbs, ok = expect(tbs, tagInteger); !ok {
		return CertMalformed
	}
	if _, tbs, ok = expect(tbs, tagSequence); !ok { // signature algorithm
		return CertMalformed
	}
	if tbs, ok = p.name(tbs, &c.Issuer); !ok {
		return CertMalformed
	}
	validity, tbs, ok := expect(tbs, tagSequence)
	if !ok {
		return CertMalformed
	}
	if tag, from, rest, ok := element(validity); ok {
		c.NotBefore = unixTime(tag, from)
		if tag, to, _, ok := element(rest); ok {
			c.NotAfter = unixTime(tag, to)
		}
	}
	if tbs, ok = p.name(tbs, &c.Subject); !ok {
		return CertMalformed
	}
	if _, tbs, ok = expect(tbs, tagSequence); !ok { // public key
		return CertMalformed
	}
	if !c.readExtensions(tbs) {
		return CertMalformed
	}
	return CertOK
}

// oidSubjectAltName is 2.5.29.17 (RFC 5280 section 4.2.1.6).
const oidSubjectAltName = "\x55\x1d\x11"

// readExtensions finds the alternative names in what follows the public key.
func (c *Certificate) readExtensions(tbs []byte) bool {
	const tagExtensions = 0xa3 // [3] EXPLICIT, absent before version 3
	for len(tbs) > 0 {
		tag, content, rest, ok := element(tbs)
		if !ok {
			return false
		}
		tbs = rest
		if tag != tagExtensions {
			continue // [1] and [2], unique identifiers
		}
		exts, _, ok := expect(content, tagSequence)
		for ok && len(exts) > 0 {
			var ext []byte
			if ext, exts, ok = expect(exts, tagSequence); ok {
				ok = c.readExtension(ext)
			}
		}
		return ok
	}
	return true
}

// readExtension reads one Extension: OID, BOOLEAN critical if true, value.
func (c *Certificate) readExtension(b []byte) bool {
	oid, b, ok := expect(b, tagOID)
	if !ok {
		return false
	}
	if string(oid) != oidSubjectAltName || c.names != nil {
		return true
	}
	tag, value, rest, ok := element(b)
	if ok && tag != tagOctetString {
		tag, value, _, ok = element(rest)
	}
	if !ok || tag != tagOctetString {
		return false
	}
	c.names, _, ok = expect(value, tagSequence)
	return ok
}

// SANKind tells alternative names apart.
type SANKind uint8

const (
	SANDNS SANKind = iota // the name's bytes, raw
	SANIP                 // an address of 4 or 16 bytes
)

// SANs walks over the DNS names and addresses of a subjectAltName extension.
type SANs struct{ rest []byte }

// SANs returns an iterator over the alternative names, in the certificate's order.
func (c *Certificate) SANs() SANs { return SANs{c.names} }

// Next returns the next DNS name or address. Other kinds are passed over, and a
// malformed name ends the list.
func (it *SANs) Next() (kind SANKind, value []byte, ok bool) {
	const tagDNSName, tagIPAddress = 0x82, 0x87 // [2] and [7], IMPLICIT
	for {
		tag, value, rest, ok := element(it.rest)
		it.rest = rest
		switch {
		case !ok:
			return 0, nil, false
		case tag == tagDNSName:
			return SANDNS, value, true
		case tag == tagIPAddress && (len(value) == 4 || len(value) == 16):
			return SANIP, value, true
		}
	}
}
