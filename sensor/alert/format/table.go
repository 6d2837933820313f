package format

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
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
	ECH         uint64     // flows whose ClientHello hid its name in ECH
	Resolvers   int        // hosts that asked for names over TLS, HTTPS or QUIC
	Midstream   uint64     // TCP flows whose start is not in the capture
	Unread      uint64     // frames of link types that are not decoded
	UnreadLinks []LinkType // the link types of those, the first few of them
	Malformed   uint64     // frames with headers that contradict themselves
	Headless    uint64     // frames that end inside their headers

	Handshakes uint64 // flows with a handshake, or a request head, that began and is not whole
	Cut        uint64 // other flows that were cut before they had shown what they carry
	Snaplen    int    // the most that was kept of a cut frame, in bytes; 0 where none was cut
}

// LinkType is a link type whose frames are not decoded.
type LinkType struct {
	Number uint32 // LINKTYPE_, as the capture says it
	Name   string // as tcpdump has it; empty where it is not known here
	Frames uint64
}

// Table writes a summary and the alerts for a person. No line is wider than
// the terminal, and nothing but printable ASCII and colours is written.
type Table struct {
	Width int  // columns of the terminal, taken for 40 where it has fewer; 0 for no limit, except that paragraphs break at 120
	Color bool // use ANSI colours
	Files Files
	Many  bool // several capture files: packets are named with theirs
	// Sanctioned are the uses that the policy permits: they are named, and not shown
	// as alerts.
	Sanctioned []*alert.Alert
}

// Write writes everything to out, the surest alerts first and of those the
// earliest. It returns the error of out.
func (t *Table) Write(out io.Writer, s *Summary, alerts []*alert.Alert) error {
	p := &page{width: t.Width, color: t.Color}
	if p.width != 0 {
		p.width = max(p.width, minWidth)
	}
	alerts = slices.Clone(alerts)
	slices.SortStableFunc(alerts, func(a, b *alert.Alert) int {
		if a.Confidence != b.Confidence {
			return int(b.Confidence) - int(a.Confidence)
		}
		return alert.Compare(a, b)
	})
	head(p, s, alerts)
	if len(alerts) > 0 {
		rows(p, s, alerts)
		d := details{page: p, summary: s, table: t, told: map[*detect.Tool]netip.Addr{}}
		for _, a := range alerts {
			d.alert(a)
		}
	}
	t.sanctioned(p)
	notSeen(p, s)
	_, err := io.WriteString(out, p.b.String())
	return err
}

// head says what was read, on one line if there is room.
func head(p *page, s *Summary, alerts []*alert.Alert) {
	if s.Packets == 0 {
		p.put(span{plain, "no packets"})
		p.newline()
		return
	}
	users, deceived := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for _, a := range alerts {
		if a.Imitation() {
			deceived[a.Host] = true
		} else {
			users[a.Host] = true
		}
	}
	more, use := "", "use"
	if s.HostsMore {
		more = "more than "
	}
	if len(users) == 1 {
		use = "uses"
	}
	read := fmt.Sprintf("%s, %s, %s to %s UTC;", count(s.Packets, "packet"), size(s.Bytes),
		time.Unix(0, s.First).UTC().Format(time.DateTime), s.clock(s.Last))
	found := fmt.Sprintf("%s%s, %s %s remote access", more, count(s.Hosts, "host"), thousands(len(users)), use)
	if len(deceived) > 0 {
		found += fmt.Sprintf(", %s met look-alike domains", thousands(len(deceived)))
	}
	if p.width > 0 && len(read)+1+len(found) > p.width {
		p.paragraph(0, span{}, span{plain, read})
		p.paragraph(0, span{}, span{plain, found})
		return
	}
	p.put(span{plain, read + " " + found})
	p.newline()
}

// layout is how much of a date the times of a capture need.
func (s *Summary) layout() string {
	first, last := time.Unix(0, s.First).UTC(), time.Unix(0, s.Last).UTC()
	switch {
	case first.Year() != last.Year():
		return time.DateTime
	case first.YearDay() != last.YearDay():
		return "01-02 15:04:05"
	}
	return time.TimeOnly
}

// clock writes a packet time.
func (s *Summary) clock(ns int64) string { return time.Unix(0, ns).UTC().Format(s.layout()) }

// shortClock is clock for a column: beside a date the seconds are left out.
func (s *Summary) shortClock(ns int64) string {
	if t := s.clock(ns); len(t) > len(time.TimeOnly) {
		return t[:len(t)-len(":05")]
	}
	return s.clock(ns)
}

// The columns of the table.
const (
	colHost = iota
	colTool
	colConfidence
	colFirst
	colLast
	colUp
	colDown
	colWith
	numCols
)

type row [numCols]string

var columns = [numCols]struct {
	title string
	least int  // how narrow it may be made, 0 for not at all
	end   bool // the end of the text says more than its start
	right bool // numbers
}{
	colHost:       {title: "HOST", least: 15, end: true}, // an IPv4 address is never cut
	colTool:       {title: "TOOL", least: 10},
	colConfidence: {title: "CONFIDENCE"},
	colFirst:      {title: "FIRST"},
	colLast:       {title: "LAST"},
	colUp:         {title: "UP", right: true},
	colDown:       {title: "DOWN", right: true},
	colWith:       {title: "WITH", least: 17, end: true}, // the end of a name says whose it is
}

// choices are the sets of columns to try, widest first. What is left out stands
// in the paragraph of the alert.
var choices = [...][]int{
	{colHost, colTool, colConfidence, colFirst, colLast, colUp, colDown, colWith},
	{colHost, colTool, colConfidence, colFirst, colUp, colDown, colWith},
	{colHost, colTool, colConfidence, colFirst, colLast, colUp, colDown},
	{colHost, colTool, colConfidence, colFirst, colUp, colDown},
	{colHost, colTool, colConfidence, colUp, colDown},
	{colHost, colTool, colConfidence, colFirst},
	{colHost, colTool, colConfidence},
}

const (
	gap     = 2  // columns between columns
	maxName = 40 // of a tool, even where the terminal has room
)

// rows writes one line for each alert.
func rows(p *page, s *Summary, alerts []*alert.Alert) {
	var lines []row
	for _, a := range alerts {
		up, down := "-", "-" // names that were asked for have no volume
		if a.Flows > 0 {
			up, down = size(a.Up), size(a.Down)
		}
		lines = append(lines, row{
			a.Host.String(), shorten(prose(a.Tool.Name), maxName, false), a.Confidence.String(),
			s.shortClock(a.First), s.shortClock(a.Last), up, down, shorten(with(a), maxValue, true),
		})
	}
	var widths [numCols]int
	var titles row
	for c := range columns {
		titles[c] = columns[c].title
		widths[c] = len(titles[c])
		for _, l := range lines {
			widths[c] = max(widths[c], len(l[c]))
		}
	}
	shown := choose(&widths, p.width)
	p.newline()
	p.row(&titles, &widths, shown, bold, bold)
	for i := range lines {
		p.row(&lines[i], &widths, shown, plain, confidenceStyle(alerts[i].Confidence))
	}
}

// choose returns the columns to show within limit, and narrows those that may
// be until they fit.
func choose(widths *[numCols]int, limit int) []int {
	if limit == 0 {
		return choices[0]
	}
	shown := choices[len(choices)-1]
	for _, c := range choices {
		if full, spare := measure(widths, c); full-spare <= limit {
			shown = c
			break
		}
	}
	over, _ := measure(widths, shown)
	for over -= limit; over > 0; over-- {
		// The wider of peer and tool gives; a host only where nothing else helps.
		c := colHost
		for _, other := range []int{colTool, colWith} {
			if slices.Contains(shown, other) && widths[other] > columns[other].least && (c == colHost || widths[other] > widths[c]) {
				c = other
			}
		}
		widths[c] = max(widths[c]-1, columns[c].least)
	}
	return shown
}

// measure returns how wide these columns are together, and how much of that
// could be saved without cutting a host.
func measure(widths *[numCols]int, shown []int) (full, spare int) {
	full = -gap
	for _, c := range shown {
		full += widths[c] + gap
		if c == colWith || c == colTool {
			spare += max(0, widths[c]-columns[c].least)
		}
	}
	return full, spare
}

// row writes the columns shown of one line. The confidence has its own style.
func (p *page) row(cells *row, widths *[numCols]int, shown []int, all, confidence style) {
	for i, c := range shown {
		if i > 0 {
			p.put(span{plain, strings.Repeat(" ", gap)})
		}
		text := shorten(cells[c], widths[c], columns[c].end)
		pad := span{plain, strings.Repeat(" ", widths[c]-len(text))}
		cell := span{all, text}
		if c == colConfidence {
			cell.style = confidence
		}
		switch {
		case columns[c].right:
			p.put(pad)
			p.put(cell)
		case i == len(shown)-1:
			p.put(cell)
		default:
			p.put(cell)
			p.put(pad)
		}
	}
	p.newline()
}

// with is what the host talked to: the name in the best evidence, or the peer.
func with(a *alert.Alert) string {
	best := a.Best()
	if name := nameIn(best, best.Value); name != "" && len(best.Indicator.Domain) > 0 {
		return name
	}
	return peer(a, best) + located(best)
}

// peer is the other side of the evidence's flow.
func peer(a *alert.Alert, e *alert.Evidence) string {
	t := &e.Flow.Tuple
	if t.Client != a.Host {
		return netip.AddrPortFrom(t.Client, t.ClientPort).String()
	}
	return netip.AddrPortFrom(t.Server, t.ServerPort).String()
}

// located is what is said of the other side's place, behind its address.
func located(e *alert.Evidence) string {
	if s := e.Place.String(); s != "" {
		return " " + printable.Text([]byte(s))
	}
	return ""
}

// confidenceStyle is the colour of an alert.
func confidenceStyle(c detect.Confidence) style {
	switch c {
	case detect.High:
		return red
	case detect.Medium:
		return yellow
	}
	return cyan
}

// maxSanctioned is how many sanctioned uses are named.
const maxSanctioned = 20

// sanctioned names the uses that raise no alert, each host and tool once.
func (t *Table) sanctioned(p *page) {
	uses := slices.Clone(t.Sanctioned)
	slices.SortStableFunc(uses, alert.Compare)
	var parts []string
	for _, a := range uses {
		s := whose(a.Host.String(), a.HostName) + " " + prose(a.Tool.Name)
		if a.Reason != "" {
			s += " (" + shorten(prose(a.Reason), maxName, false) + ")"
		}
		if !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return
	}
	if rest := len(parts) - maxSanctioned; rest > 0 {
		parts = append(parts[:maxSanctioned], "and "+thousands(rest)+" more")
	}
	p.newline()
	p.paragraph(0, span{bold, "sanctioned: "}, span{plain, strings.Join(parts, ", ")})
}

// notSeen says what the capture hid, so that a quiet report is not taken for a
// quiet network.
func notSeen(p *page, s *Summary) {
	var parts []string
	add := func(n uint64, what string) {
		if n > 0 {
			parts = append(parts, what)
		}
	}
	add(s.ECH, count(s.ECH, "flow")+" hid the name (ECH)")
	add(uint64(s.Resolvers), count(s.Resolvers, "host")+plural(uint64(s.Resolvers), " resolves", " resolve")+" names over encrypted DNS")
	add(s.Midstream, "the capture starts inside "+count(s.Midstream, "flow"))
	add(s.Unread, count(s.Unread, "frame")+" of link types that are not read")
	add(s.Malformed, count(s.Malformed, "damaged frame"))
	cut := "cut"
	if s.Snaplen > 0 {
		cut = fmt.Sprintf("cut (snaplen %d)", s.Snaplen)
	}
	add(s.Handshakes, count(s.Handshakes, "handshake")+plural(s.Handshakes, " was "+cut+" or has gaps", " were "+cut+" or have gaps"))
	add(s.Cut, count(s.Cut, "flow")+plural(s.Cut, " was ", " were ")+cut+" before the protocol was seen")
	add(s.Headless, count(s.Headless, "frame")+plural(s.Headless, " ends", " end")+" inside the headers")
	if len(parts) > 0 {
		p.newline()
		p.paragraph(0, span{bold, "not seen: "}, span{plain, strings.Join(parts, ", ")})
	}
}
