package dns

import (
	"testing"

	mdns "github.com/miekg/dns"
)

const benchName = "instance-q07bx4-relay.screenconnect.com."

// benchQuery is what a stub resolver sends today: one question and an OPT.
func benchQuery(t testing.TB) []byte {
	q := new(mdns.Msg)
	q.SetQuestion(benchName, mdns.TypeA)
	q.SetEdns0(1232, false)
	return pack(t, q)
}

// benchResponse answers it through a CNAME with four addresses.
func benchResponse(t testing.TB) []byte {
	r := new(mdns.Msg)
	r.SetQuestion(benchName, mdns.TypeA)
	r.Response, r.Compress, r.RecursionAvailable = true, true, true
	r.Answer = rrs(t,
		benchName+" 60 IN CNAME server-relay.screenconnect.com.",
		"server-relay.screenconnect.com. 60 IN A 192.0.2.1",
		"server-relay.screenconnect.com. 60 IN A 192.0.2.2",
		"server-relay.screenconnect.com. 60 IN A 192.0.2.3",
		"server-relay.screenconnect.com. 60 IN A 192.0.2.4")
	return pack(t, r)
}

func BenchmarkParseQuery(b *testing.B)    { benchParse(b, benchQuery(b)) }
func BenchmarkParseResponse(b *testing.B) { benchParse(b, benchResponse(b)) }

func benchParse(b *testing.B, msg []byte) {
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		if Parse(msg, &m) != Done {
			b.Fatal("not parsed")
		}
	}
}

// BenchmarkPlausibleMiss is the price of a datagram that is not DNS: RTP here.
func BenchmarkPlausibleMiss(b *testing.B) {
	msg := []byte("\x80\x60\x12\x34\x00\x00\x01\x90\xde\xad\xbe\xef payload of a call")
	for b.Loop() {
		if Plausible(msg) {
			b.Fatal("RTP taken for DNS")
		}
	}
}

func TestAllocations(t *testing.T) {
	query, response := benchQuery(t), benchResponse(t)
	var m Message
	if n := testing.AllocsPerRun(100, func() {
		Parse(query, &m)
		Parse(response, &m)
		Parse(response[:50], &m)
		_ = m.Name(m.Questions[0].Name)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
