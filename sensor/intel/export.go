package intel

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Selection says which indicators of a rule set are exported. An empty list
// chooses all, except that of roles it chooses all but marketing: those names
// are known so that they do not alert.
type Selection struct {
	Tools, Classes, Roles []string
	MinConfidence         detect.Confidence // 0 chooses all
}

// Export is what is to be written in some format. It keeps account of what
// that format could not say, so each format needs one of its own.
type Export struct {
	Tools   []ExportTool
	Version string    // of the rule set, as detect.Ruleset.Version
	Date    time.Time // what formats that ask for a date are told, in UTC

	left []Omission
}

// ExportTool is a tool with those of its indicators that were chosen. Neither
// may be changed.
type ExportTool struct {
	*detect.Tool
	Chosen []*detect.Indicator
}

// ExportFile is one file of the output. The name is a plain file name.
type ExportFile struct {
	Name string
	Data []byte
}

// Omission is something that a format cannot say.
type Omission struct {
	Tool, Indicator string
	What            string // the part that was left out; empty for all of the indicator
	Reason          string // one of a few, to be counted
}

// Reasons that several formats give.
const (
	OmitPort     = "a port alone would match strangers"
	OmitCombined = "several matchers together cannot be said"
	OmitGlob     = "a wildcard inside a label cannot be said"
	OmitExcept   = "names that must not match lie below it"
	OmitPayload  = "a payload has conditions beyond its fixed bytes"
)

// NewExport chooses from a rule set. A tool, class or role that does not exist
// is an error; to choose nothing is another.
func NewExport(rs *detect.Ruleset, s Selection, date time.Time) (*Export, error) {
	for _, id := range s.Tools {
		if rs.Tool(id) == nil {
			return nil, fmt.Errorf("there is no tool %q in these rules", id)
		}
	}
	if err := known("class", s.Classes, detect.Classes); err != nil {
		return nil, err
	}
	if err := known("role", s.Roles, detect.Roles); err != nil {
		return nil, err
	}
	e := &Export{Version: rs.Version(), Date: date.UTC()}
	for _, t := range rs.Tools() {
		if !chosen(s.Tools, t.ID) || !chosen(s.Classes, t.Class) {
			continue
		}
		et := ExportTool{Tool: t}
		for _, in := range t.Indicators {
			if in.Confidence >= s.MinConfidence && chosen(s.Roles, in.Role) && (in.Role != "marketing" || s.Roles != nil) {
				et.Chosen = append(et.Chosen, in)
			}
		}
		if et.Chosen != nil {
			e.Tools = append(e.Tools, et)
		}
	}
	if e.Tools == nil {
		return nil, fmt.Errorf("no indicator is left of %d tools; choose less narrowly", len(rs.Tools()))
	}
	return e, nil
}

func known(what string, values, all []string) error {
	for _, v := range values {
		if !slices.Contains(all, v) {
			return fmt.Errorf("there is no %s %q; the choice is %s", what, v, strings.Join(all, ", "))
		}
	}
	return nil
}

func chosen(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }

// Omit notes that the format cannot say what (empty: all) of in.
func (e *Export) Omit(in *detect.Indicator, what, reason string) {
	e.left = append(e.left, Omission{in.Tool.ID, in.ID, what, reason})
}

// OmitOther is Omit of all of in for a format that has no word for its
// matchers, as Matchers names them; alone is the reason when they are one.
func (e *Export) OmitOther(in *detect.Indicator, matchers, alone string) {
	switch {
	case matchers == "port":
		alone = OmitPort
	case strings.Contains(matchers, "payload."):
		alone = OmitPayload
	case strings.Contains(matchers, "+"):
		alone = OmitCombined
	}
	e.Omit(in, "", alone)
}

// Omissions is what was left out, in the order in which it was met.
func (e *Export) Omissions() []Omission { return e.left }

// Summary counts what was left out by its reason, the most frequent first; a
// line each, none when all was said.
func (e *Export) Summary() []string {
	counts := make(map[string]int)
	var reasons []string
	for _, o := range e.left {
		if counts[o.Reason] == 0 {
			reasons = append(reasons, o.Reason)
		}
		counts[o.Reason]++
	}
	sort.SliceStable(reasons, func(i, j int) bool { return counts[reasons[i]] > counts[reasons[j]] })
	for i, r := range reasons {
		reasons[i] = fmt.Sprintf("%d left out: %s", counts[r], r)
	}
	return reasons
}

// Indicators is how many were chosen.
func (e *Export) Indicators() (n int) {
	for _, t := range e.Tools {
		n += len(t.Chosen)
	}
	return n
}

// metaKeys are the keys of an indicator that match nothing.
var metaKeys = []string{"id", "role", "confidence", "source", "note"}

// payloadKeys are what exporters know of a payload.
var payloadKeys = []string{"proto", "from", "at", "hex", "text", "size"}

// Matchers names the matchers of an indicator as a rule file does, sorted and
// joined by +: "domain", "port+tls.ja3". A key that was added to the rule
// language after an exporter was written is among them, so that an exporter
// which compares the whole cannot pass it over in silence.
func Matchers(in *detect.Indicator) string {
	b, err := json.Marshal(in)
	var keys map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(b, &keys)
	}
	if err != nil {
		return "unknown"
	}
	var names []string
	for key, value := range keys { // any order: sorted below
		switch {
		case slices.Contains(metaKeys, key):
		case key == "tls" || key == "http":
			for sub := range members(value) { // any order: sorted below
				names = append(names, key+"."+sub)
			}
		case key == "payload":
			names = append(names, "payload")
			var items []json.RawMessage
			if json.Unmarshal(value, &items) != nil {
				names = append(names, "payload.unknown")
			}
			for _, item := range items {
				for sub := range members(item) { // any order: sorted below
					if !slices.Contains(payloadKeys, sub) {
						names = append(names, "payload."+sub)
					}
				}
			}
		default:
			names = append(names, key)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "+")
}

func members(object json.RawMessage) map[string]json.RawMessage {
	var keys map[string]json.RawMessage
	if json.Unmarshal(object, &keys) != nil {
		return map[string]json.RawMessage{"unknown": nil}
	}
	return keys
}
