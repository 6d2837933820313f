package format

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// Summary is what a run saw besides its alerts.
type Summary struct {
	Packets     uint64
	Bytes       uint64 // on the wire
	First, Last int64  // packet times, nanoseconds; 0 without packets
	Hosts       int    // of the home networks
	HostsMore   bool   // there were more than are counted

	// What hid, or could not be read.
	ECH       uint64 // flows whose ClientHello hid its name in ECH
	Resolvers int    // hosts that asked for names over TLS, HTTPS or QUIC
	Midstream uint64 // TCP flows whose start is not in the capture
	Unread    uint64 // frames of link types that are not decoded
	Malformed uint64 // frames with headers that contradict themselves
}

// Table writes a summary and the alerts for a person. Width is the terminal's,
// in columns, 0 for no limit; Color turns on ANSI colours.
type Table struct {
	Width int
	Color bool
	Files Files
	Many  bool // several capture files: packets are named with theirs
}

// Write writes everything to out. The alerts are in the order given.
func (t *Table) Write(out io.Writer, s *Summary, alerts []*alert.Alert) error {
	var b strings.Builder
	t.head(&b, s, alerts)
	if len(alerts) > 0 {
		t.rows(&b, s, alerts)
		for _, a := range alerts {
			t.detail(&b, s, a)
		}
	}
	notSeen(&b, s)
	_, err := io.WriteString(out, b.String())
	return err
}

func (t *Table) head(b *strings.Builder, s *Summary, alerts []*alert.Alert) {
	if s.Packets == 0 {
		b.WriteString("no packets\n")
		return
	}
	fmt.Fprintf(b, "%s packets, %s, %s to %s UTC; ", thousands(s.Packets), size(s.Bytes),
		time.Unix(0, s.First).UTC().Format("2006-01-02 15:04:05"), clock(s.Last, s.manyDays()))
	more := ""
	if s.HostsMore {
		more = "more than "
	}
	users := map[string]bool{}
	for _, a := range alerts {
		users[a.Host.String()] = true
	}
	use := "uses"
	if len(users) != 1 {
		use = "use"
	}
	fmt.Fprintf(b, "%s%s, %s %s remote access\n", more, count(uint64(s.Hosts), "host"), number(len(users)), use)
}

func (s *Summary) manyDays() bool {
	return time.Unix(0, s.First).UTC().YearDay() != time.Unix(0, s.Last).UTC().YearDay() || s.Last-s.First > int64(24*time.Hour)
}

// rows writes one line for each alert, in columns as wide as they need to be.
func (t *Table) rows(b *strings.Builder, s *Summary, alerts []*alert.Alert) {
	days := s.manyDays()
	lines := [][]string{{"HOST", "TOOL", "CONFIDENCE", "FIRST", "LAST", "UP", "DOWN", "WITH"}}
	for _, a := range alerts {
		lines = append(lines, []string{
			a.Host.String(), printable.Text([]byte(a.Tool.Name)), a.Confidence.String(),
			clock(a.First, days), clock(a.Last, days), size(a.Up), size(a.Down), t.with(a),
		})
	}
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, c := range l {
			widths[i] = max(widths[i], len(c))
		}
	}
	b.WriteByte('\n')
	for n, l := range lines {
		var row strings.Builder
		for i, c := range l {
			if i < len(l)-1 {
				fmt.Fprintf(&row, "%-*s  ", widths[i], c)
			} else {
				row.WriteString(c)
			}
		}
		text := fit(strings.TrimRight(row.String(), " "), t.Width)
		if n > 0 {
			text = t.paint(alerts[n-1].Confidence, text)
		}
		b.WriteString(text + "\n")
	}
}

// with is what the host talked to: the name in the best evidence, or the peer.
func (t *Table) with(a *alert.Alert) string {
	best := a.Best()
	switch best.Kind {
	case detect.KindDNS, detect.KindSNI, detect.KindQUIC, detect.KindHTTP, detect.KindConnect, detect.KindCert:
		if len(best.Indicator.Domain) > 0 {
			return best.Value
		}
	}
	return peer(a, best)
}

// peer is the other side of the evidence's flow.
func peer(a *alert.Alert, e *alert.Evidence) string {
	t := &e.Flow.Tuple
	ip, port := t.Server, t.ServerPort
	if a.Inbound {
		ip, port = t.Client, t.ClientPort
	}
	if ip.Is6() {
		return fmt.Sprintf("[%s]:%d", ip, port)
	}
	return fmt.Sprintf("%s:%d", ip, port)
}

// maxListed is how many pieces of evidence the detail of an alert names.
const maxListed = 8

func (t *Table) detail(b *strings.Builder, s *Summary, a *alert.Alert) {
	direction := ""
	if a.Inbound {
		direction = ", reached from outside"
	}
	tenant := ""
	if ts := a.Tenants(); len(ts) > 0 {
		tenant = ", tenant " + strings.Join(ts, " and ")
	}
	title := fmt.Sprintf("%s  %s %s%s%s", strings.ToUpper(a.Confidence.String()), a.Host, printable.Text([]byte(a.Tool.Name)), tenant, direction)
	b.WriteString("\n" + t.paint(a.Confidence, fit(title, t.Width)) + "\n")
	for i := range a.Evidence {
		if i == maxListed {
			fmt.Fprintf(b, "      and %s more\n", thousands(uint64(len(a.Evidence)-i)+a.Unkept))
			break
		}
		e := &a.Evidence[i]
		t.wrap(b, fmt.Sprintf("%-8s %s (%s) with %s", kindName(e.Kind), e.Value, t.packets(e), peer(a, e)))
	}
	if a.Tool.Plain != "" {
		t.wrap(b, printable.Text([]byte(a.Tool.Plain)))
	}
	if a.Tool.Guidance != "" {
		t.wrap(b, "check: "+printable.Text([]byte(a.Tool.Guidance)))
	}
	if len(a.Tool.Attack) > 0 {
		t.wrap(b, "ATT&CK "+strings.Join(a.Tool.Attack, ", ")+", indicators "+strings.Join(a.Indicators(), ", "))
	}
}

// packets names the packets of a piece of evidence.
func (t *Table) packets(e *alert.Evidence) string {
	file := ""
	if t.Many {
		file = " of " + baseName(t.Files, e.FirstFrame.File)
	}
	if e.Count == 1 {
		return fmt.Sprintf("packet %d%s", e.FirstFrame.Number, file)
	}
	return fmt.Sprintf("packets %d to %d%s, %d times", e.FirstFrame.Number, e.LastFrame.Number, file, e.Count)
}

// kindName is how a person calls what evidence was read from.
func kindName(k detect.Kind) string {
	switch k {
	case detect.KindDNS:
		return "DNS"
	case detect.KindSNI:
		return "TLS"
	case detect.KindQUIC:
		return "QUIC"
	case detect.KindCert:
		return "cert"
	case detect.KindHTTP:
		return "HTTP"
	case detect.KindConnect:
		return "proxied"
	case detect.KindPayload:
		return "bytes"
	}
	return "port"
}

// wrap writes a paragraph, indented, broken at the width.
func (t *Table) wrap(b *strings.Builder, text string) {
	const indent = "      "
	width := t.Width
	if width == 0 || width > 120 {
		width = 120
	}
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(indent) && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// notSeen says what the capture hid, so that a quiet report is not taken for a
// quiet network.
func notSeen(b *strings.Builder, s *Summary) {
	var parts []string
	add := func(n uint64, what string) {
		if n > 0 {
			parts = append(parts, what)
		}
	}
	add(s.ECH, count(s.ECH, "flow")+" hid the name (ECH)")
	resolve := "resolve"
	if s.Resolvers == 1 {
		resolve = "resolves"
	}
	add(uint64(s.Resolvers), count(uint64(s.Resolvers), "host")+" "+resolve+" names over encrypted DNS")
	add(s.Midstream, "the capture starts inside "+count(s.Midstream, "flow"))
	add(s.Unread, count(s.Unread, "frame")+" of link types that are not read")
	add(s.Malformed, count(s.Malformed, "damaged frame"))
	if len(parts) > 0 {
		b.WriteString("\nnot seen: " + strings.Join(parts, ", ") + "\n")
	}
}

// paint colours a line by confidence, on a terminal only.
func (t *Table) paint(c detect.Confidence, s string) string {
	if !t.Color {
		return s
	}
	code := "36"
	switch c {
	case detect.High:
		code = "1;31"
	case detect.Medium:
		code = "33"
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// fit cuts a line to the terminal's width.
func fit(s string, width int) string {
	if width > 3 && len(s) > width {
		return s[:width-3] + "..."
	}
	return s
}

// size writes bytes as a person reads them, in powers of 1000.
func size(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB"} {
		if f /= 1000; f < 999.5 {
			break
		}
	}
	if f < 9.95 {
		return strconv.FormatFloat(f, 'f', 1, 64) + " " + unit
	}
	return strconv.FormatFloat(f, 'f', 0, 64) + " " + unit
}

// thousands writes a number with separators.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func number(n int) string { return thousands(uint64(n)) }

// count is a number and its noun.
func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}
