package format

import (
	"fmt"
	"strconv"
	"strings"
)

// style is an ANSI SGR code, empty for plain text.
type style string

const (
	plain  style = ""
	bold   style = "1"
	red    style = "1;31"
	yellow style = "33"
	cyan   style = "36"
)

// span is text in one style.
type span struct {
	style style
	text  string
}

// Widths of a page, in columns.
const (
	minWidth = 40  // a narrower terminal breaks the lines itself
	maxProse = 120 // a wider paragraph is hard to read
)

// page builds text for a terminal. put is the only way onto it, so that what
// put lets through is all that a terminal ever gets.
type page struct {
	b     strings.Builder
	width int // columns, 0 for no limit
	color bool
}

// put adds text. Names and rule texts are escaped before; a byte that still is
// not printable ASCII becomes a question mark.
func (p *page) put(s span) {
	if p.color && s.style != plain && s.text != "" {
		p.b.WriteString("\x1b[" + string(s.style) + "m")
		defer p.b.WriteString("\x1b[0m")
	}
	for i := range len(s.text) {
		if c := s.text[i]; c < ' ' || c > '~' {
			p.b.WriteByte('?')
		} else {
			p.b.WriteByte(c)
		}
	}
}

func (p *page) newline() { p.b.WriteByte('\n') }

// paragraph adds a label and text that is broken at the width; its further
// lines start where the text does.
func (p *page) paragraph(indent int, label, text span) {
	width := maxProse
	if p.width > 0 {
		width = min(width, p.width)
	}
	hang := indent + len(label.text)
	p.put(span{plain, strings.Repeat(" ", indent)})
	p.put(label)
	for rest := text.text; ; {
		var line string
		line, rest = breakLine(rest, width-hang)
		p.put(span{text.style, line})
		p.newline()
		if rest == "" {
			return
		}
		p.put(span{plain, strings.Repeat(" ", hang)})
	}
}

// breakLine splits text at the last space that leaves a line of at most width
// bytes. A word that would leave the line more than half empty is cut.
func breakLine(text string, width int) (line, rest string) {
	if len(text) <= width {
		return text, ""
	}
	at := strings.LastIndexByte(text[:width+1], ' ')
	if at <= width/2 {
		return text[:width], text[width:]
	}
	return text[:at], text[at+1:]
}

// shorten cuts s to n bytes, at its start or at its end; the mark for what is
// missing counts.
func shorten(s string, n int, start bool) string {
	const mark = "..."
	switch {
	case len(s) <= n:
		return s
	case start:
		return mark + s[len(s)-n+len(mark):]
	}
	return s[:n-len(mark)] + mark
}

// size writes bytes as a person reads them, in powers of 1000.
func size(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB"} {
		if f /= 1000; f < 999.5 {
			break
		}
	}
	digits := 0
	if f < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + " " + unit
}

// thousands writes a number with separators.
func thousands[T int | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count is a number and its noun.
func count[T int | uint64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// plural is the form of a word that goes with a number.
func plural(n uint64, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
