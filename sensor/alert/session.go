package alert

import (
	"fmt"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/session"
)

// maxSessions is how many sessions an alert keeps; it counts the others.
const maxSessions = 16

// Session is a stretch of time in which a person was driving a flow of the alert.
type Session struct {
	session.Session
	Flow uint64
}

// Session takes a session that was opened, or one that was closed, of a flow that was
// hit.
func (c *Collector) Session(flow uint64, s session.Session) {
	for f := c.flows[flow]; f != nil; f = f.next {
		a := f.alert
		a.Last = max(a.Last, s.End)
		if n := len(a.Sessions); n > 0 && a.Sessions[n-1].Flow == flow && a.Sessions[n-1].Start == s.Start {
			a.Sessions[n-1].Session = s
		} else if n < maxSessions {
			a.Sessions = append(a.Sessions, Session{s, flow})
		} else {
			a.MoreSessions++
			continue
		}
		a.fresh = true
		if c.cfg.Living {
			c.tell(a, c.now)
		}
	}
}

// Driven names the side that somebody drove from afar: the alert's host, or the
// other one. A viewer that dials a relay looks like a host that is driven from there.
func (a *Alert) Driven(s *Session) string {
	serves := false
	for i := range a.Evidence {
		if f := &a.Evidence[i].Flow; f.ID == s.Flow {
			serves = f.Server == a.Host && f.Client != a.Host
		}
	}
	if (s.Driven == session.Server) == serves {
		return "host"
	}
	return "peer"
}

// Text is the session as key=value pairs.
func (a *Alert) SessionText(s *Session) string {
	at := func(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000+0000") }
	end := at(s.End)
	if s.Open {
		end = "open"
	}
	return fmt.Sprintf("start=%s end=%s seconds=%d active=%d up=%d down=%d driven=%s", at(s.Start), end,
		(s.End-s.Start)/1e9, s.Active/1e9, s.Up, s.Down, a.Driven(s))
}
