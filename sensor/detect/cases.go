package detect

import (
	"net/netip"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Case is one capture case of a file <name>_test.yaml, which stands beside the
// rule file <name>.yaml: the alerts that its tool must raise for a capture, and
// no others.
type Case struct {
	File      string // of the case
	Line, Col int
	Tool      *Tool
	Capture   string // path of the capture, as it can be opened
	Alerts    []CaseAlert
}

// CaseAlert is an alert that a case expects. What is not said may be anything.
type CaseAlert struct {
	Line, Col  int
	Host       netip.Addr
	Kind       string
	Confidence Confidence // 0 for any
	Tenant     string
	Indicators []string // all of these are in the evidence
}

// caseSuffix ends the names of files that hold cases instead of rules.
const caseSuffix = "_test"

// isCaseFile reports whether a file holds capture cases.
func isCaseFile(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".yaml"), ".yml")
	return strings.HasSuffix(name, caseSuffix)
}

// LoadCases reads the capture cases that stand beside the rule files of paths,
// which rs was loaded from: of a folder all of them, of a rule file its own.
// What is wrong with them comes as RuleErrors.
func LoadCases(rs *Ruleset, paths ...string) ([]Case, error) {
	var out []Case
	var errs RuleErrors
	for _, p := range paths {
		files, err := caseFiles(p)
		if err != nil {
			return nil, &SourceError{p, err}
		}
		for _, f := range files {
			cases, more := rs.parseCases(f)
			out, errs = append(out, cases...), append(errs, more...)
		}
	}
	return out, errs.err()
}

// parseCases reads one file of cases.
func (rs *Ruleset) parseCases(f ruleFile) (out []Case, errs RuleErrors) {
	r := &fileReader{file: f.name}
	root := r.document(f.data)
	if root == nil {
		return nil, r.done()
	}
	base := filepath.Base(f.name)
	beside := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(base, ".yaml"), ".yml"), caseSuffix)
	var tool *Tool
	for _, t := range rs.tools {
		if stem := filepath.Base(t.File); filepath.Dir(t.File) == filepath.Dir(f.name) && strings.TrimSuffix(strings.TrimSuffix(stem, ".yaml"), ".yml") == beside {
			tool = t
		}
	}
	if tool == nil {
		r.failAt(position{1, 1}, "name it as the rule file is named, with "+caseSuffix+" before the dot", "there is no rule file %s beside it", quote(beside+".yaml"))
		return nil, r.done()
	}
	r.mapping(root, "a file of cases", []key{{"cases", true, func(n *yaml.Node) {
		for _, v := range r.sequence(n, "cases", "- {capture: ..., alerts: [...]}") {
			c := Case{File: f.name, Line: v.Line, Col: v.Column, Tool: tool}
			r.mapping(v, "a case", []key{
				{"capture", true, func(n *yaml.Node) {
					if c.Capture = filepath.FromSlash(r.text(n, "capture")); !filepath.IsAbs(c.Capture) {
						c.Capture = filepath.Join(filepath.Dir(f.name), c.Capture)
					}
				}},
				{"alerts", true, func(n *yaml.Node) { c.Alerts = r.caseAlerts(n, tool) }},
			})
			out = append(out, c)
		}
	}}})
	if len(r.errs) > 0 {
		return nil, r.done()
	}
	return out, nil
}

func (r *fileReader) caseAlerts(n *yaml.Node, tool *Tool) (out []CaseAlert) {
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		return nil // the capture must stay quiet
	}
	ids := make([]string, len(tool.Indicators))
	for i, in := range tool.Indicators {
		ids[i] = in.ID
	}
	for _, v := range r.sequence(n, "alerts", "- {host: 10.1.2.3, indicators: [...]}") {
		a := CaseAlert{Line: v.Line, Col: v.Column}
		r.mapping(v, "an expected alert", []key{
			{"host", false, func(n *yaml.Node) { a.Host = r.address(n) }},
			{"kind", false, func(n *yaml.Node) { a.Kind = r.ident(n, "kind") }},
			{"confidence", false, func(n *yaml.Node) {
				a.Confidence, _ = ParseConfidence(r.oneOf(n, "confidence", confidences))
			}},
			{"tenant", false, func(n *yaml.Node) { a.Tenant = r.text(n, "tenant") }},
			{"indicators", false, func(n *yaml.Node) {
				for _, v := range r.sequence(n, "indicators", "[relay]") {
					a.Indicators = append(a.Indicators, r.oneOf(v, "an indicator of "+tool.ID, ids))
				}
			}},
		})
		out = append(out, a)
	}
	return out
}
