package format

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
	"github.com/rmmwatch/rmmwatch/sensor/session"
)

// kinds are the alerts that the golden lines hold, and that every judge sees.
func kinds() map[string]*alert.Alert {
	rfb := indicator("banner", detect.High, 0)
	rfb.Payload, rfb.Role = []detect.Payload{{Proto: "tcp"}}, ""
	tool("vnc", "VNC", rfb).Attack = []string{"T1021.005"}
	inbound := alertOf("10.1.2.3", detect.High, seen(rfb, detect.KindPayload, "RFB 003.008", "198.51.100.7:50000", "10.1.2.3:5900", 2))

	ja3, agent := indicator("ja3", detect.Medium, detect.CondJA3), indicator("agent", detect.Low, detect.CondAgent)
	path := indicator("path", detect.Medium, detect.CondPath)
	malware := tool("asyncrat", "AsyncRAT", ja3, agent, path)
	malware.Class, malware.Attack, malware.Vendor, malware.LOLRMM = "rat", []string{"T1219", "T1571", "T1021.001", "T1105"}, "", ""
	rat := alertOf("10.1.2.3", detect.Medium,
		seen(ja3, detect.KindSNI, "fc54e0d16d9764783542f0146a98b300", "10.1.2.3:50001", "203.0.113.9:6606", 0),
		seen(agent, detect.KindHTTP, "GET Mozilla/4.0 (compatible; RAT)", "10.1.2.3:50002", "203.0.113.9:80", 1),
		seen(path, detect.KindHTTP, "POST /gate.php?id=1", "10.1.2.3:50002", "203.0.113.9:80", 2))

	many := ordinary("10.1.2.3")
	for i := range 43 {
		e := many.Evidence[0]
		e.Value, e.Tenant = fmt.Sprintf("relay-%d.net.anydesk.com", i), fmt.Sprintf("customer-%d", i)
		many.Evidence = append(many.Evidence, e)
	}
	many.Unkept = 1042

	site, quic := indicator("site", detect.High, detect.CondDomain), indicator("quic", detect.High, detect.CondDomain)
	tool("parsec", "Parsec", site, quic)
	ipv6 := alertOf("2001:db8::3", detect.High,
		seen(quic, detect.KindQUIC, "stun.parsec.example", "[2001:db8::3]:50000", "[2001:db8:1::7]:443", 0),
		seen(site, detect.KindCert, "parsec.example", "[2001:db8::3]:50001", "[2001:db8:1::7]:443", 1),
		seen(site, detect.KindConnect, "api.parsec.example", "[2001:db8::3]:50002", "[fd00::8]:3128", 2))
	ipv6.Up, ipv6.Down = 1<<40, 1<<63

	tunnel := ordinary("10.1.2.3")
	for i := range tunnel.Evidence {
		f := &tunnel.Evidence[i].Flow
		f.VLAN, f.Tunnel, f.TunnelID = 4001, decode.TunnelVXLAN, 5010
	}
	tunnel.Verdict, tunnel.Reason = policy.ForeignTenant, "help desk, CHG-1234"
	for i := range tunnel.Evidence {
		tunnel.Evidence[i].Place = enrich.Place{Country: "DE", ASN: 64496, Org: "Example Networks"}
	}
	tunnel.HostName = `desk-17.corp.example`
	tunnel.Sessions = []alert.Session{{Session: session.Session{Start: 1772632931e9, End: 1772632996e9, Active: 20e9, Up: 1000, Down: 90000}, Flow: 7}}
	tunnel.News, tunnel.Others = []alert.News{alert.FirstOnHost, alert.SecondTool}, []string{"screenconnect", "atera"}
	joined, label := indicator("joined", detect.High, detect.CondDomain), indicator("label", detect.Medium, detect.CondDomain)
	imitation := tool("anydesk", "look-alike of AnyDesk", joined, label)
	imitation.Imitated, imitation.Attack, imitation.Advisories = tool("anydesk", "AnyDesk"), []string{"T1583.001"}, nil
	joined.Role, label.Role = "", ""
	lookalike := alertOf("10.1.2.3", detect.High,
		seen(joined, detect.KindDNS, "www.anydesk-update.com", "10.1.2.3:50000", "10.0.0.53:53", 0),
		seen(joined, detect.KindSNI, "www.anydesk-update.com", "10.1.2.3:50001", "203.0.113.9:443", 1),
		seen(label, detect.KindHTTP, "anydesk.ddns.net", "10.1.2.3:50002", "203.0.113.10:80", 2))
	for i, domain := range []string{"anydesk-update.com", "anydesk-update.com", "anydesk.ddns.net"} {
		lookalike.Evidence[i].Brand, lookalike.Evidence[i].Domain = "anydesk", domain
	}
	alias := alertOf("10.1.2.3", detect.High,
		seen(site, detect.KindDNS, "help.corp.example -> relay.parsec.example", "10.1.2.3:50000", "10.0.0.53:53", 0),
		seen(site, detect.KindDNSName, "help.corp.example -> relay.parsec.example", "10.1.2.3:50001", "203.0.113.9:443", 1))
	return map[string]*alert.Alert{
		"alias":     alias,
		"lookalike": lookalike,
		"outbound":  ordinary("10.1.2.3"), "inbound": inbound, "rat": rat, "many": many, "ipv6": ipv6, "tunnel": tunnel,
		"names-only": asked("10.1.2.9", "Atera", "agent-api.atera.com"),
	}
}

// kindNames are the keys of kinds, in order.
var kindNames = []string{"outbound", "inbound", "rat", "many", "ipv6", "tunnel", "names-only", "lookalike", "alias"}

// every returns all alerts of this package's tests: each kind, and every
// hostile text in every place.
func every(t testing.TB) (all []*alert.Alert) {
	t.Helper()
	m := kinds()
	if len(m) != len(kindNames) {
		t.Fatalf("%d kinds, %d names", len(m), len(kindNames))
	}
	for _, name := range kindNames {
		all = append(all, m[name])
	}
	return append(all, append(hostileScene().alerts, hostileTexts()...)...)
}

// hostileTexts has what breaks records, as values, names, ids and tenants, in
// every kind of evidence.
func hostileTexts() (all []*alert.Alert) {
	texts := append([]string{
		"a|b||c", "a=b", `a\=b`, `a\|b\`, "k=v k2=v2", " lead", "trail ", "^caret^", "a\tb", `{"a":1}`, "</script><script>", "{{.ID}}",
		"*bold* _i_ <!channel> & [x](http://evil.example)", strings.Repeat("\u00e9", 200), strings.Repeat("a", 254) + "\x00", "",
		strings.Repeat(`\`, 1030), strings.Repeat("\n", 257), strings.Repeat("x", 5000), "\ufeff\u2028\u2029", "CEF:0|a|b|",
	}, hostile...)
	for i, text := range texts {
		for kind := range detect.Kind(8) {
			in := indicator(text, detect.Confidence(1+i%3), []detect.Conds{detect.CondDomain, detect.CondJA3, detect.CondAgent, 0}[(i+int(kind))%4])
			in.Role = text
			tl := tool(text, text, in)
			tl.Vendor, tl.Class, tl.LOLRMM, tl.Attack, tl.Advisories = text, text, text, []string{text, "T1219"}, []string{text}
			tl.Plain, tl.Guidance = text, text
			e := seen(in, kind, text, "10.1.2.3:50000", "203.0.113.1:443", int64(i))
			e.Tenant, e.LastFrame.File = text, 2
			e.Brand, e.Domain = text, text
			if kind%2 == 1 {
				tl.Imitated = tl
			}
			a := alertOf("10.1.2.3", in.Confidence, e)
			a.HostName = text
			all = append(all, a)
		}
	}
	return all
}

// asPrintable is the form that docs/formats.md promises for a text: as it is
// where it is printable ASCII, else that of package printable.
func asPrintable(s string) string {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return printable.Text([]byte(s))
		}
	}
	return s
}

// asProse is the form of names and sentences of rule files: on one line.
func asProse(s string) string { return printable.Text([]byte(strings.Join(strings.Fields(s), " "))) }

// checkText demands that got is want, or the beginning of it with dots where
// it is longer than the limit, and that no escape was cut.
func checkText(t interface{ Fatalf(string, ...any) }, what, got, want string, limit int) {
	if got == want && len(got) <= limit {
		return
	}
	begin, ok := strings.CutSuffix(got, "...")
	if !ok || len(want) <= limit || len(got) > limit || len(got) < limit-6 || !strings.HasPrefix(want, begin) {
		t.Fatalf("%s is %q, want %q in %d characters", what, got, want, limit)
	}
	if odd := (len(begin) - len(strings.TrimRight(begin, `\`))) % 2; odd == 1 {
		t.Fatalf("%s: an escape was cut in %q", what, got)
	}
}

// oneRecord demands one line of printable ASCII.
func oneRecord(t interface{ Fatalf(string, ...any) }, raw []byte) {
	if len(raw) < 2 || raw[len(raw)-1] != '\n' {
		t.Fatalf("no record: %q", raw)
	}
	for _, c := range raw[:len(raw)-1] {
		if c < ' ' || c > '~' {
			t.Fatalf("byte %#x in %q", c, raw)
		}
	}
}
