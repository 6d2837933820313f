package misp

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// Import reads events in JSON: one ({"Event": ...}), a list of them, or the
// answer of a search ({"response": [...]}).
func Import(file string, data []byte) (out []intel.Entry) {
	doc, err := intel.JSON(data)
	if err != nil {
		line, msg := intel.LineOf(err)
		return []intel.Entry{intel.Broken(file, line, "%s", msg)}
	}
	list := []intel.Node{doc}
	switch {
	case doc.Kind == 'a':
		list = doc.Items
	case doc.Get("response").Kind == 'a':
		list = doc.Get("response").Items
	}
	for _, item := range list {
		ev := item.Get("Event")
		if ev.Kind != 'o' {
			out = append(out, intel.Broken(file, item.Line, "not a MISP event: no key Event"))
			continue
		}
		out = append(out, event(file, ev)...)
	}
	if out == nil {
		out = append(out, intel.Broken(file, 1, "no event is there"))
	}
	return out
}

func event(file string, ev intel.Node) (out []intel.Entry) {
	tool := intel.Tool{Name: ev.Str("info")}
	for _, a := range ev.Get("Attribute").Items {
		out = append(out, attribute(file, tool, a))
	}
	for _, o := range ev.Get("Object").Items {
		name := cmp.Or(o.Str("name"), "object")
		attributes := o.Get("Attribute").Items
		for _, a := range attributes {
			out = append(out, attribute(file, tool, a))
		}
		if len(attributes) == 0 {
			e := intel.Entry{Text: name, File: file, Line: o.Line, Tool: tool}
			out = append(out, e.Quarantine(intel.Syntax, "an object without attributes"))
		}
	}
	if out == nil {
		e := intel.Entry{Text: cmp.Or(tool.Name, "(an event)"), File: file, Line: ev.Line, Tool: tool}
		out = append(out, e.Quarantine(intel.Syntax, "an event without attributes"))
	}
	return out
}

// attribute is one value of an event.
func attribute(file string, tool intel.Tool, a intel.Node) intel.Entry {
	value, typ := a.Str("value"), a.Str("type")
	e := intel.Entry{Text: value, File: file, Line: a.Line, Tool: tool, Note: a.Str("comment"), Source: intel.Clean("MISP "+tool.Name, 200)}
	for _, t := range a.Get("Tag").Items {
		tag(&e, t.Str("name"))
	}
	if a.Get("deleted").Text == "true" || a.Get("deleted").Text == "1" {
		return e.Quarantine(intel.Withdrawn, "deleted")
	}
	if ids := a.Get("to_ids"); ids.Kind != 0 && ids.Text != "true" && ids.Text != "1" {
		return e.Quarantine(intel.Withdrawn, "its author says that it is no sign by itself (to_ids is off)")
	}
	return typed(e, typ, value)
}

// tag takes over what our own exporter says, and what others say of malware.
func tag(e *intel.Entry, name string) {
	key, value, _ := strings.Cut(name, "=")
	value = strings.Trim(value, `"`)
	switch key {
	case "rmmwatch:tool":
		e.Tool.ID, e.Tool.Name, e.Note, e.Source = value, value, "", ""
	case "rmmwatch:role":
		if slices.Contains(detect.Roles, value) {
			e.Role = value
		}
	case "rmmwatch:confidence":
		e.Confidence, _ = detect.ParseConfidence(value)
	}
}

func typed(e intel.Entry, typ, value string) intel.Entry {
	first, second, _ := strings.Cut(value, "|")
	switch typ {
	case "domain": // MISP means the name and what is below it
		return e.AsName(value, true)
	case "hostname":
		return e.AsName(value, false)
	case "domain|ip": // either is a sign; the address is often shared
		e.Say("the address was left out")
		return e.AsName(first, true)
	case "hostname|port":
		return port(e.AsName(first, false), second)
	case "ip-dst":
		return e.AsAddr(value)
	case "ip-dst|port":
		return port(e.AsAddr(first), second)
	case "url", "uri", "link":
		return e.AsURL(value)
	case "user-agent":
		return e.AsAgent(value, false)
	case "ja3-fingerprint-md5":
		return e.AsJA3(value)
	case "ja4-fingerprint", "ja4":
		return e.AsJA4(value)
	case "port":
		return e.AsPort(6, value)
	case "snort", "suricata", "sigma", "zeek":
		return e.Quarantine(intel.Unsupported, "a rule in another language: save it to a file and import that")
	case "pattern-in-traffic", "jarm-fingerprint", "hassh-md5", "hasshserver-md5", "x509-fingerprint-sha1", "x509-fingerprint-md5", "x509-fingerprint-sha256", "AS", "dns-soa-email", "mac-address":
		return e.Quarantine(intel.Unsupported, "rules cannot look for a value of type %s", typ)
	}
	return e.Quarantine(intel.NotObservable, "a value of type %s does not show on the network", intel.Clean(cmp.Or(typ, "none"), 40))
}

func port(e intel.Entry, s string) intel.Entry {
	if e.Reason != "" || s == "443" || s == "80" {
		return e
	}
	return e.AsPort(6, s)
}
