package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var testHome = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fc00::/7")}

func TestCheck(t *testing.T) {
	at, _ := time.Parse(time.RFC3339, monday)
	for _, c := range []struct{ entries, want string }{
		{"screenconnect tenants=ours hosts=10.1.0.0/16 " + berlin + " until=2027-03-31\nanydesk", ""},
		{"remcos", `1: can never apply: remcos is of class rat, whose verdict is always "never"`},
		{"remcos,anydesk", `1: can never apply: remcos`},
		{"anydesk until=2026-11-22", "1: ended with 2026-11-22 UTC"},
		{"anydesk until=2026-11-23", ""},
		{"anydesk tenants=ours", "1: can never apply, except to say that what is seen is somebody else's: the rules of anydesk read no tenant"},
		{"anydesk tenants=ours relays=help.corp.example", "1: the tenants never apply: the rules of anydesk"},
		{"anydesk hosts=192.0.2.0/24", "1: hosts 192.0.2.0/24 are not in home"},
		{"anydesk hosts=fd00::/8,10.1.0.0/16", ""},
		{"screenconnect relays=*.screenconnect.com", "1: relay *.screenconnect.com permits every tenant of screenconnect"},
		{"screenconnect relays=*.com", "1: relay *.com permits every tenant"},
		{"screenconnect relays=acme.screenconnect.com", ""},

		// One that adds nothing.
		{"anydesk\nanydesk", "2: adds nothing: wherever it applies, the verdict is the same without it, by c.yaml:1:5"},
		{"anydesk hosts=10.1.2.0/24\nanydesk hosts=10.1.0.0/16", "1: adds nothing"},
		{"anydesk hosts=10.1.0.0/16\nanydesk hosts=10.1.2.0/24 until=2027-01-01", "2: adds nothing"},
		{"anydesk " + berlin + "\nanydesk hosts=10.1.2.0/24 hours=Mon-Fri~07:00-13:00,Mon-Fri~13:00-19:00~Europe/Berlin", "2: adds nothing"},
		{"screenconnect\nscreenconnect tenants=ours", "2: adds nothing"},
		{"screenconnect tenants=ours,theirs\nscreenconnect tenants=theirs hosts=10.5.0.0/16", "2: adds nothing"},
		{"anydesk,ssh\nanydesk\nssh vlans=xx", "2: adds nothing|3: adds nothing"},
		{"anydesk\nssh\nanydesk,ssh", "3: adds nothing: wherever it applies, the verdict is the same without it, by c.yaml:1:5 and c.yaml:2:5"},
		{"anydesk\n* hosts=10.9.0.0/16", ""},
		{"* hosts=10.0.0.0/8\n* hosts=10.9.0.0/16", "2: adds nothing"},
		{"anydesk hosts=10.0.0.0/9,10.128.0.0/9\nanydesk hosts=10.0.0.0/8", "2: adds nothing"},

		// What is narrower and says something else adds that.
		{"anydesk\nanydesk hosts=10.1.2.0/24 " + berlin, ""},
		{"anydesk " + berlin + "\nanydesk hosts=10.1.2.0/24", ""},
		{"anydesk\nanydesk hosts=10.1.0.0/16 " + berlin + "\nanydesk hosts=10.1.2.0/24", ""}, // the third is an exception from the second
		// Found by TestCheckedEntriesAreSuperfluous: the first steps back for the entry of the tool, and the second does not.
		{"* hosts=10.0.0.0/8\n* hosts=10.0.0.0/8 vlans=xx\nanydesk hosts=10.0.0.0/8 " + berlin, ""},
		{"screenconnect\nscreenconnect tenants=ours hosts=10.5.0.0/16", ""},
		{"screenconnect\nscreenconnect tenants=ours " + berlin, ""},
		{"anydesk until=2027-01-01\nanydesk hosts=10.1.2.0/24", ""},
		{"anydesk hosts=10.1.0.0/16 vlans=x\nanydesk hosts=10.1.0.0/16 vlans=xx", ""},
		{"anydesk hours=07:00-19:00~Europe/Berlin\nanydesk hours=07:00-19:00~Africa/Lagos", ""}, // the same in winter, not in summer
	} {
		p := compiled(t, strings.Split(c.entries, "\n")...)
		var got []string
		for _, problem := range p.Check(testTools, testHome, at.UnixNano()) {
			got = append(got, strings.TrimPrefix(problem.Error(), "c.yaml:"))
		}
		want := strings.Split(c.want, "|")
		if c.want == "" {
			want = nil
		}
		if len(got) != len(want) {
			t.Errorf("%s:\n got %q\nwant %q", c.entries, got, want)
			continue
		}
		for i := range got {
			if line, msg, _ := strings.Cut(want[i], ": "); !strings.HasPrefix(got[i], line+":5: "+msg) {
				t.Errorf("%s:\n got %q\nwant %q", c.entries, got, want)
			}
		}
	}
}

// A comparison that would take for ever is not made, and that is told.
func TestCheckIsBounded(t *testing.T) {
	var entries []Entry
	for i := range 40 {
		e := parseEntry(t, i+1, "anydesk")
		for j := range 40 {
			e.VLANs = append(e.VLANs, uint16(1+i*40+j))
			e.Hosts = append(e.Hosts, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(j), 0}), 24))
		}
		entries = append(entries, e)
	}
	p, err := Compile(entries, testTools)
	if err != nil {
		t.Fatal(err)
	}
	problems := p.Check(testTools, testHome, 0)
	if len(problems) != len(entries) || !strings.Contains(problems[0].Msg, "not compared with the others") {
		t.Errorf("%d problems: %v", len(problems), problems[:min(2, len(problems))])
	}
}

func TestCompileMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"anydsk":              `c.yaml:1:5: no rule has the tool "anydsk"; did you mean "anydesk"?`,
		"AnyDesk":             `c.yaml:1:5: no rule has the tool "AnyDesk"; its id is "anydesk"`,
		"nonsense":            `c.yaml:1:5: no rule has the tool "nonsense"; rmmwatch rules list has them all`,
		"*":                   "every tool on every host",
		"*,anydesk vlans=xx":  `"*" is every tool; leave the others out`,
		"* vlans=x tenants=a": "tenants and relays are those of one tool",
		"ssh,ssh":             `tool "ssh" is named twice`,
	} {
		if _, err := Compile([]Entry{parseEntry(t, 1, line)}, testTools); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	if _, err := Compile([]Entry{parseEntry(t, 1, "x"), parseEntry(t, 2, "y")}, testTools); strings.Count(err.Error(), "\n") != 1 {
		t.Error(err)
	}
}

func TestExplain(t *testing.T) {
	night := "2026-11-23T20:00:00Z"
	for _, c := range []struct {
		entries, use, at string
		contacts         []Contact
		want             []string // why, and why not of the others
	}{
		{"", "anydesk 10.1.2.3", "", nil, []string{"no entry speaks of anydesk"}},
		{"anydesk hosts=10.2.0.0/16\nanydesk hosts=10.1.0.0/16 vlans=xx\nanydesk tunnels=vxlan/7", "anydesk 10.1.2.3 tunnel=gre/3", "", nil, []string{
			"no entry of anydesk covers 10.1.2.3 in tunnel gre/3", "10.1.2.3 is not in hosts 10.2.0.0/16", "the host is in no VLAN, and the entry is for 2", "tunnel gre/3: the entry is for vxlan/7"}},
		{"screenconnect tenants=ours relays=help.corp.example", "screenconnect 10.1.2.3", "", []Contact{evil}, []string{"tenant evil is none of its tenants (ours) and relays (help.corp.example)"}},
		{"screenconnect relays=203.0.113.0/28", "screenconnect 10.1.2.3", "", []Contact{foreign}, []string{"it names relay 203.0.113.0/28, as relay help.evil.example is one"}},
		{"screenconnect tenants=ours", "screenconnect 10.1.2.3", "", nil, []string{"no tenant and no relay of somebody's own was seen yet"}},
		{"screenconnect tenants=ours " + berlin, "screenconnect 10.1.2.3", night, []Contact{ours}, []string{"it names tenant ours, but Mon 21:00 in Europe/Berlin is outside Mon-Fri 07:00-19:00 Europe/Berlin"}},
		{"anydesk until=2026-11-22\nanydesk hosts=10.0.0.0/8", "anydesk 10.1.2.3", "", nil, []string{"it permits any tenant and relay", "steps back for c.yaml:2:5, which is more specific: it is narrower by hosts"}},
		{"anydesk hosts=10.0.0.0/8 until=2026-11-22\nanydesk", "anydesk 10.1.2.3", "", nil, []string{"it permits any tenant and relay", "ended with 2026-11-22 UTC"}},
		{"screenconnect\nscreenconnect tenants=ours", "screenconnect 10.1.2.3", "", []Contact{ours}, []string{"it names tenant ours", "it is narrower by the tenant or relay"}},
		{"* hosts=10.0.0.0/8\nremcos", "remcos 10.1.2.3", "", nil, []string{"never sanctioned", "no entry can permit it", "no entry can permit it"}},
		{"screenconnect tenants=ours until=2026-11-20", "screenconnect 10.1.2.3", "", []Contact{evil}, []string{"has ended, and was for others", "tenant evil is none of its tenants (ours), but ended"}},
	} {
		d := decideCase{entries: c.entries, use: c.use, at: c.at, contacts: c.contacts}
		p, u := d.compile(t)
		x := p.Explain(u)
		got := []string{x.Why}
		for _, o := range x.Others {
			got = append(got, o.Why)
		}
		for i, w := range c.want {
			if len(got) != len(c.want) || !strings.Contains(got[i], w) {
				t.Errorf("%s: %q\n got %q\nwant %q", c.entries, c.use, got, c.want)
				break
			}
		}
	}
}
