package zeek

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// Reasons why the framework cannot say something.
const (
	omitWhole = "Zeek compares whole values"
	omitType  = "Zeek has no indicator type for it"
)

// Export writes rmmwatch.intel for Zeek's Intel::read_files. The framework
// compares whole values, so only exact names, addresses and user agents go in.
func Export(e *intel.Export) ([]intel.ExportFile, error) {
	var rows bytes.Buffer
	for i := range e.Tools {
		for _, in := range e.Tools[i].Chosen {
			exportIndicator(&rows, e, in)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# rmmwatch rule set %s\n", e.Version)
	for _, line := range e.Summary() {
		b.WriteString("# " + line + "\n")
	}
	b.WriteString("#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\n")
	b.Write(rows.Bytes())
	return []intel.ExportFile{{Name: "rmmwatch.intel", Data: b.Bytes()}}, nil
}

func exportIndicator(b *bytes.Buffer, e *intel.Export, in *detect.Indicator) {
	desc := fmt.Sprintf("%s %s, confidence %s", in.Tool.ID, in.ID, in.Confidence)
	if in.Role != "" {
		desc += ", role " + in.Role
	}
	row := func(value, typ string) {
		fmt.Fprintf(b, "%s\tIntel::%s\trmmwatch\t%s\n", exportEscape(value), typ, desc)
	}
	switch intel.Matchers(in) {
	case "domain":
		for _, d := range in.Domain {
			if p := intel.ParseName(d); p.Exact() {
				row(d, "DOMAIN")
			} else {
				e.Omit(in, d, omitWhole)
			}
		}
	case "ip":
		for _, p := range in.IP {
			if p.IsSingleIP() {
				row(p.Addr().String(), "ADDR")
			} else {
				row(p.String(), "SUBNET")
			}
		}
	case "http.agent":
		for _, a := range in.HTTP.Agent {
			if strings.ContainsAny(a, "*?") {
				e.Omit(in, a, omitWhole)
			} else {
				row(a, "SOFTWARE")
			}
		}
	default:
		e.OmitOther(in, intel.Matchers(in), omitType)
	}
}

// exportEscape is text for one field: what the reader would take for a separator, an
// escape, a comment or an empty field is written as \xNN.
func exportEscape(s string) string {
	if s == "-" || s == "(empty)" || strings.HasPrefix(s, "#") {
		return fmt.Sprintf(`\x%02x`, s[0]) + exportEscape(s[1:])
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '\\' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
