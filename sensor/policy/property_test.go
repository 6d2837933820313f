package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyEntry draws entries that meet each other: few values for each narrowing.
func anyEntry(tools ...string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.SampledFrom(tools).Draw(t, "tool")
		maybe := func(values ...string) {
			if i := rapid.IntRange(-len(values), len(values)-1).Draw(t, "which"); i >= 0 {
				s += " " + values[i]
			}
		}
		if s == AnyTool {
			s += " hosts=" + rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32"}).Draw(t, "hosts")
		} else {
			maybe("hosts=10.0.0.0/8", "hosts=10.1.0.0/16", "hosts=10.1.2.3/32", "hosts=10.1.0.0/16,10.2.0.0/16")
			maybe("tenants=ours", "tenants=theirs", "tenants=ours,theirs", "relays=help.corp.example", "relays=203.0.113.0/28", "tenants=ours relays=*.corp.example")
		}
		maybe("vlans=xx", "vlans=x,xx")
		maybe("tunnels=vxlan", "tunnels=vxlan/1")
		maybe("hours=07:00-19:00~Europe/Berlin", "hours=Mon-Fri~07:00-19:00~Europe/Berlin", "hours=00:00-24:00~UTC")
		maybe("until=2026-11-22", "until=2026-12-24", "until=2027-06-30")
		return s
	})
}

func anyUse(t *rapid.T, name string) *Use {
	u := &Use{
		Tool: tool(name),
		Host: netip.MustParseAddr(rapid.SampledFrom([]string{"10.1.2.3", "10.1.9.9", "10.2.0.1", "10.3.0.1", "192.168.1.1", "2001:db8::1"}).Draw(t, "host")),
		VLAN: rapid.Uint16Range(0, 3).Draw(t, "vlan"),
		Time: rapid.SampledFrom([]int64{1763892000, 1795428000, 1795460400, 1795287600, 1798830000, 1820000000, 1820030000}).Draw(t, "at") * 1e9,
	}
	if id := rapid.IntRange(-1, 2).Draw(t, "tunnel"); id >= 0 {
		tun, _ := ParseTunnel(fmt.Sprintf("vxlan/%d", id))
		u.Tunnel, u.TunnelID = tun.Kind, tun.ID
	}
	for _, c := range []Contact{ours, theirs, evil, own, foreign, bare, checkSC} {
		if rapid.IntRange(0, 3).Draw(t, "contact") == 0 {
			u.Contacts = append(u.Contacts, c)
		}
	}
	return u
}

// The order of entries and of contacts never changes a verdict.
func TestOrderIsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(anyEntry("screenconnect", "screenconnect,ssh", "anydesk", "*"), 0, 6).Draw(rt, "entries")
		u := anyUse(rt, "screenconnect")
		p := compiled(t, lines...)
		want := p.Decide(u)
		seed := rapid.Uint64().Draw(rt, "seed")
		r := rand.New(rand.NewPCG(seed, 0))
		for range 4 {
			r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			r.Shuffle(len(u.Contacts), func(i, j int) { u.Contacts[i], u.Contacts[j] = u.Contacts[j], u.Contacts[i] })
			if got := compiled(t, lines...).Decide(u); got.Verdict != want.Verdict || got.Provisional != want.Provisional {
				rt.Fatalf("%+v, in another order %+v: %s", want, got, strings.Join(lines, "\n"))
			}
		}
	})
}

// Another entry never changes what is said of tools that it does not name, and
// an entry for any tool takes nothing away from one that names the tool.
func TestAnotherEntry(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(anyEntry("screenconnect", "screenconnect,ssh", "*"), 0, 5).Draw(rt, "entries")
		u := anyUse(rt, "screenconnect")
		p := compiled(t, lines...)
		before := p.Decide(u)
		other := rapid.OneOf(anyEntry("anydesk", "anydesk,ssh", "remcos"), anyEntry("*")).Draw(rt, "another")
		after := compiled(t, append(lines, other)...).Decide(u)
		switch {
		case !strings.HasPrefix(other, AnyTool):
			if before != after {
				rt.Fatalf("%+v, and with %s %+v", before, other, after)
			}
		case before.Verdict == Sanctioned && p.Entry(before.Entry).names("screenconnect") && after.Verdict != Sanctioned:
			rt.Fatalf("%+v, and with %s %+v", before, other, after)
		}
	})
}

// More contacts never make a use better, and Explain decides as Decide does.
func TestMoreContacts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := compiled(t, rapid.SliceOfN(anyEntry("screenconnect", "*"), 0, 5).Draw(rt, "entries")...)
		u := anyUse(rt, "screenconnect")
		d := p.Decide(u)
		if x := p.Explain(u); x.Decision != d || x.Why == "" {
			rt.Fatalf("%+v, explained as %+v", d, x)
		}
		if d.Contact < 0 || len(u.Contacts) < 2 {
			return // nothing is known yet: then one more may be good news
		}
		less := *u
		less.Contacts = []Contact{u.Contacts[d.Contact]}
		if got := p.Decide(&less); got.Verdict != d.Verdict {
			rt.Fatalf("%+v of all contacts, %+v of that which decided", d, got)
		}
	})
}

// What Check calls superfluous can go, all of it at once, and no use has
// another verdict.
func TestCheckedEntriesAreSuperfluous(t *testing.T) {
	found, total := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(anyEntry("screenconnect", "screenconnect", "screenconnect,ssh", "*"), 2, 5).Draw(rt, "entries")
		p := compiled(t, lines...)
		total += len(lines)
		gone := map[int]bool{}
		now, _ := time.Parse(time.RFC3339, monday)
		for _, problem := range p.Check(testTools, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, now.UnixNano()) {
			if strings.HasPrefix(problem.Msg, "adds nothing") {
				gone[problem.At.Line] = true
				found++
			}
		}
		var kept []string
		for i, l := range lines {
			if !gone[i+1] {
				kept = append(kept, l)
			}
		}
		q := compiled(t, kept...)
		for range 20 {
			u := anyUse(rt, rapid.SampledFrom([]string{"screenconnect", "ssh", "anydesk"}).Draw(rt, "tool"))
			if u.Time < now.UnixNano() {
				continue // Check looks ahead
			}
			if a, b := p.Decide(u), q.Decide(u); a.Verdict != b.Verdict {
				rt.Fatalf("%+v becomes %+v without %v:\n%s\n%+v", a, b, gone, strings.Join(lines, "\n"), u)
			}
		}
	})
	if found*50 < total {
		t.Errorf("only %d of %d entries were superfluous: the test says little", found, total)
	}
}

// Of an entry that is there twice the second is superfluous, whatever it says.
func TestCheckFindsDuplicates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		line := anyEntry("screenconnect", "*").Draw(rt, "entry")
		if strings.Contains(line, "until=2026-11-22") {
			return
		}
		p := compiled(t, line, line)
		now, _ := time.Parse(time.RFC3339, monday)
		for _, problem := range p.Check(testTools, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, now.UnixNano()) {
			if problem.At.Line == 2 && strings.HasPrefix(problem.Msg, "adds nothing") && strings.HasSuffix(problem.Msg, "c.yaml:1:5") {
				return
			}
		}
		rt.Fatalf("%s twice", line)
	})
}
