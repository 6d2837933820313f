package tls

// sslv2Header is the length of an SSLv2 CLIENT-HELLO before its variable
// parts: record length (2), type, version (2), lengths of cipher specs,
// session id and challenge (RFC 5246 appendix E.2).
const sslv2Header = 11

// looksLikeSSLv2 checks the parts of the header that are constants. SSLv2 has
// no magic, so parseSSLv2 demands that all its lengths agree.
func looksLikeSSLv2(b []byte) Status {
	switch {
	case b[0]&0x80 == 0,
		len(b) > 2 && b[2] != msgClientHello,
		len(b) > 3 && b[3] != 0 && b[3] != 3,
		len(b) > 4 && b[3] == 0 && b[4] != 2,
		len(b) > 4 && b[3] == 3 && b[4] > 4:
		return NotTLS
	case len(b) < 5:
		return NeedMore
	}
	return Done
}

// parseSSLv2 reads an SSLv2-compatible hello, the first flight of clients that
// still offer SSL 2: a version and cipher specs, never a name.
func parseSSLv2(head []byte, h *ClientHello) Status {
	if len(head) < sslv2Header {
		return NeedMore
	}
	end := 2 + be16(head)&0x7fff
	specs, session, challenge := be16(head[5:]), be16(head[7:]), be16(head[9:])
	switch {
	case specs == 0 || specs%3 != 0,
		session != 0 && session != 16,
		challenge < 16 || challenge > 32,
		end != sslv2Header+specs+session+challenge:
		return NotTLS
	case end > len(head):
		return NeedMore
	}
	h.SSLv2 = true
	h.LegacyVersion = u16(head[3:])
	h.Version = h.LegacyVersion
	h.V2CipherSpecs = head[sslv2Header : sslv2Header+specs : sslv2Header+specs]
	return Done
}
