package format

import (
	"net/netip"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// start is 2026-03-04 14:02:11 UTC in seconds.
const start = 1772632931

// hostile are texts that do harm where they are shown as they are.
var hostile = []string{
	"a\nb", "a\r\n\r\nb", "\x1b[31mred\x1b]0;title\x07", `a"b`, `a\b`, "a\x00b", "a\u202eb", "\u009b31m", "a\xff\xfeb", "value=1 file=x, y", "\x7f",
	strings.Repeat("x", 255), strings.Repeat(" ", 300), strings.Repeat("\x1b", 300),
}

// files names captures by their index.
func files(i uint32) string {
	return []string{"/var/captures/a.pcap", "b c.pcapng", "\x1b[2J\n.pcap"}[i]
}

// tool makes a tool with texts and indicators.
func tool(id, name string, indicators ...*detect.Indicator) *detect.Tool {
	t := &detect.Tool{
		ID: id, Name: name, Vendor: name + " Ltd", Class: "remote-desktop", Attack: []string{"T1219.002"}, LOLRMM: id,
		Advisories: []string{"AA23-025A"}, Indicators: indicators,
		Plain:    name + " lets a person far away see this computer's screen and use its keyboard and mouse. It is common in offices, and common in scams.",
		Guidance: "Ask who runs it and whether a support call was expected, then note the relay and the session times.",
	}
	for _, in := range indicators {
		in.Tool = t
	}
	return t
}

func indicator(id string, c detect.Confidence, need detect.Conds) *detect.Indicator {
	in := &detect.Indicator{ID: id, Role: "relay", Confidence: c, Need: need}
	if need&detect.CondDomain != 0 {
		in.Domain = []string{"*.example"}
	}
	return in
}

// seen is evidence of one sighting, second seconds after start, in packet
// second+1 of the first file.
func seen(in *detect.Indicator, kind detect.Kind, value, client, server string, second int64) alert.Evidence {
	c, s := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	at, frame := (start+second)*1e9, alert.Frame{Number: uint64(second + 1)}
	proto := uint8(decode.ProtoTCP)
	if kind == detect.KindDNS || kind == detect.KindQUIC {
		proto = decode.ProtoUDP
	}
	return alert.Evidence{
		Indicator: in, Kind: kind, Value: value, Count: 1, First: at, Last: at, FirstFrame: frame, LastFrame: frame,
		Flow: alert.Flow{ID: 7, Start: at - 1e9, VLAN: 12, Tuple: flow.Tuple{
			Client: c.Addr(), Server: s.Addr(), ClientPort: c.Port(), ServerPort: s.Port(), Proto: proto,
		}},
	}
}

// alertOf makes an alert of evidence.
func alertOf(host string, c detect.Confidence, evidence ...alert.Evidence) *alert.Alert {
	a := &alert.Alert{
		Tool: evidence[0].Indicator.Tool, Host: netip.MustParseAddr(host), Confidence: c, Evidence: evidence,
		First: evidence[0].First, Last: evidence[len(evidence)-1].Last, Up: 1_234_567, Down: 48_000_000, Flows: 3,
	}
	for i := range evidence {
		if evidence[i].Flow.Client != a.Host {
			a.Inbound = true
		}
	}
	return a
}

// ordinary is AnyDesk: its name asked for, then a session.
func ordinary(host string) *alert.Alert {
	relay, alpn := indicator("relay", detect.High, detect.CondDomain), indicator("alpn", detect.High, detect.CondALPN)
	cert, issuer := indicator("certificate", detect.Medium, detect.CondSubject), indicator("issuer", detect.High, detect.CondIssuer)
	tool("anydesk", "AnyDesk", relay, alpn, cert, issuer)
	client := netip.AddrPortFrom(netip.MustParseAddr(host), 50000).String()
	const dn = `CN=AnyNet Relay, O=philandro Software GmbH, C=DE`
	list := []alert.Evidence{
		seen(relay, detect.KindDNS, "relay-3185a847.net.anydesk.com", client, "10.0.0.53:53", 0),
		seen(cert, detect.KindCert, dn, client, "203.0.113.176:443", 6),
		seen(alpn, detect.KindSNI, "anydesk/6.2.0/linux", client, "203.0.113.176:443", 5),
		seen(issuer, detect.KindCert, dn, client, "203.0.113.176:443", 6),
		seen(relay, detect.KindSNI, "relay-3185a847.net.anydesk.com", client, "203.0.113.176:443", 1600),
	}
	list[0].Count, list[0].LastFrame = 2, alert.Frame{Number: 2}
	list[4].Count, list[4].FirstFrame = 9, alert.Frame{Number: 20}
	return alertOf(host, detect.High, list...)
}

// asked is a tool of which only the name was asked for.
func asked(host, name, question string) *alert.Alert {
	in := indicator("site", detect.Medium, detect.CondDomain)
	tool("t"+name[:1], name, in)
	a := alertOf(host, detect.Medium, seen(in, detect.KindDNS, question, host+":5353", "10.0.0.53:53", 3))
	a.Up, a.Down, a.Flows = 0, 0, 0
	return a
}
