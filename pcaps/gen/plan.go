package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// How many templates of each kind a mix is made from. A flow's own label in the name makes the names distinct.
const (
	tlsScripts  = 400
	dnsScripts  = 400
	httpScripts = 100
	quicScripts = 48
	rareScripts = 32
)

// share is a kind of traffic and the permille of the flows that are of it.
type share struct {
	permille int
	scripts  []*script
}

// plan decides everything but the order of packets: which flows there are, what each says, when it starts and how
// long it goes on.
func (m *mixer) plan() error {
	r := seeded(m.shape.seed, "plan")
	shares, err := mixShares(seeded(m.shape.seed, "scripts"))
	if err != nil {
		return err
	}
	secret, hiddenScripts, err := hiddenFlows(seeded(m.shape.seed, "hidden"))
	if err != nil {
		return err
	}
	if m.shape.flows < 2*len(secret) {
		return fmt.Errorf("%d flows are too few to hide %d in", m.shape.flows, len(secret))
	}
	m.hidden = secret
	m.chunks = makeChunks(seeded(m.shape.seed, "bulk"))
	m.flows = make([]flow, m.shape.flows)
	shuffled := r.Perm(m.shape.flows) // which host opens which flow
	for i := range m.flows {
		s, h := pick(shares, r), i-(len(m.flows)-len(secret))
		if h >= 0 {
			s = hiddenScripts[h]
		}
		m.flows[i] = newFlow(s, shuffled[i], r)
	}
	m.shareBulk(r)
	m.schedule(r)
	return nil
}

// mixShares makes the scripts: 45 % TLS, 35 % DNS, 8 % HTTP, 6 % QUIC and the rest. Half a percent of the TLS flows
// have their ClientHello out of order or sent twice.
func mixShares(r *rand.Rand) ([]share, error) {
	kinds := []struct {
		permille, n int
		make        func(int) (*script, error)
	}{
		{448, tlsScripts, func(int) (*script, error) { return tlsScript(r) }},
		{350, dnsScripts, func(int) (*script, error) { return dnsScript(r) }},
		{80, httpScripts, func(int) (*script, error) { return httpScript(r) }},
		{60, quicScripts, func(int) (*script, error) { return quicScript(r) }},
		{20, rareScripts, func(int) (*script, error) { return opaqueScript(protoTCP, r) }},
		{20, rareScripts, func(int) (*script, error) { return opaqueScript(protoUDP, r) }},
		{15, 1, func(int) (*script, error) { return bareScript(protoICMP, make([]byte, 56)), nil }},
		{5, 1, func(int) (*script, error) { return bareScript(0, nil), nil }},
	}
	var shares []share
	for _, k := range kinds {
		scripts, err := scriptsOf(k.n, k.make)
		if err != nil {
			return nil, err
		}
		shares = append(shares, share{k.permille, scripts})
	}
	var disordered []*script
	for _, s := range shares[0].scripts {
		disordered = append(disordered, s.disordered(r))
	}
	return append(shares, share{2, disordered}), nil
}

func pick(shares []share, r *rand.Rand) *script {
	n := r.IntN(1000)
	for _, s := range shares {
		if n -= s.permille; n < 0 {
			return s.scripts[r.IntN(len(s.scripts))]
		}
	}
	panic("the shares do not add up to 1000")
}

// mixHosts is how many clients there are; the n-th flow belongs to host n%mixHosts, which never uses a port twice.
const mixHosts = 20000

// newFlow gives the n-th flow its addresses. A tenth of the hosts speaks IPv6, a tenth sits in VLAN 20.
func newFlow(s *script, n int, r *rand.Rand) flow {
	host := n % mixHosts
	f := flow{script: s, upload: r.IntN(7) == 0}
	f.label[0] = byte('a' + r.IntN(26))
	for i := 1; i < len(f.label); i++ {
		f.label[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
	}
	if host%10 == 3 {
		f.vlan = 20
	}
	client := netip.AddrFrom4([4]byte{10, byte(1 + host>>14), byte(host >> 7 & 0x7f), byte(1 + host&0x7f)})
	server := server4(r)
	if host%10 == 7 && s.proto != 0 {
		client = netip.AddrFrom16([16]byte{0xfd, 0x10, 13: byte(host >> 14), 14: byte(host >> 7 & 0x7f), 15: byte(1 + host&0x7f)})
		server = server6(r)
	}
	switch {
	case s.port == 53 && client.Is6():
		server = netip.MustParseAddr("fd10::53")
	case s.port == 53:
		server = netip.MustParseAddr("10.0.0.53")
	case s.proto == 0:
		server = netip.MustParseAddr("10.0.0.1")
	}
	f.client = netip.AddrPortFrom(client, uint16(32768+(host*977)%16384+n/mixHosts))
	f.server = netip.AddrPortFrom(server, s.port)
	if s.proto == protoTCP && r.IntN(3) == 0 {
		f.fin = 2
	}
	return f
}

// shareBulk hands out the packets that are left of the asked size once every script is said, most of them to few
// flows: the shares are Pareto distributed with exponent 1.1.
func (m *mixer) shareBulk(r *rand.Rand) {
	const bulkBytes, ackBytes = 1340 + 70, 70 // of an average data packet and an acknowledgement, headers included
	packets := m.shape.bytes / int64(m.shape.packet+16)
	left := m.shape.bytes
	weights, total := make([]float64, len(m.flows)), 0.0
	for i := range m.flows {
		f := &m.flows[i]
		segs := f.script.family(f.client.Addr())
		packets -= int64(len(segs) + int(f.fin))
		for _, s := range segs {
			left -= int64(len(s.data)) + 74
		}
		if f.script.bulk {
			weights[i] = math.Pow(r.Float64(), -1/1.1)
			total += weights[i]
		}
	}
	// data*bulkBytes + (packets-data)*ackBytes = left, unless there is no room for acknowledgements.
	data := max(0, min((left-packets*ackBytes)/(bulkBytes-ackBytes), left/bulkBytes))
	if data > 0 {
		m.acks = uint32(max(0, 256*(packets-data)/data))
	}
	for i := range m.flows {
		n := weights[i] / total * float64(data)
		m.flows[i].bulk = uint32(n + r.Float64())
	}
}

// schedule spreads the flows over the span: they start at any time in its first nine tenths, and their bulk takes
// some of what is left.
func (m *mixer) schedule(r *rand.Rand) {
	start, span := mixStart.UnixMicro(), m.shape.span.Microseconds()
	m.next = make(agenda, len(m.flows))
	for i := range m.flows {
		f := &m.flows[i]
		at := r.Int64N(max(1, span*9/10))
		m.next[i] = event{start + at, uint32(i)}
		if f.bulk > 0 {
			f.gap = max(1, int64(float64(span-at)*(0.1+0.8*r.Float64())/float64(f.bulk)))
		} else {
			f.gap = 1000 + r.Int64N(1_000_000)
		}
	}
	slices.SortFunc(m.next, func(a, b event) int { return int(a.at - b.at) }) // a sorted slice is a heap
}
