package suricata

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// maxSignature is the longest rule that is read, in bytes; Suricata's own limit is 8 KiB
// a line without, 64 KiB with continuations.
const maxSignature = 64 << 10

var ruleRE = regexp.MustCompile(`^#?\s*(alert|pass|drop|reject|rejectsrc|rejectdst|rejectboth)\s+\S+\s+\S.*(->|<>|=>)`)

// Import reads a file of rules. Rules that are commented out are entries, too.
func Import(file string, data []byte) []intel.Entry {
	var out []intel.Entry
	bits := make(map[string]detect.Indicator) // what sets a flow bit without an alert
	for pass := range 2 {                     // a bit may be set behind the rule that asks for it
		out = nil
		n, start, text := 0, 0, ""
		for line := range strings.Lines(string(data)) {
			n++
			if text == "" {
				start = n
			}
			text += strings.TrimSpace(line)
			if head, more := strings.CutSuffix(text, `\`); more && len(text) < maxSignature {
				text = head
				continue
			}
			if ruleRE.MatchString(text) {
				e := intel.Entry{Text: text[:min(len(text), 300)], File: file, Line: start}
				out = append(out, signature(e, text, bits)...)
			} else if text != "" && !strings.HasPrefix(text, "#") {
				out = append(out, intel.Entry{Text: text[:min(len(text), 300)], File: file, Line: start}.Quarantine(intel.Syntax, "not a rule"))
			}
			text = ""
		}
		if pass == 0 && len(bits) == 0 {
			break
		}
	}
	if out == nil {
		out = append(out, intel.Broken(file, 1, "no rule is there"))
	}
	return out
}

// signature is the entry of one rule, with those for names that it leaves out.
func signature(e intel.Entry, text string, bits map[string]detect.Indicator) []intel.Entry {
	one := func(e intel.Entry) []intel.Entry { return []intel.Entry{e} }
	if len(text) > maxSignature || !utf8.ValidString(text) {
		return one(e.Quarantine(intel.Syntax, "not UTF-8, or longer than 64 KiB"))
	}
	disabled := strings.HasPrefix(text, "#")
	r, err := parseRule(strings.TrimSpace(strings.TrimLeft(text, "# ")))
	if err != nil {
		return one(e.Quarantine(intel.Syntax, "%v", err))
	}
	describe(&e, r)
	switch {
	case disabled:
		return one(e.Quarantine(intel.Withdrawn, "the rule is commented out"))
	case strings.HasPrefix(text, "pass"):
		return one(e.Quarantine(intel.Unsupported, "a rule that lets traffic pass"))
	}
	contents, err := r.contents()
	if err != nil {
		return one(e.Quarantine(intel.Unsupported, "%v", err))
	}
	m := matcher{e: e, rule: r}
	m.all(contents)
	if m.e.Reason == "" {
		m.flowbits(bits)
	}
	if m.e.Reason != "" {
		return one(m.e)
	}
	return append(one(m.e), m.e.Except(m.except)...)
}

// describe takes over what a rule says about itself.
func describe(e *intel.Entry, r *inRule) {
	msg := strings.Trim(r.get("msg"), `"`)
	sid := r.get("sid")
	e.Text = "sid " + sid + " " + msg
	e.Note = msg
	e.Source = "Suricata sid " + sid
	// Several rules, one for each place where a name shows, come to one indicator.
	if i := strings.Index(e.Note, " ("); i > 0 && strings.Contains(r.get("metadata"), "rmm_tool") {
		e.Note = ""
	}
	for item := range strings.SplitSeq(r.get("metadata"), ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(item), " ")
		switch key {
		case "rmm_tool":
			e.Tool.ID, e.Source = value, ""
		case "rmm_class":
			e.Tool.Class = value
		case "rmm_role":
			if slices.Contains(detect.Roles, value) {
				e.Role = value
			}
		case "rmm_confidence":
			e.Confidence, _ = detect.ParseConfidence(value)
		case "mitre_technique_id":
			e.Tool.Attack = append(e.Tool.Attack, strings.ReplaceAll(value, "_", "."))
		}
	}
}
