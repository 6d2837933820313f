package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/ledger"
)

// march is a time in the ledgers of these tests.
func march(d, hour int) int64 {
	return time.Date(2026, 3, d, hour, 0, 0, 0, time.UTC).UnixNano()
}

// remembered is a state folder with a ledger of uses.
func remembered(t *testing.T, uses ...ledger.Use) string {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(ledger.Path(dir), ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uses {
		u.Last = max(u.Last, u.First)
		l.Observe(u)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func at(addr string) ledger.Host { return ledger.Host{Addr: netip.MustParseAddr(addr)} }

// called runs the program, and returns its status and what it wrote.
func called(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
	status = a.run(context.Background(), args)
	return status, out.String(), errs.String()
}

// someUses are of two hosts, of which one is in two networks.
func someUses() []ledger.Use {
	inside := at("10.1.2.3")
	inside.VLAN, inside.Tunnel, inside.TunnelID = 20, "vxlan", 5000
	uses := []ledger.Use{
		{Host: at("10.1.2.3"), Tool: "anydesk", Class: "remote-desktop", Verdict: "sanctioned", First: march(1, 8), Last: march(3, 9), Up: 1_234_567, Down: 999},
		{Host: at("10.1.2.3"), Tool: "anydesk", Class: "remote-desktop", Verdict: "unsanctioned", First: march(4, 8)},
		{Host: inside, Tool: "screenconnect", Class: "remote-desktop", Tenant: "a1b2c3", Verdict: "foreign-tenant", First: march(9, 8)},
		{Host: at("2001:db8::7"), Tool: "ngrok", Class: "tunnel", First: march(2, 8)},
	}
	for n := range 20 {
		uses = append(uses, ledger.Use{Host: at("10.1.2.3"), Tool: "anydesk", Class: "remote-desktop", Relay: fmt.Sprintf("relay-%02d.net.anydesk.com", n), First: march(1, 8)})
	}
	return uses
}

const hostsWanted = `HOST                        TOOL           VERDICT                   FIRST             LAST              DAYS  UP      DOWN   WITH
10.1.2.3                    anydesk        unsanctioned, sanctioned  2026-03-01 08:00  2026-03-04 08:00  4     1.2 MB  999 B  relay-04.net.anydesk.com and 19 more
10.1.2.3 vlan 20 vxlan 5000  screenconnect  foreign-tenant            2026-03-09 08:00  2026-03-09 08:00  1     0 B     0 B    a1b2c3
2001:db8::7                 ngrok          -                         2026-03-02 08:00  2026-03-02 08:00  1     0 B     0 B    -
`

func TestHostsTable(t *testing.T) {
	dir := remembered(t, someUses()...)
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte("state: "+dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"hosts", "--state", dir}, {"hosts", "--config", config}} {
		if status, out, errs := called(args...); status != exitOK || squeeze(out) != squeeze(hostsWanted) || errs != "" {
			t.Errorf("%q: %d\n%s%s", args, status, out, errs)
		}
	}
}

// squeeze makes one blank of many.
func squeeze(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(out, "\n")
}

func TestHostsFilters(t *testing.T) {
	dir := remembered(t, someUses()...)
	for args, want := range map[string]string{
		"":                                   "anydesk screenconnect ngrok",
		"--tool anydesk --tool ngrok":        "anydesk ngrok",
		"--tool AnyDesk":                     "",
		"--host 10.1.2.3":                    "anydesk screenconnect",
		"--host ::ffff:10.1.2.3":             "anydesk screenconnect",
		"--host 10.0.0.0/8":                  "anydesk screenconnect",
		"--host 2001:db8::/32":               "ngrok",
		"--host 10.1.2.4 --host 2001:db8::7": "ngrok",
		"--verdict foreign-tenant":           "screenconnect",
		"--verdict sanctioned":               "anydesk", // was, and is not the latest
		"--verdict sanctioned --since 2026-03-04T00:00:00Z": "", // not since
		"--since 2026-03-04":                     "anydesk screenconnect",
		"--since 2026-03-04T10:00:00+01:00":      "screenconnect",
		"--since 1h":                             "",
		"--since 30000d":                         "anydesk screenconnect ngrok",
		"--host 10.0.0.0/8 --verdict sanctioned": "anydesk",
	} {
		status, out, errs := called(append([]string{"hosts", "--format", "json", "--state", dir}, strings.Fields(args)...)...)
		var list []hostJSON
		if err := json.Unmarshal([]byte(out), &list); status != exitOK || err != nil || errs != "" {
			t.Errorf("%s: %d %v %s", args, status, err, errs)
		}
		var tools []string
		for _, h := range list {
			tools = append(tools, h.Tool)
		}
		if got := strings.Join(tools, " "); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}

func TestHostsRefuses(t *testing.T) {
	dir := remembered(t)
	empty := t.TempDir()
	config := filepath.Join(empty, "c.yaml")
	if err := os.WriteFile(config, []byte("home: [10.0.0.0/8]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"hosts":                                       "needs --config FILE or --state DIR",
		"hosts --state x --config y":                  "name two ledgers",
		"hosts --config " + config:                    "has no `state`",
		"hosts --state " + dir + " --format yaml":     "use table, json or csv",
		"hosts --state " + dir + " --host 10.1":       "neither an address nor a network",
		"hosts --state " + dir + " --since yesterday": "neither a date",
		"hosts --state " + dir + " x":                 "takes no arguments",
	} {
		if status, out, errs := called(strings.Fields(args)...); status != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: %d %q %q", args, status, out, errs)
		}
	}
	for state, want := range map[string]string{empty: "nothing has run with this state folder", filepath.Join(empty, "nowhere"): "no such file"} {
		if status, _, errs := called("hosts", "--state", state); status != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: %d %q", state, status, errs)
		}
	}
	if status, out, _ := called("hosts", "--state", dir, "--format", "json"); status != exitOK || out != "[]\n" {
		t.Errorf("%d %q", status, out)
	}
	if list, _ := filepath.Glob(filepath.Join(empty, "*ledger*")); len(list) > 0 {
		t.Errorf("asking made %q", list)
	}
}

// It can be asked while a sensor writes.
func TestHostsBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	l, err := ledger.Open(ledger.Path(dir), ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Observe(ledger.Use{Host: at("10.1.2.3"), Tool: "anydesk", First: march(1, 8)})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := called("hosts", "--state", dir); status != exitOK || !strings.Contains(out, "10.1.2.3") {
		t.Errorf("%d %s %s", status, out, errs)
	}
}

// What a name holds does nothing to a terminal, a spreadsheet or a script.
func TestHostsHostile(t *testing.T) {
	hostile := []string{"\x1b[31m", "=cmd|'/c calc'!A1", "+1;=2", "@x", "-1", "a,\"b\"", "line\nend", "tab\t=1", "\u202e", "a b;=1+1"}
	var uses []ledger.Use
	for _, h := range hostile {
		uses = append(uses, ledger.Use{Host: at("10.1.2.3"), Tool: "anydesk", Class: "rmm", Tenant: h, Relay: h, Verdict: h, First: march(1, 8)})
	}
	dir := remembered(t, uses...)
	for _, form := range []string{"table", "json", "csv"} {
		_, out, _ := called("hosts", "--state", dir, "--format", form)
		for _, c := range []byte(out) {
			if c != '\n' && (c < ' ' || c > '~') {
				t.Fatalf("%s has byte %#x:\n%s", form, c, out)
			}
		}
	}
	_, out, _ := called("hosts", "--state", dir, "--format", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, separator := range ",;| \t" {
		for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
			for _, cell := range strings.Split(line, string(separator)) {
				if cell = strings.Trim(cell, `" `); cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
					t.Errorf("separated by %q there is a cell %q", separator, cell)
				}
			}
		}
	}
}
