package format

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scene is one report.
type scene struct {
	summary Summary
	alerts  []*alert.Alert
	many    bool
}

func summary() Summary {
	return Summary{Packets: 12_481, Bytes: 9_800_000, First: start * 1e9, Last: (start + 1769) * 1e9, Hosts: 41}
}

// scenes are the reports that golden files hold.
func scenes() map[string]scene {
	one := scene{summary: summary(), alerts: []*alert.Alert{ordinary("10.1.2.3")}}

	many := scene{summary: summary(), alerts: []*alert.Alert{
		asked("192.168.100.200", "ConnectWise ScreenConnect", "instance-q07bx4-relay.screenconnect.com"), ordinary("10.1.2.3"),
		asked("10.1.2.9", "BeyondTrust Remote Support", "license.bomgar.com"),
	}}
	again := ordinary("10.1.2.77")
	again.Tool = many.alerts[1].Tool
	again.First += 5e9
	many.alerts = append(many.alerts, again)
	many.summary.ECH, many.summary.Resolvers, many.summary.Midstream = 3, 1, 12
	many.summary.Unread, many.summary.Malformed, many.summary.HostsMore = 1234, 1, true
	many.summary.Handshakes, many.summary.Cut, many.summary.Headless, many.summary.Snaplen = 3, 1200, 1, 96

	ipv6 := scene{summary: summary(), alerts: []*alert.Alert{
		ordinary("fd00:10::3"), asked("10.1.2.9", "Atera", "agent-api.atera.com"),
	}}
	long := ordinary("2001:db8:1234:5678:abcd:ef01:2345:6789")
	long.Confidence = detect.Low
	ipv6.alerts = append(ipv6.alerts, long)

	rfb := indicator("banner", detect.High, 0)
	port := indicator("port", detect.Low, detect.CondPort)
	tool("vnc", "VNC", rfb, port)
	inbound := scene{summary: summary(), alerts: []*alert.Alert{alertOf("10.1.2.3", detect.High,
		seen(port, detect.KindFlow, "tcp/5900", "198.51.100.7:50000", "10.1.2.3:5900", 1),
		seen(rfb, detect.KindPayload, "524642203030332e3030380a", "198.51.100.7:50000", "10.1.2.3:5900", 2))}}

	several := scene{summary: summary(), alerts: []*alert.Alert{ordinary("10.1.2.3")}, many: true}
	several.alerts[0].Evidence[0].LastFrame.File = 1
	several.alerts[0].Evidence[4].LastFrame = alert.Frame{File: 2, Number: 4}
	several.alerts[0].Evidence[4].Tenant = "q07bx4"

	days, years := scene{summary: summary(), alerts: one.alerts}, scene{summary: summary(), alerts: one.alerts}
	days.summary.Last += 40 * 86400 * 1e9
	years.summary.Last += 400 * 86400 * 1e9

	crowded := scene{summary: summary(), alerts: []*alert.Alert{ordinary("10.1.2.3")}}
	for i := range 43 {
		e := crowded.alerts[0].Evidence[0]
		e.Value, e.Tenant = fmt.Sprintf("relay-%d.net.anydesk.com", i), fmt.Sprintf("customer-%d", i)
		crowded.alerts[0].Evidence = append(crowded.alerts[0].Evidence, e)
	}
	crowded.alerts[0].Unkept = 1042

	return map[string]scene{
		"one": one, "many": many, "ipv6": ipv6, "inbound": inbound, "several-files": several, "days": days, "years": years,
		"crowded": crowded, "hostile": hostileScene(), "nobody": {summary: summary()}, "no-packets": {},
	}
}

// hostileScene has a hostile text in every place.
func hostileScene() scene {
	s := scene{summary: summary(), many: true}
	for i, text := range hostile {
		in := indicator(text, detect.Medium, detect.CondDomain)
		t := tool(text, text, in)
		t.Plain, t.Guidance = text, text
		t.Attack, t.Advisories = []string{text}, []string{text}
		e := seen(in, detect.Kind(i%8), text, "10.1.2.3:50000", "203.0.113.1:443", int64(i))
		e.Tenant, e.LastFrame.File = text, 2
		a := alertOf("10.1.2.3", detect.Medium, e)
		a.HostName = text
		s.alerts = append(s.alerts, a)
	}
	return s
}

func (s scene) write(t testing.TB, width int, color bool) string {
	t.Helper()
	var b strings.Builder
	table := Table{Width: width, Color: color, Files: files, Many: s.many}
	if err := table.Write(&b, &s.summary, s.alerts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The reports as they are, at each width; run with -update to write them anew,
// and look at them.
func TestGolden(t *testing.T) {
	for name, s := range scenes() {
		var b strings.Builder
		for _, width := range []int{0, 80, 100, 140} {
			fmt.Fprintf(&b, "%s\n%s", strings.Repeat("=", max(width, 20)), s.write(t, width, false))
		}
		if name == "one" {
			fmt.Fprintf(&b, "== with colours\n%s", strings.ReplaceAll(s.write(t, 80, true), "\x1b", "ESC"))
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s differs; -update writes it anew\n%s", golden, b.String())
		}
	}
}

// ours are the codes that the table writes.
var ours = regexp.MustCompile("\x1b\\[(0|1|1;31|33|36)m")

// checkTerminal holds a report against what every terminal needs.
func checkTerminal(t testing.TB, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = ours.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
		for _, c := range []byte(line) {
			if c < ' ' || c > '~' {
				t.Fatalf("byte %#x in %q", c, line)
			}
		}
		if width > 0 && len(line) > max(width, minWidth) {
			t.Fatalf("%d columns at width %d: %q", len(line), width, line)
		}
	}
}

// At any width nothing but printable ASCII and our own colours reaches the
// terminal, no line is too wide, and colours change nothing else.
func TestTerminal(t *testing.T) {
	for name, s := range scenes() {
		for width := range 200 {
			plain, painted := s.write(t, width, false), s.write(t, width, true)
			if strings.Contains(plain, "\x1b") {
				t.Fatalf("%s: a colour where none is wanted", name)
			}
			if ours.ReplaceAllString(painted, "") != plain {
				t.Fatalf("%s: width %d: colours changed the text", name, width)
			}
			checkTerminal(t, painted, width)
		}
	}
}

// Columns start where their titles do, numbers end there.
func TestColumnsAlign(t *testing.T) {
	s := scenes()["many"]
	for width := range 200 {
		lines := strings.Split(s.write(t, width, false), "\n")
		for len(lines) > 0 && !strings.HasPrefix(lines[0], "HOST") {
			lines = lines[1:]
		}
		titles := lines[0]
		for _, title := range []string{"TOOL", "CONFIDENCE", "FIRST", "LAST", "WITH", "UP", "DOWN"} {
			at := strings.Index(titles, "  "+title)
			if at < 0 {
				continue
			}
			start, end := at+2, at+2+len(title)
			for _, l := range lines[1:5] {
				if title == "UP" || title == "DOWN" {
					if l[end-1] == ' ' || len(l) > end && l[end] != ' ' {
						t.Errorf("width %d: %s does not end at %d in %q", width, title, end, l)
					}
				} else if l[start] == ' ' || l[start-2:start] != "  " {
					t.Errorf("width %d: %s does not start at %d in %q", width, title, start, l)
				}
			}
		}
	}
}

// Whatever an alert holds, the table is fit for a terminal.
func TestAnyAlert(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := scene{summary: summary(), many: rapid.Bool().Draw(rt, "many")}
		s.summary.Last = rapid.Int64().Draw(rt, "last")
		for range rapid.IntRange(0, 4).Draw(rt, "alerts") {
			s.alerts = append(s.alerts, randomAlert(rt))
		}
		width := rapid.IntRange(0, 200).Draw(rt, "width")
		checkTerminal(t, s.write(t, width, true), width)
	})
}

// randomAlert is any alert that a collector could make, and worse.
func randomAlert(rt *rapid.T) *alert.Alert {
	text := func(label string) string {
		if rapid.Bool().Draw(rt, "hostile") {
			return rapid.SampledFrom(hostile).Draw(rt, label)
		}
		return string(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, label))
	}
	addr := func(label string) netip.Addr {
		if b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, label); b[0] < 128 {
			return netip.AddrFrom16([16]byte(b))
		} else {
			return netip.AddrFrom4([4]byte(b[:4]))
		}
	}
	var indicators []*detect.Indicator
	for range rapid.IntRange(1, 3).Draw(rt, "indicators") {
		in := indicator(text("indicator"), detect.Confidence(rapid.IntRange(1, 3).Draw(rt, "sure")), detect.Conds(rapid.Uint32().Draw(rt, "need")))
		in.Role = text("role")
		indicators = append(indicators, in)
	}
	tool := tool(text("tool"), text("name"), indicators...)
	tool.Vendor, tool.LOLRMM, tool.Plain, tool.Guidance = text("vendor"), text("lolrmm"), text("plain"), text("guidance")
	tool.Attack, tool.Advisories = []string{text("attack")}[:rapid.IntRange(0, 1).Draw(rt, "n")], []string{text("advisory")}
	a := &alert.Alert{
		Tool: tool, Host: addr("host"), Inbound: rapid.Bool().Draw(rt, "inbound"), Confidence: indicators[0].Confidence,
		First: rapid.Int64().Draw(rt, "first"), Last: rapid.Int64().Draw(rt, "last"), Unkept: rapid.Uint64().Draw(rt, "unkept"),
		Up: rapid.Uint64().Draw(rt, "up"), Down: rapid.Uint64().Draw(rt, "down"), Flows: rapid.IntRange(0, 1<<20).Draw(rt, "flows"),
	}
	for range rapid.IntRange(1, 12).Draw(rt, "evidence") {
		e := seen(rapid.SampledFrom(indicators).Draw(rt, "of"), detect.Kind(rapid.IntRange(0, 7).Draw(rt, "kind")), text("value"), "10.1.2.3:1", "192.0.2.1:2", 1)
		e.Count, e.Tenant = rapid.Uint64Min(1).Draw(rt, "count"), text("tenant")
		e.FirstFrame = alert.Frame{File: rapid.Uint32Range(0, 2).Draw(rt, "file"), Number: rapid.Uint64().Draw(rt, "packet")}
		e.Flow.Client, e.Flow.Server = addr("client"), addr("server")
		e.Flow.VLAN = rapid.Uint16Range(0, 4095).Draw(rt, "vlan")
		e.Flow.Tunnel = decode.Tunnel(rapid.IntRange(0, int(decode.NumTunnel)-1).Draw(rt, "tunnel"))
		a.Evidence = append(a.Evidence, e)
	}
	return a
}

// Evidence that says the same is one line, with all its packets.
func TestEvidenceMerges(t *testing.T) {
	a := ordinary("10.1.2.3")
	d := details{page: &page{}, table: &Table{}}
	list := d.evidence(a)
	if len(list) != 4 {
		t.Fatalf("%d lines of %d pieces of evidence: %+v", len(list), len(a.Evidence), list)
	}
	if list[1].label != "certificate" || list[1].confidence != detect.High || list[1].count != 1 {
		t.Errorf("%+v", list[1])
	}
	e := evidence{label: "SNI", value: "a", count: 1, first: alert.Frame{Number: 5}, last: alert.Frame{Number: 5}}
	for _, other := range []evidence{{label: "DNS", value: "a"}, {label: "SNI", value: "b"}, {label: "SNI", value: "a", peer: "x"}} {
		if e.merge(&other) {
			t.Errorf("%+v merged", other)
		}
	}
	if !e.merge(&evidence{label: "SNI", value: "a", count: 1, first: alert.Frame{Number: 3}, last: alert.Frame{File: 1, Number: 1}}) ||
		e.first.Number != 3 || e.last.File != 1 || e.count != 2 {
		t.Errorf("%+v", e)
	}
}

// The surest alert is shown first; the caller's list stays as it was.
func TestOrder(t *testing.T) {
	s := scenes()["many"]
	first := s.alerts[0]
	text := s.write(t, 0, false)
	var hosts []string
	for line := range strings.Lines(text) {
		if host, _, ok := strings.Cut(line, "  "); ok && strings.Contains(host, ".") && !strings.Contains(host, " ") {
			hosts = append(hosts, host)
		}
	}
	if got := strings.Join(hosts, " "); got != "10.1.2.3 10.1.2.77 10.1.2.9 192.168.100.200" {
		t.Error(got)
	}
	if s.alerts[0] != first {
		t.Error("the caller's alerts were sorted")
	}
}

func TestLabels(t *testing.T) {
	domain, alpn := indicator("", detect.High, detect.CondDomain), indicator("", detect.High, detect.CondALPN)
	ja4, ja3, no := indicator("", detect.High, detect.CondJA4), indicator("", detect.High, detect.CondJA3), indicator("", detect.High, detect.CondNoSNI)
	for _, c := range []struct {
		kind detect.Kind
		in   *detect.Indicator
		want string
	}{
		{detect.KindDNS, domain, "DNS"}, {detect.KindSNI, domain, "SNI"}, {detect.KindSNI, alpn, "ALPN"}, {detect.KindSNI, ja4, "JA4"},
		{detect.KindSNI, ja3, "JA3"}, {detect.KindSNI, no, "TLS"}, {detect.KindQUIC, domain, "QUIC SNI"}, {detect.KindCert, domain, "certificate"},
		{detect.KindHTTP, domain, "HTTP"}, {detect.KindConnect, domain, "proxied"}, {detect.KindPayload, no, "bytes"}, {detect.KindFlow, no, "port"},
	} {
		if got := label(&alert.Evidence{Kind: c.kind, Indicator: c.in}); got != c.want {
			t.Errorf("%v: %s, want %s", c.kind, got, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9_949: "9.9 kB", 9_950: "10 kB", 999_499: "999 kB", 999_500: "1.0 MB", 48_000_000: "48 MB",
		1<<64 - 1: "18447 PB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 hosts", 1: "1 host", 999: "999 hosts", 1000: "1,000 hosts", 1234567: "1,234,567 hosts"} {
		if got := count(n, "host"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestWriteError(t *testing.T) {
	if err := new(Table).Write(brokenPipe{}, new(Summary), nil); !errors.Is(err, errPipe) {
		t.Errorf("%v", err)
	}
}

// What stands behind a method is a path, or is said to be an agent.
func TestAgentIsCalledOne(t *testing.T) {
	for _, c := range []struct {
		need detect.Conds
		kind detect.Kind
		want string
	}{
		{detect.CondPath, detect.KindHTTP, "HTTP  POST x/1 y (packet"},
		{detect.CondAgent, detect.KindHTTP, "HTTP  POST, agent x/1 y (packet"},
		{detect.CondAgent | detect.CondPath, detect.KindConnect, "proxied  POST, agent x/1 y (packet"},
		{detect.CondAgent | detect.CondDomain, detect.KindHTTP, "HTTP  POST x/1 y (packet"},
	} {
		in := indicator("i", detect.High, c.need)
		tool("x", "X", in)
		a := alertOf("10.1.2.3", detect.High, seen(in, c.kind, "POST x/1 y", "10.1.2.3:1", "192.0.2.1:2", 0))
		var b strings.Builder
		if err := (&Table{Files: files}).Write(&b, &Summary{Packets: 1}, []*alert.Alert{a}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), c.want) {
			t.Errorf("no %q in\n%s", c.want, b.String())
		}
	}
}
