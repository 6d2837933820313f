package stix

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// context are the types of objects that say something about others, or about who
// said it; they are no entries.
var context = []string{"relationship", "identity", "marking-definition", "extension-definition", "language-content", "tool", "malware", "report",
	"grouping", "campaign", "intrusion-set", "threat-actor", "attack-pattern", "course-of-action", "infrastructure", "location", "note", "opinion", "vulnerability", "sighting", "incident"}

// Import reads a bundle.
func Import(file string, data []byte) (out []intel.Entry) {
	doc, err := intel.JSON(data)
	if err != nil {
		line, msg := intel.LineOf(err)
		return []intel.Entry{intel.Broken(file, line, "%s", msg)}
	}
	objects := doc.Get("objects").Items
	if doc.Str("type") != "bundle" {
		return []intel.Entry{intel.Broken(file, 1, "not a STIX bundle: its type is %q", intel.Clean(doc.Str("type"), 40))}
	}
	b := bundle{file: file, tools: subjects(objects)}
	for i := range objects {
		b.object(&objects[i])
	}
	if b.out == nil {
		b.out = append(b.out, intel.Broken(file, 1, "no indicator is in the bundle"))
	}
	return b.out
}

type bundle struct {
	file  string
	tools map[string]intel.Tool // by the id of the indicator
	out   []intel.Entry
}

// subjects finds the tool or malware that each indicator indicates.
func subjects(objects []intel.Node) map[string]intel.Tool {
	named := make(map[string]intel.Tool)
	for i := range objects {
		o := &objects[i]
		typ := o.Str("type")
		if typ != "tool" && typ != "malware" {
			continue
		}
		t := intel.Tool{Name: o.Str("name")}
		if typ == "malware" {
			t.Class = "rat"
		}
		for _, l := range o.Strs("labels") {
			if class, ok := strings.CutPrefix(l, "class:"); ok {
				t.Class = class
			}
		}
		for _, x := range o.Get("external_references").Items {
			switch x.Str("source_name") {
			case "rmmwatch":
				t.ID = x.Str("external_id")
			case "mitre-attack":
				t.Attack = append(t.Attack, x.Str("external_id"))
			}
		}
		named[o.Str("id")] = t
	}
	of := make(map[string]intel.Tool)
	for i := range objects {
		o := &objects[i]
		if t, ok := named[o.Str("target_ref")]; ok && o.Str("relationship_type") == "indicates" {
			of[o.Str("source_ref")] = t
		}
	}
	return of
}

// object makes entries of one object of the bundle.
func (b *bundle) object(o *intel.Node) {
	typ := o.Str("type")
	e := intel.Entry{Text: cmp.Or(o.Str("name"), o.Str("value"), typ), File: b.file, Line: o.Line, Tool: b.tools[o.Str("id")], Note: o.Str("description"), Source: "STIX " + o.Str("id")}
	switch {
	case slices.Contains(context, typ):
		return
	case typ != "indicator":
		b.out = append(b.out, e.Quarantine(intel.Unsupported, "an object of type %s is an observation, not an indicator", intel.Clean(cmp.Or(typ, "none"), 40)))
		return
	case o.Get("revoked").Text == "true":
		b.out = append(b.out, e.Quarantine(intel.Withdrawn, "revoked"))
		return
	case o.Str("pattern_type") != "stix" && o.Str("pattern_type") != "":
		b.out = append(b.out, e.Quarantine(intel.Unsupported, "a pattern of type %s", intel.Clean(o.Str("pattern_type"), 40)))
		return
	}
	describe(&e, o)
	pattern := o.Get("pattern")
	e.Line = pattern.Line
	alternatives, err := inPattern(pattern.Text)
	if err != nil {
		reason := intel.Syntax
		if _, ok := err.(unsupported); ok {
			reason = intel.Unsupported
		}
		e.Text = pattern.Text
		b.out = append(b.out, e.Quarantine(reason, "%s", err.Error()))
		return
	}
	for _, all := range alternatives {
		b.out = append(b.out, conjunction(e, all)...)
	}
}

// describe takes over what an indicator says about itself.
func describe(e *intel.Entry, o *intel.Node) {
	if e.Tool.Name == "" {
		e.Tool.Name = o.Str("name")
	}
	// STIX 2.1 appendix A, the scale of three steps.
	if n, err := strconv.Atoi(o.Get("confidence").Text); err == nil && o.Get("confidence").Kind == 'n' {
		e.Confidence = detect.Medium
		if n < 30 {
			e.Confidence = detect.Low
		}
	}
	for _, l := range o.Strs("labels") {
		if role, ok := strings.CutPrefix(l, "role:"); ok && slices.Contains(detect.Roles, role) {
			e.Role = role
		}
	}
	for _, x := range o.Get("external_references").Items {
		if x.Str("source_name") == "rmmwatch" {
			e.Source = ""
		}
	}
}

// conjunction is the entry of comparisons that must all hold.
func conjunction(e intel.Entry, all []inComparison) []intel.Entry {
	e.Text = ""
	var except []string
	for _, c := range all {
		e.Text = strings.TrimPrefix(e.Text+" AND "+c.String(), " AND ")
		switch {
		case e.Reason != "":
		case c.not && c.op == "=" && c.path == "domain-name:value":
			except = append(except, c.value)
		case c.not:
			e = e.Quarantine(intel.Unsupported, "a comparison that must not hold")
		default:
			e = compare(e, c)
		}
	}
	return append([]intel.Entry{e}, e.Except(except)...)
}

// compare adds one comparison to what the entry looks for.
func compare(e intel.Entry, c inComparison) intel.Entry {
	path := strings.ReplaceAll(c.path, `"`, "'")
	switch path {
	case "domain-name:value", "network-traffic:dst_ref.value", "network-traffic:extensions.'http-request-ext'.request_header.Host", "network-traffic:extensions.'http-request-ext'.request_header.'Host'":
		return name(e, c)
	case "ipv4-addr:value", "ipv6-addr:value":
		if c.op != "=" && c.op != "ISSUBSET" {
			break
		}
		return e.AsAddr(c.value)
	case "url:value":
		if c.op == "=" {
			return e.AsURL(c.value)
		}
	case "network-traffic:dst_port":
		if c.op == "=" {
			return e.AsPort(6, c.value)
		}
	case "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'", "network-traffic:extensions.'http-request-ext'.request_value", "network-traffic:extensions.'http-request-ext'.request_method":
		return request(e, c, path)
	case "x509-certificate:subject", "x509-certificate:issuer":
		return e.Quarantine(intel.Unsupported, "a distinguished name as one text: the order of its parts differs from parser to parser")
	default:
		if strings.HasPrefix(path, "network-traffic:") || strings.HasPrefix(path, "x509-certificate:") {
			return e.Quarantine(intel.Unsupported, "rules cannot look at %s", intel.Clean(path, 80))
		}
		return e.Quarantine(intel.NotObservable, "%s does not show on the network", intel.Clean(path, 80))
	}
	return e.Quarantine(intel.Unsupported, "%s with %s", intel.Clean(path, 80), c.op)
}

func name(e intel.Entry, c inComparison) intel.Entry {
	switch {
	case len(e.Match.Domain) > 0:
		return e.Quarantine(intel.Unsupported, "two conditions on one name")
	case c.op == "=":
		if _, ok := intel.Prefix(c.value); ok {
			return e.AsAddr(c.value)
		}
		return e.AsName(c.value, false)
	case c.op == "MATCHES":
		return e.AsRegexp(c.value)
	case c.op == "LIKE": // % is any run, _ any character
		rest, ok := strings.CutPrefix(c.value, "%")
		if !ok || strings.ContainsAny(rest, "%_") {
			return e.Quarantine(intel.Unsupported, "LIKE with a wildcard elsewhere than in front")
		}
		return e.AsName(rest, true)
	}
	return e.Quarantine(intel.Unsupported, "a name with %s", c.op)
}

func request(e intel.Entry, c inComparison, path string) intel.Entry {
	value := c.value
	switch {
	case c.op == "MATCHES":
		g, err := intel.Glob(strings.Replace(value, "(?i)", "", 1))
		if err != nil {
			return e.Quarantine(intel.Unsupported, "%v", err)
		}
		value = g
	case c.op == "LIKE":
		value = strings.NewReplacer("%", "*", "_", "?").Replace(value)
	case c.op != "=":
		return e.Quarantine(intel.Unsupported, "a part of a request with %s", c.op)
	}
	switch {
	case strings.HasSuffix(path, "'User-Agent'"):
		return e.AsAgent(value, c.op != "=")
	case strings.HasSuffix(path, "request_method"):
		e.Match.HTTP.Method = append(e.Match.HTTP.Method, strings.ToUpper(value))
	default:
		e.Match.HTTP.Path = append(e.Match.HTTP.Path, value)
	}
	return e
}
