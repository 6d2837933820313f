package alert

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// tool makes a tool with indicators of the given conditions.
func tool(id string, indicators ...*detect.Indicator) *detect.Tool {
	t := &detect.Tool{ID: id, Name: id, Indicators: indicators}
	for _, in := range indicators {
		in.Tool = t
	}
	return t
}

func indicator(id string, c detect.Confidence, need detect.Conds) *detect.Indicator {
	return &detect.Indicator{ID: id, Role: "relay", Confidence: c, Need: need}
}

// bench collects what a collector emits.
type bench struct {
	*Collector
	alerts []*Alert
}

func newBench(minimum detect.Confidence) *bench {
	b := &bench{}
	b.Collector = NewCollector(Config{
		Home: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, MinConfidence: minimum, Idle: 15 * time.Minute,
	}, func(a *Alert) { b.alerts = append(b.alerts, a) })
	return b
}

// see adds a sighting at a second of packet time.
func (b *bench) see(in *detect.Indicator, kind detect.Kind, value, client, server string, second int64) {
	c, s := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	b.Add(&Sighting{
		Indicator: in, Kind: kind, Value: value, Time: second * 1e9, Frame: Frame{Number: uint64(second) + 1},
		Flow: Flow{ID: uint64(c.Port())<<16 | uint64(s.Port()), Tuple: flow.Tuple{
			Client: c.Addr(), Server: s.Addr(), ClientPort: c.Port(), ServerPort: s.Port(), Proto: 6,
		}},
	})
}

func (b *bench) only(t *testing.T) *Alert {
	t.Helper()
	b.Close()
	if len(b.alerts) != 1 {
		t.Fatalf("%d alerts, want 1", len(b.alerts))
	}
	return b.alerts[0]
}

// The confidence of an alert, by what was seen.
func TestConfidence(t *testing.T) {
	domain := indicator("domain", detect.Medium, detect.CondDomain)
	weak := indicator("weak", detect.Low, detect.CondDomain)
	port := indicator("port", detect.Low, detect.CondPort)
	cert := indicator("cert", detect.Low, detect.CondSubject)
	sure := indicator("sure", detect.High, detect.CondALPN)
	tool("x", domain, weak, port, cert, sure)
	for _, c := range []struct {
		name string
		seen []*detect.Indicator
		want detect.Confidence
	}{
		{"a port alone is nothing", []*detect.Indicator{port}, 0},
		{"a weak name", []*detect.Indicator{weak}, detect.Low},
		{"two names are one fact", []*detect.Indicator{weak, domain}, detect.Medium},
		{"a weak name and the port", []*detect.Indicator{weak, port}, detect.Medium},
		{"a weak name and a certificate", []*detect.Indicator{weak, cert}, detect.Medium},
		{"a name and a certificate", []*detect.Indicator{domain, cert}, detect.High},
		{"no more than high", []*detect.Indicator{sure, domain, cert, port}, detect.High},
	} {
		b := newBench(detect.Low)
		for i, in := range c.seen {
			kind := detect.KindSNI
			if in == port {
				kind = detect.KindFlow
			}
			b.see(in, kind, in.ID, "10.0.0.1:1000", "192.0.2.1:443", int64(i))
		}
		b.Close()
		var got detect.Confidence
		if len(b.alerts) > 0 {
			got = b.alerts[0].Confidence
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestBelowTheLeastConfidence(t *testing.T) {
	weak := indicator("weak", detect.Low, detect.CondDomain)
	tool("x", weak)
	b := newBench(detect.Medium)
	b.see(weak, detect.KindSNI, "a.example", "10.0.0.1:1000", "192.0.2.1:443", 0)
	b.Close()
	if len(b.alerts) != 0 || b.Stats.Weak != 1 {
		t.Errorf("%d alerts, %+v", len(b.alerts), b.Stats)
	}
}

func TestMarketingNeverAlerts(t *testing.T) {
	page := indicator("page", detect.High, detect.CondDomain)
	page.Role = "marketing"
	tool("x", page)
	b := newBench(detect.Low)
	b.see(page, detect.KindSNI, "www.example", "10.0.0.1:1000", "192.0.2.1:443", 0)
	b.Close()
	if len(b.alerts) != 0 {
		t.Error("a page about the tool alerted")
	}
}

// One alert for each host and tool in a window, with the evidence counted; the
// next window is another alert with another id.
func TestFusion(t *testing.T) {
	in := indicator("relay", detect.High, detect.CondDomain)
	tool("x", in)
	b := newBench(detect.Low)
	b.see(in, detect.KindDNS, "r.example", "10.0.0.1:1000", "10.0.0.53:53", 0)
	b.see(in, detect.KindSNI, "r.example", "10.0.0.1:1001", "192.0.2.1:443", 1)
	b.see(in, detect.KindSNI, "r.example", "10.0.0.1:1002", "192.0.2.1:443", 2)
	b.see(in, detect.KindSNI, "r.example", "10.0.0.2:1003", "192.0.2.1:443", 3)
	b.FlowEnded(1001<<16|443, 10, 100, 5e9)
	b.FlowEnded(1002<<16|443, 1, 2, 6e9)
	b.FlowEnded(1003<<16|443, 7, 7, 6e9)
	b.FlowEnded(999, 5, 5, 7e9) // not one that was hit
	b.Advance(6e9 + int64(15*time.Minute) + 1)
	if len(b.alerts) != 2 {
		t.Fatalf("%d alerts, want one for each host", len(b.alerts))
	}
	a := b.alerts[0]
	if a.Up != 11 || a.Down != 102 || a.Flows != 2 || a.Last != 6e9 || len(a.Evidence) != 2 {
		t.Errorf("%+v", a)
	}
	if e := a.Evidence[1]; e.Count != 2 || e.FirstFrame.Number != 2 || e.LastFrame.Number != 3 {
		t.Errorf("%+v", e)
	}
	first := a.ID()
	b.see(in, detect.KindSNI, "r.example", "10.0.0.1:1004", "192.0.2.1:443", 5000)
	b.Close()
	if len(b.alerts) != 3 || b.alerts[2].ID() == first {
		t.Error("the next window is not an alert of its own")
	}
}

// An alert whose flow still runs is not closed, however long it is silent: its
// volume is still to come.
func TestOpenFlowKeepsTheAlert(t *testing.T) {
	in := indicator("relay", detect.High, detect.CondDomain)
	tool("x", in)
	b := newBench(detect.Low)
	b.see(in, detect.KindSNI, "r.example", "10.0.0.1:1001", "192.0.2.1:443", 1)
	b.Advance(int64(5 * time.Hour))
	if len(b.alerts) != 0 {
		t.Fatal("closed while its flow runs")
	}
	b.FlowEnded(1001<<16|443, 10, 100, int64(6*time.Hour))
	b.Advance(int64(7 * time.Hour))
	if a := b.only(t); a.Last != int64(6*time.Hour) {
		t.Errorf("%+v", a)
	}
}

// Who the alert is about: ours, the client first.
func TestHost(t *testing.T) {
	in := indicator("payload", detect.High, detect.CondDomain)
	tool("x", in)
	for _, c := range []struct {
		client, server, host string
		inbound              bool
	}{
		{"10.0.0.1:1", "192.0.2.1:2", "10.0.0.1", false},
		{"192.0.2.1:1", "10.0.0.1:2", "10.0.0.1", true},
		{"10.0.0.1:1", "10.0.0.2:2", "10.0.0.1", false},
		{"198.51.100.1:1", "192.0.2.1:2", "198.51.100.1", false},
	} {
		b := newBench(detect.Low)
		b.see(in, detect.KindPayload, "00", c.client, c.server, 0)
		b.FlowEnded(1<<16|2, 3, 4, 0)
		a := b.only(t)
		if a.Host.String() != c.host || a.Inbound != c.inbound {
			t.Errorf("%s > %s: %s, inbound %v", c.client, c.server, a.Host, a.Inbound)
		}
		if up := uint64(3); c.inbound != (a.Up != up) {
			t.Errorf("%s > %s: up %d, down %d", c.client, c.server, a.Up, a.Down)
		}
	}
}

// A resolver's question upstream is its client's; its own is its own.
func TestResolver(t *testing.T) {
	in := indicator("relay", detect.High, detect.CondDomain)
	tool("x", in)
	b := newBench(detect.Low)
	b.see(in, detect.KindDNS, "r.example", "10.0.0.1:1", "10.0.0.53:53", 0)
	b.see(in, detect.KindDNS, "r.example", "10.0.0.53:2", "198.51.100.53:53", 1) // for 10.0.0.1
	b.see(in, detect.KindDNS, "r.example", "10.0.0.53:3", "198.51.100.53:53", 100)
	b.Close()
	var hosts []string
	for _, a := range b.alerts {
		hosts = append(hosts, a.Host.String())
	}
	if !slices.Equal(hosts, []string{"10.0.0.1", "10.0.0.53"}) || b.Stats.Forwarded != 1 {
		t.Errorf("%v, %+v", hosts, b.Stats)
	}
	if b.alerts[1].First != 100e9 {
		t.Error("the forwarded question counted as the resolver's own")
	}
}

// Evidence, open alerts and questions are bounded.
func TestBounds(t *testing.T) {
	in := indicator("relay", detect.High, detect.CondDomain)
	tool("x", in)
	b := newBench(detect.Low)
	for i := range maxEvidence + 10 {
		b.see(in, detect.KindSNI, strings.Repeat("a", i+1), "10.0.0.1:1", "192.0.2.1:443", int64(i))
	}
	for i := range maxOpen + 5 {
		host := netip.AddrFrom4([4]byte{10, byte(1 + i>>16), byte(i >> 8), byte(i)})
		b.see(in, detect.KindDNS, "r.example", netip.AddrPortFrom(host, 1).String(), "10.255.255.253:53", 100)
	}
	if len(b.uses) > maxOpen || b.recent.Len() != len(b.uses) || b.Stats.Crowded != 6 {
		t.Errorf("%d open, %d listed, %+v", len(b.uses), b.recent.Len(), b.Stats)
	}
	for i := range maxForwarded * 2 {
		b.see(in, detect.KindDNS, "n", "10.0.0.1:1", netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 53).String(), 200)
	}
	if len(b.asked) != maxForwarded || len(b.askedQ) != maxForwarded {
		t.Errorf("%d questions kept", len(b.asked))
	}
	if a := b.alerts[0]; len(a.Evidence) != maxEvidence || a.Unkept != 10 {
		t.Errorf("%d pieces of evidence, %d not kept", len(a.Evidence), a.Unkept)
	}
}

// A host that serves one flow and opens another has each flow's bytes counted
// from where it stands, whichever came first.
func TestVolumeIsPerFlow(t *testing.T) {
	in := indicator("payload", detect.High, detect.CondDomain)
	tool("x", in)
	for _, servesFirst := range []bool{true, false} {
		b := newBench(detect.Low)
		serve := func() { b.see(in, detect.KindPayload, "00", "192.0.2.1:11", "10.0.0.1:22", 0) }
		open := func() { b.see(in, detect.KindPayload, "00", "10.0.0.1:33", "192.0.2.1:44", 0) }
		if servesFirst {
			serve()
			open()
		} else {
			open()
			serve()
		}
		b.FlowEnded(11<<16|22, 1, 100, 1) // the host sent the 100
		b.FlowEnded(33<<16|44, 10, 1000, 1)
		if a := b.only(t); a.Up != 110 || a.Down != 1001 {
			t.Errorf("serves first %v: up %d, down %d", servesFirst, a.Up, a.Down)
		}
	}
}

func TestKind(t *testing.T) {
	for _, c := range []struct {
		class   string
		inbound bool
		want    Kind
	}{
		{"rmm", false, UnsanctionedTool}, {"protocol", true, ExposedService}, {"rat", false, RemoteAccessTrojan}, {"rat", true, RemoteAccessTrojan},
	} {
		a := Alert{Tool: &detect.Tool{Class: c.class}, Inbound: c.inbound}
		if a.Kind() != c.want {
			t.Errorf("%s, inbound %v: %s", c.class, c.inbound, a.Kind())
		}
	}
}

// A flow that two tools hit, such as two requests through one proxy, is
// counted by the alerts of both, and once by each. An alert that is closed to
// make room leaves its flow to its successor.
func TestFlowOfTwoTools(t *testing.T) {
	one, other := indicator("relay", detect.High, detect.CondDomain), indicator("relay", detect.High, detect.CondALPN)
	tool("x", one)
	tool("y", other)
	b := newBench(detect.Low)
	for second, in := range []*detect.Indicator{one, other, one, other} {
		b.see(in, detect.KindSNI, in.Tool.ID, "10.0.0.1:1001", "192.0.2.1:443", int64(second))
	}
	b.close(b.uses[keyOf(netip.MustParseAddr("10.0.0.1"), one.Tool)].open[0])
	b.see(one, detect.KindSNI, "x", "10.0.0.1:1001", "192.0.2.1:443", 4)
	b.FlowEnded(1001<<16|443, 10, 100, 9e9)
	b.Close()
	if len(b.alerts) != 3 || b.booked != 0 || len(b.flows) != 0 {
		t.Fatalf("%d alerts; %d flows still booked", len(b.alerts), b.booked)
	}
	for _, a := range b.alerts[1:] {
		if a.Flows != 1 || a.Up != 10 || a.Down != 100 || a.Last != 9e9 || a.live != 0 {
			t.Errorf("%s: %d flows, %d up, %d down, last %d", a.Tool.ID, a.Flows, a.Up, a.Down, a.Last)
		}
	}
}

// A living alert is told when it opens, when something is learned, not more
// often than it should, and when it ends; a replay tells the end alone.
func TestLife(t *testing.T) {
	name := &detect.Indicator{ID: "name", Role: "relay", Confidence: detect.High, Need: detect.CondDomain}
	cert := &detect.Indicator{ID: "cert", Role: "relay", Confidence: detect.Low, Need: detect.CondSubject}
	weak := &detect.Indicator{ID: "weak", Role: "relay", Confidence: detect.Low, Need: detect.CondDomain}
	tl := tool("x", name, cert, weak)
	var told []string
	c := NewCollector(Config{MinConfidence: detect.Medium, Idle: time.Minute, Living: true}, func(a *Alert) {
		told = append(told, fmt.Sprintf("%s %d %d", a.State, a.Revision, len(a.Evidence)))
	})
	see := func(in *detect.Indicator, value string, second int64) {
		c.Advance(second * 1e9)
		c.Add(&Sighting{Indicator: in, Kind: detect.KindDNS, Value: value, Time: second * 1e9, Flow: Flow{Tuple: flow.Tuple{
			Client: netip.MustParseAddr("10.0.0.1"), Server: netip.MustParseAddr("192.0.2.1"),
		}}})
	}
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		told = nil
	}
	see(weak, "w", 1)
	expect() // too weak
	see(name, "a", 2)
	expect("opened 0 2")
	see(name, "a", 3)
	expect() // nothing new
	see(name, "b", 4)
	see(cert, "c", 5)
	expect() // soon
	c.Advance(12e9)
	expect("updated 1 4")
	see(name, "d", 20) // the second update waits for 20 s
	c.Advance(31e9)
	expect()
	reloaded := *tl // the rules were loaded anew
	again := *name
	again.Tool = &reloaded
	see(&again, "e", 40)
	c.Advance(60e9)
	expect("updated 2 5") // what came at 40 is too soon
	c.Advance(300e9)
	expect("closed 3 6")
	see(weak, "w", 400)
	c.Close()
	expect()
}

// Names that imitate a tool are an alert of their own beside that of the tool,
// one for each host; what strangers ask our servers for is none.
func TestImitationsApart(t *testing.T) {
	real, fake := indicator("relay", detect.High, detect.CondDomain), indicator("joined", detect.High, detect.CondDomain)
	tool("x", real)
	tool("x", fake).Imitated = real.Tool
	b := newBench(detect.Medium)
	b.see(real, detect.KindSNI, "relay.x.com", "10.0.0.1:1001", "192.0.2.1:443", 0)
	b.see(fake, detect.KindSNI, "x-app.com", "10.0.0.1:1002", "192.0.2.2:443", 0)
	b.see(fake, detect.KindDNS, "x-app.com", "10.0.0.2:1003", "10.0.0.53:53", 1)
	b.see(fake, detect.KindDNS, "x-app.com", "10.0.0.53:1004", "192.0.2.53:53", 2)
	b.see(fake, detect.KindDNS, "x-app.com", "192.0.2.9:1005", "10.0.0.9:53", 3)
	b.FlowEnded(1002<<16|443, 10, 100, 9e9)
	b.Close()
	var got []string
	for _, a := range b.alerts {
		got = append(got, fmt.Sprint(a.Host, " ", a.Kind(), " ", a.Down, " ", len(a.Evidence)))
	}
	want := []string{"10.0.0.1 lookalike-domain 100 1", "10.0.0.1 unsanctioned-tool 0 1", "10.0.0.2 lookalike-domain 0 1"}
	if !slices.Equal(got, want) || b.alerts[0].ID() == b.alerts[1].ID() {
		t.Errorf("%q, want %q", got, want)
	}
}
