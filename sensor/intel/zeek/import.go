package zeek

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// maxRow is the longest line that is read, in bytes.
const maxRow = 16 << 10

// Import reads a table of the intelligence framework: tab-separated, with a
// #fields line that names indicator, indicator_type and what else there is.
func Import(file string, data []byte) (out []intel.Entry) {
	var fields []string
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		e := intel.Entry{Text: line[:min(len(line), 200)], File: file, Line: n}
		switch {
		case strings.HasPrefix(line, "#fields"):
			fields = strings.Split(line, "\t")[1:]
			if !slices.Contains(fields, "indicator") || !slices.Contains(fields, "indicator_type") {
				return append(out, intel.Broken(file, n, "#fields has no indicator and indicator_type"))
			}
		case line == "", line[0] == '#':
		case fields == nil:
			return append(out, intel.Broken(file, n, "no #fields line with tabs between the fields before the first row"))
		case !utf8.ValidString(line) || len(line) > maxRow:
			out = append(out, e.Quarantine(intel.Syntax, "not UTF-8, or longer than %d bytes", maxRow))
		default:
			out = append(out, fromRow(e, fields, strings.Split(line, "\t")))
		}
	}
	if out == nil {
		out = append(out, intel.Broken(file, 1, "no row of indicators"))
	}
	return out
}

// ours is what the exporter writes as a description.
var ours = regexp.MustCompile(`^([a-z0-9-]+) ([a-z0-9-]+), confidence (low|medium|high)(?:, role ([a-z]+))?$`)

func fromRow(e intel.Entry, fields, values []string) intel.Entry {
	get := func(field string) string {
		i := slices.Index(fields, field)
		if i < 0 || i >= len(values) || values[i] == "-" || values[i] == "(empty)" {
			return ""
		}
		return unescape(values[i])
	}
	value, typ := get("indicator"), strings.TrimPrefix(get("indicator_type"), "Intel::")
	e.Text, e.Note, e.Source = value, get("meta.desc"), get("meta.source")
	if m := ours.FindStringSubmatch(e.Note); m != nil {
		e.Tool.ID, e.Role, e.Note = m[1], m[4], ""
		e.Confidence, _ = detect.ParseConfidence(m[3])
	}
	if len(values) != len(fields) {
		return e.Quarantine(intel.Syntax, "%d fields, not %d: Zeek skips such a row", len(values), len(fields))
	}
	switch typ {
	case "DOMAIN":
		if strings.ContainsAny(value, "*?") {
			return e.Quarantine(intel.Syntax, "a wildcard: Zeek compares whole names, so it never matches there")
		}
		return e.AsName(value, false)
	case "ADDR", "SUBNET":
		return e.AsAddr(value)
	case "URL":
		return e.AsURL(value)
	case "SOFTWARE":
		return e.AsAgent(value, false)
	case "JA3":
		return e.AsJA3(value)
	case "JA4":
		return e.AsJA4(value)
	case "EMAIL", "USER_NAME", "FILE_HASH", "FILE_NAME":
		return e.Quarantine(intel.NotObservable, "Intel::%s is about mail, users or files", typ)
	case "CERT_HASH", "PUBKEY_HASH":
		return e.Quarantine(intel.Unsupported, "rules look at names in certificates, not at hashes of them")
	}
	return e.Quarantine(intel.Unsupported, "indicators of type %q are not known", intel.Clean(typ, 40))
}

// unescape undoes \xNN.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if v, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
