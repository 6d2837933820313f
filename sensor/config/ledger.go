package config

import (
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Ledger bounds the memory of which host used which tool, and says what is news
// to it. It needs State.
type Ledger struct {
	Retention    time.Duration // silence after which a tool on a host is forgotten
	MaxMiB       int           // of the file, and of memory
	SecondWithin time.Duration // how long after one tool another one on a host is a second
	DormantAfter time.Duration // silence after which a tool returns
}

const dayLong = 24 * time.Hour

func defaultLedger() Ledger {
	return Ledger{Retention: 400 * dayLong, MaxMiB: 32, SecondWithin: 30 * dayLong, DormantAfter: 60 * dayLong}
}

func (r *reader) ledger(n *yaml.Node, l *Ledger) {
	at := n
	r.mapping(n, "ledger", keys{
		"retention":     func(n *yaml.Node) { l.Retention = r.days(n, 1, 3650) },
		"max_mib":       func(n *yaml.Node) { l.MaxMiB = r.number(n, 1, 1024) },
		"second_within": func(n *yaml.Node) { l.SecondWithin = r.days(n, 1, 3650) },
		"dormant_after": func(n *yaml.Node) { at, l.DormantAfter = n, r.days(n, 1, 3650) },
	})
	if l.DormantAfter >= l.Retention && l.Retention > 0 && l.DormantAfter > 0 {
		r.fail(at, "dormant_after is %dd and retention %dd: what is forgotten cannot return; make retention the longer one", l.DormantAfter/dayLong, l.Retention/dayLong)
	}
}

var daysRE = regexp.MustCompile(`^[0-9]{1,6}d$`)

// days reads a number of days.
func (r *reader) days(n *yaml.Node, lo, hi int) time.Duration {
	s := r.text(n)
	v, _ := strconv.Atoi(s[:max(0, len(s)-1)])
	switch {
	case s == "":
	case !daysRE.MatchString(s):
		r.fail(n, "%q is not a number of days such as 30d", s)
	case v < lo || v > hi:
		r.fail(n, "%s is outside %dd to %dd", s, lo, hi)
	}
	return time.Duration(v) * dayLong
}
