package list

import (
	"bytes"
	"encoding/csv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// exportColumns of the table; the first two are what to look for.
var exportColumns = []string{"type", "value", "tool", "name", "vendor", "class", "indicator", "role", "confidence", "attack"}

// Reasons why a table cannot say something.
const (
	omitFormula = "a spreadsheet would take it for a formula"
	omitBytes   = "it does not fit into a table"
)

// Export writes rmmwatch.csv, RFC 4180 with a line of headings: a line for each
// value of the indicators that have one matcher. A name that a wider pattern
// does not speak of stands in a line of role marketing.
func Export(e *intel.Export) ([]intel.ExportFile, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true // RFC 4180 section 2
	if err := w.Write(exportColumns); err != nil {
		return nil, err
	}
	for i := range e.Tools {
		t := &e.Tools[i]
		excepted := make(map[string]bool)
		for _, in := range t.Chosen {
			typ, values := csvValues(e, in)
			for _, v := range values {
				if isFormula(v) {
					e.Omit(in, v, omitFormula)
				} else if err := w.Write(csvRow(in, typ, v, in.ID, in.Role, in.Confidence.String())); err != nil {
					return nil, err
				}
			}
			n := t.Names(in)
			for _, name := range n.Except {
				if typ != "domain" || excepted[name] {
					continue
				}
				excepted[name] = true
				if err := w.Write(csvRow(in, typ, name, "except", "marketing", "low")); err != nil {
					return nil, err
				}
			}
		}
	}
	w.Flush()
	return []intel.ExportFile{{Name: "rmmwatch.csv", Data: b.Bytes()}}, w.Error()
}

func csvRow(in *detect.Indicator, typ, value, id, role, confidence string) []string {
	t := in.Tool
	return []string{typ, value, t.ID, csvCell(t.Name), csvCell(t.Vendor), t.Class, id, role, confidence, strings.Join(t.Attack, " ")}
}

// csvValues is the type and the values of an indicator of one matcher.
func csvValues(e *intel.Export, in *detect.Indicator) (typ string, values []string) {
	switch m := intel.Matchers(in); m {
	case "domain":
		return m, in.Domain
	case "ip":
		for _, p := range in.IP {
			if p.IsSingleIP() {
				values = append(values, p.Addr().String())
			} else {
				values = append(values, p.String())
			}
		}
		return m, values
	case "port":
		for _, p := range in.Port {
			values = append(values, p.String())
		}
		return m, values
	case "tls.ja3":
		return "ja3", in.TLS.JA3
	case "tls.ja4":
		return "ja4", in.TLS.JA4
	case "tls.alpn":
		return "alpn", in.TLS.ALPN
	case "tls.subject":
		return "subject", in.TLS.Subject
	case "tls.issuer":
		return "issuer", in.TLS.Issuer
	case "tls.san":
		return "san", in.TLS.SAN
	case "http.agent":
		return "agent", in.HTTP.Agent
	case "http.path":
		return "path", in.HTTP.Path
	default:
		e.OmitOther(in, m, omitBytes)
	}
	return "", nil
}

// isFormula reports whether a spreadsheet would run s when it opens the table.
func isFormula(s string) bool { return s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) }

// csvCell is text that nobody reads back: one that looks like a formula gets an
// apostrophe in front.
func csvCell(s string) string {
	if isFormula(s) {
		return "'" + s
	}
	return s
}
