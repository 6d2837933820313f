package main

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// The view is drawn over the one before, no wider than the terminal, and nothing
// from the wire reaches the terminal as it came.
func TestView(t *testing.T) {
	start := time.Date(2026, 3, 4, 14, 2, 11, 0, time.UTC)
	v := newView(io.Discard)
	v.at = start
	g := sights{interfaces: []string{"eth1", "eth2"}, tools: 170, workers: 2, rules: "0123456789abcdef", up: 65 * time.Second,
		packets: 20_000, bytes: 5_000_000, drops: 5, active: 17}
	got := string(v.render(&g, start.Add(2*time.Second), 120))
	want := "\x1b[Kwatching eth1, eth2 for 170 tools, 2 workers, rules 01234567, up 1m5s\n" +
		"\x1b[K10.0 kpackets/s, 20.0 Mbit/s; 20000 packets, 5 dropped by the kernel (0.02 %); 17 flows\n" +
		"\x1b[K0 alerts, 0 open on 0 hosts\n"
	if got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	tell := func(host string, state alert.State) {
		v.alert(&alert.Alert{Tool: &detect.Tool{ID: "x", Name: "X\x1b[2J"}, Host: netip.MustParseAddr(host), State: state, Last: start.UnixNano(),
			Confidence: detect.High, Evidence: []alert.Evidence{{Indicator: &detect.Indicator{Confidence: detect.High}, Value: strings.Repeat("n", 200)}}})
	}
	tell("10.1.2.3", alert.Opened)
	tell("10.1.2.3", alert.Opened)
	tell("10.1.2.4", alert.Opened)
	tell("10.1.2.4", alert.Closed)
	g.packets += 3000
	got = string(v.render(&g, start.Add(3*time.Second), 80))
	if !strings.HasPrefix(got, "\x1b[3A\x1b[K") {
		t.Errorf("not drawn over the three lines before: %q", got)
	}
	for _, want := range []string{"3.0 kpackets/s", "3 alerts, 2 open on 1 host\n", "14:02:11  HIGH    10.1.2.3", "10.1.2.4", " closed "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for l := range strings.Lines(strings.ReplaceAll(got, "\x1b[K", "")) {
		if len(strings.TrimPrefix(l, "\x1b[3A")) > 81 {
			t.Errorf("%d bytes in %q", len(l), l)
		}
	}
	if strings.Contains(got, "\x1b[2J") {
		t.Errorf("a name clears the screen: %q", got)
	}
	for range 3 * shownAlerts {
		tell("10.1.2.5", alert.Updated)
	}
	if n := strings.Count(string(v.render(&g, start, 80)), "\n"); n != 3+shownAlerts {
		t.Errorf("%d lines", n)
	}
}
