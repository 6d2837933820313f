package main

import (
	"bytes"
	"fmt"
	"io"
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

	packets, bytes uint64 // at the last drawing
	at             time.Time
}

// shownAlerts is how many alerts the view keeps on the screen.
const shownAlerts = 12

func newView(out io.Writer) *view { return &view{out: out, at: time.Now()} }

// alert takes one telling of an alert.
func (v *view) alert(a *alert.Alert) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch a.State {
	case alert.Opened:
		v.open++
		v.total++
	case alert.Closed:
		v.open--
	}
	best := a.Best()
	v.recent = append(v.recent, fmt.Sprintf("%s  %-6s  %-16s %-24s %-8s %s", time.Unix(0, a.Last).UTC().Format("15:04:05"),
		strings.ToUpper(a.Severity().String()), a.Host, shown(a.Tool.Name), a.State, shown(best.Value)))
	if n := len(v.recent); n > shownAlerts {
		v.recent = v.recent[n-shownAlerts:]
	}
}

// draw writes the view over the one before.
func (v *view) draw(s *liveSensor, now time.Time) {
	var packets, bytesSeen, drops, flows uint64
	for _, w := range s.live.Workers() {
		packets += w.Packets
		bytesSeen += w.Bytes
		flows += w.Flows.Live
	}
	for _, r := range s.rings {
		_, d, _ := r.Stats()
		drops += d
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	took := max(now.Sub(v.at).Seconds(), 0.001)
	var b bytes.Buffer
	width := max(terminalWidth(v.out), 20)
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
	line("watching %s for %s, %s, rules %.8s, up %s", strings.Join(s.names, ", "), count(len(s.live.Rules().Tools()), "tool"),
		count(len(s.rings), "worker"), s.live.Rules().Version(), now.Sub(s.started).Round(time.Second))
	line("%.1f kpackets/s, %.1f Mbit/s; %d packets, %d dropped by the kernel (%.2f %%); %d flows", float64(packets-v.packets)/took/1e3,
		float64(bytesSeen-v.bytes)*8/took/1e6, packets, drops, 100*float64(drops)/max(float64(packets+drops), 1), flows)
	line("%s, %d open", count(v.total, "alert"), v.open)
	for _, r := range v.recent {
		line("%s", r)
	}
	v.lines = bytes.Count(b.Bytes(), []byte("\n"))
	v.packets, v.bytes, v.at = packets, bytesSeen, now
	v.out.Write(b.Bytes())
}
