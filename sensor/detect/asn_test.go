package detect

import (
	"net/netip"
	"testing"
)

func TestASN(t *testing.T) {
	rs := rules(t,
		`{id: alone, role: relay, confidence: low, asn: [64496, 64511]}`,
		`{id: port, role: relay, confidence: low, asn: [64497], port: [tcp/8041]}`,
		`{id: name, role: relay, confidence: high, asn: [64498], domain: [a.b.example]}`,
		`{id: ip, role: relay, confidence: low, asn: [64499], ip: [192.0.2.0/24]}`,
		`{id: payload, confidence: high, asn: [64500], payload: {proto: tcp, from: client, hex: "1724"}}`,
	)
	addr := netip.MustParseAddr("192.0.2.7")
	for _, c := range []struct {
		what string
		f    Fields
		want string
	}{
		{"alone", Fields{Kind: KindFlow, ServerASN: 64496}, "alone"},
		{"second of the list", Fields{Kind: KindFlow, ServerASN: 64511}, "alone"},
		{"another", Fields{Kind: KindFlow, ServerASN: 64495}, ""},
		{"unknown", Fields{Kind: KindFlow}, ""},
		{"of a hello", Fields{Kind: KindSNI, ServerASN: 64496}, ""},
		{"with its port", Fields{Kind: KindFlow, ServerASN: 64497, Proto: 6, ServerPort: 8041}, "port"},
		{"with another port", Fields{Kind: KindFlow, ServerASN: 64497, Proto: 6, ServerPort: 8042}, ""},
		{"port in another", Fields{Kind: KindFlow, ServerASN: 64496, Proto: 6, ServerPort: 8041}, "alone"},
		{"with its name", Fields{Kind: KindSNI, ServerASN: 64498, Names: list("a.b.example")}, "name"},
		{"name elsewhere", Fields{Kind: KindSNI, ServerASN: 64496, Names: list("a.b.example")}, ""},
		{"name at an unknown place", Fields{Kind: KindSNI, Names: list("a.b.example")}, ""},
		{"with its address", Fields{Kind: KindFlow, ServerASN: 64499, ServerAddr: addr}, "ip"},
		{"address elsewhere", Fields{Kind: KindFlow, ServerASN: 64490, ServerAddr: addr}, ""},
	} {
		if got := show(rs.Match(&c.f, nil)); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	if !rs.UsesASN() || !rs.ASNOfInterest(64496) || rs.ASNOfInterest(64495) || rs.ASNOfInterest(0) {
		t.Error("what is of interest")
	}
	var need []string
	for _, in := range rs.NeedASN() {
		need = append(need, in.ID)
	}
	if len(need) != 3 || need[0] != "name" || need[1] != "ip" || need[2] != "payload" {
		t.Errorf("lost without a database: %q", need)
	}
	if got := rs.Tools()[0].Indicators[0].Need.String(); got != "asn" {
		t.Errorf("the matcher is called %q", got)
	}
	f := Fields{Kind: KindFlow, ServerASN: 64496}
	dst := make([]Hit, 0, 8)
	if n := testing.AllocsPerRun(100, func() { rs.Match(&f, dst[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A set without the matcher asks for no look-up.
func TestNoASN(t *testing.T) {
	rs := rules(t, `{id: name, role: relay, confidence: high, domain: [a.b.example]}`)
	if rs.UsesASN() || rs.ASNOfInterest(64496) || rs.NeedASN() != nil {
		t.Error("a set without asn uses it")
	}
}
