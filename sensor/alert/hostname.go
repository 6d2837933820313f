package alert

import "github.com/rmmwatch/rmmwatch/sensor/hostnames"

// HostNamed takes what a host tells of its name. Only names of our own hosts count,
// and those of DHCP clients that have no address yet.
func (c *Collector) HostNamed(s *hostnames.Sighting) {
	if !s.Addr.IsValid() || c.Home(s.Addr) {
		c.names.Add(s)
	}
	c.Stats.Hostnames = c.names.Stats
}

// name gives an alert that is about to be told the name that its host has now. One
// that is forgotten by then stays.
func (c *Collector) name(a *Alert) {
	if name, _ := c.names.Lookup(a.Host, a.Last); name != "" {
		a.HostName = name
	}
}
