package intel

import (
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// Clean is s as one line that a rule file or a report may hold: printable, at
// most n bytes.
func Clean(s string, n int) string {
	if len(s) > 4*n {
		s = s[:4*n]
	}
	s = printable.Line(strings.Join(strings.Fields(s), " "))
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n-3], "") + "..."
	}
	return s
}

// clip is Clean for what is echoed within a sentence.
func clip(s string) string { return Clean(s, 60) }

// Slug makes an identifier of a rule file out of any text: lower-case letters
// and digits with single hyphens, at most 48 bytes. It is empty when there is
// no letter or digit in s.
func Slug(s string) string {
	var b strings.Builder
	gap := false
	for _, c := range strings.ToLower(s) {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(c)
		} else {
			gap = true
		}
		if b.Len() >= 48 {
			break
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}
