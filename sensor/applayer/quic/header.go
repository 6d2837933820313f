package quic

import "encoding/binary"

// maxCID is the longest connection ID of the versions that are known here
// (RFC 9000 section 17.2); other versions may go up to 255 (RFC 8999).
const maxCID = 20

// retryTag is the length of a Retry packet's integrity tag (RFC 9001 section 5.8).
const retryTag = 16

// minProtected is the shortest packet number and payload: header protection
// samples 16 bytes that begin four after the packet number (RFC 9001 section 5.4.2).
const minProtected = 4 + 16

// kind is the type of a packet with a long header.
type kind uint8

const (
	kindInitial     kind = iota // as version 1 numbers them
	kind0RTT                    //
	kindHandshake               //
	kindRetry                   //
	kindNegotiation             // Version Negotiation (RFC 8999 section 6)
	kindUnknown                 // a version that cannot be opened; the connection IDs are valid
	kindNone                    // not a long header
	kindMalformed               // lengths beyond the end, or too short to be sampled
)

// header is the long header of a packet (RFC 9000 section 17.2). Its slices
// alias the datagram.
type header struct {
	kind       kind
	version    uint32
	family     *family
	dcid, scid []byte
	token      []byte // kindInitial, kindRetry
	pn         int    // kindInitial: where the protected packet number begins
	end        int    // one past the packet's last byte
}

// parseHeader reads the header of the packet at the start of b.
func parseHeader(b []byte) (h header) {
	h.kind = kindNone
	if len(b) < 7 || b[0]&0x80 == 0 {
		return h
	}
	// The QUIC bit (0x40) is not looked at: RFC 9287 allows either value.
	h.kind = kindMalformed
	h.version = binary.BigEndian.Uint32(b[1:])
	h.family = familyOf(h.version)
	h.end = len(b)
	rest := cursor(b[5:])
	var ok bool
	if h.dcid, ok = rest.prefixed(); !ok {
		return h
	}
	if h.scid, ok = rest.prefixed(); !ok {
		return h
	}
	switch {
	case h.family != nil && len(h.dcid) <= maxCID && len(h.scid) <= maxCID:
		h.parseTyped(b, rest)
	case h.family != nil:
		// malformed
	case h.version != 0:
		h.kind = kindUnknown
	case len(rest) >= 4 && len(rest)%4 == 0:
		h.kind = kindNegotiation
	}
	return h
}

// parseTyped reads the part of the header that depends on the packet's type:
// rest is what follows the connection IDs of the packet b.
func (h *header) parseTyped(b []byte, rest cursor) {
	k := kind((b[0]>>4 - h.family.initial) & 3)
	switch k {
	case kindRetry:
		if len(rest) > retryTag { // an empty token is invalid: section 17.2.5.2
			h.token = rest[:len(rest)-retryTag]
			h.kind = k
		}
		return
	case kindInitial:
		n, ok := rest.varint()
		if !ok {
			return
		}
		if h.token, ok = rest.take(n); !ok {
			return
		}
	}
	n, ok := rest.varint()
	if !ok || n > uint64(len(rest)) || k == kindInitial && n < minProtected {
		return
	}
	h.pn = len(b) - len(rest)
	h.end = h.pn + int(n)
	h.kind = k
}

// BeginsInitial reports whether a UDP payload that the capture cut begins with
// an Initial packet of a version that can be opened: that needs all of it.
func BeginsInitial(datagram []byte) bool {
	if len(datagram) < 7 || datagram[0]&0x80 == 0 {
		return false
	}
	f := familyOf(binary.BigEndian.Uint32(datagram[1:]))
	return f != nil && kind((datagram[0]>>4-f.initial)&3) == kindInitial
}

// LooksLikeInitial reports whether a UDP payload begins with a whole Initial
// packet of a version that can be opened. It is a cheap test for flows of which
// nothing is known: false for nearly all that is not QUIC, true for some bytes
// that will not authenticate.
func LooksLikeInitial(datagram []byte) bool {
	if len(datagram) < 7+minProtected || datagram[0]&0x80 == 0 {
		return false
	}
	return parseHeader(datagram).kind == kindInitial
}
