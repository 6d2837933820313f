package tls

// ECHKind is what an encrypted_client_hello extension (RFC 9849) most probably is.
type ECHKind uint8

const (
	ECHNone    ECHKind = iota // no such extension
	ECHUnknown                // it cannot be told, or its body is no ClientECH
	ECHGREASE                 // filler (RFC 9849 section 6.2): the SNI is the true one
	ECHReal                   // an encrypted hello: the SNI is only the provider's public name
	ECHInner                  // the mark of an inner hello, seen behind a server that decrypts for others
)

// String returns the kind as events show it.
func (k ECHKind) String() string {
	switch k {
	case ECHNone:
		return "none"
	case ECHGREASE:
		return "grease"
	case ECHReal:
		return "real"
	case ECHInner:
		return "inner"
	}
	return "unknown"
}

// echPublicName is the public name of Cloudflare's ECH configurations, taken to
// be by far the largest deployment.
const echPublicName = "cloudflare-ech.com"

// The sizes below include the 16-byte tag of all AEADs that HPKE knows.
const (
	// echLeast is the least that an encrypted inner hello can have: version and
	// random 34, empty session id 1, one suite 4, compression 2, the block's
	// length 2, the inner mark 5, supported_versions 7, and the tag.
	echLeast = 34 + 1 + 4 + 2 + 2 + 5 + 7 + 16
	// BoringSSL's filler is 32 times 4 to 7, and the tag (setup_ech_grease in
	// ssl/encrypted_client_hello.cc).
	echBoringLeast, echBoringMost = 4*32 + 16, 7*32 + 16
)

// ECH tells what kind of encrypted_client_hello the hello has. proven says that
// the kind follows from the format; otherwise it follows from what known
// clients do, because the filler is made to look like the real thing to an
// observer of one hello. In this order:
//
//   - type inner: ECHInner, proven (RFC 9849 section 5).
//   - empty enc: ECHReal, proven. Only the second hello after a retry has it;
//     filler repeats its first form (sections 6.1.5 and 6.2).
//   - enc of 32 bytes is an X25519 key, which never has its highest bit set (RFC
//     7748 section 5). NSS fills enc with random bytes: in half of Firefox's
//     hellos this proves ECHGREASE.
//   - a payload too short for any inner hello: ECHGREASE, proven.
//   - the SNI is Cloudflare's public name: ECHReal.
//   - no SNI: ECHGREASE. A real outer hello names the provider (section 6.1);
//     a hello to a bare address still carries filler.
//   - Firefox: record_size_limit is offered and the payload without its tag is
//     one byte short of a multiple of 32, NSS's padding being off by one
//     (tls13_PadChInner). ECHGREASE: it always sends one or the other, and
//     nearly all real ECH goes to the public name above.
//   - BoringSSL, which sends RFC 8701 values or ALPS and pads to multiples of 32 (section
//     6.1.3): ECHGREASE in the range of its filler, where a real one to another
//     provider cannot be told from it; ECHReal beyond; ECHUnknown for what is no
//     multiple, as that is a client in disguise.
//   - any other client: ECHReal. crypto/tls has no filler, and OpenSSL, rustls
//     and curl send theirs only when asked to.
func (h *ClientHello) ECH() (kind ECHKind, proven bool) {
	if !h.HasECH {
		return ECHNone, true
	}
	enc, payload, inner, ok := splitECH(h.ech)
	switch {
	case inner:
		return ECHInner, true
	case !ok:
		return ECHUnknown, false
	case len(enc) == 0:
		return ECHReal, true
	case len(enc) == 32 && enc[31]&0x80 != 0, len(payload) < echLeast:
		return ECHGREASE, true
	case string(h.SNI) == echPublicName:
		return ECHReal, false
	case len(h.SNI) == 0:
		return ECHGREASE, false
	}
	over := (len(payload) - 16) % 32
	switch {
	case over == 31 && h.hasExtension(extRecordSizeLimit):
		return ECHGREASE, false
	case !h.isBoringSSL():
		return ECHReal, false
	case over != 0:
		return ECHUnknown, false
	case len(payload) < echBoringLeast || len(payload) > echBoringMost:
		return ECHReal, false
	}
	return ECHGREASE, false
}

// splitECH splits a ClientECH structure (RFC 9849 section 5).
func splitECH(b []byte) (enc, payload []byte, inner, ok bool) {
	const outerHeader = 1 + 2 + 2 + 1 // type, KDF, AEAD, configuration id
	if len(b) == 1 && b[0] == 1 {
		return nil, nil, true, true
	}
	if len(b) < outerHeader || b[0] != 0 {
		return nil, nil, false, false
	}
	enc, b, ok = vector16(b[outerHeader:])
	if !ok {
		return nil, nil, false, false
	}
	payload, b, ok = vector16(b)
	return enc, payload, false, ok && len(b) == 0 && len(payload) > 0
}

// Extensions that only BoringSSL sends: ALPS, under its two code points
// (draft-vvv-tls-alps).
const (
	extALPSOld = 17513
	extALPS    = 17613
)

// isBoringSSL tells the library of Chromium by its RFC 8701 values, or, since
// it sends none over QUIC, by ALPS.
func (h *ClientHello) isBoringSSL() bool {
	return h.hasGREASE() || h.hasExtension(extALPS) || h.hasExtension(extALPSOld)
}

// hasGREASE reports whether the cipher suites contain an RFC 8701 value.
func (h *ClientHello) hasGREASE() bool {
	for b := h.CipherSuites; len(b) >= 2; b = b[2:] {
		if isGREASE(u16(b)) {
			return true
		}
	}
	return false
}

func (h *ClientHello) hasExtension(typ uint16) bool {
	for b := h.Extensions; len(b) > 0; b = b[4+be16(b[2:]):] {
		if u16(b) == typ {
			return true
		}
	}
	return false
}
