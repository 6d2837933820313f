package alert

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/hostnames"
	"github.com/rmmwatch/rmmwatch/sensor/ledger"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

// Bounds of what a collector keeps. An alert that a person reads has some ten
// pieces of evidence; a network with more than maxOpen host-tool pairs within
// one idle time is being scanned.
const (
	maxEvidence  = 48
	maxOpen      = 16_384
	maxFlows     = 1 << 18
	maxForwarded = 4096
)

// forwardWithin is how long after a client's question its resolver may pass it
// on, in nanoseconds: the usual life of a resolver's retries.
const forwardWithin = 30e9

// Config says whose alerts a collector makes, and when.
type Config struct {
	Home          []netip.Prefix
	MinConfidence detect.Confidence
	Idle          time.Duration // silence after which an alert is closed
	// Living tells an alert when it opens and when something new is learned too, not
	// only when it is closed.
	Living bool
	// Policy says what is sanctioned; nil for nothing.
	Policy *policy.Policy
	// Recorded is called with each sanctioned use when it has ended; nil for nobody.
	Recorded func(*Alert)
	// Memory is told of every use, sanctioned or not; nil for none.
	Memory Memory
	// Kinds switches kinds on and off. Those that are not in it are told, but for the
	// two of sanctioned uses.
	Kinds map[Kind]bool
	// Budget is how many alerts are told in a minute of packet time; 0 for any number.
	// What is beyond it is told to Storm as one, at the end of the minute.
	Budget int
	Storm  func(Storm)
	// Places tells where the other side is; nil for nowhere.
	Places Places
}

// Places knows where an address is. *enrich.Reader is one.
type Places interface {
	Lookup(netip.Addr) enrich.Place
}

// Memory remembers which host used which tool. *ledger.Ledger is one.
type Memory interface {
	Observe(ledger.Use) ledger.News
}

// updateAfter is how long after an alert was told it is told anew, in
// nanoseconds, if something was learned; each time twice as long, up to maxUpdate. The
// first is long enough for the session behind a DNS question.
const (
	updateAfter = int64(10e9)
	maxUpdate   = int64(600e9)
)

// Stats counts what a collector did.
type Stats struct {
	Sightings uint64
	Forwarded uint64 // DNS questions that a resolver passed on for a client
	Weak      uint64 // closed without an alert: below the least confidence, or a port alone
	Crowded   uint64 // closed early because too many were open

	Hostnames hostnames.Stats // names that hosts tell of themselves

	Muted      uint64 // closed, of kinds that are switched off
	Held       uint64 // beyond the budget: told in storms
	Sanctioned uint64 // closed without an alert: the policy permits them
}

// key is a host and the id of a tool: the rules, and with them the tool's other
// address in memory, may change while an alert is open. A key has an alert for each
// verdict.
type key struct {
	host      netip.Addr
	tool      string
	imitation bool // of names that imitate the tool
}

func keyOf(host netip.Addr, t *detect.Tool) key { return key{host, t.ID, t.Imitated != nil} }

// Collector gathers sightings, in packet order, into alerts. It is not safe
// for concurrent use.
type Collector struct {
	cfg    Config
	policy *policy.Policy
	uses   map[key]*use
	recent *list.List // of *Alert: the open alerts, longest silent first
	flows  map[uint64]*hitFlow
	booked int                // entries of flows, counting those that hang on another
	asked  map[question]int64 // when a client last asked a resolver for a name
	askedQ []question         // the same, oldest first
	emit   func(*Alert)
	names  *hostnames.Table
	budget budget
	now    int64 // the latest packet time
	next   int64 // when the open alerts are looked through again
	Stats  Stats
}

// hitFlow is a flow whose volume is still to come, as one alert counts it. A
// flow that several tools hit, as one through a proxy may be, has one for each.
type hitFlow struct {
	alert  *Alert
	serves bool // the alert's host is the flow's server: what goes down the flow goes up for it
	next   *hitFlow
}

// question is a name that was asked of a DNS server.
type question struct {
	server netip.Addr
	name   string
}

// NewCollector returns a collector that calls emit with each alert when it is
// closed.
func NewCollector(cfg Config, emit func(*Alert)) *Collector {
	if cfg.Policy == nil {
		cfg.Policy = &policy.Policy{}
	}
	return &Collector{
		cfg:    cfg,
		policy: cfg.Policy,
		uses:   make(map[key]*use),
		recent: list.New(),
		flows:  make(map[uint64]*hitFlow),
		asked:  make(map[question]int64),
		names:  hostnames.New(),
		emit:   emit,
	}
}

// Home reports whether ip is in the home networks.
func (c *Collector) Home(ip netip.Addr) bool {
	return slices.ContainsFunc(c.cfg.Home, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Add takes one sighting.
func (c *Collector) Add(s *Sighting) {
	if s.Indicator.Role == "marketing" {
		return // a page about the tool is not the tool
	}
	c.Stats.Sightings++
	c.now = max(c.now, s.Time)
	if s.Kind == detect.KindDNS && c.forwarded(s) {
		c.Stats.Forwarded++
		return
	}
	host, inbound := c.host(s.Flow.Tuple)
	if inbound && s.Indicator.Tool.Imitated != nil {
		return // strangers may ask our servers for any name
	}
	a := c.alert(s, host, inbound)
	a.Last = max(a.Last, s.Time)
	if a.add(s) {
		c.locate(a)
		c.remember(a, s)
		a.fresh = true
		if c.cfg.Living {
			c.tell(a, s.Time)
		}
	}
	if s.Kind != detect.KindDNS {
		c.book(s.Flow.ID, a, host == s.Flow.Server && host != s.Flow.Client)
	}
}

// locate tells where the other side of the latest evidence is. Of a question for a
// name the other side is the resolver, whose place means nothing.
func (c *Collector) locate(a *Alert) {
	e := &a.Evidence[len(a.Evidence)-1]
	if c.cfg.Places == nil || e.Kind == detect.KindDNS || e.Kind == detect.KindConnect {
		return
	}
	peer := e.Flow.Server
	if peer == a.Host {
		peer = e.Flow.Client
	}
	e.Place = c.cfg.Places.Lookup(peer)
}

// book counts a flow for an alert, once. Where the alert that counted it
// before was closed early, its successor takes the flow over.
func (c *Collector) book(flow uint64, a *Alert, serves bool) {
	first := c.flows[flow]
	for f := first; f != nil; f = f.next {
		if keyOf(f.alert.Host, f.alert.Tool) != keyOf(a.Host, a.Tool) || f.alert.Verdict != a.Verdict {
			continue
		}
		if f.alert != a {
			f.alert = a
			a.Flows++
			a.live++
		}
		return
	}
	if c.booked == maxFlows {
		return
	}
	c.booked++
	c.flows[flow] = &hitFlow{a, serves, first}
	a.Flows++
	a.live++
}

// alert returns the open alert that a sighting belongs to, begun where there was
// none or where it was silent for too long.
func (c *Collector) alert(s *Sighting, host netip.Addr, inbound bool) *Alert {
	k := keyOf(host, s.Indicator.Tool)
	u := c.uses[k]
	if u != nil {
		for _, a := range slices.Clone(u.open) {
			if a.live == 0 && s.Time-a.Last > int64(c.cfg.Idle) {
				c.close(a)
			}
		}
		u = c.uses[k]
	}
	if u == nil {
		u = &use{}
	}
	j := c.judge(u, s, host)
	if a := u.alertFor(j, c.flows[s.Flow.ID]); a != nil {
		c.recent.MoveToBack(a.place)
		return a
	}
	if c.recent.Len() >= maxOpen {
		c.Stats.Crowded++
		c.close(c.recent.Front().Value.(*Alert))
	}
	a := &Alert{Tool: s.Indicator.Tool, Host: host, Inbound: inbound, First: s.Time, Last: s.Time, Verdict: j.verdict, Reason: c.reason(j.entry)}
	a.place = c.recent.PushBack(a)
	u.open = append(u.open, a)
	c.uses[k] = u
	return a
}

// host is the side that an alert is about: the client, unless only the server
// is one of ours.
func (c *Collector) host(t flow.Tuple) (host netip.Addr, inbound bool) {
	if !c.Home(t.Client) && c.Home(t.Server) {
		return t.Server, true
	}
	return t.Client, false
}

// forwarded reports whether a DNS sighting is a resolver's question upstream
// on behalf of a client whose own question was sighted before. The client has
// the alert; the resolver only did its work.
func (c *Collector) forwarded(s *Sighting) bool {
	t := s.Flow.Tuple
	at, ok := c.asked[question{t.Client, s.Value}]
	if ok && s.Time-at <= forwardWithin {
		return true
	}
	q := question{t.Server, s.Value}
	if _, known := c.asked[q]; !known {
		if len(c.askedQ) == maxForwarded {
			delete(c.asked, c.askedQ[0])
			c.askedQ = c.askedQ[1:]
		}
		c.askedQ = append(c.askedQ, q)
	}
	c.asked[q] = s.Time
	return false
}

// add books a sighting as evidence. Of payloads the first bytes stand for all:
// what varies in them says nothing. It reports whether the evidence is new.
func (a *Alert) add(s *Sighting) bool {
	for i := range a.Evidence {
		e := &a.Evidence[i]
		if e.Indicator.ID == s.Indicator.ID && e.Kind == s.Kind && (e.Value == s.Value || s.Kind == detect.KindPayload) {
			e.Count++
			e.Last, e.LastFrame = max(e.Last, s.Time), s.Frame
			return false
		}
	}
	if len(a.Evidence) == maxEvidence {
		a.Unkept++
		return false
	}
	a.Evidence = append(a.Evidence, Evidence{
		Indicator: s.Indicator, Kind: s.Kind, Value: s.Value, Tenant: s.Tenant, Count: 1,
		First: s.Time, Last: s.Time, FirstFrame: s.Frame, LastFrame: s.Frame, Flow: s.Flow, Brand: s.Brand, Domain: s.Domain,
	})
	return true
}

// tell tells an open alert that has something new, unless it was told a short
// while ago: then Advance comes back to it.
func (c *Collector) tell(a *Alert, now int64) {
	wait := int64(0)
	if a.State != Closed {
		wait = min(updateAfter<<min(a.Revision, 10), maxUpdate)
	}
	if !a.fresh || now-a.told < wait {
		return
	}
	a.Confidence = confidence(a.Evidence)
	if a.Confidence == 0 || a.Confidence < c.cfg.MinConfidence || !c.wanted(a) || !c.admit(a) {
		return
	}
	if a.State == Closed {
		a.State = Opened
	} else {
		a.State = Updated
		a.Revision++
	}
	a.fresh, a.told = false, now
	c.name(a)
	c.emit(a)
}

// FlowEnded books the volume of a flow that was hit, for every alert that
// counts it.
func (c *Collector) FlowEnded(id, up, down uint64, last int64) {
	for f := c.flows[id]; f != nil; f = f.next {
		c.booked--
		a := f.alert
		a.live--
		if f.serves {
			a.Up += down
			a.Down += up
		} else {
			a.Up += up
			a.Down += down
		}
		a.Last = max(a.Last, last)
	}
	delete(c.flows, id)
}

// Advance closes the alerts that were silent for the idle time. It is cheap to
// call after every batch.
func (c *Collector) Advance(now int64) {
	c.now = max(c.now, now)
	c.settle(c.now)
	if now < c.next {
		return
	}
	c.next = now + int64(c.cfg.Idle)/8
	if c.cfg.Living {
		c.next = min(c.next, now+1e9)
	}
	for e := c.recent.Front(); e != nil; {
		a, next := e.Value.(*Alert), e.Next()
		if now-a.Last > int64(c.cfg.Idle) && a.live == 0 {
			c.close(a)
		} else if a.fresh && c.cfg.Living {
			c.tell(a, now)
		}
		e = next
	}
}

// Close closes every open alert, in the order in which they began.
func (c *Collector) Close() {
	all := make([]*Alert, 0, c.recent.Len())
	for e := c.recent.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*Alert))
	}
	slices.SortStableFunc(all, Compare)
	for _, a := range all {
		c.close(a)
	}
	c.settle(c.now + minute)
}

// Compare orders alerts by beginning, host, tool, kind and verdict.
func Compare(a, b *Alert) int {
	return cmp.Or(cmp.Compare(a.First, b.First), a.Host.Compare(b.Host), cmp.Compare(a.Tool.ID, b.Tool.ID), cmp.Compare(a.Kind(), b.Kind()), cmp.Compare(a.Verdict, b.Verdict))
}

func (c *Collector) close(a *Alert) {
	k := keyOf(a.Host, a.Tool)
	u := c.uses[k]
	u.open = slices.DeleteFunc(u.open, func(o *Alert) bool { return o == a })
	if len(u.open) == 0 {
		delete(c.uses, k)
	}
	c.recent.Remove(a.place)
	a.Confidence = confidence(a.Evidence)
	if a.Confidence == 0 || a.Confidence < c.cfg.MinConfidence {
		c.Stats.Weak++
		return
	}
	c.volume(a)
	c.name(a)
	if a.Sanctioned() {
		c.Stats.Sanctioned++
		if c.cfg.Recorded != nil {
			c.cfg.Recorded(a)
		}
	}
	if !c.wanted(a) {
		if !a.Sanctioned() {
			c.Stats.Muted++
		}
		return
	}
	if !c.admit(a) {
		return
	}
	if a.State != Closed {
		a.State = Closed
		a.Revision++
	}
	c.emit(a)
}

// SetPolicy makes p what judges from now on. Alerts that are open keep their
// verdicts, and get no more of what is judged otherwise now.
func (c *Collector) SetPolicy(p *policy.Policy) { c.policy = p }
