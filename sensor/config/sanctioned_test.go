package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

func TestSanctioned(t *testing.T) {
	c, err := Parse("c.yaml", []byte(`
sanctioned:
  - tool: screenconnect
    tenants: [A1B2C3]
    relays: [Help.corp.example, "*.rd.corp.example", 192.0.2.10, 198.51.100.0/24]
    hosts: [10.1.0.0/16, 10.4.7.9]
    vlans: [120]
    tunnels: [vxlan/5000, gre]
    hours: Mon-Fri 07:00-19:00 Europe/Berlin
    until: 2027-03-31
    reason: help desk, CHG-1234
  - {tool: [rdp, ssh]}
`))
	if err != nil {
		t.Fatal(err)
	}
	e, f := c.Sanctioned[0], c.Sanctioned[1]
	const want = "tool screenconnect; tenants a1b2c3; relays help.corp.example, *.rd.corp.example, 192.0.2.10, 198.51.100.0/24; hosts 10.1.0.0/16, 10.4.7.9/32; vlans 120; " +
		"tunnels vxlan/5000, gre; hours Mon-Fri 07:00-19:00 Europe/Berlin; until 2027-03-31"
	if e.String() != want || e.At.String() != "c.yaml:3:5" || e.Tools[0].At.String() != "c.yaml:3:11" || e.Reason != "help desk, CHG-1234" || e.Tunnels[0].Kind != decode.TunnelVXLAN {
		t.Errorf("%s %s", &e, e.At)
	}
	if f.String() != "tool rdp, ssh" || f.Tools[1].At.String() != "c.yaml:12:18" || f.Hours != nil || f.Until != nil {
		t.Errorf("%s %s", &f, f.Tools[1].At)
	}
}

func TestSanctionedMistakes(t *testing.T) {
	for raw, want := range map[string]string{
		"sanctioned: {}":                                     "c.yaml:1:13: want a list",
		"sanctioned: [anydesk]":                              "c.yaml:1:14: an entry of sanctioned must be a mapping",
		"sanctioned: [{hosts: [10.0.0.0/8]}]":                "c.yaml:1:14: an entry of sanctioned names its `tool`",
		"sanctioned: [{tool: []}]":                           "c.yaml:1:21: the list is empty",
		"sanctioned: [{tool: x, host: [10.0.0.0/8]}]":        "c.yaml:1:24: unknown key \"host\" in an entry of sanctioned; known are hosts, hours",
		"sanctioned: [{tool: x, relays: [\"a.example:1\"]}]": "c.yaml:1:33: \"a.example:1\" is no relay",
		"sanctioned: [{tool: x, relays: [10.0.0.1/8]}]":      "did you mean 10.0.0.0/8?",
		"sanctioned: [{tool: x, tunnels: [vxlan/x]}]":        "c.yaml:1:34: \"x\" is no identifier of a tunnel",
		"sanctioned: [{tool: x, tunnels: [5000]}]":           "\"5000\" is no tunnel such as vxlan/5000; known are gre,",
		"sanctioned: [{tool: x, vlans: [0]}]":                "0 is outside 1 to 4094",
		"sanctioned: [{tool: x, hours: always}]":             "c.yaml:1:31: want times and their time zone",
		"sanctioned: [{tool: x, until: 2027-02-30}]":         "c.yaml:1:31: \"2027-02-30\" is no day",
	} {
		_, err := Parse("c.yaml", []byte(raw))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", raw, err, want)
		}
	}
}

// The entries of the policy's page are ones that are taken.
func TestPolicyDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(raw), -1)
	entries := regexp.MustCompile("`(\\{tool: .*?\\})`").FindAllStringSubmatch(string(raw), -1)
	if len(blocks) == 0 || len(entries) < 50 {
		t.Fatalf("%d blocks, %d entries", len(blocks), len(entries))
	}
	for _, b := range blocks {
		if _, err := Parse("doc", []byte(b[1])); err != nil {
			t.Error(err)
		}
	}
	for _, e := range entries {
		if _, err := Parse("doc", []byte("sanctioned: ["+e[1]+"]")); err != nil {
			t.Error(e[1], err)
		}
	}
	for _, key := range []string{"tool", "tenants", "relays", "hosts", "vlans", "tunnels", "hours", "until", "reason"} {
		if !strings.Contains(string(raw), "| `"+key+"` |") {
			t.Errorf("key %s is not in the table", key)
		}
	}
}
