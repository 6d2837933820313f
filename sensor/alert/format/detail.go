package format

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// What the paragraph of an alert shows; the EVE line has everything.
const (
	maxListed  = 8   // lines of evidence
	maxValue   = 256 // bytes of a value: a host name has at most 253
	maxTenants = 3
)

// indent is where the lines of a paragraph start.
const indent = 6

// details writes the paragraphs of alerts.
type details struct {
	*page
	summary *Summary
	table   *Table
	told    map[*detect.Tool]netip.Addr // tools that were explained, and with which host
}

// alert writes who uses what, how we know, what it is and what to check.
func (d *details) alert(a *alert.Alert) {
	d.newline()
	d.paragraph(0, span{confidenceStyle(a.Confidence), strings.ToUpper(a.Confidence.String())}, span{bold, "  " + title(a)})
	list, imitated := d.evidence(a), lookalikes(a)
	width := len("seen")
	for i := range list[:min(len(list), maxListed)] {
		width = max(width, len(list[i].label))
	}
	line := func(label, text string) {
		d.paragraph(indent, span{plain, fmt.Sprintf("%-*s  ", width, label)}, span{plain, text})
	}
	if len(imitated) > 0 {
		width = max(width, len("imitates"))
	}
	line("seen", d.seen(a))
	for i := range a.Sessions[:min(len(a.Sessions), maxTenants)] {
		line("driven", d.driven(a, &a.Sessions[i]))
	}
	if rest := len(a.Sessions) - maxTenants + a.MoreSessions; rest > 0 {
		line("", "and "+count(rest, "further session"))
	}
	if why := because(a); why != "" {
		line("known", why)
	}
	for i, l := range imitated {
		if i == maxTenants {
			line("", "and "+thousands(len(imitated)-i)+" more")
			break
		}
		line("imitates", fmt.Sprintf("%s, by the domain %s (%s)", l.Brand, shorten(l.Domain, maxValue, true), ways[l.Technique]))
	}
	for i := range list[:min(len(list), maxListed)] {
		e := &list[i]
		line(e.label, fmt.Sprintf("%s (%s %s)", shorten(e.value, maxValue, false), d.packets(e), e.peer))
	}
	if rest := rest(len(list)-maxListed, a.Unkept); rest != "" {
		line("", rest)
	}
	d.explain(a)
	d.reference(a)
}

// ways says in words how a name imitates.
var ways = map[string]string{
	"confusable": "characters that look like those of the name",
	"wrong-tld":  "the name itself, registered elsewhere",
	"joined":     "the name and other words",
	"edited":     "one letter off",
	"inside":     "the name among other letters",
	"label":      "the name in front of somebody else's domain",
}

// title names host and tool.
func title(a *alert.Alert) string {
	s := whose(a.Host.String(), a.HostName) + " " + prose(a.Tool.Name)
	if tenants := a.Tenants(); len(tenants) > maxTenants {
		s += fmt.Sprintf(", tenants %s and %s more", strings.Join(tenants[:maxTenants], ", "), thousands(len(tenants)-maxTenants))
	} else if len(tenants) > 0 {
		s += ", tenant " + strings.Join(tenants, " and ")
	}
	if a.Inbound {
		s += ", reached from outside"
	}
	if words := verdicts[a.Verdict]; words != "" {
		s += ", " + words
	}
	return s
}

// driven says when somebody was in control, of which side.
func (d *details) driven(a *alert.Alert, s *alert.Session) string {
	text := "somebody was in control " + d.summary.clock(s.Start) + " to " + d.summary.clock(s.End)
	if s.Open {
		text = "somebody is in control since " + d.summary.clock(s.Start)
	}
	if a.Driven(s) == "peer" {
		text += ", from this host"
	}
	return text + fmt.Sprintf(", %s up, %s down", size(s.Up), size(s.Down))
}

// because says what the policy and the memory know of a use.
func because(a *alert.Alert) string {
	var parts []string
	if a.Reason != "" {
		parts = append(parts, "the entry of the policy says: "+shorten(prose(a.Reason), maxValue, false))
	}
	for _, n := range a.News {
		s := strings.ReplaceAll(string(n), "-", " ")
		if n == alert.SecondTool {
			s += " beside " + strings.Join(a.Others, ", ")
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

// seen says when, and how much was transferred.
func (d *details) seen(a *alert.Alert) string {
	s := d.summary.clock(a.First)
	if last := d.summary.clock(a.Last); last != s {
		s += " to " + last
	}
	if a.Flows == 0 {
		return s + ", only names asked for"
	}
	return fmt.Sprintf("%s, %s, %s up, %s down", s, count(a.Flows, "flow"), size(a.Up), size(a.Down))
}

// rest says what is not listed.
func rest(lines int, sightings uint64) string {
	var parts []string
	if lines > 0 {
		parts = append(parts, "and "+thousands(lines)+" more")
	}
	if sightings > 0 {
		parts = append(parts, count(sightings, "further sighting")+" not kept")
	}
	return strings.Join(parts, ", ")
}

// explain says what the tool is and what to check: once for each tool.
func (d *details) explain(a *alert.Alert) {
	t := a.Tool
	if t.Plain == "" && t.Guidance == "" {
		return
	}
	if host, ok := d.told[t]; ok {
		d.paragraph(indent, span{bold, "check: "}, span{plain, "as for " + host.String() + " above"})
		return
	}
	d.told[t] = a.Host
	if t.Plain != "" {
		d.paragraph(indent, span{}, span{plain, prose(t.Plain)})
	}
	if t.Guidance != "" {
		d.paragraph(indent, span{bold, "check: "}, span{plain, prose(t.Guidance)})
	}
}

// reference names the rules that were hit and where to read on.
func (d *details) reference(a *alert.Alert) {
	t := a.Tool
	s := t.ID + " (" + strings.Join(a.Indicators(), ", ") + ")"
	if len(t.Attack) > 0 {
		s += "; ATT&CK " + strings.Join(t.Attack, ", ")
	}
	if len(t.Advisories) > 0 {
		s += "; " + strings.Join(t.Advisories, ", ")
	}
	d.paragraph(indent, span{plain, "rule: "}, span{plain, s})
}

// evidence is one line of it: what several indicators read in the same place
// is one thing to a person.
type evidence struct {
	label, value, peer string
	confidence         detect.Confidence
	count              uint64
	first, last        alert.Frame
}

// evidence lists what an alert stands on, the surest first.
func (d *details) evidence(a *alert.Alert) (list []evidence) {
next:
	for i := range a.Evidence {
		e := &a.Evidence[i]
		line := evidence{
			label: label(e), value: shown(e), peer: peer(a, e), confidence: e.Indicator.Confidence,
			count: e.Count, first: e.FirstFrame, last: e.LastFrame,
		}
		for j := range list {
			if list[j].merge(&line) {
				continue next
			}
		}
		list = append(list, line)
	}
	slices.SortStableFunc(list, func(a, b evidence) int { return int(b.confidence) - int(a.confidence) })
	return list
}

// merge takes in what another indicator read in the same place.
func (e *evidence) merge(o *evidence) bool {
	if e.label != o.label || e.value != o.value || e.peer != o.peer {
		return false
	}
	e.confidence = max(e.confidence, o.confidence)
	e.count = max(e.count, o.count)
	if before(o.first, e.first) {
		e.first = o.first
	}
	if before(e.last, o.last) {
		e.last = o.last
	}
	if e.first != e.last {
		e.count = max(e.count, 2)
	}
	return true
}

func before(a, b alert.Frame) bool {
	return a.File < b.File || a.File == b.File && a.Number < b.Number
}

// packets says where a line's evidence stands, up to the word before the peer.
func (d *details) packets(e *evidence) string {
	first, last := fmt.Sprint(e.first.Number), d.packet(e.last)
	if e.first.File != e.last.File {
		first = d.packet(e.first)
	}
	switch {
	case e.first == e.last:
		return "packet " + last + ", with"
	case e.count == 2:
		return "packets " + first + " and " + last + ", with"
	}
	return thousands(e.count) + " times, packets " + first + " to " + last + ", first with"
}

// packet names a packet, with its file where there are several.
func (d *details) packet(f alert.Frame) string {
	if !d.table.Many {
		return fmt.Sprint(f.Number)
	}
	return fmt.Sprintf("%d of %s", f.Number, baseName(d.table.Files, f.File))
}

// label is how a person calls what evidence was read from.
func label(e *alert.Evidence) string {
	switch e.Kind {
	case detect.KindDNS:
		return "DNS"
	case detect.KindSNI:
		return helloPart(e.Indicator)
	case detect.KindQUIC:
		return "QUIC " + helloPart(e.Indicator)
	case detect.KindCert:
		return "certificate"
	case detect.KindHTTP:
		return "HTTP"
	case detect.KindConnect:
		return "proxied"
	case detect.KindPayload:
		return "bytes"
	case detect.KindDNSName:
		return "by DNS"
	}
	return "port"
}

// shown is the value of evidence as a person reads it: behind a method stands a
// path, unless it is said to be another thing.
func shown(e *alert.Evidence) string {
	http := e.Kind == detect.KindHTTP || e.Kind == detect.KindConnect
	if need := e.Indicator.Need; !http || need&detect.CondAgent == 0 || need&detect.CondDomain != 0 {
		return e.Value
	}
	method, agent, _ := strings.Cut(e.Value, " ")
	return method + ", agent " + agent
}

// helloPart is the part of a ClientHello that an indicator looks at.
func helloPart(in *detect.Indicator) string {
	switch {
	case len(in.Domain) > 0:
		return "SNI"
	case in.Need&detect.CondALPN != 0:
		return "ALPN"
	case in.Need&detect.CondJA4 != 0:
		return "JA4"
	case in.Need&detect.CondJA3 != 0:
		return "JA3"
	}
	return "TLS"
}
