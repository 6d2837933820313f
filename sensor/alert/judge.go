package alert

import (
	"net/netip"
	"slices"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

// maxContacts is how many contacts are remembered of one use. What comes later is
// judged, and not held against what comes after it.
const maxContacts = 64

// use is what is known of a host's use of a tool while an alert about it is open,
// whatever its verdict: each sighting is judged with what was seen before.
type use struct {
	contacts []policy.Contact
	open     []*Alert // one for each verdict, in the order in which they began
}

// judged is what the policy says of a sighting.
type judged struct {
	verdict policy.Verdict
	entry   int  // that decided; -1 for none
	neutral bool // it says nothing of whose remote access it is, and follows what else is known
}

// judge asks the policy about a sighting of a host's use of a tool.
func (c *Collector) judge(u *use, s *Sighting, host netip.Addr) judged {
	if s.Indicator.Tool.Imitated != nil {
		return judged{entry: -1}
	}
	peer := s.Flow.Server
	if host == peer {
		peer = s.Flow.Client
	}
	q := policy.Use{Tool: s.Indicator.Tool, Host: host, VLAN: s.Flow.VLAN, Tunnel: s.Flow.Tunnel, TunnelID: s.Flow.TunnelID, Time: s.Time}
	contact, ok := policy.ContactOf(s.Indicator, s.Kind, s.Name, s.Tenant, peer)
	if ok && len(u.contacts) < maxContacts && !slices.Contains(u.contacts, contact) {
		u.contacts = append(u.contacts, contact)
	}
	if known := (policy.Use{Contacts: u.contacts}); ok && !known.Explained(&contact) {
		q.Contacts = []policy.Contact{contact}
	}
	d := c.policy.Decide(&q)
	return judged{d.Verdict, d.Entry, d.Provisional}
}

// alertFor chooses the open alert of a use that a sighting belongs to: that of its
// verdict, and for what says nothing of its own the one that its flow is counted
// for, or the worst.
func (u *use) alertFor(j judged, flow *hitFlow) *Alert {
	var worst *Alert
	for _, a := range u.open {
		if !j.neutral {
			if a.Verdict == j.verdict {
				return a
			}
			continue
		}
		for f := flow; f != nil; f = f.next {
			if f.alert == a {
				return a
			}
		}
		if worst == nil || a.Verdict > worst.Verdict {
			worst = a
		}
	}
	return worst
}

// Reason is what the configuration says of the entry that decided, for people;
// empty for none.
func (c *Collector) reason(entry int) string {
	if entry < 0 {
		return ""
	}
	return c.policy.Entry(entry).Reason
}

// Sanctioned reports whether the policy permits the use: it is recorded, and
// nobody is told.
func (a *Alert) Sanctioned() bool { return a.Verdict == policy.Sanctioned }

// Place is where the other side is: of the best evidence that knows, or of the first.
func (a *Alert) Place() enrich.Place {
	if p := a.Best().Place; p != (enrich.Place{}) {
		return p
	}
	for i := range a.Evidence {
		if p := a.Evidence[i].Place; p != (enrich.Place{}) {
			return p
		}
	}
	return enrich.Place{}
}

// severity is how much an alert matters. docs/alerts.md has the table: as much as
// it is sure; one more where it points to an intruder (a tenant that is not ours,
// a service reached from outside), one less where the host only met the tool
// (download, update, portal) or a permission lapsed. Malware is high.
func severity(a *Alert) Severity {
	level := int(a.Confidence)
	switch {
	case a.Imitation() || a.Tool.Class == ClassSensor:
		return Severity(level)
	case a.Tool.Class == "rat":
		return SeverityHigh
	case a.Verdict == policy.ForeignTenant, a.Inbound:
		level++
	case a.Verdict == policy.OutsideHours, a.Verdict == policy.ExpiredException, a.onlyMet():
		level--
	}
	return Severity(min(max(level, int(SeverityLow)), int(SeverityHigh)))
}

// onlyMet reports whether nothing in the evidence shows the tool at work.
func (a *Alert) onlyMet() bool {
	return len(a.Evidence) > 0 && !slices.ContainsFunc(a.Evidence, func(e Evidence) bool {
		return !slices.Contains(metRoles, e.Indicator.Role) || e.Indicator.Need&detect.CondDomain == 0
	})
}

// metRoles are the roles of names that a host meets without running the tool.
var metRoles = []string{"download", "update", "portal"}
