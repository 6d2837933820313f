package format

import (
	"net/netip"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// sampleView is an alert that has everything, in addresses and names that are
// reserved for documentation. New templates are tried with it.
func sampleView() *View {
	in := &detect.Indicator{
		ID: "relay", Role: "relay", Confidence: detect.High, Domain: []string{"*.remote.example"}, Need: detect.CondDomain,
	}
	in.Tool = &detect.Tool{
		ID: "example", Name: "Example Remote", Vendor: "Example Ltd", Class: "remote-desktop", Attack: []string{"T1219.002"},
		LOLRMM: "example", Advisories: []string{"AA23-025A"}, Guidance: "Ask who runs it.", Plain: "It shows this screen to others.",
		Indicators: []*detect.Indicator{in},
	}
	const second = 1e9
	begin := int64(1772632931 * second) // 2026-03-04 14:02:11 UTC
	f := alert.Flow{ID: 1, Start: begin, VLAN: 12, Tunnel: 3, TunnelID: 42}
	f.Client, f.ClientPort = netip.MustParseAddr("192.0.2.10"), 50000
	f.Server, f.ServerPort, f.Proto = netip.MustParseAddr("198.51.100.7"), 443, 6
	frame := alert.Frame{Number: 1}
	return newView(&alert.Alert{
		Tool: in.Tool, Host: f.Client, HostName: "desk-17", Confidence: detect.High, First: begin, Last: begin + 60*second, Up: 1000, Down: 20000, Flows: 1, Unkept: 1,
		Evidence: []alert.Evidence{{
			Indicator: in, Kind: detect.KindSNI, Value: "a1b2c3.remote.example", Tenant: "a1b2c3", Brand: "example", Domain: "remote.example", Count: 2, First: begin, Last: begin + second,
			FirstFrame: frame, LastFrame: frame, Flow: f,
		}},
	}, func(uint32) string { return "sample.pcap" })
}
