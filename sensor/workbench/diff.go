package workbench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Change is one difference between two sets of rules: a tool, or an indicator of a
// tool that both have.
type Change struct {
	Op        string   `json:"op"` // added, removed or changed
	Tool      string   `json:"tool"`
	Indicator string   `json:"indicator,omitempty"` // empty: the tool itself
	Fields    []string `json:"fields,omitempty"`    // of what changed: "confidence: low -> high", "domain: + a.example.com"
}

// Diff returns what changed from old to new, by tool and indicator id.
func Diff(old, new *detect.Ruleset) (out []Change) {
	for _, id := range union(toolIDs(old), toolIDs(new)) {
		a, b := old.Tool(id), new.Tool(id)
		switch {
		case a == nil:
			out = append(out, Change{Op: "added", Tool: id, Fields: summary(b)})
			continue
		case b == nil:
			out = append(out, Change{Op: "removed", Tool: id, Fields: summary(a)})
			continue
		}
		if f := fields(about(a), about(b)); len(f) > 0 {
			out = append(out, Change{Op: "changed", Tool: id, Fields: f})
		}
		was, is := byID(a), byID(b)
		for _, in := range union(ids(a), ids(b)) {
			switch x, y := was[in], is[in]; {
			case x == nil:
				out = append(out, Change{"added", id, in, whole(values(y))})
			case y == nil:
				out = append(out, Change{"removed", id, in, whole(values(x))})
			default:
				if f := fields(values(x), values(y)); len(f) > 0 {
					out = append(out, Change{"changed", id, in, f})
				}
			}
		}
	}
	return out
}

func summary(t *detect.Tool) []string {
	return []string{fmt.Sprintf("%s, %d indicators", t.Name, len(t.Indicators))}
}

func toolIDs(rs *detect.Ruleset) (out []string) {
	for _, t := range rs.Tools() {
		out = append(out, t.ID)
	}
	return out
}

func ids(t *detect.Tool) (out []string) {
	for _, in := range t.Indicators {
		out = append(out, in.ID)
	}
	return out
}

func byID(t *detect.Tool) map[string]*detect.Indicator {
	m := make(map[string]*detect.Indicator, len(t.Indicators))
	for _, in := range t.Indicators {
		m[in.ID] = in
	}
	return m
}

// union is both lists without doubles, sorted.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// field is one key of a rule file with its values.
type field struct {
	key    string
	values []string
	list   bool
}

// about is what a rule file says of its tool, without the indicators.
func about(t *detect.Tool) []field {
	c := *t
	c.Indicators = nil
	return slices.DeleteFunc(values(&c), func(f field) bool { return f.key == "indicators" })
}

// values are the keys of v's JSON, which are those of the rule file, in their
// order there. A mapping's keys get its own in front: tls.alpn.
func values(v any) []field {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // rules are text and numbers
	}
	return object("", raw)
}

func object(prefix string, raw []byte) (out []field) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.Token() // the brace
	for dec.More() {
		key, _ := dec.Token()
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return out
		}
		name := prefix + key.(string)
		switch value[0] {
		case '{':
			out = append(out, object(name+".", value)...)
		case '[':
			f := field{key: name, list: true}
			var items []json.RawMessage
			json.Unmarshal(value, &items)
			for _, item := range items {
				f.values = append(f.values, text(item))
			}
			out = append(out, f)
		default:
			out = append(out, field{key: name, values: []string{text(value)}})
		}
	}
	return out
}

// text is a JSON value as it would stand in a rule file.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return strings.ReplaceAll(string(raw), `"`, "")
}

// whole says what stands on one side only.
func whole(fs []field) (out []string) {
	for _, f := range fs {
		if f.key != "id" { // the change has it
			out = append(out, f.key+": "+strings.Join(f.values, ", "))
		}
	}
	return out
}

// fields are the differences between two lists of keys.
func fields(old, new []field) (out []string) {
	keys := func(fs []field) (ks []string) {
		for _, f := range fs {
			ks = append(ks, f.key)
		}
		return ks
	}
	order := keys(new)
	for _, k := range keys(old) {
		if !slices.Contains(order, k) {
			order = append(order, k)
		}
	}
	for _, k := range order {
		a, b := find(old, k), find(new, k)
		switch {
		case slices.Equal(a.values, b.values):
		case a.list || b.list:
			for _, v := range a.values {
				if !slices.Contains(b.values, v) {
					out = append(out, k+": - "+v)
				}
			}
			for _, v := range b.values {
				if !slices.Contains(a.values, v) {
					out = append(out, k+": + "+v)
				}
			}
		case a.values == nil:
			out = append(out, k+": "+b.values[0])
		case b.values == nil:
			out = append(out, k+": "+a.values[0]+" ->")
		default:
			out = append(out, k+": "+a.values[0]+" -> "+b.values[0])
		}
	}
	return out
}

func find(fs []field, key string) field {
	for _, f := range fs {
		if f.key == key {
			return f
		}
	}
	return field{}
}

// AlertChange is an alert that one set of rules raises for some captures and the
// other does not, or does otherwise.
type AlertChange struct {
	Op     string   `json:"op"` // gained, lost or changed
	Tool   string   `json:"tool"`
	Host   string   `json:"host"`
	Fields []string `json:"fields"`
}

// DiffAlerts replays captures, taken as one stream, with both sets, and returns
// what changes in their alerts. cut is told of captures that end inside a record;
// any other damage is an error.
func DiffAlerts(ctx context.Context, old, new *detect.Ruleset, captures []string, cut func(error)) ([]AlertChange, error) {
	before, err := replay(ctx, old, cut, captures...)
	if err != nil {
		return nil, err
	}
	after, err := replay(ctx, new, func(error) {}, captures...)
	if err != nil {
		return nil, err
	}
	was, is := group(before), group(after)
	var out []AlertChange
	for _, key := range union(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is))) {
		tool, host, _ := strings.Cut(key, "\x00")
		a, b := was[key], is[key]
		for i := range max(len(a), len(b)) {
			switch {
			case i >= len(a):
				out = append(out, AlertChange{"gained", tool, host, whole(alertFields(b[i]))})
			case i >= len(b):
				out = append(out, AlertChange{"lost", tool, host, whole(alertFields(a[i]))})
			default:
				if f := fields(alertFields(a[i]), alertFields(b[i])); len(f) > 0 {
					out = append(out, AlertChange{"changed", tool, host, f})
				}
			}
		}
	}
	return out, nil
}

// group puts the alerts of a host and tool together, in the order of their times.
func group(alerts []*alert.Alert) map[string][]*alert.Alert {
	m := make(map[string][]*alert.Alert)
	for _, a := range alerts {
		key := a.Tool.ID + "\x00" + a.Host.String()
		m[key] = append(m[key], a)
	}
	return m
}

func alertFields(a *alert.Alert) []field {
	return []field{
		{key: "kind", values: []string{string(a.Kind())}},
		{key: "confidence", values: []string{a.Confidence.String()}},
		{key: "indicators", values: indicators(a), list: true},
	}
}
