package main

import (
	"encoding/binary"

	"github.com/quic-go/quic-go"
)

const quicYields = "10.1.2.3 AnyDesk: QUIC SNI `" + anyDeskRelay + "`"

// quicCases carry the same name through every way in which a QUIC ClientHello can be cut, sealed and delayed.
var quicCases = []captureCase{
	{name: "quic-v1-synthetic", holds: "quic-go, version 1: a ClientHello over two Initials", yields: quicYields,
		record: quicByQUICGo(quicGoShape{})},
	{name: "quic-v2-synthetic", holds: "quic-go, version 2 (RFC 9369)", yields: quicYields,
		record: quicByQUICGo(quicGoShape{version: quic.Version2})},
	{name: "quic-large-synthetic", holds: "quic-go: a ClientHello over four Initials", yields: quicYields,
		record: quicByQUICGo(quicGoShape{large: true})},
	{name: "quic-retry-synthetic", holds: "quic-go: the server answers with Retry first", yields: quicYields,
		record: quicByQUICGo(quicGoShape{retry: true})},
	{name: "quic-draft29-synthetic", holds: "draft 29, CRYPTO frames shuffled with PING between, as Chromium does", yields: quicYields,
		record: func(t *tape) { t.quicOpening(quicDraft29, false) }},
	{name: "quic-shuffled-synthetic", holds: "version 1, CRYPTO frames shuffled and the Initials in reverse order", yields: quicYields,
		record: func(t *tape) { t.quicOpening(quicV1, true) }},
	{name: "quic-negotiation-synthetic", holds: "a version nobody speaks, Version Negotiation, then version 2", yields: quicYields,
		record: recordNegotiation},
	{name: "quic-coalesced-synthetic", holds: "both Initials of a ClientHello in one datagram, a Handshake packet behind them", yields: quicYields,
		record: recordCoalesced},
}

func quicByQUICGo(s quicGoShape) func(*tape) {
	s.name, s.alpn = anyDeskRelay, "h3"
	return func(t *tape) { t.quicGo("10.1.2.3", webServer, s) }
}

var quicShape = tlsShape{name: anyDeskRelay, alpn: []string{"h3"}, shuffle: true}

// quicOpening records the start of a connection, the client's Initials in reverse order when asked.
func (t *tape) quicOpening(v quicVersion, reverse bool) {
	c, err := quicOpening(v, quicShape, t.rand)
	if err != nil {
		t.fail(err)
		return
	}
	if reverse {
		c[0], c[1] = c[1], c[0]
	}
	for range 4 {
		c = append(c, fromServer(t.shortHeader()), fromClient(t.shortHeader()))
	}
	t.udp(t.from("10.1.2.3"), webServer, c)
}

// shortHeader is a packet of an established connection.
func (t *tape) shortHeader() []byte {
	b := t.blob("", 60+t.rand.IntN(900))
	b[0] = 0x40 | b[0]&0x3f
	return b
}

func recordNegotiation(t *tape) {
	hello, _, err := quicHello(quicShape, t.rand)
	if err != nil {
		t.fail(err)
		return
	}
	unknown := quicV1
	unknown.number = 0x1a2a3a4a // reserved to exercise negotiation: RFC 9000, 15
	ids := newQUICIDs(t.rand)
	first := unknown.sealInitial(nil, false, ids, nil, 0, cryptoFrame(nil, hello, 0, 900), 1200)
	answer := []byte{0xc0, 0, 0, 0, 0, byte(len(ids.client))}
	answer = append(append(answer, ids.client...), byte(len(ids.origin)))
	answer = append(answer, ids.origin...)
	for _, v := range []quicVersion{quicV2, quicV1} {
		answer = binary.BigEndian.AppendUint32(answer, v.number)
	}
	c, err := quicOpening(quicV2, quicShape, t.rand)
	if err != nil {
		t.fail(err)
		return
	}
	t.udp(t.from("10.1.2.3"), webServer, append(conversation{fromClient(first), fromServer(answer)}, c...))
}

func recordCoalesced(t *tape) {
	s := quicShape
	s.classic = true // small enough that two halves fit into one datagram
	hello, answer, err := quicHello(s, t.rand)
	if err != nil {
		t.fail(err)
		return
	}
	ids, half := newQUICIDs(t.rand), len(hello)/2
	datagram := quicV1.sealInitial(nil, false, ids, nil, 0, cryptoFrame(nil, hello, half, len(hello)), 0)
	datagram = quicV1.sealInitial(datagram, false, ids, nil, 1, cryptoFrame(nil, hello, 0, half), 0)
	handshake := append([]byte{0xe0, 0, 0, 0, 1, byte(len(ids.origin))}, ids.origin...)
	handshake = append(append(handshake, byte(len(ids.client))), ids.client...)
	n := 1200 - len(datagram) - len(handshake) - 2
	handshake = append(handshake, 0x40|byte(n>>8), byte(n))
	datagram = append(append(datagram, handshake...), t.blob("", n)...)
	reply := quicV1.sealInitial(nil, true, ids, nil, 0, cryptoFrame([]byte{2, 0, 0, 0, 0}, answer, 0, len(answer)), 1200)
	t.udp(t.from("10.1.2.3"), webServer, conversation{fromClient(datagram), fromServer(reply), fromClient(t.shortHeader())})
}
