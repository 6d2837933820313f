package monitor

import (
	"fmt"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// HangsAfter is how long a loop may stand still. A worker's turn takes a
// fraction of a second, whatever comes.
const HangsAfter = 30 * time.Second

// Hangs finds loops that stand still, over several snapshots. It is not safe for
// concurrent use. The zero value is ready.
type Hangs struct {
	workers   []progress
	collector progress
	taken     progress // sightings, while findings are lost
	lost      uint64   // at the snapshot before
}

// progress is a counter and when it was first seen at its value.
type progress struct {
	value uint64
	since time.Time
}

// still says for how long the counter has not changed.
func (p *progress) still(value uint64, now time.Time) time.Duration {
	if p.since.IsZero() || p.value != value || now.Before(p.since) {
		p.value, p.since = value, now
	}
	return now.Sub(p.since)
}

// Observe takes a snapshot and returns what hangs, in words; nil when nothing
// does. What stood still is known only between snapshots: one alone tells nothing,
// and one a minute is enough.
func (h *Hangs) Observe(s *Snapshot, now time.Time) (hangs []string) {
	for len(h.workers) < len(s.Workers) {
		h.workers = append(h.workers, progress{})
	}
	for i := range s.Workers {
		if d := h.workers[i].still(s.Workers[i].Beats, now); d >= HangsAfter {
			hangs = append(hangs, fmt.Sprintf("worker %d has stood still for %d s", i, d/time.Second))
		}
	}
	d := h.collector.still(s.CollectorTurns, now)
	if s.CollectorTurns > 0 && d >= HangsAfter {
		return append(hangs, fmt.Sprintf("the collector has stood still for %d s", d/time.Second))
	}
	// A collector that takes nothing while findings are lost for want of room
	// hangs too, whoever counts its turns.
	if s.Lost == h.lost {
		h.taken = progress{}
	} else if d := h.taken.still(s.Collector.Sightings, now); d >= HangsAfter {
		hangs = append(hangs, fmt.Sprintf("the collector has taken nothing for %d s while findings were lost", d/time.Second))
	}
	h.lost = s.Lost
	return hangs
}

// Unready returns why a sensor does not do its whole work yet, or no longer; nil
// when it does.
func (s *Snapshot) Unready() (reasons []string) {
	if len(s.Rings) == 0 {
		reasons = append(reasons, "no ring is open")
	}
	for i := range s.Rings {
		if r := &s.Rings[i]; !r.Up {
			reasons = append(reasons, fmt.Sprintf("ring %d: interface %s is down", r.Index, printable.Text([]byte(r.Interface))))
		}
	}
	if s.Rules.Tools == 0 {
		reasons = append(reasons, "no rules are loaded")
	}
	for i := range s.Outputs {
		switch o := &s.Outputs[i]; {
		case o.Problem != "":
			reasons = append(reasons, fmt.Sprintf("output %s: its queue cannot be read; the log and \"rmmwatch outputs status\" say why", printable.Text([]byte(o.Name))))
		case !o.Running || o.State == output.Gone:
			reasons = append(reasons, fmt.Sprintf("output %s does not deliver", printable.Text([]byte(o.Name))))
		}
	}
	return reasons
}
