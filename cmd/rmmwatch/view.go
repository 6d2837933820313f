package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
)

// view is what watch shows on a terminal: a few lines that are drawn anew each
// second, and the last alerts.
type view struct {
	out   io.Writer
	lines int // that were drawn

	mu     sync.Mutex
	recent []string
	open   int
	total  int
	hosts  map[netip.Addr]int // alerts open on each

	packets, bytes uint64 // at the last drawing
	at             time.Time
}

// shownAlerts is how many alerts the view keeps on the screen.
const shownAlerts = 12

func newView(out io.Writer) *view {
	return &view{out: out, at: time.Now(), hosts: make(map[netip.Addr]int)}
}

// alert takes one telling of an alert.
func (v *view) alert(a *alert.Alert) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch a.State {
	case alert.Opened:
		v.open++
		v.total++
		v.hosts[a.Host]++
	case alert.Closed:
		v.open--
		if v.hosts[a.Host]--; v.hosts[a.Host] <= 0 {
			delete(v.hosts, a.Host)
		}
	}
	best := a.Best()
	v.recent = append(v.recent, fmt.Sprintf("%s  %-6s  %-16s %-24s %-8s %s", time.Unix(0, a.Last).UTC().Format("15:04:05"),
		strings.ToUpper(a.Severity().String()), a.Host, shown(a.Tool.Name), a.State, shown(best.Value)))
	if n := len(v.recent); n > shownAlerts {
		v.recent = v.recent[n-shownAlerts:]
	}
}

// sights is what a drawing shows of the sensor.
type sights struct {
	interfaces                    []string
	tools, workers                int
	rules                         string // version of the rule set
	up                            time.Duration
	packets, bytes, drops, active uint64 // active: live flows
}

// draw writes the view over the one before.
func (v *view) draw(s *liveSensor, now time.Time) {
	rules := s.live.Rules()
	g := sights{interfaces: s.names, tools: len(rules.Tools()), workers: len(s.rings), rules: rules.Version(), up: now.Sub(s.started)}
	for _, w := range s.live.Workers() {
		g.packets += w.Packets
		g.bytes += w.Bytes
		g.active += w.Flows.Live
	}
	for _, r := range s.rings {
		_, d, _ := r.Stats()
		g.drops += d
	}
	v.out.Write(v.render(&g, now, terminalWidth(v.out)))
}

// render is the next drawing, with what moves the cursor to the place of the one before.
func (v *view) render(g *sights, now time.Time, width int) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	took := max(now.Sub(v.at).Seconds(), 0.001)
	var b bytes.Buffer
	width = max(width, 20)
	line := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if len(text) > width {
			text = text[:width]
		}
		fmt.Fprintf(&b, "\x1b[K%s\n", text)
	}
	if v.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.lines)
	}
	line("watching %s for %s, %s, rules %.8s, up %s", strings.Join(g.interfaces, ", "), count(g.tools, "tool"),
		count(g.workers, "worker"), g.rules, g.up.Round(time.Second))
	line("%.1f kpackets/s, %.1f Mbit/s; %d packets, %d dropped by the kernel (%.2f %%); %d flows", float64(g.packets-v.packets)/took/1e3,
		float64(g.bytes-v.bytes)*8/took/1e6, g.packets, g.drops, 100*float64(g.drops)/max(float64(g.packets+g.drops), 1), g.active)
	line("%s, %d open on %s", count(v.total, "alert"), v.open, count(len(v.hosts), "host"))
	for _, r := range v.recent {
		line("%s", r)
	}
	v.lines = bytes.Count(b.Bytes(), []byte("\n"))
	v.packets, v.bytes, v.at = g.packets, g.bytes, now
	return b.Bytes()
}
