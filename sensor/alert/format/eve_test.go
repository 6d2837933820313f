package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// line is what tests read of an EVE alert.
type line struct {
	Timestamp string
	Number    uint64 `json:"pcap_cnt"`
	File      string `json:"pcap_filename"`
	SrcIP     string `json:"src_ip"`
	AppProto  string `json:"app_proto"`
	VLAN      []int
	Alert     struct {
		SignatureID uint64 `json:"signature_id"`
		Signature   string
		Severity    int
		Metadata    map[string][]string
	}
	Flow struct {
		ToServer *uint64 `json:"bytes_toserver"`
		ToClient *uint64 `json:"bytes_toclient"`
		Start    string
	}
}

// read proves that raw is one line of printable JSON.
func read(t interface{ Fatalf(string, ...any) }, raw []byte) (l line) {
	if bytes.IndexByte(raw, '\n') != len(raw)-1 {
		t.Fatalf("not one line: %q", raw)
	}
	for _, c := range raw[:len(raw)-1] {
		if c < ' ' || c > '~' {
			t.Fatalf("byte %#x in %q", c, raw)
		}
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		t.Fatalf("%v: %q", err, raw)
	}
	return l
}

func TestLine(t *testing.T) {
	a := ordinary("10.1.2.3")
	a.Evidence[4].Tenant, a.Unkept = "q07bx4", 12
	a.Evidence[4].Flow.Tunnel, a.Evidence[4].Flow.TunnelID = 3, 42
	a.Evidence[4].FirstFrame.File = 1
	raw := NewEVE(files).Line(a)
	l := read(t, raw)
	if l.Number != 6 || l.File != "a.pcap" || l.SrcIP != "10.1.2.3" || l.AppProto != "tls" || !slices.Equal(l.VLAN, []int{12}) {
		t.Errorf("%s", raw)
	}
	// The best evidence is packet 6; the alert began five seconds before.
	if l.Timestamp != "2026-03-04T14:02:16.000000+0000" || l.Flow.Start != "2026-03-04T14:02:15.000000+0000" {
		t.Errorf("%s, flow %s", l.Timestamp, l.Flow.Start)
	}
	for key, want := range map[string]string{
		"rmm_first": "2026-03-04T14:02:11.000000+0000", "rmm_last": "2026-03-04T14:28:51.000000+0000", "rmm_host": "10.1.2.3",
		"rmm_kind": "unsanctioned-tool", "rmm_state": "closed", "rmm_tool": "anydesk", "rmm_name": "AnyDesk", "rmm_vendor": "AnyDesk Ltd", "rmm_class": "remote-desktop", "rmm_confidence": "high",
		"rmm_indicator": "relay,certificate,alpn,issuer", "rmm_role": "relay", "rmm_tenant": "q07bx4", "rmm_flows": "3",
		"rmm_evidence_unkept": "12", "mitre_technique_id": "T1219.002", "rmm_advisory": "AA23-025A", "rmm_lolrmm": "anydesk",
	} {
		if got := strings.Join(l.Alert.Metadata[key], ","); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if id := l.Alert.Metadata["rmm_alert_id"]; len(id) != 1 || id[0] != a.ID() {
		t.Errorf("id %q", id)
	}
	const last = `kind=tls indicator=relay count=9 packet=20 last_packet=1601 first=2026-03-04T14:28:51.000000+0000 last=2026-03-04T14:28:51.000000+0000 ` +
		`file=b\x20c.pcapng flow=10.1.2.3:50000>203.0.113.176:443/TCP tunnel=vxlan:42 value=relay-3185a847.net.anydesk.com`
	if e := l.Alert.Metadata["rmm_evidence"]; len(e) != 5 || e[4] != last {
		t.Errorf("%q\nwant %q", e[4], last)
	}
}

// What an alert does not have is left out: the schemas want no empty list.
func TestNothingEmpty(t *testing.T) {
	in := indicator("x", detect.Low, 0)
	in.Role, in.Tool = "", &detect.Tool{ID: "x", Name: "X", Class: "rmm"}
	a := alertOf("10.1.2.3", detect.Low, seen(in, detect.KindDNS, "x", "10.1.2.3:1", "10.0.0.53:53", 0))
	a.Flows = 0
	l := read(t, NewEVE(files).Line(a))
	for _, key := range []string{"rmm_vendor", "rmm_role", "rmm_tenant", "rmm_evidence_unkept", "mitre_technique_id", "rmm_advisory", "rmm_lolrmm", "rmm_guidance", "rmm_plain"} {
		if v, has := l.Alert.Metadata[key]; has {
			t.Errorf("%s: %q", key, v)
		}
	}
	if l.Flow.ToServer != nil || l.Flow.ToClient != nil {
		t.Error("a volume without a flow")
	}
}

// bytes_toserver is what the flow's client sent, whoever the alert is about.
func TestDirections(t *testing.T) {
	in := indicator("x", detect.High, 0)
	tool("x", "X", in)
	for _, c := range []struct {
		client, server     string
		toServer, toClient uint64
	}{
		{"10.1.2.3:50000", "192.0.2.1:443", 10, 2000},
		{"192.0.2.1:50000", "10.1.2.3:5900", 2000, 10},
	} {
		a := alertOf("10.1.2.3", detect.High, seen(in, detect.KindPayload, "00", c.client, c.server, 0))
		a.Up, a.Down = 10, 2000
		l := read(t, NewEVE(files).Line(a))
		if *l.Flow.ToServer != c.toServer || *l.Flow.ToClient != c.toClient {
			t.Errorf("%s > %s: to server %d, to client %d", c.client, c.server, *l.Flow.ToServer, *l.Flow.ToClient)
		}
		if a.Up != 10 {
			t.Error("the alert was changed")
		}
	}
}

func TestSeverity(t *testing.T) {
	for c, want := range map[detect.Confidence]uint64{detect.High: 1, detect.Medium: 2, detect.Low: 3} {
		if got := severity((&alert.Alert{Tool: &detect.Tool{}, Confidence: c}).Severity()); got != want {
			t.Errorf("%v: %d", c, got)
		}
	}
}

func TestAppProto(t *testing.T) {
	for kind, want := range map[detect.Kind]string{
		detect.KindDNS: "dns", detect.KindSNI: "tls", detect.KindCert: "tls", detect.KindQUIC: "quic", detect.KindHTTP: "http",
		detect.KindConnect: "http", detect.KindPayload: "", detect.KindFlow: "",
	} {
		if got := appProto(kind); got != want {
			t.Errorf("%v: %q", kind, got)
		}
	}
}

// A tool's number is its own, and stays what it was in rules that SIEMs have.
func TestSignatureIDs(t *testing.T) {
	rs, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	owner := map[uint64]string{}
	for _, tool := range rs.Tools() {
		id := SignatureID(tool)
		if of := SignatureID(&detect.Tool{ID: tool.ID, Imitated: tool}); of != id+1_000_000 {
			t.Errorf("%s has %d, and imitations of it %d", tool.ID, id, of)
		}
		if id < 9_100_000 || id > 9_899_999 || owner[id] != "" {
			t.Errorf("%s has %d, as has %q", tool.ID, id, owner[id])
		}
		owner[id] = tool.ID
	}
	if id := SignatureID(&detect.Tool{ID: "anydesk"}); id != 9586352 {
		t.Errorf("anydesk has %d", id)
	}
}

// evidenceForm is how rmm_evidence is written: one word a key, the value last.
var evidenceForm = regexp.MustCompile(`^kind=\S+ indicator=(.*) count=\d+ packet=\d+ last_packet=\d+ first=\S+ last=\S+ file=\S+ ` +
	`flow=\S+>\S+/(TCP|UDP)( tunnel=\S+:\d+)?(?: brand=\S+ domain=\S+)? value=(.*)$`)

// asJSON is how a text that should have been printable comes back.
func asJSON(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// Whatever an alert holds, its line is one line of JSON, valid for Suricata 7
// and 8, from which everything can be had back.
func TestAnyLine(t *testing.T) {
	schemas := testshared.Schemas(t)
	w := NewEVE(files)
	rapid.Check(t, func(rt *rapid.T) {
		a := randomAlert(rt)
		for i := range a.Evidence { // what the collector is given is printable
			e := &a.Evidence[i]
			e.Value = printable.Text([]byte(e.Value))
		}
		raw := w.Line(a)
		l := read(rt, raw)
		if err := schemas.Line(raw); err != nil {
			rt.Fatalf("%v\n%s", err, raw)
		}
		m := l.Alert.Metadata
		if m["rmm_host"][0] != a.Host.String() || m["rmm_flows"][0] != fmt.Sprint(a.Flows) || len(m["rmm_evidence"]) != len(a.Evidence) {
			rt.Fatalf("%s", raw)
		}
		for i, e := range m["rmm_evidence"] {
			parts := evidenceForm.FindStringSubmatch(e)
			if parts == nil || parts[1] != asJSON(a.Evidence[i].Indicator.ID) || parts[4] != a.Evidence[i].Value {
				rt.Fatalf("%q of %q", e, a.Evidence[i].Value)
			}
		}
		if a.Flows > 0 && *l.Flow.ToServer+*l.Flow.ToClient != a.Up+a.Down {
			rt.Fatalf("%s", raw)
		}
	})
}

// Every hostile text in every place.
func TestHostileLines(t *testing.T) {
	schemas := testshared.Schemas(t)
	w := NewEVE(files)
	for _, a := range hostileScene().alerts {
		raw := w.Line(a)
		l := read(t, raw)
		if err := schemas.Line(raw); err != nil {
			t.Errorf("%v\n%s", err, raw)
		}
		if name := prose(a.Tool.Name); l.Alert.Metadata["rmm_name"][0] != name || l.Alert.Signature != "RMMWATCH remote access with "+name {
			t.Errorf("%s", raw)
		}
	}
}

// The same alerts give the same bytes, whatever was written before.
func TestLinesRepeat(t *testing.T) {
	alerts := []*alert.Alert{ordinary("10.1.2.3"), asked("10.1.2.9", "Atera", "agent-api.atera.com")}
	lines := func(w *EVE) (all string) {
		for _, a := range alerts {
			all += string(w.Line(a))
		}
		return all
	}
	w := NewEVE(files)
	if a, b := lines(w), lines(w); a != b || a != lines(NewEVE(files)) {
		t.Error("lines differ")
	}
}

func BenchmarkLine(b *testing.B) {
	w, a := NewEVE(files), ordinary(netip.MustParseAddr("10.1.2.3").String())
	b.ReportAllocs()
	for b.Loop() {
		w.Line(a)
	}
}
