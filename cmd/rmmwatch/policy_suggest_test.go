package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/ledger"
)

const suggestWanted = `# This is what was seen, not what is right: keep the entries that somebody answers for.
# Where the configuration has sanctioned already, add them to its list.
sanctioned:
  # 3 hosts, 15 host-days, 2026-03-01 to 2026-03-05; judged unsanctioned on 3
  - tool: screenconnect
    tenants: ["a1b2c3"]
    hosts: [10.1.0.1, 10.1.0.2, 10.1.0.3]
    reason: proposed from the ledger, nobody has confirmed it yet
  # 1 host, 3 host-days, 2026-03-01 to 2026-03-03
  - tool: anydesk
    # no name tells whose it is: this permits every customer of the vendor on these hosts
    hosts: ["2001:db8::7"]
    vlans: [20]
    tunnels: [vxlan/5000]
    reason: proposed from the ledger, nobody has confirmed it yet
  # 1 host, 3 host-days, 2026-03-01 to 2026-03-03
  - tool: screenconnect
    relays: ["help.corp.example"]
    hosts: [10.1.0.9]
    reason: proposed from the ledger, nobody has confirmed it yet
# Not proposed:
#   asyncrat relay 198.51.100.7: malware, and tools that only criminals buy, are never sanctioned (1 host, 10 host-days, 2026-03-01 to 2026-03-10; judged never on 1)
#   ngrok: it was seen once (1 host, 1 host-day, 2026-03-02)
`

// What is proposed is a configuration that is taken, and permits what was seen.
func TestPolicySuggest(t *testing.T) {
	var uses []ledger.Use
	for d := 1; d <= 5; d++ {
		for _, h := range []string{"10.1.0.1", "10.1.0.2", "10.1.0.3"} {
			uses = append(uses, ledger.Use{Host: at(h), Tool: "screenconnect", Class: "remote-desktop", Tenant: "a1b2c3",
				Relay: "instance-a1b2c3-relay.screenconnect.com", Verdict: "unsanctioned", First: march(d, 8)})
		}
	}
	other := at("2001:db8::7")
	other.VLAN, other.Tunnel, other.TunnelID = 20, "vxlan", 5000
	uses = append(uses,
		ledger.Use{Host: at("10.1.0.9"), Tool: "screenconnect", Class: "remote-desktop", Relay: "help.corp.example", First: march(1, 8), Last: march(3, 8)},
		ledger.Use{Host: other, Tool: "anydesk", Class: "remote-desktop", Relay: "relay-1.net.anydesk.com", First: march(1, 8), Last: march(3, 8)},
		ledger.Use{Host: at("10.1.0.7"), Tool: "asyncrat", Class: "rat", Relay: "198.51.100.7", Verdict: "never", First: march(1, 8), Last: march(10, 8)},
		ledger.Use{Host: at("10.1.0.7"), Tool: "ngrok", Class: "tunnel", First: march(2, 8)},
	)
	dir := remembered(t, uses...)
	status, out, errs := called("policy", "suggest", "--state", dir)
	if status != exitOK || errs != "" || out != suggestWanted {
		t.Fatalf("%d %s\n%s", status, errs, out)
	}
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte("state: "+dir+"\n"+out), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := called("policy", "check", "--config", config); status != exitOK {
		t.Errorf("policy check: %d\n%s%s", status, out, errs)
	}
	for args, want := range map[string]string{
		"--host 10.1.0.2 --tool screenconnect --tenant a1b2c3":           "sanctioned",
		"--host 10.1.0.2 --tool screenconnect --tenant evil":             "foreign-tenant",
		"--host 10.1.0.9 --tool screenconnect --relay help.corp.example": "sanctioned",
		"--host 10.1.0.4 --tool screenconnect --tenant a1b2c3":           "unsanctioned",
	} {
		status, out, errs := called(append([]string{"policy", "explain", "--config", config, "--format", "json"}, strings.Fields(args)...)...)
		if status != exitOK || !strings.Contains(out, `"verdict": "`+want+`"`) {
			t.Errorf("%s: %d %s%s, want %s", args, status, out, errs, want)
		}
	}
	if status, out, _ := called("policy", "suggest", "--config", config, "--tool", "anydesk", "--min-days", "4"); status != exitOK ||
		!strings.HasPrefix(out, "# Nothing in the ledger is proposed.\n# Not proposed:\n#   anydesk vlan 20 vxlan/5000: it was seen on 3 days only (") {
		t.Errorf("%d\n%s", status, out)
	}
	for args, want := range map[string]string{"--tool nosuch": "no tool of the rules", "--min-days 0": "at least 1", "": "needs --config FILE or --state DIR"} {
		full := append([]string{"policy", "suggest"}, strings.Fields(args)...)
		if args != "" {
			full = append(full, "--state", dir)
		}
		if status, _, errs := called(full...); status != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%q: %d %s", args, status, errs)
		}
	}
}
