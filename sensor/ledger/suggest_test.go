package ledger

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// known are the rules of these tests.
func known(id string) (string, []string, bool) {
	switch id {
	case "screenconnect":
		return "remote-desktop", []string{"screenconnect.com"}, true
	case "anydesk":
		return "remote-desktop", []string{"anydesk.com"}, true
	case "njrat":
		return "rat", nil, true
	}
	return "", nil, false
}

// seenFor is a use of a tool by hosts on days.
func seenFor(l *Ledger, tool, tenant, relay, verdict string, hosts, days int) {
	for h := range hosts {
		for d := range days {
			u := use(h, tool, start+int64(d)*day)
			u.Tenant, u.Relay, u.Verdict = tenant, relay, verdict
			l.Observe(u)
		}
	}
}

func suggest(l *Ledger) (proposed, rest []Proposal) {
	return Suggest(l.Entries(), SuggestConfig{Tool: known, MinDays: 2, MinHosts: 1})
}

func TestSuggest(t *testing.T) {
	l := open(t, t.TempDir()+"/ledger.db", Config{})
	seenFor(l, "screenconnect", "ours", "instance-ours-relay.screenconnect.com", "unsanctioned", 40, 20)
	seenFor(l, "screenconnect", "once", "", "unsanctioned", 1, 1)
	seenFor(l, "screenconnect", "push", "", "unsanctioned", 3, 1)
	seenFor(l, "screenconnect", "", "help.corp.example", "", 3, 5)
	seenFor(l, "screenconnect", "*", "", "", 3, 5)
	seenFor(l, "anydesk", "", "relay-1.net.anydesk.com", "", 2, 9)
	seenFor(l, "njrat", "", "198.51.100.7", "", 50, 50)
	seenFor(l, "retired", "", "", "", 50, 50)
	proposed, rest := suggest(l)
	var got []string
	for _, p := range proposed {
		got = append(got, fmt.Sprintf("%s %s%s %d/%d on %s", p.Tool, p.Tenant, p.Relay, p.Users, p.HostDays, strings.Join(p.Hosts, "+")))
	}
	want := []string{
		"screenconnect ours 40/800 on 10.0.0.0/24",
		"screenconnect help.corp.example 3/15 on 10.0.0.0+10.0.0.1+10.0.0.2",
		"anydesk  2/18 on 10.0.0.0+10.0.0.1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	reasons := map[string]string{}
	for _, p := range rest {
		reasons[p.name()] = p.Reason
	}
	for name, want := range map[string]string{
		"screenconnect tenant once": "seen once", "screenconnect tenant push": "seen on 1 day only", "screenconnect tenant *": "no name that an entry can hold",
		"njrat relay 198.51.100.7": "never sanctioned", "retired": "no rule knows",
	} {
		if !strings.Contains(reasons[name], want) {
			t.Errorf("%s: %q", name, reasons[name])
		}
	}
	if len(rest) != 5 {
		t.Errorf("%v", reasons)
	}
}

func TestSuggestMindsVerdicts(t *testing.T) {
	l := open(t, t.TempDir()+"/ledger.db", Config{})
	seenFor(l, "screenconnect", "ours", "", "sanctioned", 5, 5)
	seenFor(l, "anydesk", "", "evil.example", "foreign-tenant", 5, 5)
	u := use(7, "screenconnect", start) // of a class that the rules have changed since
	u.Class, u.Tenant, u.Last = "rat", "theirs", start+9*day
	l.Observe(u)
	proposed, rest := suggest(l)
	if len(proposed) != 0 || len(rest) != 3 || rest[2].Tenant != "theirs" || !strings.Contains(rest[2].Reason, "never sanctioned") || !strings.Contains(rest[0].Reason+rest[1].Reason, "find out whose") || !strings.Contains(rest[0].Reason+rest[1].Reason, "sanctioned already") {
		t.Errorf("%+v\n%+v", proposed, rest)
	}
	if text := WriteSuggestion(proposed, rest); strings.Contains(text, "sanctioned:\n") {
		t.Errorf("an empty list:\n%s", text)
	}
}

// A tool of nobody's in many networks is nothing to permit to all.
func TestSuggestIsNarrow(t *testing.T) {
	l := open(t, t.TempDir()+"/ledger.db", Config{})
	for h := range 200 {
		for d := range int64(5) {
			u := use(0, "anydesk", start+d*day)
			u.Host.Addr = netip.AddrFrom4([4]byte{10, byte(h), 0, 1})
			l.Observe(u)
			u.Tool, u.Tenant = "screenconnect", "ours"
			l.Observe(u)
		}
	}
	proposed, rest := suggest(l)
	if len(proposed) != 1 || proposed[0].Tenant != "ours" || len(proposed[0].Hosts) != 0 || len(rest) != 1 || !strings.Contains(rest[0].Reason, "too many networks") {
		t.Errorf("%+v\n%+v", proposed, rest)
	}
}

// A flood of tenants does not make a flood of proposals.
func TestSuggestIsBounded(t *testing.T) {
	l := open(t, t.TempDir()+"/ledger.db", Config{})
	for n := range 100 {
		u := use(n, "screenconnect", start)
		u.Tenant, u.Last = fmt.Sprint("t", n), start+3*day
		l.Observe(u)
	}
	proposed, rest := suggest(l)
	if len(proposed) != maxProposals || len(rest) != 100-maxProposals {
		t.Errorf("%d proposed, %d not", len(proposed), len(rest))
	}
}

// Whatever the names on the wire are, the text is YAML with the keys of an entry
// and the values that were seen, and nothing else.
func FuzzSuggest(f *testing.F) {
	f.Add("ours", "help.corp.example", "vxlan", uint16(20))
	f.Add("a]\n  - tool: \"*\"", "x\x1b[31m\": y", "", uint16(0))
	f.Add("*", "*.example", "gre", uint16(1))
	f.Add("null", "0x7f.0.0.1", "", uint16(0))
	f.Fuzz(func(t *testing.T, tenant, relay, tunnel string, vlan uint16) {
		var entries []Entry
		for h := range 3 {
			e := &Entry{Host: Host{Addr: host(h).Addr, VLAN: vlan, Tunnel: tunnel, TunnelID: 3}.clean(), Tool: "screenconnect"}
			e.Span.add(start, start+5*day)
			e.Tenants.add(text(tenant), start, start+5*day, maxTenants)
			e.Relays.add(text(relay), start, start+5*day, maxRelays)
			e.Verdicts.add(text(relay), start, start, maxVerdicts)
			entries = append(entries, *e)
		}
		out := WriteSuggestion(Suggest(entries, SuggestConfig{Tool: known, MinDays: 2, MinHosts: 1}))
		var doc map[string][]struct {
			Tool, Reason           string
			Tenants, Relays, Hosts []string
			VLANs                  []int
			Tunnels                []string
		}
		if err := yaml.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, e := range doc["sanctioned"] {
			right := e.Tool == "screenconnect" && len(e.Tenants)+len(e.Relays) <= 1 && len(e.Hosts) == 3
			for _, v := range append(e.Tenants, e.Relays...) {
				right = right && (v == tenant || v == relay) && !strings.Contains(v, "*")
			}
			if !right {
				t.Fatalf("%+v\n%s", e, out)
			}
		}
		if len(doc) > 1 || len(doc) == 1 && doc["sanctioned"] == nil {
			t.Fatalf("%+v\n%s", doc, out)
		}
	})
}
