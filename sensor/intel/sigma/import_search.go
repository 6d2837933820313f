package sigma

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// maxEntries bounds what the searches of one rule are multiplied out to.
const maxEntries = 20_000

// maps are the mappings of a search: it is one, or a list of which one must
// hold.
func maps(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.MappingNode:
		return []*yaml.Node{n}
	case n.Kind != yaml.SequenceNode:
		return nil
	}
	var out []*yaml.Node
	for _, c := range n.Content {
		if c.Kind == yaml.MappingNode {
			out = append(out, c)
		}
	}
	return out
}

// splitKey takes a field and its modifiers apart.
func splitKey(s string) (field string, mods []string) {
	parts := strings.Split(strings.ToLower(s), "|")
	return parts[0], parts[1:]
}

// all makes entries of searches that must all hold.
func (r *reader) all(searches []string) {
	combined := []intel.Entry{r.base}
	combined[0].Text = ""
	for _, name := range searches {
		n := intel.Key(r.detection, name)
		list := maps(n)
		if list == nil {
			e := r.base
			e.Text = name
			if n != nil {
				e.Line = n.Line
			}
			r.out = append(r.out, e.Quarantine(intel.Unsupported, "a search without fields: words anywhere in a log line"))
			return
		}
		var next []intel.Entry
		for _, before := range combined {
			for _, m := range list {
				next = append(next, r.fields(before, name, m)...)
				if len(next) > maxEntries {
					r.out = append(r.out, r.base.Quarantine(intel.Unsupported, "more than %d combinations", maxEntries))
					return
				}
			}
		}
		combined = next
	}
	r.out = append(r.out, combined...)
}

// fields adds the fields of a mapping to an entry: all must hold, of each one
// of its values.
func (r *reader) fields(before intel.Entry, search string, m *yaml.Node) []intel.Entry {
	out := []intel.Entry{before}
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, mods := splitKey(m.Content[i].Value)
		values := intel.Values(m.Content[i+1])
		if len(values) == 0 {
			values = []*yaml.Node{{Kind: yaml.ScalarNode, Line: m.Content[i].Line}}
		}
		every := slices.Contains(mods, "all")
		var next []intel.Entry
		for _, e := range out {
			for _, v := range values {
				x := e
				x.Line = v.Line
				x.Text = strings.TrimPrefix(e.Text+" and "+cmp.Or(v.Value, search), " and ")
				if x.Reason == "" {
					x = field(x, key, mods, v.Value)
				}
				if every && len(values) > 1 && x.Reason == "" {
					x = x.Quarantine(intel.Unsupported, "all of several values in one field")
				}
				next = append(next, x)
			}
			if len(next) > maxEntries {
				return next
			}
		}
		out = next
	}
	return out
}

// field adds one value of one field.
func field(e intel.Entry, key string, mods []string, v string) intel.Entry {
	for _, m := range mods {
		if !slices.Contains([]string{"contains", "startswith", "endswith", "re", "i", "all", "cidr"}, m) {
			return e.Quarantine(intel.Unsupported, "the modifier %s", intel.Clean(m, 40))
		}
	}
	is := func(m string) bool { return slices.Contains(mods, m) }
	switch kind := fields[key]; {
	case v == "":
		return e.Quarantine(intel.Syntax, "the field %s has no value", intel.Clean(key, 40))
	case kind == "":
		return e.Quarantine(intel.NotObservable, "the field %s is about the host, not the network", intel.Clean(key, 40))
	case kind == "name":
		return inName(e, is, v)
	case kind == "address":
		return e.AsAddr(v)
	case kind == "port":
		return e.AsPort(6, v)
	case kind == "ja3":
		return e.AsJA3(v)
	case kind == "ja4":
		return e.AsJA4(v)
	case kind == "method":
		e.Match.HTTP.Method = append(e.Match.HTTP.Method, strings.ToUpper(v))
		return e
	case kind == "protocol":
		return protocol(e, v)
	default:
		return inText(e, kind, is, v)
	}
}

// protocol narrows the ports that stand before it in the rule.
func protocol(e intel.Entry, v string) intel.Entry {
	if !strings.EqualFold(v, "tcp") && !strings.EqualFold(v, "udp") || len(e.Match.Port) == 0 {
		return e.Quarantine(intel.Unsupported, "the protocol %s by itself", intel.Clean(v, 40))
	}
	if strings.EqualFold(v, "udp") {
		e.Match.Port = []detect.PortRange{{Proto: 17, Lo: e.Match.Port[0].Lo, Hi: e.Match.Port[0].Hi}}
	}
	return e
}

// inName adds a host name.
func inName(e intel.Entry, is func(string) bool, v string) intel.Entry {
	switch {
	case len(e.Match.Domain) > 0:
		return e.Quarantine(intel.Unsupported, "two conditions on one name")
	case is("re"):
		return e.AsRegexp(v)
	case is("endswith"):
		return e.AsName(v, true)
	case is("contains"), is("startswith"):
		return e.Quarantine(intel.Unsupported, "a part of a name, which may stand anywhere: it would match strangers' names")
	}
	return e.AsName(v, false)
}

// inText adds a path or a User-Agent.
func inText(e intel.Entry, kind string, is func(string) bool, v string) intel.Entry {
	g := strings.ReplaceAll(v, `\\`, `\`)
	switch {
	case is("re"):
		var err error
		if g, err = intel.Glob(strings.TrimPrefix(v, `^(?:[a-z]+://[^/]+)?`)); err != nil {
			return e.Quarantine(intel.Unsupported, "%v", err)
		}
		if kind == "path" && strings.HasPrefix(v, `^(?:[a-z]+://`) {
			g = strings.TrimPrefix(g, "*")
		}
	case is("contains"):
		g = "*" + g + "*"
	case is("startswith"):
		g += "*"
	case is("endswith"):
		g = "*" + g
	}
	if kind == "agent" {
		return e.AsAgent(g, true)
	}
	e.Match.HTTP.Path = append(e.Match.HTTP.Path, g)
	return e
}
