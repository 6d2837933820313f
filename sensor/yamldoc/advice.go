package yamldoc

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// describe words the library's message for line n of lines, 1-based, finds the
// column, and says the usual cause. said is the line that the library named.
func describe(lines [][]byte, n, said int, msg string) *Error {
	e := &Error{Line: n, Col: first(lines[n-1]), Msg: "not valid YAML: " + plain(msg)}
	switch {
	case strings.Contains(msg, "tab character"), msg == "found character that cannot start any token":
		if col := leadingTab(lines[n-1]); col > 0 {
			e.Col, e.Msg, e.Hint = col, "a tab in the indentation", "YAML is indented with spaces"
		} else if e.bracket(lines, n) {
			break
		} else if i := bytes.IndexAny(lines[n-1], "@%`\t"); i >= 0 && msg[0] == 'f' {
			e.Col, e.Hint = i+1, "put a text that starts with "+strconv.QuoteRune(rune(lines[n-1][i]))+" in quotes"
		}
	case strings.Contains(msg, "',' or '"), msg == "did not find expected node content":
		if !e.bracket(lines, n) {
			e.Hint = "a comma or a quotation mark too many or too few"
		}
	case msg == "found unexpected end of stream":
		e.quote(lines, min(max(said, 1), len(lines)))
	case msg == "block sequence entries are not allowed in this context":
		if !e.bracket(lines, n) {
			e.Hint = "a list starts on a line of its own, or its first value needs quotes"
		}
	case msg == "mapping values are not allowed in this context":
		if e.bracket(lines, n) {
			break
		}
		line := lines[n-1]
		e.Hint = "a text with \": \" in it needs quotes, or the line is indented otherwise than the one before"
		if i := bytes.Index(line, []byte(": ")); i >= 0 {
			if j := bytes.Index(line[i+1:], []byte(": ")); j >= 0 {
				e.Col = i + j + 2
			}
		}
	case msg == "could not find expected ':'":
		for e.Line > 1 && bytes.ContainsRune(lines[e.Line-1], ':') {
			e.Line-- // the library notices it behind the text
		}
		e.Col, e.Hint = first(lines[e.Line-1]), "a key needs a colon and a space behind it (key: value)"
	case msg == "did not find expected key", msg == "did not find expected '-' indicator":
		e.Hint = "the line is indented otherwise than those it belongs to, or something follows a quoted text"
	case msg == "control characters are not allowed":
		e.find(lines, "a control character", func(r rune, w int) bool {
			return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 && r != 0x85
		})
	case strings.Contains(msg, "UTF-8"):
		e.find(lines, "a byte that is not UTF-8", func(r rune, w int) bool { return r == utf8.RuneError && w == 1 })
	}
	return e
}

// plain is a message of the library with nothing in it but printable ASCII.
func plain(msg string) string {
	q := strconv.QuoteToASCII(msg)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// first is the column of the first byte of line that is no blank.
func first(line []byte) int {
	if i := bytes.IndexFunc(line, func(r rune) bool { return r != ' ' && r != '\t' && r != '\n' && r != '\r' }); i >= 0 {
		return i + 1
	}
	return 1
}

// leadingTab is the column of a tab before everything else of line, or 0.
func leadingTab(line []byte) int {
	return bytes.IndexByte(line[:first(line)-1], '\t') + 1
}

// bracket looks for a bracket that nothing closes, from line n upwards: the
// library notices it where the next thing stands. It reports whether there is one.
func (e *Error) bracket(lines [][]byte, n int) bool {
	for back := n; back > 0 && back > n-100; back-- {
		if col, quote := unclosed(lines[back-1]); col > 0 && !quote {
			e.Line, e.Col = back, col
			e.Msg = "a " + string(lines[back-1][col-1]) + " that nothing closes, or something else than a comma between its values"
			e.Hint = "put values with brackets, braces or commas in quotes"
			return true
		}
		if back < n && len(bytes.TrimSpace(lines[back-1])) > 0 && first(lines[back-1]) == 1 {
			break // a key of the document itself: the bracket is not before it
		}
	}
	return false
}

// quote looks for the quotation mark that nothing closes, in line n or, as the
// library then names the last line, in the first.
func (e *Error) quote(lines [][]byte, n int) {
	for _, n := range []int{n, 1} {
		if col, quote := unclosed(lines[n-1]); col > 0 && quote {
			e.Line, e.Col, e.Msg = n, col, "a quotation mark that nothing closes"
			return
		}
	}
}

// unclosed is the column of the last quotation mark or bracket that line opens
// and does not close, or 0.
func unclosed(line []byte) (col int, quote bool) {
	var open []int
	for i := 0; i < len(line); i++ {
		c := line[i]
		starts := i == 0 || strings.IndexByte(" \t[{,(", line[i-1]) >= 0 // inside a word they are text
		switch {
		case c == '#' && starts:
			i = len(line)
		case (c == '"' || c == '\'') && starts:
			end := closing(line[i+1:], c)
			if end < 0 {
				return i + 1, true
			}
			i += end + 1
		case (c == '[' || c == '{') && starts:
			open = append(open, i+1)
		case (c == ']' || c == '}') && len(open) > 0:
			last := open[len(open)-1]
			if line[last-1] != c-2 { // ASCII has [ and ], { and } two apart
				return last, false
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return 0, false
	}
	return open[len(open)-1], false
}

// closing is where the quotation mark ends the text s, or -1.
func closing(s []byte, mark byte) int {
	for i := 0; i < len(s); i++ {
		switch {
		case mark == '"' && s[i] == '\\':
			i++
		case s[i] == mark && mark == '\'' && i+1 < len(s) && s[i+1] == mark:
			i++
		case s[i] == mark:
			return i
		}
	}
	return -1
}

// find puts the error where the first rune is that bad picks.
func (e *Error) find(lines [][]byte, what string, bad func(r rune, w int) bool) {
	for n, line := range lines {
		for i := 0; i < len(line); {
			r, w := utf8.DecodeRune(line[i:])
			if bad(r, w) {
				e.Line, e.Col, e.Msg = n+1, i+1, what
				return
			}
			i += w
		}
	}
}

// anchorError is an alias of an anchor that is not there.
func anchorError(data []byte, name string) *Error {
	e := &Error{Line: 1, Col: 1, Msg: "alias *" + plain(name) + " of nothing", Hint: "put a value that starts with * in quotes"}
	for n, line := range splitLines(data) {
		if i := bytes.Index(line, []byte("*"+name)); i >= 0 {
			e.Line, e.Col = n+1, i+1
			break
		}
	}
	return e
}
