package alert

import (
	"net/netip"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/ledger"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

// newBenchOf is newBench with a configuration of its own.
func newBenchOf(cfg Config) *bench {
	b := &bench{}
	cfg.Home = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	cfg.MinConfidence, cfg.Idle = detect.Medium, 15*time.Minute
	b.Collector = NewCollector(cfg, func(a *Alert) { b.alerts = append(b.alerts, a) })
	return b
}

func storm(b *bench, hosts int, in *detect.Indicator) {
	for i := range hosts {
		host := netip.AddrFrom4([4]byte{10, byte(1 + i>>16), byte(i >> 8), byte(i)})
		for range 3 {
			b.see(in, detect.KindSNI, "relay.example", netip.AddrPortFrom(host, 50000).String(), "192.0.2.1:443", 1+int64(i)/1000)
		}
	}
	b.Close()
}

// Ten thousand hosts are ten thousand alerts, told once each; with a budget as many
// as that, and one that says how many more.
func TestStorm(t *testing.T) {
	in := indicator("relay", detect.High, detect.CondDomain)
	tool("x", in)
	b := newBenchOf(Config{})
	storm(b, 10_000, in)
	if len(b.alerts) != 10_000 || b.Stats.Crowded != 0 {
		t.Errorf("%d alerts, %+v", len(b.alerts), b.Stats)
	}
	for _, living := range []bool{false, true} {
		var storms []Storm
		b = newBenchOf(Config{Budget: 100, Living: living, Storm: func(s Storm) { storms = append(storms, s) }})
		storm(b, 10_000, in)
		tellings := 100
		if living {
			tellings *= 2 // opened and closed
		}
		if len(b.alerts) != tellings || len(storms) != 1 || storms[0].Alerts != 9900 || storms[0].Tools[0] != (StormTool{in.Tool, 9900}) || b.Stats.Held != 9900 {
			t.Errorf("living %v: %d alerts, %+v, %+v", living, len(b.alerts), storms, b.Stats)
		}
	}
}

// Each minute has its budget, and each its storm.
func TestBudgetOfEachMinute(t *testing.T) {
	one, two := indicator("relay", detect.High, detect.CondDomain), indicator("relay", detect.High, detect.CondDomain)
	tool("one", one)
	tool("two", two)
	var storms []Storm
	b := newBenchOf(Config{Budget: 2, Living: true, Storm: func(s Storm) { storms = append(storms, s) }})
	for i := range 20 {
		in := one
		if i%4 == 0 {
			in = two
		}
		host := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		b.see(in, detect.KindSNI, "relay.example", netip.AddrPortFrom(host, 50000).String(), "192.0.2.1:443", 1000+int64(i/10)*61)
	}
	if n := len(b.alerts); n != 4 {
		t.Errorf("%d alerts told", n)
	}
	b.Close()
	if len(storms) != 2 || storms[0].Alerts != 8 || storms[1].Alerts != 8 || storms[0].First != 1000e9 || storms[1].Last != 1061e9 {
		t.Fatalf("%+v", storms)
	}
	if tools := storms[0].Tools; len(tools) != 2 || tools[0] != (StormTool{one.Tool, 6}) || tools[1] != (StormTool{two.Tool, 2}) {
		t.Errorf("%+v", tools)
	}
}

// memoryOf says the same news of each first use.
type memoryOf map[string]ledger.News

func (m memoryOf) Observe(u ledger.Use) ledger.News {
	n := m[u.Tool]
	delete(m, u.Tool)
	return n
}

// Kinds are switched, and a sanctioned use is told for its news when asked for.
func TestKindsSwitched(t *testing.T) {
	in, other := indicator("relay", detect.High, detect.CondDomain), indicator("relay", detect.High, detect.CondDomain)
	tool("x", in)
	tool("y", other)
	p, err := policy.Compile([]policy.Entry{{Tools: []policy.ToolRef{{ID: "x"}}}}, []*detect.Tool{in.Tool, other.Tool})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		kinds map[Kind]bool
		news  ledger.News
		want  []Kind
		muted uint64
	}{
		{"by default", nil, ledger.News{FirstOnHost: true, SecondTool: []string{"y"}}, []Kind{UnsanctionedTool}, 0},
		{"off", map[Kind]bool{UnsanctionedTool: false}, ledger.News{}, nil, 1},
		{"another off", map[Kind]bool{ExposedService: false}, ledger.News{}, []Kind{UnsanctionedTool}, 0},
		{"first", map[Kind]bool{KindFirstOnHost: true}, ledger.News{FirstOnHost: true}, []Kind{KindFirstOnHost, UnsanctionedTool}, 0},
		{"first, not new", map[Kind]bool{KindFirstOnHost: true}, ledger.News{}, []Kind{UnsanctionedTool}, 0},
		{"second", map[Kind]bool{KindSecondTool: true}, ledger.News{FirstOnHost: true, SecondTool: []string{"y"}}, []Kind{KindSecondTool, UnsanctionedTool}, 0},
	} {
		recorded := 0
		b := newBenchOf(Config{Kinds: c.kinds, Policy: p, Memory: memoryOf{"x": c.news}, Recorded: func(*Alert) { recorded++ }})
		b.see(in, detect.KindSNI, "a.example", "10.0.0.1:1", "192.0.2.1:443", 0)
		b.see(other, detect.KindSNI, "b.example", "10.0.0.1:2", "192.0.2.2:443", 1)
		b.Close()
		var got []Kind
		for _, a := range b.alerts {
			got = append(got, a.Kind())
		}
		if len(got) != len(c.want) || recorded != 1 || b.Stats.Muted != c.muted || b.Stats.Sanctioned != 1 {
			t.Errorf("%s: %v, %d recorded, %+v", c.name, got, recorded, b.Stats)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
}
