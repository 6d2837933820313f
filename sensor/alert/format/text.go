package format

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// maxText is how many characters of one text every format but EVE shows:
// ECS's ignore_above, beyond which Elasticsearch does not index a keyword.
const maxText = 1024

// cutMark ends what was cut.
const cutMark = "..."

// safe is a text as a format may show it. Printable ASCII stays: the collector
// was given values in the form of package printable already, and to escape
// them again would double their backslashes. Any other text is brought into
// that form.
func safe(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return cut(printable.Text([]byte(s)), maxText)
		}
	}
	return cut(s, maxText)
}

// safeList is safe for each that is not empty.
func safeList(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s != "" {
			out = append(out, safe(s))
		}
	}
	return out
}

// cut returns at most limit characters of s, of which the last three are dots
// where some were cut off. It never cuts within a character, nor within an
// escape of package printable or of a distinguished name.
func cut(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	keep := max(limit-len(cutMark), 0)
	at, count := 0, 0
	for at < len(s) {
		size := unit(s[at:])
		n := utf8.RuneCountInString(s[at : at+size])
		if count+n > keep {
			break
		}
		at, count = at+size, count+n
	}
	return s[:at] + cutMark[:min(limit, len(cutMark))]
}

// unit is the size of what s begins with: \xNN, \NN, a backslash and what it
// escapes, or one character.
func unit(s string) int {
	if s[0] != '\\' || len(s) == 1 {
		_, size := utf8.DecodeRuneInString(s)
		return size
	}
	switch {
	case len(s) >= 4 && s[1] == 'x' && isHex(s[2]) && isHex(s[3]):
		return 4
	case len(s) >= 3 && isHex(s[1]) && isHex(s[2]):
		return 3
	}
	_, size := utf8.DecodeRuneInString(s[1:])
	return 1 + size
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// edges writes a space that begins or ends s as \x20: readers of CEF and LEEF
// trim what surrounds a value.
func edges(s string) string {
	if rest, ok := strings.CutPrefix(s, " "); ok {
		s = `\x20` + rest
	}
	if rest, ok := strings.CutSuffix(s, " "); ok {
		s = rest + `\x20`
	}
	return s
}

// jsonLine writes v, whose texts are printable ASCII, as one line of JSON into
// the memory of buf. The documents are structs of texts, numbers and lists:
// they always encode.
func jsonLine(buf *bytes.Buffer, v any) []byte {
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("format: a document does not encode: " + err.Error())
	}
	return buf.Bytes()
}
