// Package printable turns bytes from the wire into text that is safe in a
// terminal, a log line and JSON: printable ASCII, nothing else. Everything
// that leaves the sensor as text goes through it once, where it is copied from
// the wire. It never loses a byte: what it wrote can be read back.
package printable

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

// Clip returns at most n bytes of b and whether some were cut off.
func Clip(b []byte, n int) ([]byte, bool) {
	if len(b) <= n {
		return b, false
	}
	return b[:n], true
}
