package format

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// hostile is what a name on the wire, or a text in somebody's rule file, can be.
var hostile = []string{
	"relay.example", "a\nb\r\nc", "\x1b[2J\x1b[31mred", `quote " and \ backslash`, "nul\x00nul", "rtl \u202e mark", "\xff\xfe broken",
	strings.Repeat("x", 255), "tab\tand | and = and <b>", "\u009b31m",
}

// sample is an alert whose texts are all s.
func sample(s string, inbound bool) *alert.Alert {
	tool := &detect.Tool{ID: "sample", Name: s, Vendor: s, Class: "rmm", Guidance: s, Plain: s, Attack: []string{"T1219"}}
	in := &detect.Indicator{Tool: tool, ID: "relay", Role: "relay", Confidence: detect.High, Domain: []string{"a.b"}, Need: detect.CondDomain}
	t := flow.Tuple{Client: netip.MustParseAddr("10.0.0.1"), Server: netip.MustParseAddr("2001:db8::1"), ClientPort: 4000, ServerPort: 443, Proto: 6}
	host := t.Client
	if inbound {
		host = t.Server
	}
	return &alert.Alert{
		Tool: tool, Host: host, Inbound: inbound, Confidence: detect.High, First: 1e18, Last: 1e18 + 5e9, Up: 10, Down: 2000, Flows: 1,
		Evidence: []alert.Evidence{{
			Indicator: in, Kind: detect.KindSNI, Value: printable.Text([]byte(s)), Tenant: printable.Text([]byte(s)), Count: 2, First: 1e18, Last: 1e18 + 1,
			FirstFrame: alert.Frame{Number: 7}, LastFrame: alert.Frame{Number: 9}, Flow: alert.Flow{Tuple: t, Start: 1e18},
		}},
	}
}

func names(uint32) string { return "/tmp/evil\x1b[0m\n.pcap" }

// Nothing but printable ASCII, line ends and our own colours reaches the
// terminal, and no line is wider than it.
func TestTableIsSafeAndFits(t *testing.T) {
	for _, s := range hostile {
		for _, width := range []int{0, 60, 80, 120} {
			for _, many := range []bool{false, true} {
				var b strings.Builder
				table := Table{Width: width, Files: names, Many: many}
				summary := Summary{Packets: 5, Bytes: 1e6, First: 1e18, Last: 1e18 + 1e9, Hosts: 1, ECH: 1, Resolvers: 1, Midstream: 2, Unread: 3, Malformed: 4}
				if err := table.Write(&b, &summary, []*alert.Alert{sample(s, false), sample(s, true)}); err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(b.String()) {
					line = strings.TrimSuffix(line, "\n")
					for _, c := range []byte(line) {
						if c < ' ' || c > '~' {
							t.Fatalf("%q: byte %#x in %q", s, c, line)
						}
					}
					if width > 0 && len(line) > width && strings.Contains(strings.TrimSpace(line), " ") && len(s) < 200 {
						t.Errorf("%d columns of %d: %q", len(line), width, line)
					}
				}
			}
		}
	}
}

// Every alert is one line of JSON whose texts are those of the alert.
func TestEVEIsOneLine(t *testing.T) {
	w := NewEVE(names)
	for _, s := range hostile {
		for _, inbound := range []bool{false, true} {
			line := string(w.Line(sample(s, inbound)))
			if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") || !utf8.ValidString(line) {
				t.Fatalf("%q: %q", s, line)
			}
			var v struct {
				Flow struct {
					Up   uint64 `json:"bytes_toserver"`
					Down uint64 `json:"bytes_toclient"`
				}
				Alert struct {
					Severity int
					Metadata struct {
						Evidence []string `json:"rmm_evidence"`
						Tenant   []string `json:"rmm_tenant"`
					}
				}
			}
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			want := printable.Text([]byte(s))
			if m := v.Alert.Metadata; len(m.Evidence) != 1 || !strings.HasSuffix(m.Evidence[0], " value="+want) || m.Tenant[0] != want || v.Alert.Severity != 1 {
				t.Errorf("%q: %+v", s, v)
			}
			if up := uint64(10); inbound != (v.Flow.Up != up) {
				t.Errorf("inbound %v: %+v", inbound, v.Flow)
			}
		}
	}
}

// A tool's number is its own.
func TestSignatureIDs(t *testing.T) {
	rs, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]string{}
	for _, tool := range rs.Tools() {
		id := SignatureID(tool.ID)
		if id < 9_100_000 || id > 9_899_999 || seen[id] != "" {
			t.Errorf("%s has %d, as has %q", tool.ID, id, seen[id])
		}
		seen[id] = tool.ID
	}
}
