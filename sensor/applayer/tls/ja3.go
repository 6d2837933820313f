package tls

import (
	"crypto/md5"
	"encoding/hex"
	"strconv"
)

// maxValues is how many codes of one list a fingerprint takes. Browsers send
// under 20 suites and no hello in the shared captures comes near 256; one
// beyond gets no fingerprint. The limit keeps the work on hostile hellos, and
// the buffers for it, small.
const maxValues = 256

// maxJA3 is the longest JA3 text: the version, three lists of five digits and
// a separator each, and the one-byte point formats.
const maxJA3 = 8 + 3*6*maxValues + 4*255

// AppendJA3 appends the text of the JA3 fingerprint (salesforce/ja3): version,
// ciphers, extensions, groups and point formats in decimal, without GREASE. It
// appends nothing for SSLv2 and for lists above 256 values.
func (h *ClientHello) AppendJA3(dst []byte) []byte {
	if !h.fingerprintable() {
		return dst
	}
	dst = strconv.AppendUint(dst, uint64(h.LegacyVersion), 10)
	dst = append(dst, ',')
	dst = appendCodes(dst, h.CipherSuites)
	dst = append(dst, ',')
	dst = appendExtensions(dst, h.Extensions, true)
	dst = append(dst, ',')
	dst = appendCodes(dst, h.Groups)
	dst = append(dst, ',')
	for i, v := range h.PointFormats {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return dst
}

// JA3 appends the JA3 fingerprint: the MD5 of AppendJA3's text, 32 hex digits,
// or nothing where there is no text.
func (h *ClientHello) JA3(dst []byte) []byte {
	var buf [maxJA3]byte
	return appendMD5(dst, h.AppendJA3(buf[:0]))
}

// AppendJA3S appends the text of the server's JA3S fingerprint: version,
// cipher and extensions of the ServerHello in decimal; nothing before HelloDone.
func (s *ServerFlight) AppendJA3S(dst []byte) []byte {
	if !s.HelloDone || countExtensions(s.Extensions) > maxValues {
		return dst
	}
	dst = strconv.AppendUint(dst, uint64(s.LegacyVersion), 10)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(s.Cipher), 10)
	dst = append(dst, ',')
	return appendExtensions(dst, s.Extensions, false)
}

// JA3S appends the MD5 of AppendJA3S's text, 32 hex digits, or nothing.
func (s *ServerFlight) JA3S(dst []byte) []byte {
	var buf [maxJA3]byte
	return appendMD5(dst, s.AppendJA3S(buf[:0]))
}

func appendMD5(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	sum := md5.Sum(text)
	return hex.AppendEncode(dst, sum[:])
}

// fingerprintable reports whether all lists are within maxValues.
func (h *ClientHello) fingerprintable() bool {
	const bytes = 2 * maxValues
	return !h.SSLv2 && len(h.CipherSuites) <= bytes && len(h.Groups) <= bytes &&
		len(h.SigAlgs) <= bytes && countExtensions(h.Extensions) <= maxValues
}

// countExtensions counts a well-formed extension block, to maxValues+1 at most.
func countExtensions(exts []byte) (n int) {
	for ; len(exts) > 0 && n <= maxValues; n++ {
		exts = exts[4+be16(exts[2:]):]
	}
	return n
}

// appendCodes appends a list of codes in decimal, joined by '-', without GREASE.
func appendCodes(dst, list []byte) []byte {
	start := len(dst)
	for ; len(list) >= 2; list = list[2:] {
		v := u16(list)
		if isGREASE(v) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return dst
}

// appendExtensions appends the types of a well-formed extension block. A
// server cannot send GREASE that a client did not offer; JA3S keeps all.
func appendExtensions(dst, exts []byte, dropGREASE bool) []byte {
	start := len(dst)
	for len(exts) > 0 {
		v := u16(exts)
		exts = exts[4+be16(exts[2:]):]
		if dropGREASE && isGREASE(v) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return dst
}
