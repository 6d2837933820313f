package intel

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// draft is an indicator that is to be written. A group has a list of values of
// one matcher, each from an entry of its own.
type draft struct {
	id, role string
	conf     detect.Confidence
	match    detect.Indicator
	entries  []int // for each value of a group; else the one
	sources  []string
	note     string
}

// writer makes a rule file and remembers which entry each line is from.
type writer struct {
	bytes.Buffer
	lines []int // the entry of each line, or -1
}

// line writes a line that is about an entry, or -1.
func (w *writer) line(entry int, format string, args ...any) {
	fmt.Fprintf(&w.Buffer, format+"\n", args...)
	w.lines = append(w.lines, entry)
}

// entry is whose the 1-based line n is, or -1.
func (w *writer) entry(n int) int {
	if n < 1 || n > len(w.lines) {
		return -1
	}
	return w.lines[n-1]
}

// techniques are ATT&CK's for the classes of tools, where a source says none:
// remote access tools, protocol tunneling.
var techniques = map[string][]string{"rmm": {"T1219"}, "remote-desktop": {"T1219"}, "rat": {"T1219"}, "tunnel": {"T1572"}, "mesh-vpn": {"T1572"}}

// head writes everything that comes before the indicators.
func (w *writer) head(id string, t Tool, comment, guidance string) {
	w.line(-1, "# %s", comment)
	w.line(-1, "tool: %s", quoted(id))
	w.line(-1, "name: %s", quoted(t.Name))
	if t.Vendor != "" {
		w.line(-1, "vendor: %s", quoted(t.Vendor))
	}
	w.line(-1, "class: %s", t.Class)
	attack := t.Attack
	if attack == nil {
		attack = techniques[t.Class]
	}
	if len(attack) > 0 {
		w.line(-1, "attack: [%s]", strings.Join(attack, ", "))
	}
	if t.LOLRMM != "" {
		w.line(-1, "lolrmm: %s", quoted(t.LOLRMM))
	}
	w.line(-1, "guidance: %s", quoted(guidance))
	w.line(-1, "plain: %s", quoted("A list that was imported calls this "+t.Name+"; nobody here has seen it at work."))
	w.line(-1, "indicators:")
}

func (w *writer) indicator(d *draft) {
	first := d.entries[0]
	w.line(first, "  - id: %s", d.id)
	if d.role != "" {
		w.line(first, "    role: %s", d.role)
	}
	w.line(first, "    confidence: %s", d.conf)
	in := &d.match
	w.list(d, "    ", "domain", in.Domain)
	w.payload(d)
	w.list(d, "    ", "port", texts(in.Port))
	if t := &in.TLS; len(t.ALPN)+len(t.JA3)+len(t.JA4)+len(t.Subject)+len(t.Issuer)+len(t.SAN) > 0 || t.NoSNI {
		w.line(first, "    tls:")
		w.list(d, "      ", "alpn", t.ALPN)
		w.list(d, "      ", "ja3", t.JA3)
		w.list(d, "      ", "ja4", t.JA4)
		w.list(d, "      ", "subject", t.Subject)
		w.list(d, "      ", "issuer", t.Issuer)
		w.list(d, "      ", "san", t.SAN)
		if t.NoSNI {
			w.line(first, "      no_sni: true")
		}
	}
	if h := &in.HTTP; len(h.Method)+len(h.Host)+len(h.Path)+len(h.Agent) > 0 {
		w.line(first, "    http:")
		w.list(d, "      ", "method", h.Method)
		w.list(d, "      ", "host", h.Host)
		w.list(d, "      ", "path", h.Path)
		w.list(d, "      ", "agent", h.Agent)
	}
	addrs := make([]string, len(in.IP))
	for i, p := range in.IP {
		addrs[i] = p.String()
		if p.IsSingleIP() {
			addrs[i] = p.Addr().String()
		}
	}
	w.list(d, "    ", "ip", addrs)
	w.list(&draft{entries: []int{first}}, "    ", "source", d.sources)
	if d.note != "" {
		w.line(first, "    note: %s", quoted(d.note))
	}
}

// list writes the values of a matcher: one a line where there are many.
func (w *writer) list(d *draft, indent, key string, values []string) {
	switch {
	case len(values) == 0:
	case len(values) == 1:
		w.line(d.entries[0], "%s%s: [%s]", indent, key, scalar(values[0]))
	default:
		w.line(d.entries[0], "%s%s:", indent, key)
		for i, v := range values {
			w.line(d.owner(i, len(values)), "%s  - %s", indent, scalar(v))
		}
	}
}

// owner is the entry of value i of n.
func (d *draft) owner(i, n int) int {
	if len(d.entries) == n {
		return d.entries[i]
	}
	return d.entries[0]
}

func texts[T fmt.Stringer](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.String())
	}
	return out
}

func (w *writer) payload(d *draft) {
	if len(d.match.Payload) == 0 {
		return
	}
	w.line(d.entries[0], "    payload:")
	for _, p := range d.match.Payload {
		bytes := fmt.Sprintf("hex: %q", p.Hex)
		if p.Hex == "" {
			bytes = "text: " + quoted(p.Text)
		}
		s := fmt.Sprintf("proto: %s, from: %s, %s", p.Proto, p.From, bytes)
		if p.At > 0 {
			s += fmt.Sprintf(", at: %d", p.At)
		}
		if p.Size > 0 {
			s += fmt.Sprintf(", size: %d", p.Size)
		}
		w.line(d.entries[0], "      - {%s}", s)
	}
}

// tests writes a test for each value, and a near miss for each indicator of
// names.
func (w *writer) tests(drafts []*draft, exact map[string]bool) {
	w.line(-1, "tests:")
	w.line(-1, "  match:")
	for _, d := range drafts {
		n := max(d.values(), 1)
		for i := range n {
			one := d.one(i)
			w.line(d.owner(i, n), "    - {%s, indicator: %s}", sample(&one, choice(&one, exact)), d.id)
		}
	}
	w.line(-1, "  no_match:")
	w.line(-1, "    - {name: nothing.imported.example}")
	for _, d := range drafts {
		if len(d.match.Domain) > 0 {
			w.line(-1, "    - {name: %s}", scalar(sampleName(d.match.Domain[0], 0)+".imported.example"))
		}
	}
}

// choice is the n for sampleName that gives a name which the tool does not know
// exactly: such a name is spoken of by that pattern alone.
func choice(in *detect.Indicator, exact map[string]bool) (n int) {
	if len(in.Domain) > 0 && strings.ContainsAny(in.Domain[0], "*?{") {
		for n < 1000 && exact[sampleName(in.Domain[0], n)] {
			n++
		}
	}
	return n
}
