package elasticsearch

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// pattern is the name of an index or data stream, with dates in it: %{+FORM},
// where FORM is made of yyyy, MM, dd and separators, as in Beats and Logstash.
type pattern []piece

type piece struct {
	text string // as it is, or
	form string // for time.Format
}

// maxName is the longest name of an index in bytes (Create index API, "Path
// parameters", whose other rules checkName holds).
const maxName = 255

// parsePattern reads and judges a pattern.
func parsePattern(text string) (p pattern, err error) {
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "%{")
		if before != "" {
			p = append(p, piece{text: before})
		}
		if !found {
			break
		}
		form, tail, closed := strings.Cut(after, "}")
		form, plus := strings.CutPrefix(form, "+")
		layout := strings.NewReplacer("yyyy", "2006", "MM", "01", "dd", "02").Replace(form)
		if left := strings.NewReplacer("yyyy", "", "MM", "", "dd", "").Replace(form); !closed || !plus || strings.Trim(left, ".-_") != "" || left == form {
			return nil, errors.New("index: a date is written %{+yyyy.MM.dd}, with yyyy, MM, dd and the separators . - _")
		}
		p = append(p, piece{form: layout})
		rest = tail
	}
	return p, checkName(p.name(time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)))
}

// name is that of the index for a record of time t.
func (p pattern) name(t time.Time) string {
	var b strings.Builder
	for _, piece := range p {
		b.WriteString(piece.text)
		if piece.form != "" {
			b.WriteString(t.UTC().Format(piece.form))
		}
	}
	return b.String()
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("index: a name of an index or data stream is needed")
	case strings.ToLower(name) != name:
		return fmt.Errorf("index: %q has capital letters, which no index may have", name)
	case strings.ContainsAny(name, `\/*?"<>| ,#:`) || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return fmt.Errorf("index: %q has one of the characters that no index may have: \\ / * ? \" < > | , # : and space", name)
	case strings.ContainsAny(name[:1], "-_+") || name == "." || name == "..":
		return fmt.Errorf("index: %q starts as no index may", name)
	case len(name) > maxName:
		return fmt.Errorf("index: the name is longer than %d bytes", maxName)
	}
	return nil
}
