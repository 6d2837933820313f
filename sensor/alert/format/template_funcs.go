package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"text/template"
	"unicode/utf8"
)

// funcs are the functions of a template. Those of text/template that make
// text are replaced: each books its work, so that no template can grow a text
// without end.
func (t *Template) funcs() template.FuncMap {
	text := func(f func(string) string) any {
		return func(v any) (string, error) { return t.text(f, v) }
	}
	return template.FuncMap{
		stepName:   func() (string, error) { return "", t.charge(stepCost) },
		"json":     t.json,
		"slack":    text(slackText.Replace),
		"markdown": text(markdownText),
		"html":     text(html.EscapeString),
		"query":    text(url.QueryEscape),
		"urlquery": text(url.QueryEscape),
		"js":       text(template.JSEscapeString),
		"upper":    text(strings.ToUpper),
		"lower":    text(strings.ToLower),
		"join":     t.join,
		"truncate": t.truncate,
		"time":     t.time,
		"print":    func(args ...any) (string, error) { return t.print("", args) },
		"println":  func(args ...any) (string, error) { return t.print("\n", args) },
		"printf":   t.printf,
	}
}

// text applies f, whose result is at most some ten times as long as what it is
// given, to a text or what prints as one.
func (t *Template) text(f func(string) string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		s = fmt.Sprint(v)
	}
	if err := t.charge(len(s)); err != nil {
		return "", err
	}
	out := f(s)
	return out, t.charge(len(out))
}

// json returns v as JSON: a text with its quotes, a list, a number.
func (t *Template) json(v any) (string, error) {
	if s, ok := v.(string); ok {
		if err := t.charge(6 * len(s)); err != nil {
			return "", err
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), t.charge(b.Len())
}

// join returns a list as one text.
func (t *Template) join(separator string, list []string) (string, error) {
	n := 0
	for _, s := range list {
		n += len(s) + len(separator)
	}
	if err := t.charge(n); err != nil {
		return "", err
	}
	return strings.Join(list, separator), nil
}

// truncate returns at most limit characters, of which the last three are dots
// where some were cut off.
func (t *Template) truncate(limit int, v any) (string, error) {
	if limit < 0 {
		return "", fmt.Errorf("truncate to %d characters", limit)
	}
	return t.text(func(s string) string { return cut(s, limit) }, v)
}

// time writes a time in a layout of Go, in UTC.
func (t *Template) time(layout string, at Time) (string, error) {
	return t.text(at.utc().Format, layout)
}

func (t *Template) print(end string, args []any) (string, error) {
	var s string
	if end == "" {
		s = fmt.Sprint(args...)
	} else {
		s = fmt.Sprintln(args...)
	}
	return s, t.charge(len(s))
}

// wide are widths and precisions that only waste memory, and those that a
// value would give.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{4}|\*)`)

// printf is fmt's. What it may write at most is booked before it writes.
func (t *Template) printf(format string, args ...any) (string, error) {
	if wide.MatchString(format) {
		return "", errors.New("printf: a width or precision of more than three digits, or *")
	}
	size := 1000
	for _, a := range args {
		size += 4 * len(fmt.Sprint(a))
	}
	if err := t.charge(len(format) + size*strings.Count(format, "%")); err != nil {
		return "", err
	}
	return fmt.Sprintf(format, args...), nil
}

// slackText escapes what Slack's mrkdwn reads as a link, a mention or an
// entity: https://docs.slack.dev/messaging/formatting-message-text.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// markdownText puts a backslash before every punctuation of ASCII, as
// CommonMark 2.4 allows.
func markdownText(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
