package policy

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// testTools stand for the rules.
var testTools = []*detect.Tool{
	{ID: "screenconnect", Name: "ConnectWise ScreenConnect", Class: "remote-desktop", Owned: []string{"screenconnect.com", "connectwise.com"},
		Indicators: []*detect.Indicator{{Domain: []string{"instance-{tenant}-relay.screenconnect.com"}}}},
	{ID: "anydesk", Name: "AnyDesk", Class: "remote-desktop", Owned: []string{"anydesk.com"}},
	{ID: "ssh", Name: "SSH", Class: "protocol"},
	{ID: "remcos", Name: "Remcos", Class: "rat"},
}

func tool(id string) *detect.Tool {
	for _, t := range testTools {
		if t.ID == id {
			return t
		}
	}
	panic(id)
}

// parseEntry reads the short form of tests: "screenconnect tenants=a,b
// hosts=10.0.0.0/8 hours=Mon-Fri~07:00-19:00~Europe/Berlin until=2027-03-31".
func parseEntry(t testing.TB, line int, s string) Entry {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	e := Entry{At: Position{"c.yaml", line, 5}}
	for i, f := range strings.Fields(s) {
		key, value, _ := strings.Cut(f, "=")
		if i == 0 {
			key, value = "tool", f
		}
		for _, v := range strings.Split(value, ",") {
			switch key {
			case "tool":
				e.Tools = append(e.Tools, ToolRef{v, e.At})
			case "tenants":
				e.Tenants = append(e.Tenants, v)
			case "relays":
				r, err := ParseRelay(v)
				must(err)
				e.Relays = append(e.Relays, r)
			case "hosts":
				e.Hosts = append(e.Hosts, netip.MustParsePrefix(v))
			case "vlans":
				e.VLANs = append(e.VLANs, uint16(len(v))) // vlans=xx is VLAN 2
			case "tunnels":
				tun, err := ParseTunnel(v)
				must(err)
				e.Tunnels = append(e.Tunnels, tun)
			}
		}
		switch key {
		case "hours":
			e.Hours, err = ParseHours(strings.ReplaceAll(value, "~", " "))
		case "until":
			e.Until, err = ParseUntil(strings.ReplaceAll(value, "~", " "))
		}
		must(err)
	}
	return e
}

func compiled(t testing.TB, lines ...string) *Policy {
	t.Helper()
	var entries []Entry
	for i, l := range lines {
		entries = append(entries, parseEntry(t, i+1, l))
	}
	p, err := Compile(entries, testTools)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const monday = "2026-11-23T10:00:00Z" // 11:00 in Berlin

// Contacts of the cases.
var (
	ours     = Contact{Tenant: "ours", Name: "instance-ours-relay.screenconnect.com", Vendor: true}
	theirs   = Contact{Tenant: "theirs", Name: "instance-theirs-relay.screenconnect.com", Vendor: true}
	evil     = Contact{Tenant: "evil", Name: "instance-evil-relay.screenconnect.com", Vendor: true}
	checkSC  = Contact{Name: "check.screenconnect.com"}
	reseller = Contact{Name: "support.247ithelp.com", Vendor: true}
	own      = Contact{Name: "Help.corp.example."}
	foreign  = Contact{Name: "help.evil.example", Addr: netip.MustParseAddr("203.0.113.7")}
	bare     = Contact{Addr: netip.MustParseAddr("203.0.113.7")}
	mapped   = Contact{Addr: netip.MustParseAddr("::ffff:192.0.2.10")}
)

type decideCase struct {
	name     string
	entries  string // one a line
	use      string // tool host [vlan=n] [tunnel=kind/id]
	at       string // monday for ""
	contacts []Contact
	verdict  Verdict
	entry    int // from 1; 0 for none
}

const berlin = "hours=Mon-Fri~07:00-19:00~Europe/Berlin"

// The cases of docs/policy.md, which has each by its name.
var decideCases = []decideCase{
	{"no entries", "", "anydesk 10.1.2.3", "", nil, Unsanctioned, 0},
	{"another tool", "anydesk", "screenconnect 10.1.2.3", "", []Contact{ours}, Unsanctioned, 0},
	{"tool alone", "screenconnect", "screenconnect 10.1.2.3", "", []Contact{evil, bare, foreign}, Sanctioned, 1},
	{"a list of tools", "ssh,screenconnect", "screenconnect 10.1.2.3", "", nil, Sanctioned, 1},
	{"any tool on some hosts", "* hosts=10.9.0.0/16", "anydesk 10.9.1.1", "", nil, Sanctioned, 1},
	{"any tool, other hosts", "* hosts=10.9.0.0/16", "anydesk 10.1.2.3", "", nil, Unsanctioned, 0},
	{"any tool beside an entry of the tool", "* hosts=10.9.0.0/16\nscreenconnect tenants=ours", "screenconnect 10.9.1.1", "", []Contact{evil}, Sanctioned, 1},

	{"class rat", "remcos", "remcos 10.1.2.3", "", nil, Never, 0},
	{"class rat where any tool is", "* hosts=10.0.0.0/8", "remcos 10.1.2.3", "", nil, Never, 0},

	{"our tenant", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{ours}, Sanctioned, 1},
	{"another tenant", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{evil}, ForeignTenant, 1},
	{"tenant in capitals", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{{Tenant: "OURS"}}, Sanctioned, 1},
	{"tenant unknown yet", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", nil, Sanctioned, 1},
	{"a name of the vendor without tenant", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{checkSC, reseller}, Sanctioned, 1},
	{"ours and another", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{ours, evil, checkSC}, ForeignTenant, 1},
	{"ours and a name of the vendor", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{checkSC, ours}, Sanctioned, 1},
	{"two of ours, an entry each", "screenconnect tenants=ours\nscreenconnect tenants=theirs", "screenconnect 10.1.2.3", "", []Contact{theirs, ours}, Sanctioned, 2},

	{"a relay of our own", "screenconnect relays=help.corp.example", "screenconnect 10.1.2.3", "", []Contact{own}, Sanctioned, 1},
	{"a relay below a name", "screenconnect relays=*.corp.example", "screenconnect 10.1.2.3", "", []Contact{own}, Sanctioned, 1},
	{"a wildcard is not the name itself", "screenconnect relays=*.help.corp.example", "screenconnect 10.1.2.3", "", []Contact{own}, ForeignTenant, 1},
	{"a relay of somebody's own", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{foreign}, ForeignTenant, 1},
	{"a relay that is only an address", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{checkSC, bare}, ForeignTenant, 1},
	{"an address that a name explains", "screenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{bare, {Name: "check.screenconnect.com", Addr: bare.Addr}}, Sanctioned, 1},
	{"an address of ours", "screenconnect relays=192.0.2.10", "screenconnect 10.1.2.3", "", []Contact{mapped}, Sanctioned, 1},
	{"a network of ours", "ssh relays=192.0.2.0/28", "ssh 10.1.2.3", "", []Contact{mapped}, Sanctioned, 1},
	{"outside the network", "ssh relays=192.0.2.0/28", "ssh 10.1.2.3", "", []Contact{bare}, ForeignTenant, 1},
	{"tenants and relays: one is enough", "screenconnect tenants=ours relays=help.corp.example", "screenconnect 10.1.2.3", "", []Contact{ours, own}, Sanctioned, 1},
	{"a tenant by its relay's name", "screenconnect relays=instance-ours-relay.screenconnect.com", "screenconnect 10.1.2.3", "", []Contact{ours}, Sanctioned, 1},

	{"hosts", "anydesk hosts=10.1.0.0/16", "anydesk 10.1.2.3", "", nil, Sanctioned, 1},
	{"hosts outside", "anydesk hosts=10.1.0.0/16", "anydesk 10.2.2.3", "", nil, Unsanctioned, 0},
	{"hosts outside, another tenant", "screenconnect tenants=ours hosts=10.1.0.0/16", "screenconnect 10.2.2.3", "", []Contact{evil}, Unsanctioned, 0},
	{"an IPv4-mapped host", "anydesk hosts=10.1.0.0/16", "anydesk ::ffff:10.1.2.3", "", nil, Sanctioned, 1},
	{"IPv4-mapped hosts", "anydesk hosts=::ffff:10.1.0.0/112", "anydesk 10.1.2.3", "", nil, Sanctioned, 1},
	{"an IPv6 host", "anydesk hosts=2001:db8::/32", "anydesk 2001:db8::7", "", nil, Sanctioned, 1},
	{"VLAN and host", "anydesk hosts=10.1.0.0/16 vlans=xx", "anydesk 10.1.2.3 vlan=2", "", nil, Sanctioned, 1},
	{"host, but not VLAN", "anydesk hosts=10.1.0.0/16 vlans=xx", "anydesk 10.1.2.3 vlan=3", "", nil, Unsanctioned, 0},
	{"host without VLAN", "anydesk hosts=10.1.0.0/16 vlans=xx", "anydesk 10.1.2.3", "", nil, Unsanctioned, 0},
	{"VLAN, but not host", "anydesk hosts=10.1.0.0/16 vlans=xx", "anydesk 10.2.2.3 vlan=2", "", nil, Unsanctioned, 0},
	{"tunnel", "anydesk tunnels=vxlan/5000", "anydesk 10.1.2.3 tunnel=vxlan/5000", "", nil, Sanctioned, 1},
	{"tunnel with another identifier", "anydesk tunnels=vxlan/5000", "anydesk 10.1.2.3 tunnel=vxlan/5001", "", nil, Unsanctioned, 0},
	{"tunnel with any identifier", "anydesk tunnels=vxlan", "anydesk 10.1.2.3 tunnel=vxlan/5001", "", nil, Sanctioned, 1},
	{"no tunnel", "anydesk tunnels=vxlan", "anydesk 10.1.2.3", "", nil, Unsanctioned, 0},

	{"within hours", "anydesk " + berlin, "anydesk 10.1.2.3", "", nil, Sanctioned, 1},
	{"outside hours", "anydesk " + berlin, "anydesk 10.1.2.3", "2026-11-23T18:00:00Z", nil, OutsideHours, 1},
	{"outside hours, another tenant", "screenconnect tenants=ours " + berlin, "screenconnect 10.1.2.3", "2026-11-23T18:00:00Z", []Contact{evil}, ForeignTenant, 1},
	{"on the last day", "anydesk until=2026-11-23", "anydesk 10.1.2.3", "2026-11-23T23:59:59Z", nil, Sanctioned, 1},
	{"after the last day", "anydesk until=2026-11-23", "anydesk 10.1.2.3", "2026-11-24T00:00:00Z", nil, ExpiredException, 1},
	{"the last day ends in the zone of the hours", "anydesk until=2026-11-23 hours=00:00-24:00~America/New_York", "anydesk 10.1.2.3", "2026-11-24T04:59:59Z", nil, Sanctioned, 1},
	{"the last day ends in its own zone", "anydesk until=2026-11-23~Asia/Tokyo hours=00:00-24:00~America/New_York", "anydesk 10.1.2.3", "2026-11-23T15:00:00Z", nil, ExpiredException, 1},
	{"ended, and outside hours", "anydesk until=2026-11-20 " + berlin, "anydesk 10.1.2.3", "2026-11-23T18:00:00Z", nil, ExpiredException, 1},
	{"ended, another tenant", "screenconnect tenants=ours until=2026-11-20", "screenconnect 10.1.2.3", "", []Contact{evil}, Unsanctioned, 0},
	{"ended, and a wider entry", "screenconnect hosts=10.1.2.3/32 until=2026-11-20\nscreenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{ours}, Sanctioned, 2},
	{"ended, and a wider entry for others", "screenconnect hosts=10.1.2.3/32 until=2026-11-20\nscreenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{evil}, ForeignTenant, 2},
	{"ended for this tenant, and a wider entry for others", "screenconnect tenants=theirs hosts=10.1.2.3/32 until=2026-11-20\nscreenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{theirs}, ExpiredException, 1},

	{"narrower hosts with hours", "anydesk\nanydesk hosts=10.1.0.0/16 " + berlin, "anydesk 10.1.2.3", "2026-11-23T18:00:00Z", nil, OutsideHours, 2},
	{"narrower hosts without", "anydesk " + berlin + "\nanydesk hosts=10.1.0.0/16", "anydesk 10.1.2.3", "2026-11-23T18:00:00Z", nil, Sanctioned, 2},
	{"narrower hosts with tenants", "screenconnect\nscreenconnect tenants=ours hosts=10.5.0.0/16", "screenconnect 10.5.1.1", "", []Contact{evil}, ForeignTenant, 2},
	{"narrower hosts for another of ours", "screenconnect tenants=ours\nscreenconnect tenants=theirs hosts=10.5.0.0/16", "screenconnect 10.5.1.1", "", []Contact{ours, theirs}, Sanctioned, 1},
	{"a narrower entry that names the tenant", "screenconnect\nscreenconnect tenants=theirs " + berlin, "screenconnect 10.1.2.3", "2026-11-23T18:00:00Z", []Contact{theirs}, OutsideHours, 2},
	{"a narrower entry that names another", "screenconnect\nscreenconnect tenants=theirs " + berlin, "screenconnect 10.1.2.3", "2026-11-23T18:00:00Z", []Contact{evil}, Sanctioned, 1},
	{"hosts here, VLAN there", "anydesk hosts=10.1.2.3/32 " + berlin + "\nanydesk vlans=xx", "anydesk 10.1.2.3 vlan=2", "2026-11-23T18:00:00Z", nil, Sanctioned, 2},
	{"any tool with hours beside an entry of the tool", "anydesk\n* hosts=10.9.0.0/16 " + berlin, "anydesk 10.9.1.1", "2026-11-23T18:00:00Z", nil, Sanctioned, 1},
	{"any tool, and the tool itself at the same hosts", "* hosts=10.9.0.0/16\nscreenconnect tenants=ours hosts=10.9.0.0/16", "screenconnect 10.9.1.1", "", []Contact{evil}, ForeignTenant, 2},
	{"one tunnel among all of its kind", "anydesk tunnels=vxlan\nanydesk tunnels=vxlan/7 " + berlin, "anydesk 10.1.2.3 tunnel=vxlan/7", "2026-11-23T18:00:00Z", nil, OutsideHours, 2},
	{"two entries outside their hours, one that names the tenant", "screenconnect tenants=ours hosts=10.1.0.0/16 " + berlin + "\nscreenconnect vlans=xx " + berlin, "screenconnect 10.1.2.3 vlan=2", "2026-11-23T18:00:00Z", []Contact{evil}, ForeignTenant, 1},
	{"two tenants, one outside its hours", "screenconnect tenants=ours\nscreenconnect tenants=theirs " + berlin, "screenconnect 10.1.2.3", "2026-11-23T18:00:00Z", []Contact{ours, theirs}, OutsideHours, 2},
}

func (c *decideCase) compile(t testing.TB) (*Policy, *Use) {
	t.Helper()
	var lines []string
	if c.entries != "" {
		lines = strings.Split(c.entries, "\n")
	}
	return compiled(t, lines...), parseUse(t, c.use, c.at, c.contacts)
}

func parseUse(t testing.TB, s, at string, contacts []Contact) *Use {
	t.Helper()
	if at == "" {
		at = monday
	}
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(s)
	u := &Use{Tool: tool(f[0]), Host: netip.MustParseAddr(f[1]), Time: when.UnixNano(), Contacts: contacts}
	for _, f := range f[2:] {
		key, value, _ := strings.Cut(f, "=")
		if key == "vlan" {
			u.VLAN = uint16(value[0] - '0')
			continue
		}
		tun, err := ParseTunnel(value)
		if err != nil {
			t.Fatal(err)
		}
		u.Tunnel, u.TunnelID = tun.Kind, tun.ID
	}
	return u
}

func TestDecide(t *testing.T) {
	for _, c := range decideCases {
		t.Run(c.name, func(t *testing.T) {
			p, u := c.compile(t)
			d := p.Decide(u)
			if d.Verdict != c.verdict || d.Entry+1 != c.entry {
				t.Errorf("%s by entry %d, want %s by %d; %+v", d.Verdict, d.Entry+1, c.verdict, c.entry, p.Explain(u))
			}
			if d.Provisional && d.Verdict != Sanctioned {
				t.Error("provisional, and not sanctioned")
			}
		})
	}
}

// The page shows every case, with its verdict.
func TestCasesDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range decideCases {
		found := false
		for line := range strings.Lines(string(raw)) {
			found = found || strings.HasPrefix(line, "| "+c.name+" |") && strings.Contains(line, "| `"+c.verdict.String()+"` |")
		}
		if !found {
			t.Errorf("docs/policy.md does not have %q as %s", c.name, c.verdict)
		}
	}
}

func TestProvisional(t *testing.T) {
	p := compiled(t, "screenconnect tenants=ours", "anydesk", "anydesk relays=help.corp.example", "* vlans=xx")
	for _, c := range []struct {
		use      string
		contacts []Contact
		want     bool
	}{
		{"screenconnect 10.1.2.3", nil, true},
		{"screenconnect 10.1.2.3", []Contact{checkSC}, true},
		{"screenconnect 10.1.2.3", []Contact{checkSC, ours}, false},
		{"screenconnect 10.1.2.3 vlan=2", nil, false},
		{"anydesk 10.1.2.3", nil, false}, // one of two entries takes any relay
	} {
		if d := p.Decide(parseUse(t, c.use, "", c.contacts)); d.Provisional != c.want || d.Verdict != Sanctioned {
			t.Errorf("%s %v: %+v", c.use, c.contacts, d)
		}
	}
}

func TestContactOf(t *testing.T) {
	peer := netip.MustParseAddr("198.51.100.7")
	domain, payload, port := &detect.Indicator{Need: detect.CondDomain}, &detect.Indicator{Need: 1 << 20}, &detect.Indicator{Need: detect.CondPort}
	for _, c := range []struct {
		in   *detect.Indicator
		kind detect.Kind
		name string
		want Contact
		ok   bool
	}{
		{domain, detect.KindDNS, "check.screenconnect.com", Contact{Name: "check.screenconnect.com", Vendor: true}, true},
		{domain, detect.KindSNI, "check.screenconnect.com", Contact{Name: "check.screenconnect.com", Addr: peer, Vendor: true}, true},
		{domain, detect.KindConnect, "check.screenconnect.com", Contact{Name: "check.screenconnect.com", Vendor: true}, true},
		{payload, detect.KindPayload, "", Contact{Addr: peer}, true},
		{port, detect.KindFlow, "", Contact{}, false},
	} {
		if got, ok := ContactOf(c.in, c.kind, c.name, "", peer); got != c.want || ok != c.ok {
			t.Errorf("%v %q: %+v, %v", c.kind, c.name, got, ok)
		}
	}
}

// Decide is asked at each sighting.
func TestDecideAllocates(t *testing.T) {
	p := compiled(t, "screenconnect tenants=ours "+berlin, "screenconnect relays=help.corp.example,192.0.2.0/28 hosts=10.0.0.0/8 until=2027-01-01", "anydesk", "* hosts=10.9.0.0/16")
	u := parseUse(t, "screenconnect 10.1.2.3", "", []Contact{ours, own, evil, bare, checkSC})
	if n := testing.AllocsPerRun(100, func() { p.Decide(u) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	p := compiled(b, "screenconnect tenants=ours "+berlin, "screenconnect relays=help.corp.example,192.0.2.0/28 hosts=10.0.0.0/8 until=2027-01-01", "anydesk", "* hosts=10.9.0.0/16")
	u := parseUse(b, "screenconnect 10.1.2.3", "", []Contact{ours, own, evil})
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(u)
	}
}

// A provider with an entry for each of its customers.
func BenchmarkDecideMany(b *testing.B) {
	var lines []string
	for i := range 500 {
		lines = append(lines, fmt.Sprintf("screenconnect tenants=customer%d", i))
	}
	p := compiled(b, lines...)
	u := parseUse(b, "screenconnect 10.1.2.3", "", []Contact{{Tenant: "customer499"}, checkSC, evil})
	for b.Loop() {
		p.Decide(u)
	}
}

func TestVLANZeroIsNone(t *testing.T) {
	e := parseEntry(t, 1, "anydesk")
	e.VLANs = []uint16{0}
	p, err := Compile([]Entry{e}, testTools)
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Decide(&Use{Tool: tool("anydesk"), Host: netip.MustParseAddr("10.1.2.3"), Tunnel: decode.TunnelNone}); d.Verdict != Unsanctioned {
		t.Errorf("%+v", d)
	}
}
