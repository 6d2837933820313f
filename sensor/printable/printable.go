// Package printable turns bytes from the wire into text that is safe in a
// terminal, a log line and JSON: printable ASCII, nothing else. Everything
// that leaves the sensor as text goes through it once, where it is copied from
// the wire. It never loses a byte: what it wrote can be read back.
package printable

import (
	"unicode"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// Text returns b with every byte that is not printable ASCII written as \xNN
// and every backslash doubled, so that the bytes can be had back.
func Text(b []byte) string { return string(Append(make([]byte, 0, len(b)), b)) }

// Append appends what Text returns to dst.
func Append(dst, b []byte) []byte {
	for _, c := range b {
		switch {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < ' ' || c > '~':
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// AppendWord is Append for a text that stands among others on one line: spaces
// and commas, which separate them, are written as \x20 and \x2c.
func AppendWord(dst, b []byte) []byte {
	for i, c := range b {
		if c == ' ' || c == ',' {
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		} else {
			dst = Append(dst, b[i:i+1])
		}
	}
	return dst
}

// AppendDN is Append for a distinguished name in the form of RFC 4514, whose
// backslashes escape already: they stay as they are, and every byte that is not
// printable ASCII is written as \NN, the RFC's own way.
func AppendDN(dst, name []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range name {
		if c < ' ' || c > '~' {
			dst = append(dst, '\\', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// Line returns s, a message for a person with names in it that are not ours, as
// one line that is safe in a terminal: every byte of what Unicode does not call
// printable, and of what is not UTF-8, is written as \xNN. Unlike Text it keeps
// letters of every script and single backslashes, so it cannot be read back.
func Line(s string) string {
	var dst []byte
	for i, w := 0, 0; i < len(s); i += w {
		var r rune
		r, w = utf8.DecodeRuneInString(s[i:])
		if unicode.IsPrint(r) && (r != utf8.RuneError || w > 1) {
			dst = append(dst, s[i:i+w]...)
			continue
		}
		for _, c := range []byte(s[i : i+w]) {
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return string(dst)
}

// Clip returns at most n bytes of b and whether some were cut off.
func Clip(b []byte, n int) ([]byte, bool) {
	if len(b) <= n {
		return b, false
	}
	return b[:n], true
}
