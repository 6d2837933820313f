package alert

import (
	"cmp"
	"slices"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// minute is the time in which no more alerts are told one by one than the budget
// allows, in nanoseconds of packet time.
const minute = int64(60e9)

// Storm is what a minute had beyond the budget: alerts that nobody is told one by
// one. The memory has them all.
type Storm struct {
	First, Last int64 // packet times of the first and last of them, nanoseconds
	Alerts      int
	Tools       []StormTool // the most frequent first
}

// StormTool is a tool's part of a storm.
type StormTool struct {
	Tool   *detect.Tool
	Alerts int
}

// budget counts what a minute has.
type budget struct {
	began int64
	spent int
	held  Storm
}

// admit reports whether an alert may be told. Each counts once, when it is told
// first; what was not told then is never told.
func (c *Collector) admit(a *Alert) bool {
	if c.cfg.Budget == 0 || a.admitted {
		return true
	}
	if a.held {
		return false
	}
	c.settle(c.now)
	if c.budget.spent < c.cfg.Budget {
		c.budget.spent++
		a.admitted = true
		return true
	}
	a.held = true
	h := &c.budget.held
	if h.Alerts == 0 {
		h.First = c.now
	}
	h.Last = c.now
	h.Alerts++
	for i := range h.Tools {
		if h.Tools[i].Tool.ID == a.Tool.ID {
			h.Tools[i].Alerts++
			return false
		}
	}
	h.Tools = append(h.Tools, StormTool{a.Tool, 1})
	return false
}

// settle ends a minute that is over, and tells what it had too much.
func (c *Collector) settle(now int64) {
	if now-c.budget.began < minute {
		return
	}
	held := c.budget.held
	c.budget = budget{began: now}
	if held.Alerts == 0 {
		return
	}
	slices.SortStableFunc(held.Tools, func(a, b StormTool) int {
		return cmp.Or(b.Alerts-a.Alerts, cmp.Compare(a.Tool.ID, b.Tool.ID))
	})
	c.Stats.Held += uint64(held.Alerts)
	if c.cfg.Storm != nil {
		c.cfg.Storm(held)
	}
}

// wanted reports whether an alert is of a kind that is told, and settles which one
// that is: of a sanctioned use only its news can be.
func (c *Collector) wanted(a *Alert) bool {
	if a.Sanctioned() {
		a.as = ""
		for _, n := range a.News {
			if kind := Kind(n); (kind == KindSecondTool || kind == KindFirstOnHost) && c.cfg.Kinds[kind] {
				a.as = kind
			}
		}
		return a.as != ""
	}
	on, said := c.cfg.Kinds[a.Kind()]
	return on || !said
}
