package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is why there is no document.
type Error struct {
	Line, Col int    // 1-based; Col counts bytes
	Msg       string // what is wrong, printable
	Hint      string // the usual cause, and what to do; may be empty
}

// Error formats e as line:column: message; hint.
func (e *Error) Error() string {
	s := fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Parse returns the root of the only document of data, nil where there is none
// or it is empty. The error is an *Error.
func Parse(data []byte) (root *yaml.Node, err error) {
	// A mistake in the YAML library must not take the sensor down with it.
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, &Error{1, 1, "the file cannot be read as YAML", ""}
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case err == io.EOF:
		return nil, nil
	case err != nil:
		return nil, locate(data, err)
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, &Error{max(second.Line, 1), max(second.Column, 1), "a second YAML document", "one document a file: remove the --- or make two files"}
	case err != io.EOF:
		return nil, locate(data, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// parse returns the library's message for data without its line, that line, and
// how many bytes were asked for until then: scarcely more than were needed.
func parse(data []byte) (msg string, line, read int) {
	r := &trickle{data: data}
	dec := yaml.NewDecoder(r)
	var err error
	for err == nil {
		var doc yaml.Node
		err = dec.Decode(&doc)
	}
	if errors.Is(err, io.EOF) {
		return "", 0, r.pos
	}
	msg, line = split(err)
	return msg, line, r.pos
}

// trickle hands out a byte at a time, so that it is seen how far the library
// had read when it gave up.
type trickle struct {
	data []byte
	pos  int
}

func (t *trickle) Read(p []byte) (int, error) {
	if t.pos == len(t.data) || len(p) == 0 {
		return 0, io.EOF
	}
	p[0] = t.data[t.pos]
	t.pos++
	return 1, nil
}

var lineRE = regexp.MustCompile(`^yaml: line ([0-9]+): `)

// split takes a message of the library apart; line is 0 where it has none.
func split(err error) (msg string, line int) {
	msg = err.Error()
	if m := lineRE.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = msg[len(m[0]):]
	}
	return strings.TrimPrefix(msg, "yaml: "), line
}

// maxExact is the longest start of a file that is parsed again and again for
// the exact line, in bytes: ten times a real rule file. The library takes
// seconds for a hostile one of 1 MiB; behind the limit the line may be one or
// two too high.
const maxExact = 64 << 10

// locate finds where the error in data is. The library says the line of the
// construct around it, one too low where its parser and not its scanner found
// the error, or none at all on the first line. What it had read until then is
// nearer: the line is the first of those with which the same error comes.
func locate(data []byte, err error) *Error {
	msg, said := split(err)
	if n, ok := strings.CutPrefix(msg, "unknown anchor '"); ok {
		name, _, _ := strings.Cut(n, "'")
		return anchorError(data, name)
	}
	again, _, read := parse(data)
	if again != msg {
		return &Error{max(said, 1), 1, "not valid YAML: " + plain(msg), ""}
	}
	lines := splitLines(data[:read])
	// The scanner reads over the end of a plain text and of a blank line: two
	// steps back are what that takes, more would only cost time.
	n := len(lines)
	for range 3 {
		if n <= 1 || read > maxExact {
			break
		}
		if m, _, _ := parse(bytes.Join(lines[:n-1], nil)); m != msg {
			break
		}
		n--
	}
	all := splitLines(data)
	return describe(all, max(n, 1), said, msg)
}

// splitLines is data in lines, each with its end.
func splitLines(data []byte) [][]byte {
	lines := bytes.SplitAfter(data, []byte("\n"))
	if n := len(lines); n > 1 && len(lines[n-1]) == 0 {
		lines = lines[:n-1]
	}
	return lines
}
