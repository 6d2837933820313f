package stix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

const omitObject = "STIX has no observable for it"

// outObject is any of the four kinds that are written; what a kind has not stays
// empty. The keys are those of STIX 2.1.
type outObject struct {
	Type           string        `json:"type"`
	SpecVersion    string        `json:"spec_version"`
	ID             string        `json:"id"`
	Created        string        `json:"created"`
	Modified       string        `json:"modified"`
	Name           string        `json:"name,omitempty"`
	Description    string        `json:"description,omitempty"`
	ToolTypes      []string      `json:"tool_types,omitempty"`
	MalwareTypes   []string      `json:"malware_types,omitempty"`
	IsFamily       *bool         `json:"is_family,omitempty"`
	IndicatorTypes []string      `json:"indicator_types,omitempty"`
	Pattern        string        `json:"pattern,omitempty"`
	PatternType    string        `json:"pattern_type,omitempty"`
	PatternVersion string        `json:"pattern_version,omitempty"`
	ValidFrom      string        `json:"valid_from,omitempty"`
	Relationship   string        `json:"relationship_type,omitempty"`
	SourceRef      string        `json:"source_ref,omitempty"`
	TargetRef      string        `json:"target_ref,omitempty"`
	Confidence     int           `json:"confidence,omitempty"`
	Labels         []string      `json:"labels,omitempty"`
	References     []outExternal `json:"external_references,omitempty"`
}

type outExternal struct {
	Source string `json:"source_name"`
	ID     string `json:"external_id"`
}

// Export writes rmmwatch.stix.json, a bundle of a tool (or malware, class rat)
// for each of ours and of an indicator for each of its indicators. Identifiers
// are UUID version 5 of our own, so that a later bundle updates an earlier one.
func Export(e *intel.Export) ([]intel.ExportFile, error) {
	date := e.Date.Format("2006-01-02T15:04:05.000Z")
	var objects []outObject
	for i := range e.Tools {
		t := &e.Tools[i]
		tool := outSubject(t, date)
		var more []outObject
		for _, in := range t.Chosen {
			p := outPattern(e, t, in)
			if p == "" {
				continue
			}
			o := outIndicator(in, p, date)
			more = append(more, o, outObject{
				Type: "relationship", SpecVersion: "2.1", ID: "relationship--" + intel.UUID("stix", "indicates", t.ID, in.ID),
				Created: date, Modified: date, Relationship: "indicates", SourceRef: o.ID, TargetRef: tool.ID,
			})
		}
		if more != nil {
			objects = append(append(objects, tool), more...)
		}
	}
	bundle := struct {
		Type    string      `json:"type"`
		ID      string      `json:"id"`
		Objects []outObject `json:"objects,omitempty"`
	}{"bundle", "bundle--" + intel.UUID("stix", "bundle", e.Version, date), objects}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(bundle)
	return []intel.ExportFile{{Name: "rmmwatch.stix.json", Data: b.Bytes()}}, err
}

// outSubject is what indicators indicate.
func outSubject(t *intel.ExportTool, date string) outObject {
	o := outObject{
		Type: "tool", SpecVersion: "2.1", Created: date, Modified: date, Name: intel.Clean(t.Name, 200),
		Description: intel.Clean(t.Plain, 1000), ToolTypes: []string{"remote-access"}, Labels: []string{"class:" + t.Class},
	}
	if t.Class == "rat" {
		family := true
		o.Type, o.ToolTypes, o.MalwareTypes, o.IsFamily = "malware", nil, []string{"remote-access-trojan"}, &family
	}
	o.ID = o.Type + "--" + intel.UUID("stix", o.Type, t.ID)
	for _, a := range t.Attack {
		o.References = append(o.References, outExternal{"mitre-attack", a})
	}
	o.References = append(o.References, outExternal{"rmmwatch", t.ID})
	return o
}

func outIndicator(in *detect.Indicator, outPattern, date string) outObject {
	o := outObject{
		Type: "indicator", SpecVersion: "2.1", ID: "indicator--" + intel.UUID("stix", "indicator", in.Tool.ID, in.ID),
		Created: date, Modified: date, ValidFrom: date,
		Name:           fmt.Sprintf("%s: %s", intel.Clean(in.Tool.Name, 200), in.ID),
		IndicatorTypes: []string{"anomalous-activity"},
		Pattern:        outPattern, PatternType: "stix", PatternVersion: "2.1",
		// STIX 2.1 appendix A, the scale of three steps.
		Confidence: map[detect.Confidence]int{detect.Low: 15, detect.Medium: 50, detect.High: 85}[in.Confidence],
		References: []outExternal{{"rmmwatch", in.Tool.ID + "/" + in.ID}},
	}
	if in.Tool.Class == "rat" {
		o.IndicatorTypes = []string{"malicious-activity"}
	}
	if in.Role != "" {
		o.Labels = []string{"role:" + in.Role}
	}
	return o
}

// The object paths that patterns compare.
const (
	pathName  = "domain-name:value"
	pathAgent = "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"
	pathURI   = "network-traffic:extensions.'http-request-ext'.request_value"
)

// outPattern is in in the STIX pattern language, empty if it cannot say in.
func outPattern(e *intel.Export, t *intel.ExportTool, in *detect.Indicator) string {
	var any []string
	switch m := intel.Matchers(in); m {
	case "domain":
		n := t.Names(in)
		for i := range n.Patterns {
			any = append(any, outName(&n.Patterns[i], n.ExceptFor(&n.Patterns[i])))
		}
	case "ip":
		for _, p := range in.IP {
			typ, op := "ipv4-addr", "="
			if p.Addr().Is6() {
				typ = "ipv6-addr"
			}
			value := p.String()
			if p.IsSingleIP() {
				value = p.Addr().String()
			} else {
				op = "ISSUBSET"
			}
			any = append(any, outCompare(typ+":value", op, value))
		}
	case "http.agent":
		for _, g := range in.HTTP.Agent {
			any = append(any, outCompare(pathAgent, "MATCHES", "(?i)^"+outExpression(g)+"$"))
		}
	case "http.path":
		for _, g := range in.HTTP.Path {
			any = append(any, outCompare(pathURI, "MATCHES", "^"+outExpression(g)+"$"))
		}
	default:
		e.OmitOther(in, m, omitObject)
	}
	if any == nil {
		return ""
	}
	return "[" + strings.Join(any, "] OR [") + "]"
}

// outName compares a domain name with a pattern.
func outName(p *intel.NamePattern, except []string) string {
	var s string
	switch {
	case p.Exact():
		return outCompare(pathName, "=", p.Text)
	case p.Below() && !strings.Contains(p.Literal, "_"): // _ is any character for LIKE
		s = outCompare(pathName, "LIKE", "%."+p.Literal)
	default:
		s = outCompare(pathName, "MATCHES", p.Regexp())
	}
	for _, x := range except {
		s += " AND " + outCompare(pathName, "!=", x)
	}
	return s
}

func outCompare(path, op, value string) string { return path + " " + op + " " + outQuote(value) }

// outQuote is a string literal of the pattern language (STIX 2.1 section 9.2.2).
func outQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// outExpression is a glob as a regular expression without anchors.
func outExpression(g string) string {
	return strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(g))
}
