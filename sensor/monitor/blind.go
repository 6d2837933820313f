package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// lossWindow is the time over which capture loss is measured, lossSamples how many
// points of it are kept.
const (
	lossWindow  = time.Minute
	lossSamples = 60
)

// Cause is why a sensor is blind.
type Cause string

const (
	Loss    Cause = "loss"    // more than 1 % of the packets of a minute did not find room in the ring
	Silence Cause = "silence" // no packet came for Blind.Silence
)

// BlindEvent is told when an interface becomes blind, and when that is over.
type BlindEvent struct {
	Interface string // printable
	Cause     Cause
	Over      bool
	Since     time.Time // from when on packets were lost, or when the last one came
	At        time.Time
	// Packets and Drops are those of the last minute for Loss. For Silence Packets is
	// how many came since the watch began.
	Packets, Drops uint64
	Text           string // for a person: what is wrong and what to do
}

// Blind watches for times in which a sensor sees less than there is: a blind
// sensor must not look like a quiet network. It has no clock and is not safe for
// concurrent use. Observe it every few seconds.
type Blind struct {
	Silence time.Duration // without a packet; 0 is the default of 5 min

	began      time.Time
	interfaces map[string]*sightOf
	rings      map[ringKey]Ring
	shunted    uint64
}

type ringKey struct {
	name  string
	index int
}

// sightOf is what is known of one interface. Its own sums go on when a ring's
// counters begin anew.
type sightOf struct {
	packets, drops uint64
	samples        []sample // oldest first; the first is lossWindow old or the oldest there is
	last           time.Time
	blind          map[Cause]time.Time // since when
	down           bool
}

type sample struct {
	at             time.Time
	packets, drops uint64
}

// Observe takes a snapshot and returns what changed since the one before, by
// interface. Times that run backwards count as no time.
func (b *Blind) Observe(s *Snapshot, at time.Time) []BlindEvent {
	first := b.interfaces == nil
	if first {
		b.began = at
		b.interfaces, b.rings = map[string]*sightOf{}, map[ringKey]Ring{}
	}
	var names []string
	for i := range s.Rings {
		r := &s.Rings[i]
		w := b.interfaces[r.Interface]
		if w == nil {
			w = &sightOf{last: at, samples: []sample{{at: at}}, blind: map[Cause]time.Time{}}
			b.interfaces[r.Interface] = w
		}
		if !slices.Contains(names, r.Interface) {
			names = append(names, r.Interface)
			w.down = false
		}
		packets, drops := b.grown(r, first)
		w.packets, w.drops = w.packets+packets, w.drops+drops
		w.down = w.down || !r.Up
		if packets > 0 && at.After(w.last) {
			w.last = at
		}
	}
	if s.Shunt != nil {
		// What the shunt keeps in the kernel is no ring's. Only where there is one
		// interface is it known whose it was.
		if n := s.Shunt.Passed + s.Shunt.Dropped; n != b.shunted && len(names) == 1 && at.After(b.interfaces[names[0]].last) {
			b.interfaces[names[0]].last = at
		}
		b.shunted = s.Shunt.Passed + s.Shunt.Dropped
	}
	slices.Sort(names)
	var events []BlindEvent
	for _, name := range names {
		w := b.interfaces[name]
		shown := printable.Text([]byte(name))
		events = append(events, w.loss(shown, at)...)
		events = append(events, w.silence(shown, at, b.limit())...)
	}
	return events
}

func (b *Blind) limit() time.Duration {
	if b.Silence <= 0 {
		return 5 * time.Minute
	}
	return b.Silence
}

// grown is by how much a ring's counters grew. One whose counters fell was opened
// anew, as was one that was not there before: it counts from 0. What was
// counted before the watch began is of a time that nobody knows.
func (b *Blind) grown(r *Ring, first bool) (packets, drops uint64) {
	key := ringKey{r.Interface, r.Index}
	before := b.rings[key]
	b.rings[key] = *r
	switch {
	case first:
		return 0, 0
	case r.Packets < before.Packets || r.Drops < before.Drops:
		return r.Packets, r.Drops
	}
	return r.Packets - before.Packets, r.Drops - before.Drops
}

// loss tells when more than 1 % of the packets of the last minute were lost, and
// then when it is at most half of that, so that a loss about the limit is told
// once.
func (w *sightOf) loss(name string, at time.Time) []BlindEvent {
	for len(w.samples) > 1 && at.Sub(w.samples[1].at) >= lossWindow {
		w.samples = w.samples[1:]
	}
	base := w.samples[0]
	packets, drops := w.packets-base.packets, w.drops-base.drops
	since := w.lossBegan(base)
	if newest := w.samples[len(w.samples)-1].at; at.Sub(newest) >= lossWindow/lossSamples {
		w.samples = append(w.samples, sample{at, w.packets, w.drops})
	}
	began, blind := w.blind[Loss]
	e := BlindEvent{Interface: name, Cause: Loss, At: at, Packets: packets, Drops: drops}
	switch {
	case !blind && drops > 0 && 100*drops > packets:
		w.blind[Loss] = since
		e.Since = since
		e.Text = fmt.Sprintf("%s: %s of %s packets within a minute were lost because the ring was full. What was in them was not seen. "+
			"Enlarge `ring_mib`, give the sensor more cores, or ignore traffic that does not matter; \"rmmwatch doctor\" tells more.",
			name, group(drops), group(packets))
		return []BlindEvent{e}
	case blind && 200*drops <= packets:
		delete(w.blind, Loss)
		e.Since, e.Over = began, true
		e.Text = fmt.Sprintf("%s: packets are no longer lost. It lasted %s.", name, at.Sub(began).Round(time.Second))
		return []BlindEvent{e}
	}
	return nil
}

// lossBegan is the time of the last sample before the first loss of the window.
func (w *sightOf) lossBegan(base sample) time.Time {
	since := base.at
	for _, s := range w.samples {
		if s.drops > base.drops {
			break
		}
		since = s.at
	}
	return since
}

// silence tells when no packet came for the limit, and when one came again.
func (w *sightOf) silence(name string, at time.Time, limit time.Duration) []BlindEvent {
	began, blind := w.blind[Silence]
	e := BlindEvent{Interface: name, Cause: Silence, At: at, Packets: w.packets}
	switch quiet := at.Sub(w.last); {
	case !blind && quiet >= limit:
		w.blind[Silence] = w.last
		e.Since = w.last
		why := "Look at the cable, the switch's mirror session and the kernel filter; tcpdump on the interface shows whether anything arrives."
		if w.down {
			why = "The interface is down: set it up again, or look at the cable."
		}
		e.Text = fmt.Sprintf("%s: no packet has come for %s. %s", name, quiet.Round(time.Second), why)
		return []BlindEvent{e}
	case blind && w.last.After(began):
		delete(w.blind, Silence)
		e.Since, e.Over = began, true
		e.Text = fmt.Sprintf("%s: packets come again, after %s without any.", name, w.last.Sub(began).Round(time.Second))
		return []BlindEvent{e}
	}
	return nil
}

// group writes a number with commas between thousands.
func group(n uint64) string {
	digits := fmt.Sprint(n)
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}
