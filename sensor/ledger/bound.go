package ledger

import (
	"cmp"
	"slices"
)

// jump is how far packet time goes ahead without being doubted, in nanoseconds.
// A damaged capture or a clock that is set wrong for a moment must not make a
// ledger of a year forget everything.
const jump = 7 * day

// advance moves the clock on. A jump counts when a second time, near the first and
// not the same, says so too.
func (l *Ledger) advance(now int64) {
	if now <= l.clock {
		return
	}
	if l.clock == 0 || now-l.clock > jump || now-l.clock < 0 {
		confirmed := l.ahead != 0 && now != l.ahead && now-l.ahead < jump && l.ahead-now < jump
		l.ahead = now
		if !confirmed {
			return
		}
	}
	before := l.clock
	l.clock, l.ahead = now, 0
	if dayOf(before) != dayOf(now) {
		l.expire()
	}
}

// expire forgets what was silent for too long. It runs once a day and at the
// start, so that a use from an old capture lives as long as its replay.
func (l *Ledger) expire() {
	limit := l.clock - int64(l.cfg.Retention)
	for _, e := range l.all() {
		if e.Last < limit {
			l.drop(e)
			l.stats.Expired++
		}
	}
	l.sweep()
}

// evict makes room, a sixteenth at a time, where there is too much.
func (l *Ledger) evict() {
	if l.stats.Bytes <= l.limit {
		return
	}
	all := l.all()
	slices.SortFunc(all, func(a, b *Entry) int { return cmp.Or(cmp.Compare(a.Last, b.Last), compare(a, b)) })
	for _, e := range all {
		if l.stats.Bytes <= l.limit-l.limit/16 {
			break
		}
		l.drop(e)
		l.stats.Evicted++
	}
	l.sweep()
}

// sweep lets go of what was forgotten before it came to disk.
func (l *Ledger) sweep() {
	l.dirty = slices.DeleteFunc(l.dirty, func(e *Entry) bool { return e.gone })
}

// all lists the entries in no order that counts.
func (l *Ledger) all() []*Entry {
	out := make([]*Entry, 0, l.stats.Entries)
	for _, list := range l.hosts { // any order: callers sort, or treat each alike
		out = append(out, list...)
	}
	return out
}

// drop forgets an entry, also on disk.
func (l *Ledger) drop(e *Entry) {
	list := l.hosts[e.Host]
	list = slices.Delete(list, slices.Index(list, e), slices.Index(list, e)+1)
	if len(list) == 0 {
		delete(l.hosts, e.Host)
	} else {
		l.hosts[e.Host] = list
	}
	if l.tools[e.Tool]--; l.tools[e.Tool] == 0 {
		delete(l.tools, e.Tool)
	}
	l.stats.Entries--
	l.stats.Bytes -= int64(e.size)
	e.gone = true
	if e.saved {
		l.forget = append(l.forget, keyOf(e))
	}
}

// What an entry takes in memory, in bytes: the structure with its place in two
// slices and a map, and each value of a list with the header of its text. On disk
// it takes a third of that (TestMemory).
const (
	entryCost = 640
	valueCost = 80
)

// resize accounts what e takes now.
func (l *Ledger) resize(e *Entry) {
	size := entryCost
	for _, list := range [...]*List{&e.Verdicts, &e.Tenants, &e.Relays} {
		for i := range list.Items {
			size += valueCost + len(list.Items[i].Value)
		}
	}
	l.stats.Bytes += int64(size - e.size)
	e.size = size
}
