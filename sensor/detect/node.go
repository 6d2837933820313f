package detect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// position is where in its file something stands, 1-based.
type position struct{ line, col int }

func at(n *yaml.Node) position { return position{n.Line, n.Column} }

// Limits of one file: rule packs come from outside, and a mistaken or hostile
// one must end in a short message, not in a full memory.
const (
	maxFileSize   = 1 << 20 // 40,000 names; the nodes of a hostile file take some 100 times its size
	maxIndicators = 1000
	maxValues     = 50_000 // in one list
	maxTests      = 10_000 // in match, and in no_match
	maxText       = 1000
	maxErrors     = 50 // reported for one file
)

// fileReader walks the nodes of one file and collects what is wrong with it.
// The library's own decoder is not used: it stops at the first problem and
// does not say the column.
type fileReader struct {
	file   string
	errs   RuleErrors
	silent int // problems beyond maxErrors

	// What could not be understood: nothing is concluded from it, or one
	// mistake would be reported as several.
	ownedUnsure bool            // owned has mistakes
	idsUnsure   bool            // an indicator's id could not be read
	hits        map[string]bool // indicators that match names, in whatever items; nil without any
}

// bad reports whether read found something wrong.
func (r *fileReader) bad(read func()) bool {
	had := len(r.errs) + r.silent
	read()
	return len(r.errs)+r.silent > had
}

// full reports whether further problems are only counted: then even wording
// them would be work that a hostile file could ask for a million times.
func (r *fileReader) full() bool { return len(r.errs) >= maxErrors }

func (r *fileReader) failAt(p position, hint, format string, args ...any) {
	if r.full() {
		r.silent++
		return
	}
	r.errs = append(r.errs, RuleError{r.file, p.line, p.col, fmt.Sprintf(format, args...), hint})
}

func (r *fileReader) fail(n *yaml.Node, hint, format string, args ...any) {
	r.failAt(at(n), hint, format, args...)
}

// done returns the problems in the order of the lines.
func (r *fileReader) done() RuleErrors {
	slices.SortStableFunc(r.errs, func(a, b RuleError) int {
		return (a.Line-b.Line)<<16 + min(a.Col, 1<<15) - min(b.Col, 1<<15)
	})
	if r.silent > 0 {
		r.errs = append(r.errs, RuleError{File: r.file, Msg: fmt.Sprintf("%d more problems", r.silent)})
	}
	return r.errs
}

// key is one key that a mapping may have, and what reads its value.
type key struct {
	name string
	need bool
	read func(*yaml.Node)
}

// mapping reads a mapping with these keys and no others. It reports whether n
// was one.
func (r *fileReader) mapping(n *yaml.Node, what string, keys []key) bool {
	if !r.plain(n) {
		return false
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "expected keys and values: "+strings.Join(keyNames(keys), ", "), "%s is %s", what, describe(n))
		return false
	}
	seen := make(map[string]int, len(keys))
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !r.plain(k) {
			continue
		}
		if line, dup := seen[k.Value]; dup {
			r.fail(k, "", "key %s twice in %s, first in line %d", quote(k.Value), what, line)
			continue
		}
		seen[k.Value] = k.Line
		j := slices.IndexFunc(keys, func(c key) bool { return c.name == k.Value })
		if j < 0 || k.Kind != yaml.ScalarNode {
			r.fail(k, r.didYouMean(k.Value, keyNames(keys)), "unknown key %s in %s", quote(k.Value), what)
			continue
		}
		keys[j].read(v)
	}
	for _, c := range keys {
		if _, ok := seen[c.name]; c.need && !ok {
			r.fail(n, "", "%s has no %s", what, quote(c.name))
		}
	}
	return true
}

// something is mapping for one that must have a key, whichever it is.
func (r *fileReader) something(n *yaml.Node, what string, keys []key) {
	if r.mapping(n, what, keys) && len(n.Content) == 0 {
		r.fail(n, "expected one of "+strings.Join(keyNames(keys), ", "), "%s says nothing", what)
	}
}

func keyNames(keys []key) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

// didYouMean is the hint for a word that is none of these.
func (r *fileReader) didYouMean(got string, words []string) string {
	if r.full() {
		return ""
	}
	if c := closest(got, words); c != "" {
		return "did you mean " + quote(c) + "?"
	}
	if len(words) > 20 {
		return ""
	}
	return "expected one of " + strings.Join(words, ", ")
}

// plain refuses anchors and aliases: a rule file has no use for them, and a
// few of them can stand for gigabytes.
func (r *fileReader) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		r.fail(n, "write the value out", "alias *%s", clip(n.Value))
		return false
	}
	if n.Anchor != "" {
		r.fail(n, "write the value out where it is needed", "anchor &%s", clip(n.Anchor))
		return false
	}
	return true
}

// text reads a line of text, or "" after reporting that it is none.
func (r *fileReader) text(n *yaml.Node, what string) string {
	if !r.plain(n) {
		return ""
	}
	hint := "expected text"
	if n.Kind == yaml.ScalarNode && n.ShortTag() != "!!str" && n.ShortTag() != "!!null" {
		hint = "put it in quotes: " + strconv.Quote(clip(n.Value))
	}
	s := strings.TrimRight(n.Value, "\n")
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		r.fail(n, hint, "%s is %s", what, describe(n))
	case s == "":
		r.fail(n, "expected text", "%s is empty", what)
	case len(s) > maxText:
		r.fail(n, "at most 1000 bytes", "%s is %d bytes long", what, len(s))
	case !printable(s):
		r.fail(n, "", "%s holds control or invalid characters", what)
	default:
		return s
	}
	return ""
}

// list reads a list of text, calling item for each value.
func (r *fileReader) list(n *yaml.Node, what string, item func(n *yaml.Node, s string)) {
	for _, v := range r.sequence(n, what, "["+clip(n.Value)+"]") {
		if s := r.text(v, what); s != "" {
			item(v, s)
		}
	}
}

// emptyHints say what belongs into the lists that a file must have.
var emptyHints = map[string]string{
	"indicators": "list at least one indicator, each with an id",
	"match":      "list at least one name, or other flow, for each indicator: - {name: ..., indicator: ...}",
	"no_match":   "list at least one name, or other flow, that must not match: the nearest miss is the best",
}

// sequence returns the items of a list that has some.
func (r *fileReader) sequence(n *yaml.Node, what, example string) []*yaml.Node {
	if !r.plain(n) {
		return nil
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" && n.Value != "":
		r.fail(n, "expected a list: "+example, "%s is %s", what, describe(n))
	case n.Kind != yaml.SequenceNode:
		r.fail(n, "expected a list", "%s is %s", what, describe(n))
	case len(n.Content) == 0:
		hint, ok := emptyHints[what]
		if !ok {
			hint = "leave the key out instead"
		}
		r.fail(n, hint, "%s is an empty list", what)
	case len(n.Content) > maxValues:
		r.fail(n, "at most 50,000", "%s has %d values", what, len(n.Content))
	default:
		return n.Content
	}
	return nil
}

// oneOf reads one of a few words.
func (r *fileReader) oneOf(n *yaml.Node, what string, words []string) string {
	s := r.text(n, what)
	if s == "" || slices.Contains(words, s) {
		return s
	}
	r.fail(n, r.didYouMean(s, words), "%s cannot be %s", what, quote(s))
	return ""
}

// number reads a whole number between lo and hi.
func (r *fileReader) number(n *yaml.Node, what string, lo, hi int) int {
	if !r.plain(n) {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || v < lo || v > hi {
		r.fail(n, fmt.Sprintf("expected a whole number from %d to %d", lo, hi), "%s is %s", what, describe(n))
		return 0
	}
	return v
}

// yes reads the value true; false would say nothing that leaving the key out
// does not.
func (r *fileReader) yes(n *yaml.Node, what string) bool {
	if !r.plain(n) {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Value != "true" {
		r.fail(n, "expected true, or leave the key out", "%s is %s", what, describe(n))
		return false
	}
	return true
}

// describe says in words what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + clip(n.Value)
	case "!!bool":
		return "the truth value " + clip(n.Value)
	case "!!timestamp":
		return "the date " + clip(n.Value)
	case "!!str":
		return "the text " + quote(n.Value)
	}
	return "of the type " + clip(n.ShortTag())
}

// printable reports whether s may be shown on a terminal.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(c rune) bool {
		return c != '\n' && !unicode.IsPrint(c)
	}) < 0
}

// clip shortens what is echoed in a message and makes it safe to print.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "..."
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

func quote(s string) string { return `"` + clip(s) + `"` }
