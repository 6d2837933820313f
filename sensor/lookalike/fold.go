package lookalike

import (
	"sort"
	"unicode"
	"unicode/utf8"
)

// label is one label of a name as a person reads it: in lower case, punycode
// and UTF-8 decoded, and letters of other scripts that look like Latin ones as those.
type label struct {
	buf     [maxLabel]byte
	n       int
	foreign uint64 // bit i: the i-th character is not what is written
}

// text is the label, in its own memory. other is what looks like no Latin letter.
func (l *label) text() []byte { return l.buf[:l.n] }

// other stands in a label for a character that looks like no letter or digit of
// ASCII. It is in no brand and is no keyword.
const other = 0xff

// maxLabel is RFC 1035 section 2.3.4.
const maxLabel = 63

// lower is c, in lower case where it is an ASCII letter.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// read reads the bytes of a label. It is not ok where they cannot be one.
func (l *label) read(b []byte) bool {
	if len(b) == 0 || len(b) > maxLabel {
		return false
	}
	wide := false
	for i, c := range b {
		l.buf[i] = lower(c)
		wide = wide || c >= utf8.RuneSelf
	}
	l.n, l.foreign = len(b), 0
	switch {
	case len(b) > 4 && string(l.buf[:4]) == "xn--":
		var runes [maxLabel]rune
		n, ok := decodePunycode(l.buf[4:l.n], &runes)
		if !ok {
			return true // no browser shows it as anything else
		}
		l.n = 0
		for _, r := range runes[:n] {
			l.add(r)
		}
	case wide:
		l.n = 0
		for i := 0; i < len(b); {
			r, n := utf8.DecodeRune(b[i:])
			i += n
			l.add(r)
		}
	}
	return true
}

// add appends how r looks. The memory suffices: a decoded label has no more
// characters than bytes.
func (l *label) add(r rune) {
	c := latin(r)
	if c == 0 { // a mark on the letter before it
		l.foreign |= 1 << max(l.n-1, 0)
		return
	}
	if r >= utf8.RuneSelf {
		l.foreign |= 1 << l.n
	}
	l.buf[l.n] = c
	l.n++
}

// latin is the ASCII letter or digit that r looks like, other where there is
// none, and 0 for what only marks the letter before it or does not show.
func latin(r rune) byte {
	if r < utf8.RuneSelf {
		return lower(byte(r))
	}
	r = unicode.ToLower(r)
	i := sort.Search(len(looksLike), func(i int) bool { return rune(looksLike[i]>>8) >= r })
	if i < len(looksLike) && rune(looksLike[i]>>8) == r {
		return byte(looksLike[i])
	}
	if unicode.In(r, unicode.Mn, unicode.Cf) {
		return 0
	}
	return other
}

// same is the letter that stands for all that are taken for it: 0 is o, and l, 1
// and i are one.
func same(c byte) byte {
	switch c {
	case '0':
		return 'o'
	case '1', 'l':
		return 'i'
	}
	return c
}

// pair is what c looks like when it is written with two: rn is an m, vv a w.
// Words are compared in this form, since what is folded the other way hides the
// n of server-ninja.
func pair(c byte) (first, second byte) {
	switch c = same(c); c {
	case 'm':
		return 'r', 'n'
	case 'w':
		return 'v', 'v'
	}
	return c, 0
}

// maxFolded is the most that a label has in the form of fold.
const maxFolded = 2 * maxLabel

// fold appends b without hyphens in the form in which words are compared.
func fold(dst, b []byte) []byte {
	for _, c := range b {
		if c == '-' {
			continue
		}
		first, second := pair(c)
		dst = append(dst, first)
		if second != 0 {
			dst = append(dst, second)
		}
	}
	return dst
}

// decodePunycode decodes what follows xn--, RFC 3492 section 6.2. Unlike
// golang.org/x/net/idna, which tests hold it against, it takes no memory: any host
// may send such names without end.
func decodePunycode(b []byte, out *[maxLabel]rune) (n int, ok bool) {
	const base, tMin, tMax, skew, damp, initialBias, initialN = 36, 1, 26, 38, 700, 72, 128
	for i := len(b) - 1; i > 0; i-- {
		if b[i] != '-' {
			continue
		}
		for _, c := range b[:i] {
			out[n] = rune(c)
			n++
		}
		b = b[i+1:]
		break
	}
	r, i, bias := initialN, 0, initialBias
	for first := true; len(b) > 0; first = false {
		before, w := i, 1
		for k := base; ; k += base {
			if len(b) == 0 {
				return 0, false
			}
			digit := punycodeDigit(b[0])
			b = b[1:]
			if digit < 0 || digit > (1<<30-i)/w {
				return 0, false
			}
			i += digit * w
			t := min(max(k-bias, tMin), tMax)
			if digit < t {
				break
			}
			if w > 1<<30/(base-t) {
				return 0, false
			}
			w *= base - t
		}
		n++
		delta := (i - before) / 2
		if first {
			delta = (i - before) / damp
		}
		delta += delta / n
		bias = 0
		for ; delta > (base-tMin)*tMax/2; bias += base {
			delta /= base - tMin
		}
		bias += (base - tMin + 1) * delta / (delta + skew)
		r += i / n
		i %= n
		if r > unicode.MaxRune || n > maxLabel {
			return 0, false
		}
		copy(out[i+1:n], out[i:n-1])
		out[i] = rune(r)
		i++
	}
	return n, true
}

func punycodeDigit(c byte) int {
	switch {
	case 'a' <= c && c <= 'z':
		return int(c - 'a')
	case '0' <= c && c <= '9':
		return int(c-'0') + 26
	}
	return -1
}
