package detect

import (
	"errors"
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/yamldoc"
)

var (
	identRE    = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)
	attackRE   = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)
	advisoryRE = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*([-.:][A-Za-z0-9]+)*$`)
	brandRE    = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)
)

// Parse reads one rule file. It checks the file by itself: shape, values, and
// the parts of the gate that need no other file. The tool is nil when there
// are errors. The file's tests are run by Load.
func Parse(file string, data []byte) (*Tool, RuleErrors) {
	r := &fileReader{file: file}
	root := r.document(data)
	if root == nil {
		return nil, r.done()
	}
	t := r.tool(root)
	r.gate(t)
	if len(r.errs) > 0 {
		return nil, r.done()
	}
	return t, nil
}

// document parses the only YAML document of data.
func (r *fileReader) document(data []byte) *yaml.Node {
	start := position{1, 1}
	if len(data) > maxFileSize {
		r.failAt(start, "at most 1 MiB; split a feed into several tools", "the file is %d bytes long", len(data))
		return nil
	}
	root, err := yamldoc.Parse(data)
	if e := new(yamldoc.Error); errors.As(err, &e) {
		r.failAt(position{e.Line, e.Col}, e.Hint, "%s", e.Msg)
		return nil
	}
	if root == nil {
		r.failAt(start, "expected tool, name, class, indicators and tests", "the file is empty")
	}
	return root
}

// ident reads an identifier such as chrome-remote-desktop.
func (r *fileReader) ident(n *yaml.Node, what string) string {
	return r.shaped(n, what, identRE, "expected lower-case letters, digits and single hyphens")
}

// shaped reads text of a given shape, at most 64 bytes long.
func (r *fileReader) shaped(n *yaml.Node, what string, shape *regexp.Regexp, hint string) string {
	s := r.text(n, what)
	if s != "" && (len(s) > 64 || !shape.MatchString(s)) {
		r.fail(n, hint, "%s cannot be %s", what, quote(s))
		return ""
	}
	return s
}

func (r *fileReader) shapedList(n *yaml.Node, what string, shape *regexp.Regexp, hint string) (out []string) {
	for _, v := range r.sequence(n, what, "["+clip(n.Value)+"]") {
		if s := r.shaped(v, what, shape, hint); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (r *fileReader) tool(n *yaml.Node) *Tool {
	t := &Tool{File: r.file, at: at(n)}
	r.mapping(n, "a rule file", []key{
		{"tool", true, func(n *yaml.Node) { t.ID, t.at = r.ident(n, "tool"), at(n) }},
		{"name", true, func(n *yaml.Node) { t.Name = r.text(n, "name") }},
		{"vendor", false, func(n *yaml.Node) { t.Vendor = r.text(n, "vendor") }},
		{"class", true, func(n *yaml.Node) { t.Class = r.oneOf(n, "class", Classes) }},
		{"attack", false, func(n *yaml.Node) {
			t.Attack = r.shapedList(n, "attack", attackRE, "expected an ATT&CK technique such as T1219.002")
		}},
		{"lolrmm", false, func(n *yaml.Node) { t.LOLRMM = r.text(n, "lolrmm") }},
		{"brands", false, func(n *yaml.Node) {
			t.Brands = r.brands(n)
		}},
		{"owned", false, func(n *yaml.Node) { r.ownedUnsure = r.bad(func() { t.Owned = r.ownedDomains(n) }) }},
		{"advisories", false, func(n *yaml.Node) {
			t.Advisories = r.shapedList(n, "advisories", advisoryRE, "expected an identifier such as AA23-025A or CVE-2024-1709")
		}},
		{"guidance", false, func(n *yaml.Node) { t.Guidance = r.text(n, "guidance") }},
		{"plain", false, func(n *yaml.Node) { t.Plain = r.text(n, "plain") }},
		{"session", false, func(n *yaml.Node) { t.Session = r.session(n) }},
		{"indicators", true, func(n *yaml.Node) { t.Indicators = r.indicators(n) }},
		{"tests", true, func(n *yaml.Node) { r.tests(n, t) }},
	})
	for _, in := range t.Indicators {
		in.Tool = t
	}
	return t
}

func (r *fileReader) indicators(n *yaml.Node) (out []*Indicator) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "expected a list of mappings, each with an id", "indicators is %s", describe(n))
		return nil
	}
	items := r.sequence(n, "indicators", "")
	if len(items) > maxIndicators {
		r.fail(n, fmt.Sprintf("at most %d; an indicator may list many domains", maxIndicators), "%d indicators", len(items))
		return nil
	}
	lines := make(map[string]int)
	for _, v := range items {
		var in *Indicator
		broken := r.bad(func() { in = r.indicator(v) })
		if in == nil {
			r.idsUnsure = true
			continue
		}
		in.broken = broken
		r.idsUnsure = r.idsUnsure || in.ID == ""
		if line, dup := lines[in.ID]; dup && in.ID != "" {
			r.failAt(in.at, "", "indicator id %s twice, first in line %d", quote(in.ID), line)
			continue
		}
		lines[in.ID] = in.at.line
		out = append(out, in)
	}
	return out
}
