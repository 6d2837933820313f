package alert

import (
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/ledger"
)

// News is what only a memory of earlier days tells of a use.
type News string

const (
	FirstOnHost    News = "first-on-host"          // the host never used the tool before
	FirstInNetwork News = "first-in-network"       // no host did
	SecondTool     News = "second-tool-on-host"    // the host used another one a short while ago
	Returned       News = "returned-after-silence" // the tool was dormant on this host
)

// remember tells the memory of evidence, once there is enough of it to count, and
// keeps what is new about the use.
func (c *Collector) remember(a *Alert, s *Sighting) {
	if c.cfg.Memory == nil || a.Imitation() {
		return
	}
	if sure := confidence(a.Evidence); sure == 0 || sure < c.cfg.MinConfidence {
		return
	}
	u := a.observed()
	u.Tenant, u.Relay = s.Tenant, s.Name
	if u.Relay == "" && s.Kind != detect.KindDNS {
		u.Relay = s.Flow.Server.String()
		if a.Host == s.Flow.Server {
			u.Relay = s.Flow.Client.String()
		}
	}
	news := c.cfg.Memory.Observe(u)
	if news.FirstOnHost {
		a.News = append(a.News, FirstOnHost)
	}
	if news.FirstInNetwork {
		a.News = append(a.News, FirstInNetwork)
	}
	if len(news.SecondTool) > 0 {
		a.News, a.Others = append(a.News, SecondTool), news.SecondTool
	}
	if news.Silent > 0 {
		a.News = append(a.News, Returned)
	}
}

// volume tells the memory what the flows of a use moved, at its end.
func (c *Collector) volume(a *Alert) {
	if c.cfg.Memory == nil || a.Imitation() {
		return
	}
	u := a.observed()
	u.Up, u.Down = a.Up, a.Down
	c.cfg.Memory.Observe(u)
}

func (a *Alert) observed() ledger.Use {
	return ledger.Use{Host: ledger.Host{Addr: a.Host}, Tool: a.Tool.ID, Class: a.Tool.Class, Verdict: a.Verdict.String(), First: a.First, Last: a.Last}
}
