package tls

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// JA4 is FoxIO's TLS client fingerprint (BSD 3-Clause; the other members of
// the JA4+ family have another licence and are not here):
// https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md
//
//	t13d1516h2_8daaf6152771_e5627efa2ab1
//	JA4_a      JA4_b        JA4_c

// The transports that JA4 tells apart.
const (
	OverTCP  = 't'
	OverQUIC = 'q'
	OverDTLS = 'd'
)

const hexDigits = "0123456789abcdef"

// JA4a returns the readable first part of the fingerprint without any hashing:
// transport, version, SNI, counts and ALPN. A caller compares it before it asks
// for the rest.
func (h *ClientHello) JA4a(transport byte) (a [10]byte) {
	a[0] = transport
	a[1], a[2] = ja4Version(h.Version)
	a[3] = 'i'
	if h.HasSNI {
		a[3] = 'd'
	}
	ciphers := 0
	for b := h.CipherSuites; len(b) >= 2; b = b[2:] {
		if !isGREASE(u16(b)) {
			ciphers++
		}
	}
	exts := 0
	for b := h.Extensions; len(b) > 0; b = b[4+be16(b[2:]):] {
		if !isGREASE(u16(b)) {
			exts++
		}
	}
	a[4], a[5] = twoDigits(ciphers)
	a[6], a[7] = twoDigits(exts)
	a[8], a[9] = ja4ALPN(h.FirstALPN())
	return a
}

// AppendJA4 appends the whole fingerprint, 36 characters. It appends nothing
// for SSLv2 and for lists above 256 values.
func (h *ClientHello) AppendJA4(dst []byte, transport byte) []byte {
	if !h.fingerprintable() {
		return dst
	}
	a := h.JA4a(transport)
	dst = append(dst, a[:]...)

	var list [maxValues]uint16
	var text [2 * 5 * maxValues]byte // four hex digits and a separator a value

	n := 0
	for b := h.CipherSuites; len(b) >= 2; b = b[2:] {
		list[n] = u16(b)
		n = keep(n, list[n])
	}
	slices.Sort(list[:n])
	dst = appendHash(append(dst, '_'), appendHexList(text[:0], list[:n]))

	n = 0
	for b := h.Extensions; len(b) > 0; b = b[4+be16(b[2:]):] {
		if v := u16(b); v != extServerName && v != extALPN {
			list[n] = v
			n = keep(n, v)
		}
	}
	slices.Sort(list[:n])
	t := appendHexList(text[:0], list[:n])
	if n > 0 {
		n = 0
		for b := h.SigAlgs; len(b) >= 2; b = b[2:] {
			list[n] = u16(b)
			n = keep(n, list[n])
		}
		if n > 0 {
			t = appendHexList(append(t, '_'), list[:n])
		}
	}
	return appendHash(append(dst, '_'), t)
}

// keep returns the next free index after v was stored at n: the same for GREASE.
func keep(n int, v uint16) int {
	if isGREASE(v) {
		return n
	}
	return n + 1
}

// appendHexList appends values as four hex digits each, joined by commas.
func appendHexList(dst []byte, values []uint16) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, hexDigits[v>>12], hexDigits[v>>8&15], hexDigits[v>>4&15], hexDigits[v&15])
	}
	return dst
}

// appendHash appends the first twelve hex digits of text's SHA-256. An empty
// list is twelve zeros, so that nothing looks like nothing.
func appendHash(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, "000000000000"...)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(dst, sum[:6])
}

// ja4Version writes a version as JA4 does; a draft or unknown one is 00.
func ja4Version(v uint16) (byte, byte) {
	switch v {
	case 0x0304:
		return '1', '3'
	case 0x0303:
		return '1', '2'
	case 0x0302:
		return '1', '1'
	case 0x0301:
		return '1', '0'
	case 0x0300:
		return 's', '3'
	case 0x0002:
		return 's', '2'
	case 0xfeff:
		return 'd', '1'
	case 0xfefd:
		return 'd', '2'
	case 0xfefc:
		return 'd', '3'
	}
	return '0', '0'
}

// twoDigits writes a count, 99 at most.
func twoDigits(n int) (byte, byte) {
	n = min(n, 99)
	return '0' + byte(n/10), '0' + byte(n%10)
}

// ja4ALPN returns the first and last character of a protocol name or, where
// either is not alphanumeric, the first and last digit of its hex form.
func ja4ALPN(name []byte) (byte, byte) {
	if len(name) == 0 {
		return '0', '0'
	}
	first, last := name[0], name[len(name)-1]
	if alphanumeric(first) && alphanumeric(last) {
		return first, last
	}
	return hexDigits[first>>4], hexDigits[last&15]
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
