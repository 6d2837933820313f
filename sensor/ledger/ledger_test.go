package ledger

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// open opens a ledger that complains to the test.
func open(t testing.TB, path string, cfg Config) *Ledger {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = func(text string, err error) { t.Errorf("%s: %v", text, err) }
	}
	l, err := Open(path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.release() })
	return l
}

func closed(t testing.TB, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func host(n int) Host {
	return Host{Addr: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}
}

func use(h int, tool string, at int64) Use {
	return Use{Host: host(h), Tool: tool, Class: "rmm", First: at, Last: at}
}

const start = 20_000 * day // in 2024

func TestNews(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"), Config{})
	rdp := use(1, "rdp", start+40*day)
	rdp.Class = "protocol"
	elsewhere := use(1, "anydesk", start)
	elsewhere.Host.VLAN = 20
	for i, step := range []struct {
		use  Use
		want News
	}{
		{use(1, "anydesk", start), News{FirstOnHost: true, FirstInNetwork: true}},
		{use(1, "anydesk", start+1), News{}},
		{use(2, "anydesk", start+1), News{FirstOnHost: true}},
		{elsewhere, News{FirstOnHost: true}}, // the same address, in another network
		{use(1, "ngrok", start+29*day), News{FirstOnHost: true, FirstInNetwork: true, SecondTool: []string{"anydesk"}}},
		{use(1, "ngrok", start+29*day+1), News{}},
		{use(2, "ngrok", start+32*day), News{FirstOnHost: true}},                                                      // too long after
		{rdp, News{FirstOnHost: true, FirstInNetwork: true}},                                                          // a protocol is no second tool
		{use(1, "atera", start+41*day), News{FirstOnHost: true, FirstInNetwork: true, SecondTool: []string{"ngrok"}}}, // nor a first
		{use(1, "anydesk", start+60*day), News{}},                                                                     // 60 days are not more than 60
		{use(1, "anydesk", start+130*day), News{Silent: 70 * 24 * time.Hour}},
		{use(1, "anydesk", start+130*day+1), News{}},
		{use(3, "vnc", start-100*day), News{FirstOnHost: true, FirstInNetwork: true}}, // an old capture
		{use(1, "vnc", start-1*day), News{FirstOnHost: true}},                         // before the others were there
		{use(1, "", start), News{}}, {Use{Tool: "x", First: start}, News{}},
	} {
		if got := l.Observe(step.use); !reflect.DeepEqual(got, step.want) {
			t.Errorf("%d: %+v: %+v, want %+v", i, step.use, got, step.want)
		}
	}
	if s := l.Stats(); s.Entries != 9 || len(l.Entries()) != 9 {
		t.Errorf("%+v", s)
	}
}

// The proof of the issue: two replays with a restart between, and only the first
// says first-on-host. What was kept is what was there.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "ledger.db")
	replay := func() (news []News) {
		l := open(t, path, Config{})
		for i := range 50 {
			u := use(i%7, fmt.Sprint("tool", i%3), start+int64(i)*1e9)
			u.Tenant, u.Relay, u.Verdict, u.Up, u.Down = fmt.Sprint("t", i%2), "relay.example", "unsanctioned", 10, 1
			news = append(news, l.Observe(u))
		}
		before := l.Entries()
		closed(t, l)
		c, err := Read(path)
		if err != nil || !reflect.DeepEqual(c.Entries, before) {
			t.Fatalf("%v\n%+v\n%+v", err, c.Entries, before)
		}
		return news
	}
	first, second := replay(), replay()
	count := func(news []News) (n int) {
		for _, x := range news {
			if x.FirstOnHost {
				n++
			}
		}
		return n
	}
	if count(first) != 21 || count(second) != 0 {
		t.Errorf("%d first-on-host, then %d", count(first), count(second))
	}
	c, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	var up uint64
	for _, e := range c.Entries {
		up += e.Up
	}
	if up != 1000 || c.Entries[0].Verdict() != "unsanctioned" || len(c.Entries[0].Tenants.Items) != 2 {
		t.Errorf("%d bytes, %+v", up, c.Entries[0])
	}
}

// The ledger agrees with a list of all uses that is searched each time, also when
// it is closed and opened anywhere in between.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, rapid.StringMatching(`[a-z]{12}`).Draw(rt, "name"))
		cfg := Config{SecondWithin: 3 * 24 * time.Hour, DormantAfter: 5 * 24 * time.Hour}
		l := open(t, path, cfg)
		defer func() { l.Close() }()
		var past []Use
		at := int64(start)
		for range rapid.IntRange(1, 40).Draw(rt, "uses") {
			at += rapid.Int64Range(0, 2*day).Draw(rt, "later")
			u := use(rapid.IntRange(0, 2).Draw(rt, "host"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "tool"), at)
			if got, want := l.Observe(u), model(past, u, cfg); !reflect.DeepEqual(got, want) {
				rt.Fatalf("%+v: %+v, want %+v", u, got, want)
			}
			past = append(past, u)
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				closed(t, l)
				l = open(t, path, cfg)
			}
		}
	})
}

func model(past []Use, u Use, cfg Config) (n News) {
	n.FirstOnHost, n.FirstInNetwork = true, true
	last := int64(0)
	latest := map[string]int64{}
	for _, p := range past {
		if p.Tool == u.Tool {
			n.FirstInNetwork = false
		}
		if p.Host != u.Host {
			continue
		}
		if p.Tool == u.Tool {
			n.FirstOnHost, last = false, p.Last
		} else {
			latest[p.Tool] = p.Last
		}
	}
	if silent := time.Duration(u.First - last); !n.FirstOnHost && silent > cfg.DormantAfter {
		n.Silent = silent
	}
	for tool, at := range latest {
		if (n.FirstOnHost || n.Silent > 0) && time.Duration(u.First-at) <= cfg.SecondWithin {
			n.SecondTool = append(n.SecondTool, tool)
		}
	}
	slices.Sort(n.SecondTool)
	return n
}

func TestSecondWriterIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path, Config{})
	if _, err := Open(path, Config{}); !errors.Is(err, ErrInUse) {
		t.Fatalf("%v", err)
	}
	closed(t, l)
	closed(t, open(t, path, Config{}))
}
