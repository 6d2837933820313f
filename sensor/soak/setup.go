package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// line is the template of what the sensor prints itself: one telling a line.
const line = "{{.MessageID}} {{.ID}} {{.State}}\n"

// configure writes what a run of the sensor needs into dir. idle is short, that
// alerts come and go; the flow table small, that it is full within the warm-up.
func configure(dir, shunt, webhook, syslog string) error {
	for _, sub := range []string{"rules", "state", "alerts"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	config := fmt.Sprintf(`sensor: soak
rules: [embedded, rules]
alerts: {idle: 5s}
memory: {flows: 10000, heads: 512, fragments: 64}
capture: {ring_mib: 64, workers: 2, shunt: %q}
http: %s
state: state
outputs:
  - webhook: {url: "http://%s/"}
  - syslog: {address: "tcp://%s"}
  - file: {path: alerts/eve.json, rotate_mib: 1, compress: gzip}
`, shunt, metricsAt, webhook, syslog)
	if err := os.WriteFile(filepath.Join(dir, "rmmwatch.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "line.tmpl"), []byte(line), 0o600); err != nil {
		return err
	}
	return goodRule(dir, 0)
}

// goodRule writes the n-th version of a rule.
func goodRule(dir string, n int) error {
	return os.WriteFile(filepath.Join(dir, "rules", "soak.yaml"), fmt.Appendf(nil, `tool: soak
name: Soak
vendor: Soak
class: remote-desktop
guidance: Made by the soak test.
plain: Made by the soak test.
indicators:
  - {id: relay, role: relay, confidence: high, domain: ["relay-%[1]d.soak.example"], source: ["soak"]}
tests:
  match:
    - {name: relay-%[1]d.soak.example, indicator: relay}
  no_match:
    - {name: relay-%[1]d.soak.example.evil.example}
`, n), 0o600)
}

// badRule writes a rule file that must be refused, of one kind or another;
// mendRule takes it away.
func badRule(dir string, n int) error {
	bad := []string{
		"tool: [broken\n",
		"tool: bad\nname: Bad\nvendor: Bad\nclass: remote-desktop\nindicators: []\n",
		"tool: anydesk\nname: Twice\n",
	}
	return os.WriteFile(filepath.Join(dir, "rules", "bad.yaml"), []byte(bad[n%len(bad)]), 0o600)
}

func mendRule(dir string) error { return os.Remove(filepath.Join(dir, "rules", "bad.yaml")) }
