package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// packet is one IP packet on the tape, still without a link header.
type packet struct {
	at   time.Time
	data []byte
}

// tape is what a case records: the packets of one or more conversations, by a clock that only packets move. The
// first error stays and stops the case; the methods after it do nothing of use.
type tape struct {
	packets []packet
	clock   time.Time
	rand    *rand.Rand
	port    uint16 // of the next conversation's client
	err     error
}

func newTape(name string) *tape {
	return &tape{clock: mixStart, rand: seeded(1, name), port: 51514}
}

// fail keeps the first error.
func (t *tape) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// add appends one IP packet. A change of speaker takes a round trip, the rest of a burst next to nothing.
func (t *tape) add(data []byte, answer bool) {
	if answer {
		t.clock = t.clock.Add(11 * time.Millisecond)
	} else {
		t.clock = t.clock.Add(90 * time.Microsecond)
	}
	t.packets = append(t.packets, packet{t.clock, data})
}

// pause lets time pass without packets.
func (t *tape) pause(d time.Duration) { t.clock = t.clock.Add(d) }

// from is the address of a client that opens a new conversation.
func (t *tape) from(client string) netip.AddrPort {
	t.port += 7
	return netip.AddrPortFrom(netip.MustParseAddr(client), t.port)
}

// tcp records a whole connection: handshake, conversation, end.
func (t *tape) tcp(client netip.AddrPort, server string, c conversation) {
	segs := segments(c, mss4)
	end := [2]uint32{1, 1}
	for _, s := range segs {
		end[side(s.server)] = max(end[side(s.server)], segmentEnd(&s))
	}
	segs = append(segs,
		newSegment(false, flagFIN|flagACK, end[0], end[1], nil),
		newSegment(true, flagFIN|flagACK, end[1], end[0]+1, nil),
		newSegment(false, flagACK, end[0]+1, end[1]+1, nil))
	t.play(client, server, segs)
}

// play records segments as they come.
func (t *tape) play(client netip.AddrPort, server string, segs []segment) {
	to := netip.MustParseAddrPort(server)
	first := [2]uint32{t.rand.Uint32(), t.rand.Uint32()}
	for i, s := range segs {
		src, dst, h := client, to, s.tcpHeader
		if s.server {
			src, dst = dst, src
		}
		h.seq += first[side(s.server)]
		if h.flags&flagACK != 0 {
			h.ack += first[1-side(s.server)]
		}
		t.add(appendTCP(nil, src, dst, h, s.data, s.sum), i > 0 && segs[i-1].server != s.server)
	}
}

// udp records a conversation of datagrams.
func (t *tape) udp(client netip.AddrPort, server string, c conversation) {
	to := netip.MustParseAddrPort(server)
	for i, d := range c {
		src, dst := client, to
		if d.server {
			src, dst = dst, src
		}
		id := uint16(t.rand.Uint32())
		t.add(appendUDP(nil, src, dst, id, d.data, sum(d.data)), i > 0 && c[i-1].server != d.server)
	}
}

// The resolver that clients ask, and a server that names lead to.
const (
	resolver  = "10.0.0.53:53"
	resolver6 = "[fd00:53::53]:53"
	webServer = "203.0.113.80:443"
)

// lookup records a query for name over UDP and its answer, one address or none.
func (t *tape) lookup(client, server, name, address string) {
	query, answer, err := dnsMessages(name, address, uint16(t.rand.Uint32()))
	if err != nil {
		t.fail(err)
		return
	}
	t.udp(t.from(client), server, conversation{fromClient(query), fromServer(answer)})
}

// dnsMessages makes a query and its answer with miekg/dns.
func dnsMessages(name, address string, id uint16) (query, answer []byte, err error) {
	kind := dns.TypeA
	addr, err := netip.ParseAddr(address)
	if err == nil && addr.Is6() {
		kind = dns.TypeAAAA
	}
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	q.Id = id
	q.SetEdns0(1232, false)
	a := new(dns.Msg).SetReply(q)
	a.Compress = true
	header := dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET, Ttl: 60}
	switch {
	case err != nil:
		a.Rcode = dns.RcodeNameError
	case addr.Is6():
		a.Answer = []dns.RR{&dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}}
	default:
		a.Answer = []dns.RR{&dns.A{Hdr: header, A: addr.AsSlice()}}
	}
	if query, err = q.Pack(); err == nil {
		answer, err = a.Pack()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lookup of %q: %w", name, err)
	}
	return query, answer, nil
}

// shake returns a recorded TLS handshake, followed by records of application data both ways.
func (t *tape) shake(s tlsShape, records int) conversation {
	c, err := recordTLS(s, t.rand)
	if err != nil {
		t.fail(err)
		return nil
	}
	for i := range records {
		record := make([]byte, 5+20+t.rand.IntN(400))
		noise(record, t.rand)
		copy(record, []byte{23, 3, 3})
		binary.BigEndian.PutUint16(record[3:], uint16(len(record)-5))
		c = append(c, turn{i%2 == 1, record})
	}
	return c
}

// visit records what a program does that reaches a server by name: a lookup, then TLS with the name as SNI.
func (t *tape) visit(client, name, address string) {
	t.lookup(client, resolver, name, address)
	t.tcp(t.from(client), address+":443", t.shake(tlsShape{name: name, alpn: []string{"http/1.1"}}, 2))
}
