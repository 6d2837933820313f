package sensor_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/http"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/events"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// alertsDoc is the reference of what is written.
const alertsDoc = "../docs/alerts.md"

// example is a block of the reference: its first line names a capture, what of
// its output is shown, and which one or how wide.
var example = regexp.MustCompile("(?m)^```(json|text) (pcaps/\\S+) (\\w+) (\\d+)\n((?s:.*?))^```\n")

// shown is what a block should hold.
func shown(t *testing.T, capture, what string, n int) string {
	t.Helper()
	path := "../" + capture
	r := replay(t, path)
	if what == "table" {
		var b strings.Builder
		table := format.Table{Width: n, Files: func(uint32) string { return path }}
		if err := table.Write(&b, &r.summary, r.alerts); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for line := range strings.Lines(r.eve + r.events) {
		if !strings.Contains(line, `"event_type":"`+what+`"`) {
			continue
		}
		if n--; n > 0 {
			continue
		}
		if what != "alert" {
			return line
		}
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(line), "", "  "); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	t.Fatalf("%s has no such %s", capture, what)
	return ""
}

// The examples in the reference are what is written; -update writes them.
func TestGoldenExamples(t *testing.T) {
	raw, err := os.ReadFile(alertsDoc)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	fresh := example.ReplaceAllStringFunc(string(raw), func(block string) string {
		n++
		m := example.FindStringSubmatch(block)
		count, _ := strconv.Atoi(m[4])
		return "```" + m[1] + " " + m[2] + " " + m[3] + " " + m[4] + "\n" + shown(t, m[2], m[3], count) + "```\n"
	})
	if n < 7 || n != strings.Count(string(raw), "```")/2 {
		t.Errorf("%d examples of %d blocks", n, strings.Count(string(raw), "```")/2)
	}
	if fresh == string(raw) {
		return
	}
	if !*update {
		t.Fatalf("examples in %s are not what is written; make golden writes them anew", alertsDoc)
	}
	if err := os.WriteFile(alertsDoc, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every field that is written stands in a table of the reference, and what
// stands there is written.
func TestDocFields(t *testing.T) {
	raw, err := os.ReadFile(alertsDoc)
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(raw), "## The EVE alert")
	tables, _, _ = strings.Cut(tables, "## Text from the wire")
	var documented []string
	for line := range strings.Lines(tables) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		if !strings.HasPrefix(line, "| `") || strings.Contains(first, "=") {
			continue
		}
		for i, word := range strings.Split(first, "`") {
			if i%2 == 1 {
				documented = append(documented, word)
			}
		}
	}
	text := rareLines(t)
	for _, path := range captures(t) {
		r := replay(t, path)
		text += r.eve + r.events
	}
	var written []string
	for line := range strings.Lines(text) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		written = fields(written, "", v)
	}
	for _, list := range []*[]string{&documented, &written} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	for _, f := range written {
		if !slices.Contains(documented, f) {
			t.Errorf("%s is written and not in %s", f, alertsDoc)
		}
	}
	for _, f := range documented {
		if !slices.Contains(written, f) {
			t.Errorf("%s is in %s and never written", f, alertsDoc)
		}
	}
}

// fields appends the names of what a line has, as the reference calls them:
// the keys below alert.metadata and metadata.flowvars by themselves.
func fields(dst []string, name string, v any) []string {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v { // any order: the names are sorted afterwards
			full := strings.TrimPrefix(name+"."+key, ".")
			full = strings.TrimPrefix(full, "alert.metadata.")
			full = strings.TrimPrefix(full, "metadata.flowvars.")
			dst = fields(dst, full, value)
		}
		return dst
	case []any:
		if _, objects := v[0].(map[string]any); objects {
			for _, o := range v {
				dst = fields(dst, name, o)
			}
			return dst
		}
	}
	return append(dst, name)
}

// rareLines are fields that no bundled capture has.
func rareLines(t *testing.T) string {
	t.Helper()
	name := func(uint32) string { return "a.pcap" }
	a := replay(t, "../pcaps/anydesk-synthetic.pcap").alerts[0]
	a.HostName = "desk-17"
	a.Unkept, a.Reason, a.News, a.Others = 1, "help desk", []alert.News{alert.SecondTool}, []string{"atera"}
	a.Sessions = []alert.Session{{}}
	a.Best().Place = enrich.Place{Country: "DE", ASN: 64496, Org: "Example Networks"}
	text := string(format.NewEVE(name).Line(a))

	p := decode.Packet{
		Status: decode.StatusTransport, Proto: decode.ProtoTCP, SrcPort: 50000, DstPort: 80,
		Src: decode.AddrFrom(netip.MustParseAddr("10.1.2.3")), Dst: decode.AddrFrom(netip.MustParseAddr("192.0.2.1")),
	}
	table := flow.New(flow.Config{Flows: 4, SmallHeads: 2, LargeHeads: 1}, func(*flow.Flow) {})
	f, _, _ := table.Get(table.Locate(&p), &p, 1e18)
	m := events.Meta{Flow: f, Time: 1e18, Number: 1}
	var b bytes.Buffer
	w := events.New(&b, name)
	w.Request(m, &http.RequestHead{HostHeader: []byte("a"), WebSocketProtocol: []byte("b")})
	var msg dns.Message
	if st := dns.Parse([]byte("\x00\x01\x84\x80\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"), &msg); st != dns.Done {
		t.Fatal(st)
	}
	w.DNS(m, &msg, dns.KindDNS)
	w.Hello(m, &tls.ClientHello{ALPN: bytes.Repeat([]byte("\x01a"), 300)}, tls.OverTCP, "")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return text + b.String()
}
