package main

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"github.com/miekg/dns"
)

// hidden is one remote-access flow inside the mix, as the manifest tells of it.
type hidden struct {
	kind   string // dns, tls, certificate, quic, http or payload: where the evidence is
	tool   string
	name   string
	packet int // number of the flow's first packet, from 1
}

// anyNetRelay is how AnyDesk's relays call themselves.
var anyNetRelay = certShape{
	subject: pkix.Name{CommonName: "AnyNet Relay", Organization: []string{"philandro Software GmbH"}, Country: []string{"DE"}},
	issuer:  pkix.Name{CommonName: "AnyNet Root CA", Organization: []string{"philandro Software GmbH"}, Country: []string{"DE"}},
}

// openings are the first payloads of protocols without names, from the documented facts of each.
var openings = []struct {
	tool, name     string
	proto          byte
	port           uint16
	client, server string // hex
}{
	{"teamviewer", "teamviewer-tcp", protoTCP, 5938,
		"17240a200000000000000000004800800001000000148000006fb78c804805532216142004",
		"113036001800000001000000000000001b000000180000008c0067fc71b09880d95938c589a6c18cc7919eea283d28cd"},
	{"screenconnect", "screenconnect-relay", protoTCP, 8041,
		"87151000000000000000000000000000" + "0000010000000a" + "01" + "0c73657373696f6e2d30303031",
		"8715100000000000000000000000000001"},
	{"radmin", "radmin-3", protoTCP, 4899, "01000000010000000808",
		"010000002500000212080200000a0000000000000000000000000000000000000000000000000000000000000000"},
	{"rdp", "rdp-negotiation", protoTCP, 3389,
		"0300002f2ae00000000000436f6f6b69653a206d737473686173683d574465706c6f7941640d0a0100080003000000",
		"030000130ed00000123400021f080002000000"},
}

// hiddenFlows makes a few dozen remote-access flows, each by every way in which it can be seen, and cuts the TCP
// ones into small pieces in random order.
func hiddenFlows(r *rand.Rand) ([]hidden, []*script, error) {
	var list []hidden
	var scripts []*script
	var firstErr error
	add := func(kind, tool, name string, s *script, err error) {
		if err != nil && firstErr == nil {
			firstErr = fmt.Errorf("%s: %w", name, err)
		}
		list, scripts = append(list, hidden{kind: kind, tool: tool, name: name}), append(scripts, s)
	}
	named := []struct{ tool, format string }{
		{"anydesk", "relay-%08x.net.anydesk.com"},
		{"teamviewer", "router%d.teamviewer.com"},
		{"screenconnect", "instance-%06x-relay.screenconnect.com"},
	}
	for _, n := range named {
		for range 3 {
			name := fmt.Sprintf(n.format, 1+r.IntN(1<<24))
			s, err := dnsLookup(name, dns.TypeA, 1, r)
			add("dns", n.tool, name, s, err)

			name = fmt.Sprintf(n.format, 1+r.IntN(1<<24))
			c, err := recordTLS(tlsShape{name: name, shuffle: true}, r)
			add("tls", n.tool, name, newScript(protoTCP, 443, true, c).shredded(r), err)

			name = fmt.Sprintf(n.format, 1+r.IntN(1<<24))
			c, err = quicOpening(quicV1, tlsShape{name: name, alpn: []string{"h3"}, shuffle: true}, r)
			add("quic", n.tool, name, newScript(protoUDP, 443, true, c), err)

			name = fmt.Sprintf(n.format, 1+r.IntN(1<<24))
			request := "GET / HTTP/1.1\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nHost: " + name + "\r\n\r\n"
			c = conversation{fromClient([]byte(request)), fromServer([]byte("HTTP/1.1 204 No Content\r\n\r\n"))}
			add("http", n.tool, name, newScript(protoTCP, 80, true, c).shredded(r), nil)
		}
	}
	for range 3 {
		c, err := recordTLS(tlsShape{version: tls.VersionTLS12, cert: issue(anyNetRelay)}, r)
		add("certificate", "anydesk", "AnyNet Relay", newScript(protoTCP, 443, true, c), err)
	}
	for _, o := range openings {
		client, err := hex.DecodeString(o.client)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", o.name, err)
		}
		server, err := hex.DecodeString(o.server)
		c := conversation{fromClient(client), fromServer(server)}
		add("payload", o.tool, o.name, newScript(o.proto, o.port, true, c), err)
		if o.proto == protoTCP {
			add("payload", o.tool, o.name, newScript(o.proto, o.port, true, c).shredded(r), err)
		}
	}
	return list, scripts, firstErr
}
