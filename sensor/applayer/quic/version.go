package quic

import "strconv"

// Versions in the IANA registry of QUIC versions that have names of their own.
const (
	Version1 = 0x00000001 // RFC 9000
	Version2 = 0x6b3343cf // RFC 9369

	draft22 = 0xff000016 // the first draft with today's long header
	draft34 = 0xff000022 // the last

	mvfst1     = 0xfaceb001 // Facebook's, on draft 22
	googleT050 = 0x54303530 // Google's, on draft 27 with TLS
)

// family is what versions with the same Initial protection have in common.
type family struct {
	salt        [20]byte
	key, iv, hp string // HKDF labels
	initial     byte   // packet type of an Initial; 0-RTT, Handshake and Retry follow, modulo 4
	crypto      byte   // frame type of CRYPTO
}

// Salts: RFC 9001 section 5.2, RFC 9369 section 3.3.1, and section 5.2 of
// draft-ietf-quic-tls-29, -23 and -22. Google's is that of Chromium's T050.
var (
	familyV1 = family{salt: [20]byte{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a},
		key: "quic key", iv: "quic iv", hp: "quic hp", crypto: 0x06}
	familyV2 = family{salt: [20]byte{0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9},
		key: "quicv2 key", iv: "quicv2 iv", hp: "quicv2 hp", initial: 1, crypto: 0x06}
	familyDraft29 = family{salt: [20]byte{0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99},
		key: "quic key", iv: "quic iv", hp: "quic hp", crypto: 0x06}
	familyDraft23 = family{salt: [20]byte{0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02},
		key: "quic key", iv: "quic iv", hp: "quic hp", crypto: 0x06}
	familyDraft22 = family{salt: [20]byte{0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a},
		key: "quic key", iv: "quic iv", hp: "quic hp", crypto: 0x06}
	familyT050 = family{salt: [20]byte{0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c, 0x60, 0x48, 0x83, 0x10},
		key: "quic key", iv: "quic iv", hp: "quic hp", crypto: 0x08}
)

// familyOf returns nil for a version whose Initials cannot be opened.
func familyOf(version uint32) *family {
	switch version {
	case Version1, 0xff000021, draft34:
		return &familyV1
	case Version2:
		return &familyV2
	case 0xff00001d, 0xff00001e, 0xff00001f, 0xff000020:
		return &familyDraft29
	case 0xff000017, 0xff000018, 0xff000019, 0xff00001a, 0xff00001b, 0xff00001c:
		return &familyDraft23
	case draft22, mvfst1:
		return &familyDraft22
	case googleT050:
		return &familyT050
	}
	return nil
}

// VersionName spells a version as Suricata's EVE does: in hexadecimal without
// leading zeros, so that version 1 is "1" and version 2 "6b3343cf".
func VersionName(version uint32) string { return strconv.FormatUint(uint64(version), 16) }
