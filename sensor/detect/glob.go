package detect

import "strings"

// glob is a compiled pattern over bytes: values below 256 are literal bytes,
// the rest are the operators below. It matches a whole string.
type glob []uint16

const (
	opAny   = 256 + iota // one byte
	opStar               // any run of bytes, also none
	opBegin              // the captured value begins here
	opEnd                // the captured value ends here
)

// compileGlob reads s with * for any run and ? for one byte; there is no
// escape, because ? also matches a star or a question mark.
func compileGlob(s string) glob {
	g := make(glob, len(s))
	for i := range len(s) {
		switch s[i] {
		case '*':
			g[i] = opStar
		case '?':
			g[i] = opAny
		default:
			g[i] = uint16(s[i])
		}
	}
	return g
}

// compileFold is compileGlob for text whose ASCII letters match either case;
// match it with fold set.
func compileFold(s string) glob { return compileGlob(asciiLower(s)) }

// fixed is the number of literal bytes in g.
func (g glob) fixed() int {
	n := 0
	for _, op := range g {
		if op < 256 {
			n++
		}
	}
	return n
}

// match reports whether g matches all of s. Of several stars, each but the
// last takes as little as it can. The captured value is s[from:to]; both are 0
// when g captures nothing. It runs in O(len(g)*len(s)): going back to the last
// star is enough, since an earlier star could only give its bytes to a later one.
func (g glob) match(s []byte, fold bool) (from, to int, ok bool) {
	if len(g) > 0 && g[0] < 256 && (len(s) == 0 || g[0] != uint16(foldByte(s[0], fold))) {
		return 0, 0, false // nearly every miss
	}
	gi, si := 0, 0
	star, starAt := -1, 0
	for {
		if gi < len(g) {
			op := g[gi]
			switch {
			case op == opStar:
				star, starAt = gi, si
				gi++
				continue
			case op == opBegin:
				from = si
				gi++
				continue
			case op == opEnd:
				to = si
				gi++
				continue
			case si < len(s) && (op == opAny || op == uint16(foldByte(s[si], fold))):
				gi++
				si++
				continue
			}
		} else if si == len(s) {
			return from, to, true
		}
		if star < 0 || starAt >= len(s) {
			return 0, 0, false
		}
		starAt++
		gi, si = star+1, starAt
	}
}

func foldByte(c byte, fold bool) byte {
	if fold && 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
