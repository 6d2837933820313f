package rules_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// protocolRow is a line of the table of docs/protocols.md.
type protocolRow = []string // tool/indicator

var (
	rowRE  = regexp.MustCompile(`(?m)^\| ([0-9]+) \|[^|]*\|([^|]*)\|([^|]*)\|$`)
	spanRE = regexp.MustCompile("`([^`]*)`")
	noteRE = regexp.MustCompile(`(?m)^\| ([0-9]+) \|`)
)

// protocolRows reads the table, by number.
func protocolRows(t *testing.T) map[string]protocolRow {
	t.Helper()
	doc, err := os.ReadFile("../docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]protocolRow)
	known := 0
	for _, m := range rowRE.FindAllStringSubmatch(string(doc), -1) {
		if _, twice := rows[m[1]]; twice {
			t.Errorf("row %s twice", m[1])
		}
		rows[m[1]] = protocolRow{}
		for _, span := range spanRE.FindAllStringSubmatch(m[2], -1) {
			rows[m[1]] = append(rows[m[1]], span[1])
		}
		says := strings.HasPrefix(strings.TrimSpace(m[3]), "no: ")
		if says == (len(rows[m[1]]) > 0) {
			t.Errorf("row %s must name indicators, or say why not", m[1])
		}
		if !says {
			known++
		}
	}
	if want := strconv.Itoa(known) + " of the " + strconv.Itoa(len(rows)) + " are known"; known < 50 || !strings.Contains(string(doc), want) {
		t.Errorf("the page does not say that %s", want)
	}
	return rows
}

// The table has every protocol that was studied; what it names is in the rules
// and looks at more than names and ports.
func TestProtocols(t *testing.T) {
	rows := protocolRows(t)
	set, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	const plain = detect.CondDomain | detect.CondPort
	for number, row := range rows {
		telling := len(row) == 0
		for _, name := range row {
			tool, id, _ := strings.Cut(name, "/")
			var in *detect.Indicator
			if found := set.Tool(tool); found != nil {
				if i := slices.IndexFunc(found.Indicators, func(in *detect.Indicator) bool { return in.ID == id }); i >= 0 {
					in = found.Indicators[i]
				}
			}
			if in == nil {
				t.Errorf("row %s: there is no %s", number, name)
				continue
			}
			telling = telling || in.Need&^plain != 0
		}
		if !telling {
			t.Errorf("row %s has only names and ports", number)
		}
	}
	notes, err := os.ReadFile(filepath.Join(testshared.Dir(t, "facts"), "protocol-notes.md"))
	if err != nil {
		t.Fatal(err)
	}
	studied := noteRE.FindAllSubmatch(notes, -1)
	if len(studied) != len(rows) {
		t.Errorf("%d protocols were studied, the table has %d", len(studied), len(rows))
	}
	for _, m := range studied {
		if _, ok := rows[string(m[1])]; !ok {
			t.Errorf("row %s is not in the table", m[1])
		}
	}
}

// vectorRows are the rows that the collected first bytes belong to.
var vectorRows = map[string][]string{
	"radmin": {"15", "16"}, "nomachine": {"37"}, "nomachine-udp": {"37"}, "citrix-ica": {"38"}, "teamviewer-tcp": {"3"},
	"teamviewer-udp": {"5"}, "rdp": {"12"}, "rdp-cookie": {"12"}, "rdp-udp": {"13"}, "tailscale-disco": {"43"}, "vnc": {"8"},
	"anydesk-clienthello-alpn": {"1"}, "anydesk-clienthello-direct": {"1"}, "iodine": {"59"}, "wireguard-data": {"42"},
	"rustdesk-register-peer": {"19"}, "rustdesk-lan-ping": {"21"}, "screenconnect-checkin": {"7"}, "teamviewer-keepalive": {"4"},
}

// unhit are vectors that no payload shows, by name or by the source's end.
var unhit = map[string]string{
	"anydesk-clienthello-alpn":   "TLS, of which only a part was collected; TestLabels sees the whole",
	"anydesk-clienthello-direct": "TLS, as above",
	"teamviewer.pcap frame 9":    "the encrypted rest of the message of frame 8",
}

// alsoHit are indicators of other rows that a vector hits, with the reason.
var alsoHit = map[string]map[string]string{
	"teamviewer-keepalive": {
		"teamviewer/frame": "a keep-alive is a frame", "teamviewer/frames": "a keep-alive is a frame",
	},
}

type vector struct {
	Name, Proto, Direction, Source string
	Port                           uint16 `json:"dst_port"`
	SrcPort                        uint16 `json:"src_port"`
	Length                         int
	Prefix                         string `json:"payload_prefix_hex"`
}

// Every collected beginning hits an indicator of its row, at least as one of
// several conditions, and none of another row.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(testshared.Dir(t, "facts"), "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	set, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	rows := protocolRows(t)
	if len(vectors) < 40 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		if unhit[v.Name] != "" {
			continue
		}
		var own []string
		for _, number := range vectorRows[v.Name] {
			own = append(own, rows[number]...)
		}
		if own == nil {
			t.Errorf("no row for %s", v.Name)
		}
		hits := v.hits(t, set)
		for _, name := range hits {
			if !slices.Contains(own, name) && alsoHit[v.Name][name] == "" {
				t.Errorf("%s (%s) hits %s", v.Name, v.Source, name)
			}
		}
		mine := slices.ContainsFunc(hits, func(name string) bool { return slices.Contains(own, name) })
		if _, excused := unhit[filepath.Base(v.Source)]; mine == excused {
			t.Errorf("%s (%s): hits %v", v.Name, v.Source, hits)
		}
	}
}

// hits are the indicators that the vector meets a condition of.
func (v *vector) hits(t *testing.T, set *detect.Ruleset) (names []string) {
	head, err := hex.DecodeString(v.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	f := detect.Fields{Kind: detect.KindPayload, Proto: 6, ServerPort: v.Port}
	sides := map[string][]magic.Side{"client": {magic.FromClient}, "server": {magic.FromServer}, "both": {magic.FromClient, magic.FromServer}}[v.Direction]
	if v.Direction == "server" {
		f.ServerPort = v.SrcPort
	}
	if v.Proto == "udp" {
		f.Proto = 17
	} else { // a stream has no size but what was sent
		head = append(head, make([]byte, v.Length-len(head))...)
	}
	for _, side := range sides {
		f.Payload, _ = set.Magic().Match(&magic.Message{Proto: f.Proto, From: side, Head: head, Size: uint32(v.Length)}, nil)
		for _, h := range set.Match(&f, nil) {
			names = append(names, h.Indicator.Tool.ID+"/"+h.Indicator.ID)
		}
	}
	return names
}
