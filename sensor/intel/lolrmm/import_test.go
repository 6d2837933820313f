package lolrmm

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// catalogue has the shape of the catalogue's files, with what is wrong in them.
var catalogue = map[string]string{
	"anydesk.yaml": `Name: AnyDesk
Category: RMM
Description: remote desktop
Details: {Website: https://anydesk.com/en}
Artifacts:
  Disk: []
  Network:
    - Description: During setup boot.net.anydesk.com is asked for
      Domains:
        - boot.net.anydesk.com
      Ports: [443]
    - Description: N/A
      Domains:
        - relay-[a-f0-9]{8}.net.anydesk.com:443
      Ports: ["7070 (TCP)", 50001-50003/udp]
    - Description: N/A
      Domains: ['*.anydesk.com', anydesk.com, Boot.net.AnyDesk.com]
  Other:
    - {Type: User-Agent, Value: AnyDesk/*}
    - {Type: NamedPipe, Value: adprinterpipe}
`,
	"nezha.yaml": `Name: Nezha
Category: RMM
Description: monitoring
Artifacts:
  Network:
    - Description: Agent channel to the operator's dashboard
      Domains: [user_managed]
      Ports: [5555]
    - Description: Official project hosts
      Domains: [github.com, raw.githubusercontent.com, nezha.wiki]
    - Description: Abuse infrastructure observed in a campaign of threat actors
      Domains: [some-lure.com, c.mid.al]
  Other:
    - {Type: IP, Value: 203.0.113.9}
    - {Type: SHA256, Value: abcd}
`,
	"logmein_rescue.yaml": `Name: LogMeIn rescue
Description: x
Artifacts:
  Network:
    - Description: Known remote domains
      Domains: ['*.logmeinrescue.com', rescue-list.*.logmein-gateway.com, rescue-data-cetner.logmein-gateway.com, '*rescue-data-cetner*']
`,
	"schema.yaml": `Name: By The Schema
Description: the catalogue's JSON Schema says Domain and Port
Artifacts:
  Network:
    - {Description: d, Domain: agent.bytheschema.com, Port: 8443}
    - {Description: empty}
`,
	"putty.yaml":  "Name: PuTTY\nDescription: x\nArtifacts: {Disk: [], Network: null}\n",
	"broken.yaml": "Name: [x\n",
	"bomb.yaml":   "Name: x\na: &a [x, x]\nb: [*a, *a]\n",
}

// Each entry comes to its outcome, by name.
func TestOutcomes(t *testing.T) {
	var entries []intel.Entry
	for _, name := range []string{"anydesk.yaml", "bomb.yaml", "broken.yaml", "logmein_rescue.yaml", "nezha.yaml", "putty.yaml", "schema.yaml"} {
		entries = append(entries, Import(name, []byte(catalogue[name]))...)
	}
	p, err := intel.Build(entries, intel.Options{Format: "lolrmm", Confidence: detect.Medium})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range p.Rows {
		got = append(got, strings.TrimSuffix(fmt.Sprintf("%s:%d %s %s %s", r.File, r.Line, r.Text, r.Outcome, r.Reason), " "))
	}
	want := strings.Split(strings.TrimSpace(`
anydesk.yaml:10 boot.net.anydesk.com merged
anydesk.yaml:11 443 quarantined shared host
anydesk.yaml:14 relay-[a-f0-9]{8}.net.anydesk.com:443 quarantined syntax
anydesk.yaml:15 7070 (TCP) imported
anydesk.yaml:15 50001-50003/udp imported
anydesk.yaml:17 *.anydesk.com imported
anydesk.yaml:17 anydesk.com imported
anydesk.yaml:17 Boot.net.AnyDesk.com merged
anydesk.yaml:19 AnyDesk/* imported
anydesk.yaml:20 adprinterpipe quarantined not observable
bomb.yaml:3 (the whole file) quarantined syntax
broken.yaml:1 (the whole file) quarantined syntax
logmein_rescue.yaml:6 *.logmeinrescue.com imported
logmein_rescue.yaml:6 rescue-list.*.logmein-gateway.com imported
logmein_rescue.yaml:6 rescue-data-cetner.logmein-gateway.com quarantined junk
logmein_rescue.yaml:6 *rescue-data-cetner* quarantined syntax
nezha.yaml:7 user_managed quarantined junk
nezha.yaml:8 5555 imported
nezha.yaml:10 github.com quarantined shared host
nezha.yaml:10 raw.githubusercontent.com quarantined shared host
nezha.yaml:10 nezha.wiki imported
nezha.yaml:12 some-lure.com quarantined attacker
nezha.yaml:12 c.mid.al quarantined attacker
nezha.yaml:14 203.0.113.9 quarantined attacker
nezha.yaml:15 abcd quarantined not observable
putty.yaml:1 PuTTY quarantined not observable
schema.yaml:5 agent.bytheschema.com imported
schema.yaml:5 8443 imported
schema.yaml:6 empty quarantined not observable
`), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for _, f := range p.Files {
		if f.Name != "anydesk.yaml" {
			continue
		}
		for _, s := range []string{"lolrmm: \"anydesk\"", "role: marketing", "[T1219]", "LOLRMM anydesk"} {
			if !strings.Contains(string(f.Data), s) {
				t.Errorf("no %q in\n%s", s, f.Data)
			}
		}
	}
}

// The whole catalogue, as far as it is here: the strings that are known to
// stand in each file, and 319 files of which no one is lost.
func TestCatalogue(t *testing.T) {
	raw, err := os.ReadFile(testshared.Dir(t, "facts/tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts []struct {
		IDs        []string `json:"lolrmm_ids"`
		Indicators struct {
			Domains []struct {
				Pattern string
				Source  []string
			}
		}
	}
	if err := json.Unmarshal(raw, &facts); err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]string)
	for _, f := range facts {
		for _, id := range f.IDs {
			files[id] = append(files[id], []string{}...)
		}
		for _, d := range f.Indicators.Domains {
			for _, s := range d.Source {
				if id, ok := strings.CutPrefix(s, "magicsword-io/LOLRMM:yaml/"); ok && strings.HasSuffix(id, ".yaml") {
					id = strings.TrimSuffix(id, ".yaml")
					files[id] = append(files[id], d.Pattern)
				}
			}
		}
	}
	dir := t.TempDir()
	write := func(id string, domains []string) {
		b, err := json.Marshal(map[string]any{"Name": id, "Description": "d", "Artifacts": map[string]any{"Network": []any{map[string]any{"Description": "Known remote domains", "Domains": domains}}}})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, id+".yaml"), b, 0o600) // JSON is YAML
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for id, domains := range files { // any order: each is a file
		write(id, domains)
	}
	for i := len(files); i < 319; i++ {
		write(fmt.Sprintf("only-on-disk-%d", i), nil)
	}
	entries, skipped, err := intel.Read(dir, []string{".yaml", ".yml"}, Import)
	if err != nil || skipped != 0 {
		t.Fatal(skipped, err)
	}
	p, err := intel.Build(entries, intel.Options{Format: "lolrmm", Confidence: detect.Medium})
	if err != nil {
		t.Fatal(err)
	}
	told := make(map[string]bool)
	for _, r := range p.Rows {
		told[r.File] = true
	}
	if len(told) != 319 || len(p.Rows) != p.Count(intel.Imported)+p.Count(intel.Merged)+p.Count(intel.Quarantined) {
		t.Errorf("%d files are accounted for, %v", len(told), p.Summary())
	}
	if p.Count(intel.Imported) < 300 {
		t.Error(p.Summary())
	}
	t.Log(strings.Join(p.Summary(), "\n"))
}

func FuzzImport(f *testing.F) {
	for _, s := range catalogue {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // the YAML library takes its time
		}
		entries := Import("x.yaml", data)
		p, err := intel.Build(entries, intel.Options{Format: "lolrmm", Confidence: detect.Low})
		if err != nil || len(entries) == 0 || len(p.Rows) != len(entries) {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
	})
}
