package monitor

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// maxKinds bounds the kinds of alerts that are shown, those beyond in one.
const maxKinds = 32

// maxLabel bounds a label's value in bytes before it is escaped. An interface's
// name has 15, an output's 64.
const maxLabel = 128

// collector shows one snapshot. It is made for one scrape.
type collector struct {
	snap *Snapshot
	at   time.Time
	out  chan<- prometheus.Metric
}

// Describe sends every metric that there may be.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range families {
		out <- f.desc
	}
}

// Collect sends what the snapshot says.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	c.out = out
	s := c.snap
	c.put(buildInfo, 1, s.Version)
	c.put(startTime, seconds(s.Start))
	for i := range s.Rings {
		c.ring(&s.Rings[i])
	}
	c.workers()
	c.pipeline()
	c.alerts()
	for i := range s.Outputs {
		c.output(&s.Outputs[i])
	}
	c.rules()
	if s.Shunt != nil {
		c.shunt(s.Shunt)
	}
}

// put writes one value. Label values become printable ASCII: the registry would
// refuse a scrape with anything that is not UTF-8 in it.
func (c *collector) put(f *family, v float64, labels ...string) {
	for i, l := range labels {
		cut, _ := printable.Clip([]byte(l), maxLabel)
		labels[i] = printable.Text(cut)
	}
	c.out <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
}

func (c *collector) count(f *family, n uint64, labels ...string) { c.put(f, float64(n), labels...) }

// seconds is a time in Unix seconds; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (c *collector) ring(r *Ring) {
	name, index := r.Interface, strconv.Itoa(r.Index)
	c.count(ringPackets, r.Packets, name, index)
	c.count(ringDrops, r.Drops, name, index)
	c.count(ringFreezes, r.Freezes, name, index)
	c.put(ringUp, truth(r.Up), name, index)
}

func (c *collector) workers() {
	for i := range c.snap.Workers {
		w, name := &c.snap.Workers[i], strconv.Itoa(i)
		c.count(workerPackets, w.Packets, name)
		c.count(workerBytes, w.Bytes, name)
		c.count(workerTurns, w.Beats, name)
		c.count(workerPanics, w.Panics, name)
		c.put(workerLast, float64(w.Last)/1e9, name)
		c.count(flowsLive, w.Flows.Live, name)
		c.count(flowsCreated, w.Flows.Created, name)
		c.count(flowsEvicted, w.Flows.Evicted, name)
		c.count(flowsExpired, w.Flows.Expired, name)
	}
}

func (c *collector) pipeline() {
	t := c.snap.totals()
	for i, name := range statusNames {
		c.count(decoded, t.Decode.Status[i], name)
	}
	for i := decode.TunnelNone + 1; i < decode.NumTunnel; i++ {
		c.count(tunneled, t.Decode.Tunnel[i], i.String())
	}
	c.count(mirrored, t.Flows.Mirrored)
	c.put(flowsLimit, float64(c.snap.FlowsMax))
	c.count(flowsReused, t.Flows.Reused)
	c.count(flowsMid, t.Midstream)
	c.count(flowsUnread, t.Flows.Unread, "incomplete")
	c.count(flowsUnread, t.Flows.Cut, "cut")
	c.count(headsGivenUp, t.Flows.HeadEvicted, "pool_full")
	c.count(headsGivenUp, t.Flows.HeadFull, "size")
	c.count(headsGivenUp, t.HeadFull, "undecided")
	c.count(headSegments, t.Flows.Holes)
	c.count(malformed, t.Malformed.TLS, "tls")
	c.count(malformed, t.Malformed.QUIC, "quic")
	c.count(malformed, t.Malformed.DNS, "dns")
	c.count(malformed, t.Malformed.HTTP, "http")
	c.count(echHellos, t.ECH)
	c.count(matches, t.Matches)
}

func (c *collector) alerts() {
	s := c.snap
	c.count(lost, s.Lost)
	if s.CollectorTurns > 0 {
		c.count(collectorTurns, s.CollectorTurns)
	}
	c.count(sightings, s.Collector.Sightings)
	c.count(forwarded, s.Collector.Forwarded)
	c.count(alertsWeak, s.Collector.Weak)
	c.count(usesSanctioned, s.Collector.Sanctioned)
	c.count(alertsMuted, s.Collector.Muted)
	c.count(hostNames, s.Collector.Hostnames.Told, "told")
	c.count(hostNames, s.Collector.Hostnames.Weaker, "weaker")
	c.count(hostNames, s.Collector.Hostnames.Crowded, "crowded")
	c.count(alertsHeld, s.Collector.Held)
	c.count(alertsCrowded, s.Collector.Crowded)
	var rest uint64
	for i, kind := range s.kinds() {
		if i < maxKinds {
			c.count(alerts, s.Told[kind], string(kind))
		} else {
			rest += s.Told[kind]
		}
	}
	if rest > 0 {
		c.count(alerts, rest, "other")
	}
}

// kinds lists the kinds that the program knows, also those that never occurred,
// and then the others that were told.
func (s *Snapshot) kinds() []alert.Kind {
	known := slices.Clone(alert.Kinds)
	var others []alert.Kind
	for kind := range s.Told {
		if !slices.Contains(known, kind) {
			others = append(others, kind)
		}
	}
	slices.Sort(others)
	return append(known, others...)
}

var states = []output.State{output.Working, output.Failing, output.Broken, output.Gone}

func (c *collector) output(o *delivery.Status) {
	b, state := &o.Backlog, o.State
	if state == "" { // nothing was tried yet
		state = output.Working
	}
	c.put(outputInfo, 1, o.Name, o.Kind)
	for _, st := range states {
		c.put(outputState, truth(st == state), o.Name, string(st))
	}
	c.put(backlogRecords, float64(b.Records), o.Name)
	c.put(backlogBytes, float64(b.Bytes), o.Name)
	age := 0.0
	if b.Records > 0 && !b.Oldest.IsZero() {
		age = max(0, c.at.Sub(b.Oldest).Seconds())
	}
	c.put(backlogAge, age, o.Name)
	c.put(queueFailing, truth(b.Failing != "" || o.Problem != ""), o.Name)
	c.count(delivered, o.Delivered, o.Name)
	c.count(refused, o.Refused, o.Name)
	c.count(givenUp, b.Lost.Full, o.Name, "full")
	c.count(givenUp, b.Lost.Expired, o.Name, "expired")
	c.count(givenUp, b.Lost.Damaged, o.Name, "damaged")
	c.count(failures, o.Failures, o.Name)
	c.put(outputSucceeded, seconds(o.LastSuccess), o.Name)
}

func (c *collector) rules() {
	r := &c.snap.Rules
	c.put(rulesInfo, 1, r.Version)
	c.put(rulesTools, float64(r.Tools))
	c.put(rulesIndicators, float64(r.Indicators))
	c.put(rulesLoaded, seconds(r.Loaded))
	c.count(rulesReloads, r.Reloads, "accepted")
	c.count(rulesReloads, r.Refused, "refused")
}

func (c *collector) shunt(s *Shunt) {
	c.count(shuntPackets, s.Passed, "passed")
	c.count(shuntPackets, s.Dropped, "counted")
	c.count(shuntBytes, s.PassedBytes, "passed")
	c.count(shuntBytes, s.DroppedBytes, "counted")
	c.count(shuntRefused, s.Refused)
	c.put(shuntFlows, float64(s.Flows))
}
