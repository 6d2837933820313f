package suricata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
)

// configuration is what Suricata needs to read captures: everything that rules
// look at switched on, and streams also from their middle.
const configuration = `%%YAML 1.1
---
classification-file: %[1]s/classification.config
reference-config-file: %[1]s/reference.config
threshold-file: %[2]s/threshold.config
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [alert: {metadata: yes}]}
app-layer:
  protocols:
    dns: {tcp: {enabled: yes}, udp: {enabled: yes}}
    tls: {enabled: yes, ja3-fingerprints: yes, ja4-fingerprints: yes}
    http: {enabled: yes}
    quic: {enabled: yes}
stream: {midstream: true, async-oneside: true, checksum-validation: no}
`

// suricata is Debian's Suricata with our rules, see .ci/suricata.
type suricata struct{ binary, config, rules string }

func real(t *testing.T) *suricata {
	t.Helper()
	binary, etc := os.Getenv("SURICATA"), os.Getenv("SURICATA_ETC")
	if binary == "" || etc == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(`SURICATA is not set: eval "$(.ci/suricata)"`)
		}
		t.Skip(`Suricata itself is the judge: eval "$(.ci/suricata)"`)
	}
	dir := t.TempDir()
	s := &suricata{binary, filepath.Join(dir, "suricata.yaml"), filepath.Join(dir, "rmmwatch.rules")}
	files, err := Export(exporttest.New(t, exporttest.Rules(t)))
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{s.config: fmt.Appendf(nil, configuration, etc, dir), s.rules: files[0].Data, filepath.Join(dir, "threshold.config"): nil} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// event is what an alert of Suricata says of ours.
type event struct {
	Type    string `json:"event_type"`
	Src     string `json:"src_ip"`
	Dest    string `json:"dest_ip"`
	Capture string `json:"pcap_filename"`
	Alert   struct {
		Metadata struct {
			Tool      []string `json:"rmm_tool"`
			Indicator []string `json:"rmm_indicator"`
		}
	}
}

// replay is the alerts on a capture.
func (s *suricata) replay(t *testing.T, capture string) (out []event) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(s.binary, "-c", s.config, "-S", s.rules, "-r", capture, "-l", dir, "-k", "none", "--runmode", "single")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "alert" && e.Alert.Metadata.Tool != nil {
			out = append(out, e)
		}
	}
	return out
}

// client is the address of the two that stands for a flow.
func (e *event) client() string {
	if strings.HasPrefix(e.Src, "10.") {
		return e.Src
	}
	return e.Dest
}

func TestRealLoad(t *testing.T) {
	s := real(t)
	s.load(t)
	files, err := Export(exporttest.Hostile(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.rules, files[0].Data, 0o644); err != nil {
		t.Fatal(err)
	}
	s.load(t)
}

// load has Suricata read the rules.
func (s *suricata) load(t *testing.T) {
	t.Helper()
	out, err := exec.Command(s.binary, "-T", "-c", s.config, "-S", s.rules, "-l", t.TempDir()).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("rror")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Every name is asked for in DNS.
func TestRealNames(t *testing.T) {
	s := real(t)
	names := exporttest.Names(t)
	var w captureWriter
	at := make(map[string]string)
	for i, name := range names {
		if w.question(i, name) {
			at[name] = clientOf(i)
		}
	}
	found := make(map[string][]string)
	for _, e := range s.replay(t, w.file(t)) {
		found[e.client()] = append(found[e.client()], e.Alert.Metadata.Tool[0])
	}
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	if _, err := Export(e); err != nil {
		t.Fatal(err)
	}
	exporttest.Judge(t, rs, e, func(name string) []string {
		if at[name] == "" { // a name that no question can hold
			return exporttest.Tools(exporttest.Hits(rs, name))
		}
		return found[at[name]]
	})
}

// The requests and payloads of the rules' own tests, and their names as hosts
// of a request.
func TestRealFlows(t *testing.T) {
	s := real(t)
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	if _, err := Export(e); err != nil {
		t.Fatal(err)
	}
	said := exporttest.Said(e)
	flows := exporttest.Flows(t)
	var w captureWriter
	sent := make([]bool, len(flows))
	for i, f := range flows {
		sent[i] = w.flow(i, f)
	}
	found := make(map[string][]string)
	for _, ev := range s.replay(t, w.file(t)) {
		m := ev.Alert.Metadata
		found[ev.client()] = append(found[ev.client()], m.Tool[0]+"/"+m.Indicator[0])
	}
	hits, misses := 0, 0
	for i, f := range flows {
		if !sent[i] {
			continue
		}
		theirs := found[clientOf(i)]
		id := f.Tool + "/" + f.Indicator
		switch {
		case f.Match && said[id]:
			hits++
			if !slices.Contains(theirs, id) {
				t.Errorf("%+v: no alert of %s, only %v", f, id, theirs)
			}
		case !f.Match && f.Indicator == "":
			misses++
			for _, h := range theirs {
				if strings.HasPrefix(h, f.Tool+"/") {
					t.Errorf("%+v: %s alerts", f, h)
				}
			}
		}
	}
	if hits < 200 || misses < 200 {
		t.Errorf("%d flows that match and %d that do not: this judges too little", hits, misses)
	}
	t.Logf("%d flows must match, %d must not", hits, misses)
}

// apart are the captures of which Suricata says something else than we do.
var apart = map[string]string{
	"anydesk-erspan3-synthetic.pcap":     "no ERSPAN III",
	"anydesk-ipip-synthetic.pcap":        "no UDP inside IP in IP over this link",
	"anydesk-server-only-synthetic.pcap": "no TLS by the server's side alone",
	"clienthello-records-synthetic.pcap": "no ClientHello in many records",
	"proxy-socks5-synthetic.pcap":        "no SOCKS",
	"openssh.pcap":                       "a low confidence alone is no alert of ours",
}

// unreadable are the captures whose link type Suricata refuses: 802.11, SLL2.
var unreadable = []string{"anydesk-radiotap-synthetic.pcap", "anydesk-sll2-synthetic.pcap"}

// Our own captures: the same tools as our alerts.
func TestRealCaptures(t *testing.T) {
	s := real(t)
	captures, err := filepath.Glob("../../../pcaps/*.pcap")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, path := range captures {
		golden, err := os.ReadFile(path + ".eve.json")
		if err != nil || slices.Contains(unreadable, filepath.Base(path)) {
			continue
		}
		var ours, theirs []string
		for line := range bytes.Lines(golden) {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			if e.Alert.Metadata.Tool != nil && !bytes.Contains(line, []byte("lookalike-domain")) {
				ours = append(ours, e.Alert.Metadata.Tool[0])
			}
		}
		for _, e := range s.replay(t, path) {
			theirs = append(theirs, e.Alert.Metadata.Tool[0])
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		ours, theirs = slices.Compact(ours), slices.Compact(theirs)
		seen += len(theirs)
		name := filepath.Base(path)
		if apart[name] != "" {
			if slices.Equal(ours, theirs) {
				t.Errorf("%s: Suricata sees %v, as we do: take it from the list", name, theirs)
			}
			continue
		}
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s: Suricata finds %v, we find %v", name, theirs, ours)
		}
	}
	if seen < 60 {
		t.Errorf("only %d tools in all captures", seen)
	}
}
