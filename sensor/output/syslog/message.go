package syslog

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// encoder writes RFC 5424 messages. Its fields were judged by New.
type encoder struct {
	facility   int
	hostname   string
	appName    string
	sdID       string
	structured bool
	maxBytes   int
	body       []byte // scratch
	cuts       uint64 // messages that were cut
}

const (
	// maxMsgID is RFC 5424's bound.
	maxMsgID = 32
	// maxParam bounds a value of the structured data as it is sent, in bytes. IDs
	// have at most 64; nothing else that is ours comes near it.
	maxParam = 64
	// mark is how a cut body ends.
	mark = "..."
	// stamp is RFC 5424's timestamp; six digits are the most that it takes.
	stamp = "2006-01-02T15:04:05.000000Z"
)

// longestHead is the size of the largest message without its body.
func (e *encoder) longestHead() int {
	n := len("<191>1 ") + len(stamp) + len(e.hostname) + len(e.appName) + len("  - ") + maxMsgID + len("   ")
	if e.structured {
		n += len(e.sdID) + len(`[ id="" tool="" kind="" host="" severity="medium" truncated="9999999999"]`) + 4*maxParam
	}
	return n
}

// severity is RFC 5424's number for ours: critical, warning, notice. Alert and
// emergency are left to those whose own house is on fire.
func severity(s output.Severity) (number int, name string) {
	switch s {
	case output.High:
		return 2, "high"
	case output.Medium:
		return 4, "medium"
	}
	return 5, "low"
}

// append adds m to dst, cut to e.maxBytes.
func (e *encoder) append(dst []byte, m *output.Message) []byte {
	e.body = appendText(e.body[:0], m.Body)
	start := len(dst)
	dst = e.appendHead(dst, m, 0)
	space := 1
	if len(e.body) == 0 {
		return dst
	}
	if len(dst)-start+space+len(e.body) <= e.maxBytes {
		return append(append(dst, ' '), e.body...)
	}
	// The mark of the cut is as long as the count of what was cut, which depends
	// on the mark: the first count that leaves room for itself holds.
	cut := len(e.body)
	for {
		head := e.appendHead(dst[:start], m, cut)
		keep := boundary(e.body, e.maxBytes-(len(head)-start)-space-len(mark))
		if len(e.body)-keep == cut {
			e.cuts++
			return append(append(append(head, ' '), e.body[:keep]...), mark...)
		}
		// Fewer bytes are cut than assumed, in no more digits: this ends.
		cut = len(e.body) - keep
		dst = head[:start]
	}
}

// appendHead adds all that comes before the body. cut is how many bytes of the
// body are left out.
func (e *encoder) appendHead(dst []byte, m *output.Message, cut int) []byte {
	number, name := severity(m.Severity)
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(e.facility*8+number), 10)
	dst = append(dst, ">1 "...)
	dst = appendTime(dst, m.Time)
	dst = append(append(dst, ' '), e.hostname...)
	dst = append(append(dst, ' '), e.appName...)
	dst = append(dst, " - "...)
	dst = appendMsgID(dst, m.Kind)
	if !e.structured {
		return append(dst, " -"...)
	}
	dst = append(append(dst, " ["...), e.sdID...)
	dst = appendParam(dst, "id", m.ID)
	dst = appendParam(dst, "tool", m.Tool)
	dst = appendParam(dst, "kind", m.Kind)
	dst = appendParam(dst, "host", m.Host)
	dst = appendParam(dst, "severity", name)
	if cut > 0 {
		dst = appendParam(dst, "truncated", strconv.Itoa(cut))
	}
	return append(dst, ']')
}

// appendTime adds a timestamp, or RFC 5424's nil value for a time that it cannot
// write.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return append(dst, '-')
	}
	return t.AppendFormat(dst, stamp)
}

// appendMsgID adds a kind as MSGID: up to 32 printable characters.
func appendMsgID(dst []byte, kind string) []byte {
	if kind == "" {
		return append(dst, '-')
	}
	for i := range min(len(kind), maxMsgID) {
		c := kind[i]
		if c < '!' || c > '~' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendParam adds a parameter of the structured data, with the escapes of RFC
// 5424 6.3.3 and the value cut to maxParam.
func appendParam(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, ' '), name...), `="`...)
	start := len(dst)
	for i := 0; i < len(value); {
		before := len(dst)
		r, size := utf8.DecodeRuneInString(value[i:])
		switch {
		case r == '"' || r == '\\' || r == ']':
			dst = append(dst, '\\', value[i])
		case r < ' ' || r == 0x7f || r == utf8.RuneError && size == 1:
			dst = appendHex(append(dst, '\\'), value[i])
		default:
			dst = append(dst, value[i:i+size]...)
		}
		if len(dst)-start > maxParam {
			dst = dst[:before]
			break
		}
		i += size
	}
	return append(dst, '"')
}

// appendText adds text without control characters but the tab, which LEEF needs:
// a line break would end a message early, and a NUL the line of some receivers.
func appendText(dst, text []byte) []byte {
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			dst = appendHex(dst, c)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// appendHex adds c as \xNN, as everything of ours shows such bytes.
func appendHex(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'x', digits[c>>4], digits[c&15])
}

// boundary is the largest index of b up to n that does not split a character.
func boundary(b []byte, n int) int {
	n = max(n, 0)
	for back := 0; back < utf8.UTFMax && n > back; back++ {
		if utf8.RuneStart(b[n-back]) {
			return n - back
		}
	}
	return n // no UTF-8 anyway
}
