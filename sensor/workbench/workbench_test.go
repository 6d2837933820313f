package workbench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/workbench"
)

func load(t *testing.T, files map[string]string) *detect.Ruleset {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	rs, err := detect.LoadFS("mem", fsys)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

const first = `tool: acme
name: Acme
class: rmm
advisories: [AA23-025A]
indicators:
  - {id: relay, role: relay, confidence: low, domain: [a.acme.example.com, b.acme.example.com], note: old}
  - {id: gone, role: control, confidence: high, tls: {alpn: [acme]}}
tests:
  match:
    - {name: a.acme.example.com, indicator: relay}
    - {tls: {alpn: acme}, indicator: gone}
  no_match: [{name: other.example}]
`

const second = `tool: acme
name: Acme Remote
class: rmm
advisories: [AA23-025A, AA25-163A]
indicators:
  - {id: relay, role: relay, confidence: high, domain: [b.acme.example.com, c.acme.example.com]}
  - {id: new, role: control, confidence: high, payload: {proto: tcp, from: client, hex: "01020304"}}
tests:
  match:
    - {name: c.acme.example.com, indicator: relay}
    - {payload: {proto: tcp, from: client, hex: "01020304"}, indicator: new}
  no_match: [{name: other.example}]
`

const other = `tool: other
name: Other
class: rmm
indicators: [{id: relay, role: relay, confidence: high, domain: [other.example.com]}]
tests: {match: [{name: other.example.com, indicator: relay}], no_match: [{name: other.example}]}
`

func TestDiff(t *testing.T) {
	old, new := load(t, map[string]string{"a.yaml": first}), load(t, map[string]string{"a.yaml": second, "o.yaml": other})
	want := []string{
		"changed acme: name: Acme -> Acme Remote; advisories: + AA25-163A",
		"removed acme gone: role: control; confidence: high; tls.alpn: acme",
		"added acme new: role: control; confidence: high; payload: {proto:tcp,from:client,hex:01020304}",
		"changed acme relay: confidence: low -> high; domain: - a.acme.example.com; domain: + c.acme.example.com; note: old ->",
		"added other: Other, 1 indicators",
	}
	if got := lines(workbench.Diff(old, new)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := workbench.Diff(new, new); got != nil {
		t.Errorf("a set differs from itself: %v", got)
	}
	// Back again it is the same with the signs turned.
	turned := strings.NewReplacer("added", "removed", "removed", "added")
	for i, c := range workbench.Diff(new, old) {
		if op, _, _ := strings.Cut(want[i], " "); c.Op != turned.Replace(op) {
			t.Errorf("back: %+v", c)
		}
	}
}

func lines(changes []workbench.Change) (out []string) {
	for _, c := range changes {
		name := c.Tool
		if c.Indicator != "" {
			name += " " + c.Indicator
		}
		out = append(out, c.Op+" "+name+": "+strings.Join(c.Fields, "; "))
	}
	return out
}

const capture = "../../pcaps/screenconnect-synthetic.pcap"

// Rules that lack an indicator lose what it found, and say so.
func TestDiffAlerts(t *testing.T) {
	data, err := os.ReadFile("../../rules/tools/screenconnect.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full := load(t, map[string]string{"s.yaml": string(data)})
	weak := load(t, map[string]string{"o.yaml": other})
	renamed := load(t, map[string]string{"s.yaml": strings.ReplaceAll(string(data), "checkin", "handshake")})
	gained, err := workbench.DiffAlerts(t.Context(), weak, full, []string{capture}, nil)
	if err != nil || len(gained) != 1 || gained[0].Op != "gained" || gained[0].Host != "10.1.2.3" || gained[0].Tool != "screenconnect" {
		t.Errorf("%+v, %v", gained, err)
	}
	lost, err := workbench.DiffAlerts(t.Context(), full, weak, []string{capture}, nil)
	if err != nil || len(lost) != 1 || lost[0].Op != "lost" {
		t.Errorf("%+v, %v", lost, err)
	}
	changed, err := workbench.DiffAlerts(t.Context(), full, renamed, []string{capture}, nil)
	if err != nil || len(changed) != 1 || !slices.Equal(changed[0].Fields, []string{"indicators: - checkin", "indicators: + handshake"}) {
		t.Errorf("%+v, %v", changed, err)
	}
	if none, err := workbench.DiffAlerts(t.Context(), full, full, []string{capture}, nil); err != nil || none != nil {
		t.Errorf("%+v, %v", none, err)
	}
	if _, err := workbench.DiffAlerts(t.Context(), full, full, []string{"no-such.pcap"}, nil); err == nil {
		t.Error("a capture that is not there was replayed")
	}
}

// Cases hold or say what differs, where they say it.
func TestCases(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("../../rules/tools/screenconnect.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path, _ := filepath.Abs(capture)
	quiet, _ := filepath.Abs("../../pcaps/benign-synthetic.pcap")
	write(t, dir, "sc.yaml", string(data))
	write(t, dir, "sc_test.yaml", fmt.Sprintf(`cases:
  - capture: %[1]s
    alerts: [{host: 10.1.2.3, kind: unsanctioned-tool, confidence: high, tenant: a1b2c3, indicators: [relay, checkin]}]
  - {capture: %[2]s, alerts: []}
  - capture: %[1]s
    alerts:
      - {host: 10.1.2.4}
      - {host: 10.1.2.3}
  - {capture: %[1]s, alerts: []}
  - {capture: %[1]s, alerts: [{indicators: [installer]}]}
  - {capture: gone.pcap, alerts: []}
`, path, quiet))
	rs, err := detect.LoadPath(dir)
	if err != nil {
		t.Fatal(err) // the cases are no rules
	}
	cases, err := detect.LoadCases(rs, dir)
	if err != nil || len(cases) != 6 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	if one, err := detect.LoadCases(rs, filepath.Join(dir, "sc.yaml")); err != nil || len(one) != 6 {
		t.Errorf("by the rule file: %d cases, %v", len(one), err)
	}
	want := [][]string{nil, nil, {"7 no such alert"}, {"9 raises an alert"}, {"10 no such alert", "10 raises an alert"}, {"11 replay: "}}
	for i, c := range cases {
		got := workbench.RunCase(t.Context(), rs, c)
		if len(got) != len(want[i]) {
			t.Errorf("case %d: %v", i, got)
			continue
		}
		for j, e := range got {
			line, text, _ := strings.Cut(want[i][j], " ")
			if fmt.Sprint(e.Line) != line || !strings.Contains(e.Msg, text) {
				t.Errorf("case %d: %v", i, e)
			}
		}
	}
}

func TestCaseMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"cases: [{capture: x.pcap}]":                                      `sc_test.yaml:1:9: a case has no "alerts"`,
		"cases: [{capture: x.pcap, alerts: [{indicators: [realy]}]}]":     `did you mean "relay"?`,
		"cases: [{capture: x.pcap, alerts: [{hosts: 10.1.2.3}]}]":         `did you mean "host"?`,
		"cases: [{capture: x.pcap, alerts: [{confidence: sure}]}]":        `expected one of low, medium, high`,
		"- {capture: x.pcap}":                                             `expected keys and values`,
		"cases: [{capture: x.pcap, alerts: [{host: desk.corp.example}]}]": `bad address`,
	} {
		dir := t.TempDir()
		write(t, dir, "sc.yaml", first)
		write(t, dir, "sc_test.yaml", text)
		rs, err := detect.LoadPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := detect.LoadCases(rs, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	dir := t.TempDir()
	write(t, dir, "sc.yaml", first)
	write(t, dir, "another_test.yaml", "cases: []")
	rs, err := detect.LoadPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := detect.LoadCases(rs, dir); err == nil || !strings.Contains(err.Error(), `there is no rule file "another.yaml" beside it`) {
		t.Errorf("%v", err)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The capture cases beside our own rules hold with the whole set.
func TestOurCases(t *testing.T) {
	const dir = "../../rules/tools"
	rs, err := detect.LoadPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := detect.LoadCases(rs, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 5 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		for _, e := range workbench.RunCase(t.Context(), rs, c) {
			t.Error(e)
		}
	}
	if embedded, err := detect.LoadFS("embedded", rules.FS); err != nil || embedded.Version() != rs.Version() {
		t.Errorf("cases changed the embedded set: %v", err)
	}
}
