package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// labelMark is the label in a script's names that each flow replaces by letters of its own.
const labelMark = "xqzlabel"

// The largest TCP payloads of an Ethernet frame.
const (
	mss4 = 1460
	mss6 = 1440
)

// script is how the flows of one kind begin: packets made once and sent by thousands of flows.
type script struct {
	proto byte // 0 for ARP
	port  uint16
	v4    []segment
	v6    []segment
	bulk  bool // flows go on after the script
}

func (s *script) family(client netip.Addr) []segment {
	if client.Is6() {
		return s.v6
	}
	return s.v4
}

// newScript cuts a conversation into the packets of a script.
func newScript(proto byte, port uint16, bulk bool, c conversation) *script {
	s := &script{proto: proto, port: port, bulk: bulk}
	if proto == protoTCP {
		s.v4, s.v6 = segments(c, mss4), segments(c, mss6)
	} else {
		for _, t := range c {
			s.v4 = append(s.v4, newSegment(t.server, 0, 0, 0, t.data))
		}
		s.v6 = s.v4
	}
	s.mark()
	return s
}

// mark notes where flows put their own label.
func (s *script) mark() {
	for _, segs := range [][]segment{s.v4, s.v6} {
		for i := range segs {
			segs[i].label = max(0, bytes.Index(segs[i].data, []byte(labelMark)))
		}
	}
}

// disordered returns s with its first data out of order or sent twice.
func (s *script) disordered(r *rand.Rand) *script {
	return &script{proto: s.proto, port: s.port, bulk: s.bulk, v4: disorder(s.v4, r), v6: disorder(s.v6, r)}
}

// shredded returns s with its first data in small pieces in random order.
func (s *script) shredded(r *rand.Rand) *script {
	return &script{proto: s.proto, port: s.port, bulk: s.bulk, v4: shred(s.v4, r), v6: shred(s.v6, r)}
}

// chunk is the payload of one bulk packet: over TCP one TLS record of
// application data, over UDP a short-header QUIC packet.
type chunk struct {
	data  []byte
	sum   uint64
	short []byte
}

func makeChunks(r *rand.Rand) []chunk {
	chunks := make([]chunk, 64)
	for i := range chunks {
		n := mss6
		if i%8 == 7 {
			n = 60 + r.IntN(mss6-60)
		}
		data := make([]byte, n)
		noise(data, r)
		short := append([]byte(nil), data[:min(n, 1252)]...)
		short[0] = 0x40 | short[0]&0x3f
		copy(data, []byte{23, 3, 3, byte((n - 5) >> 8), byte(n - 5)})
		chunks[i] = chunk{data, sum(data), short}
	}
	return chunks
}

// scriptsOf makes n scripts of one kind.
func scriptsOf(n int, make func(i int) (*script, error)) ([]*script, error) {
	scripts := []*script{}
	for i := range n {
		s, err := make(i)
		if err != nil {
			return nil, err
		}
		scripts = append(scripts, s)
	}
	return scripts, nil
}

func tlsScript(r *rand.Rand) (*script, error) {
	domain := randomDomain(r)
	shape := tlsShape{
		name: labelMark + "." + domain, alpn: []string{"h2", "http/1.1"},
		classic: r.IntN(10) < 4, shuffle: r.IntN(2) == 0,
		cert: issue(certShape{pkix.Name{CommonName: "*." + domain}, publicCA, []string{"*." + domain, domain}}),
	}
	if r.IntN(10) < 3 {
		shape.version = tls.VersionTLS12
	}
	c, err := recordTLS(shape, r)
	return newScript(protoTCP, 443, true, c), err
}

func quicScript(r *rand.Rand) (*script, error) {
	c, err := quicOpening(quicV1, tlsShape{
		name: randomLetters(r, 4, 12) + "." + randomDomain(r), alpn: []string{"h3"},
		shuffle: r.IntN(2) == 0, classic: r.IntN(4) == 0,
	}, r)
	return newScript(protoUDP, 443, true, c), err
}

// dnsScript is a query for a name and its answer: an address, two of them, or an alias before.
func dnsScript(r *rand.Rand) (*script, error) {
	kind := dns.TypeA
	if r.IntN(5) == 0 {
		kind = dns.TypeAAAA
	}
	return dnsLookup(labelMark+"."+randomDomain(r), kind, 1+r.IntN(2), r)
}

// dnsLookup makes the script of one lookup with the given number of addresses in the answer.
func dnsLookup(name string, kind uint16, addresses int, r *rand.Rand) (*script, error) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	query.Id = 0
	query.SetEdns0(1232, false)
	reply := new(dns.Msg).SetReply(query)
	reply.Compress = true
	for range addresses {
		header := dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET, Ttl: 60}
		if kind == dns.TypeAAAA {
			reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: header, AAAA: server6(r).AsSlice()})
		} else {
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: server4(r).AsSlice()})
		}
	}
	q, err := query.Pack()
	if err != nil {
		return nil, fmt.Errorf("query for %q: %w", name, err)
	}
	a, err := reply.Pack()
	if err != nil {
		return nil, fmt.Errorf("answer for %q: %w", name, err)
	}
	return newScript(protoUDP, 53, false, conversation{fromClient(q), fromServer(a)}), nil
}

func httpScript(r *rand.Rand) (*script, error) {
	request := fmt.Sprintf("GET /%s/%s HTTP/1.1\r\nHost: %s.%s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n\r\n",
		randomLetters(r, 3, 20), randomLetters(r, 3, 60), labelMark, randomDomain(r))
	response := fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s",
		1<<20, strings.Repeat("<p>"+randomLetters(r, 20, 40)+"</p>\n", 10+r.IntN(30)))
	return newScript(protoTCP, 80, true, conversation{fromClient([]byte(request)), fromServer([]byte(response))}), nil
}

// opaqueScript is a protocol that nobody here knows: some bytes each way.
func opaqueScript(proto byte, r *rand.Rand) (*script, error) {
	hello, answer := make([]byte, 20+r.IntN(400)), make([]byte, 20+r.IntN(900))
	noise(hello, r)
	noise(answer, r)
	hello[0] |= 0xa0 // not the first byte of anything known
	return newScript(proto, uint16(10000+r.IntN(10000)), true, conversation{fromClient(hello), fromServer(answer)}), nil
}

// bareScript is one packet each way of a protocol without ports.
func bareScript(proto byte, payload []byte) *script {
	return newScript(proto, 0, false, conversation{fromClient(payload), fromServer(payload)})
}

var topLevels = []string{"com", "net", "org", "example", "io", "co.uk", "de"}

// randomDomain is a domain that no rule file names, of 8 to some 60 bytes.
func randomDomain(r *rand.Rand) string {
	name := ""
	for range r.IntN(3) {
		name += randomLetters(r, 2, 16) + "."
	}
	return name + randomLetters(r, 5, 18) + "." + topLevels[r.IntN(len(topLevels))]
}

// randomLetters is a pronounceable nonsense word of low to high letters.
func randomLetters(r *rand.Rand, low, high int) string {
	const consonants, vowels = "bcdfghklmnprstvz", "aeiou"
	b := make([]byte, low+r.IntN(high-low+1))
	for i := range b {
		if i%2 == 0 {
			b[i] = consonants[r.IntN(len(consonants))]
		} else {
			b[i] = vowels[r.IntN(len(vowels))]
		}
	}
	return string(b)
}

// server4 is an address of the benchmarking or documentation networks, server6 one of 2001:db8::/32.
func server4(r *rand.Rand) netip.Addr {
	if r.IntN(8) == 0 {
		return netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + r.IntN(254))})
	}
	return netip.AddrFrom4([4]byte{198, byte(18 + r.IntN(2)), byte(r.IntN(256)), byte(1 + r.IntN(254))})
}

func server6(r *rand.Rand) netip.Addr {
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(1 + r.IntN(254))}
	noise(b[4:8], r)
	return netip.AddrFrom16(b)
}
