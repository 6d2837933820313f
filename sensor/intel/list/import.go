package list

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// maxLine is the longest line that is read as one entry, in bytes.
const maxLine = 4096

// Import reads a list with a name, an address, a network or a pattern on each
// line. Comments begin with #, ; or //; lines of hosts files and of ad blockers
// are understood, too.
func Import(file string, data []byte) (out []intel.Entry) {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(strings.TrimPrefix(string(line[:min(len(line), maxLine)]), "\ufeff"))
		e := intel.Entry{Text: text, File: file, Line: n}
		if text == "" || strings.HasPrefix(text, "#") || strings.HasPrefix(text, ";") || strings.HasPrefix(text, "//") || text[0] == '!' {
			continue
		}
		switch {
		case len(line) >= maxLine:
			out = append(out, e.Quarantine(intel.Syntax, "a line of %d bytes", len(line)))
		case !utf8.ValidString(text):
			out = append(out, e.Quarantine(intel.Syntax, "not UTF-8"))
		default:
			out = append(out, entry(e, text))
		}
	}
	if out == nil {
		out = append(out, intel.Broken(file, 1, "an empty list"))
	}
	return out
}

// entry reads what stands on one line.
func entry(e intel.Entry, text string) intel.Entry {
	text, _, _ = strings.Cut(text, " #")
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "||"); ok { // ||name^ of an ad blocker: the name and all below it
		name, options, _ := strings.Cut(rest, "^")
		if options != "" {
			return e.Quarantine(intel.Unsupported, "options behind ^")
		}
		return e.AsName(name, true)
	}
	if fields := strings.Fields(text); len(fields) == 2 {
		if a, err := netip.ParseAddr(fields[0]); err == nil && (a.IsUnspecified() || a.IsLoopback()) {
			text = fields[1]
		}
	}
	return bare(e, text)
}

// bare reads a name, an address or a pattern that says nothing of its kind.
func bare(e intel.Entry, s string) intel.Entry {
	switch {
	case len(s) == 32 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == "":
		return e.Quarantine(intel.NotObservable, "a hash of a file, or a JA3: a CSV file can say which")
	case len(s) > 32 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == "":
		return e.Quarantine(intel.NotObservable, "a hash of a file")
	}
	return e.AsHost(s)
}

// headings of columns by the names that they go by, the most exact first.
var headings = map[string][]string{
	"value":      {"value", "indicator", "pattern", "domain", "hostname", "host", "fqdn", "name", "remote_domain", "domains", "uri", "url", "ioc"},
	"type":       {"type", "indicator_type", "ioc_type", "kind"},
	"tool":       {"tool", "software", "remote_utility", "rmm", "rmm_tool", "product", "family"},
	"role":       {"role"},
	"confidence": {"confidence"},
	"note":       {"note", "description", "comment", "notes"},
	"source":     {"source", "reference"},
	"name":       {"tool_name"}, // and "name", where another column has the value
	"vendor":     {"vendor"},
	"class":      {"class"},
	"attack":     {"attack"},
}

// ImportCSV reads comma-, semicolon- or tab-separated lines with a head that
// names the columns: one for the value, and, if there are, for its type, tool,
// role, confidence, note and source.
func ImportCSV(file string, data []byte) []intel.Entry {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	head, _, _ := bytes.Cut(data, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.LazyQuotes, r.Comment = -1, true, '#'
	for _, c := range "\t;" {
		if bytes.Count(head, []byte(string(c))) > bytes.Count(head, []byte(",")) {
			r.Comma = c
		}
	}
	names, err := r.Read()
	if err != nil {
		return []intel.Entry{intel.Broken(file, 1, "not CSV: %s", intel.Clean(err.Error(), 200))}
	}
	at := make(map[string]int)
	for _, what := range []string{"value", "type", "tool", "role", "confidence", "note", "source", "name", "vendor", "class", "attack"} {
		at[what] = find(names, headings[what])
	}
	if i := find(names, []string{"name"}); i != at["value"] && at["name"] < 0 {
		at["name"] = i
	}
	if at["value"] < 0 {
		return []intel.Entry{intel.Broken(file, 1, "no column for the values; name one %s", strings.Join(headings["value"][:6], ", "))}
	}
	var out []intel.Entry
	for {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		line, _ := r.FieldPos(0)
		if err != nil {
			if p, ok := err.(*csv.ParseError); ok {
				line = p.Line
			}
			out = append(out, intel.Entry{Text: "(a line)", File: file, Line: max(line, 1)}.Quarantine(intel.Syntax, "not CSV: %s", intel.Clean(err.Error(), 200)))
			continue
		}
		get := func(what string) string {
			if i := at[what]; i >= 0 && i < len(rec) {
				return strings.TrimSpace(rec[i])
			}
			return ""
		}
		out = append(out, record(file, line, get))
	}
	if out == nil {
		out = append(out, intel.Broken(file, 1, "no line below the head"))
	}
	return out
}

func find(head, names []string) int {
	for _, name := range names {
		if i := slices.IndexFunc(head, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) }); i >= 0 {
			return i
		}
	}
	return -1
}

// record is the entry of one line.
func record(file string, line int, get func(string) string) intel.Entry {
	text := get("value")
	e := intel.Entry{Text: text, File: file, Line: line, Note: get("note"), Source: get("source")}
	e.Tool = intel.Tool{ID: get("tool"), Name: cmp.Or(get("name"), get("tool")), Vendor: get("vendor"), Attack: strings.Fields(get("attack"))}
	e.Confidence, _ = detect.ParseConfidence(strings.ToLower(get("confidence")))
	if !utf8.ValidString(text) || len(text) > maxLine {
		return e.Quarantine(intel.Syntax, "not UTF-8, or a value of more than %d bytes", maxLine)
	}
	e.Tool.Class = known(&e, "class", get("class"), detect.Classes)
	e.Role = known(&e, "role", get("role"), detect.Roles)
	return typed(e, strings.ToLower(get("type")), text)
}

// known returns the word of a column if it is one of ours, however it is written.
// Another one is left out, and the entry's note says so: malware that is taken
// for a product of that kind could be sanctioned.
func known(e *intel.Entry, column, word string, words []string) string {
	low := strings.ToLower(word)
	if low == "" || slices.Contains(words, low) {
		return low
	}
	note := fmt.Sprintf("%s %s is not one of %s: left out", column, intel.Clean(word, 40), strings.Join(words, ", "))
	e.Note = strings.TrimPrefix(e.Note+"; "+note, "; ")
	return ""
}

// typed reads a value of a stated type.
func typed(e intel.Entry, typ, s string) intel.Entry {
	switch typ {
	case "", "domain", "hostname", "host", "fqdn", "domain-name", "dns":
		return bare(e, s)
	case "ip", "ip-dst", "ipv4", "ipv6", "ipv4-addr", "ipv6-addr", "cidr", "network", "addr", "subnet":
		return e.AsAddr(s)
	case "url", "uri":
		return e.AsURL(s)
	case "regex", "regexp":
		return e.AsRegexp(s)
	case "ja3", "tls.ja3":
		return e.AsJA3(s)
	case "ja4", "tls.ja4":
		return e.AsJA4(s)
	case "agent", "user-agent", "user_agent", "http.agent":
		return e.AsAgent(s, true)
	case "alpn":
		e.Match.TLS.ALPN = []string{s}
		return e
	case "subject":
		e.Match.TLS.Subject = []string{s}
		return e
	case "issuer":
		e.Match.TLS.Issuer = []string{s}
		return e
	case "san":
		e = e.AsName(s, false)
		e.Match.TLS.SAN, e.Match.Domain = e.Match.Domain, nil
		return e
	case "path":
		e.Match.HTTP.Path = []string{s}
		return e
	case "port":
		proto, port, _ := strings.Cut(s, "/")
		if proto == "udp" {
			return e.AsPort(17, port)
		}
		return e.AsPort(6, strings.TrimPrefix(s, "tcp/"))
	case "ip-src", "email", "file", "md5", "sha1", "sha256", "hash", "filename":
		return e.Quarantine(intel.NotObservable, "a value of type %s does not show on the network", typ)
	}
	return e.Quarantine(intel.Unsupported, "%s", fmt.Sprintf("values of type %q are not known", filepath.Base(intel.Clean(typ, 40))))
}
