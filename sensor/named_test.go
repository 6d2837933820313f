package sensor

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/names"
)

// answerOf packs the answer to a question for the addresses of name.
func answerTo(t testing.TB, name string, records ...string) []byte {
	t.Helper()
	m := new(mdns.Msg).SetQuestion(name, mdns.TypeA)
	m.Response, m.Compress, m.RecursionAvailable = true, true, true
	for _, text := range records {
		rr, err := mdns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func followed(t testing.TB, b []byte) (chain []string, addrs []netip.Addr, ttl uint32) {
	t.Helper()
	var m dns.Message
	if st := dns.Parse(b, &m); st != dns.Done {
		t.Fatal("status", st)
	}
	var p dnsPath
	p.follow(&m)
	return pathText(&p)
}

func pathText(p *dnsPath) (chain []string, addrs []netip.Addr, ttl uint32) {
	for _, n := range p.names[:p.n] {
		chain = append(chain, strings.ToLower(string(n)))
	}
	for _, a := range p.addrs[:p.found] {
		addrs = append(addrs, a.Netip())
	}
	return chain, addrs, p.ttl
}

func TestFollow(t *testing.T) {
	for _, c := range []struct {
		records []string
		want    string
	}{
		{[]string{"a.example. 60 IN A 192.0.2.1", "A.EXAMPLE. 30 IN A 192.0.2.2"}, "[a.example] [192.0.2.1 192.0.2.2] 30"},
		{[]string{"a.example. 20 IN CNAME b.example.", "B.example. 60 IN A 192.0.2.1"}, "[a.example b.example] [192.0.2.1] 20"},
		{[]string{"b.example. 60 IN A 192.0.2.1", "a.example. 20 IN CNAME b.example."}, "[a.example b.example] [192.0.2.1] 20"},
		{[]string{"a.example. 20 IN CNAME b.example.", "c.example. 5 IN A 192.0.2.3"}, "[a.example b.example] [] 20"},
		{[]string{"other.example. 1 IN A 192.0.2.9"}, "[a.example] [] 86400"},
		{[]string{"a.example. 604800 IN A 192.0.2.9"}, "[a.example] [192.0.2.9] 86400"},
		{[]string{"a.example. 60 CH A 192.0.2.9"}, "[a.example] [] 86400"},
		{[]string{`a.example. 60 IN HTTPS 1 . alpn="h2" ipv4hint=192.0.2.4,192.0.2.5 ipv6hint=2001:db8::1`}, "[a.example] [192.0.2.4 192.0.2.5 2001:db8::1] 60"},
		{[]string{"a.example. 60 IN AAAA 2001:db8::7", "a.example. 60 IN TXT x"}, "[a.example] [2001:db8::7] 60"},
	} {
		chain, addrs, ttl := followed(t, answerTo(t, "a.example.", c.records...))
		if got := fmt.Sprint(chain, addrs, ttl); got != c.want {
			t.Errorf("%q: %s, want %s", c.records, got, c.want)
		}
	}
	// A loop ends.
	chain, addrs, _ := followed(t, answerTo(t, "a.example.", "a.example. 60 IN CNAME b.example.", "b.example. 60 IN CNAME a.example."))
	if len(chain) != maxAliases || len(addrs) != 0 {
		t.Errorf("a loop: %q %v", chain, addrs)
	}
}

// FuzzFollow holds the way from a question to addresses against miekg/dns: whatever the
// answer, only addresses at the end of the aliases count.
func FuzzFollow(f *testing.F) {
	f.Add(answerTo(f, "a.example.", "a.example. 20 IN CNAME b.example.", "b.example. 60 IN A 192.0.2.1"))
	f.Add(answerTo(f, "a.example.", `a.example. 60 IN HTTPS 1 . ipv4hint=192.0.2.4 ipv6hint=2001:db8::1`))
	f.Add(answerTo(f, "a.example.", "a.example. 60 IN CNAME b.example.", "b.example. 60 IN CNAME a.example.", "a.example. 60 IN A 192.0.2.7"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m dns.Message
		if st := dns.Parse(b, &m); st == dns.NotDNS || m.NumQuestions == 0 {
			return
		}
		var p dnsPath
		p.follow(&m)
		var ref mdns.Msg
		if ref.Unpack(b) != nil || m.NumAnswers != len(ref.Answer) {
			return
		}
		chain, want := reference(&ref)
		_, got, _ := pathText(&p)
		if !slices.Equal(got, want[:min(len(want), len(p.addrs))]) || len(chain) != p.n {
			t.Errorf("%v, want %v by %q\n%v", got, want, chain, &ref)
		}
	})
}

// reference follows an answer as FuzzFollow's oracle does.
func reference(m *mdns.Msg) (chain []string, addrs []netip.Addr) {
	at := m.Question[0].Name
	for len(chain) < maxAliases {
		chain = append(chain, at)
		next, found := "", false
		for _, rr := range m.Answer {
			h := rr.Header()
			if !bytes.EqualFold([]byte(h.Name), []byte(at)) || h.Class&0x7fff != mdns.ClassINET {
				continue
			}
			var ips [][]byte
			switch rr := rr.(type) {
			case *mdns.CNAME:
				next, found = rr.Target, true
			case *mdns.A:
				ips = append(ips, rr.A.To4())
			case *mdns.AAAA:
				ips = append(ips, rr.AAAA.To16())
			case *mdns.HTTPS:
				ips = hints(&rr.SVCB)
			case *mdns.SVCB:
				ips = hints(rr)
			}
			for _, ip := range ips {
				if a, ok := netip.AddrFromSlice(ip); ok {
					addrs = append(addrs, a.Unmap())
				}
			}
		}
		if !found {
			break
		}
		at = next
	}
	return chain, addrs
}

func hints(rr *mdns.SVCB) (ips [][]byte) {
	for _, kind := range []mdns.SVCBKey{mdns.SVCB_IPV4HINT, mdns.SVCB_IPV6HINT} {
		for _, kv := range rr.Value {
			switch kv := kv.(type) {
			case *mdns.SVCBIPv4Hint:
				for _, ip := range kv.Hint {
					if kind == kv.Key() {
						ips = append(ips, ip.To4())
					}
				}
			case *mdns.SVCBIPv6Hint:
				for _, ip := range kv.Hint {
					if kind == kv.Key() {
						ips = append(ips, ip.To16())
					}
				}
			}
		}
	}
	return ips
}

func TestIsHostName(t *testing.T) {
	for name, want := range map[string]bool{ // any order
		"": false, "a.example": true, "a.example:443": true, "a.example.": true, "host-1": true, "1.example.1x": true, "a3": true,
		"192.0.2.1": false, "192.0.2.1:443": false, "2001:db8::1": false, "[2001:db8::1]": false, "[2001:db8::1]:443": false, "2001:db8::a": false, "a.example:x": true,
	} {
		if got := isHostName([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// What is asked of DNS about a flow, and what an answer that no rule knows costs,
// allocates nothing.
func TestNamesAllocateNothing(t *testing.T) {
	w, f, m := benchAnswer(t)
	if n := testing.AllocsPerRun(100, func() { w.learn(f, m, nil) }); n != 0 {
		t.Errorf("an answer: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { f.App = 0; w.nameless(f) }); n != 0 {
		t.Errorf("a miss: %v allocations", n)
	}
	w.missed = new(missed)
	if n := testing.AllocsPerRun(100, func() { f.App = 0; w.nameless(f); w.retell() }); n != 0 {
		t.Errorf("a miss among several workers: %v allocations", n)
	}
}

func benchAnswer(t testing.TB) (*Worker, *flow.Flow, *dns.Message) {
	w := &Worker{told: names.New(1<<15, replaySeed), frame: &capture.Frame{Time: 1e18}}
	table := flow.New(flow.Config{Flows: 16, SmallHeads: 1, LargeHeads: 1}, nil)
	p := decode.Packet{Src: decode.Addr{Lo: 0xffff<<32 | 0x0a010203}, Dst: decode.Addr{Lo: 0xffff<<32 | 0x0a000035}, SrcPort: 50000, DstPort: 53, Proto: 17, PayloadLen: 1}
	f, _, _ := table.Get(table.Locate(&p), &p, 1e18)
	m := new(dns.Message)
	b := answerTo(t, "www.some-shop.example.", "www.some-shop.example. 60 IN CNAME lb.some-shop.example.", "lb.some-shop.example. 60 IN A 192.0.2.1", "lb.some-shop.example. 60 IN A 192.0.2.2")
	if dns.Parse(b, m) != dns.Done {
		t.Fatal("not parsed")
	}
	return w, f, m
}

func BenchmarkAnswer(b *testing.B) {
	w, f, m := benchAnswer(b)
	b.ReportAllocs()
	for b.Loop() {
		w.learn(f, m, nil)
	}
}

func BenchmarkNameless(b *testing.B) {
	w, f, _ := benchAnswer(b)
	b.ReportAllocs()
	for b.Loop() {
		f.App = 0
		w.nameless(f)
	}
}
