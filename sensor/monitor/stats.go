package monitor

import (
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/eve"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// StatsLine returns an EVE stats event as one line with its newline, valid by the
// schemas of Suricata 7.0.16 and 8.0.6. What both have a field for stands in that
// field; the stats object takes no others, so the rest is in metadata: numbers
// under flowints, and interfaces, outputs and the rule set's version under flowvars. Like Suricata's
// it counts from the start of the process on.
func StatsLine(s *Snapshot, at time.Time) []byte {
	var l eve.Line
	t := s.totals()
	l.Reset()
	l.Time("timestamp", at.UnixNano())
	l.Str("event_type", "stats")
	l.Open("stats")
	l.Uint("uptime", uint64(max(0, at.Sub(s.Start)/time.Second)))
	packets, drops, freezes := s.ringTotals()
	l.Open("capture")
	l.Uint("kernel_packets", packets)
	l.Uint("kernel_drops", drops)
	l.Close()
	l.Open("decoder")
	l.Uint("pkts", t.Packets)
	l.Uint("bytes", t.Bytes)
	l.Uint("invalid", t.Decode.Status[decode.StatusMalformed]+t.Decode.Status[decode.StatusTruncated])
	l.Uint("too_many_layers", t.Decode.Status[decode.StatusTooDeep])
	l.Close()
	l.Open("flow")
	l.Uint("total", t.Flows.Created)
	l.Uint("active", t.Flows.Live)
	l.Uint("tcp_reuse", t.Flows.Reused)
	l.Open("mgr")
	l.Uint("flows_timeout", t.Flows.Expired)
	l.Close()
	l.Open("wrk")
	l.Uint("flows_evicted", t.Flows.Evicted)
	l.Close()
	l.Close()
	if s.Shunt != nil {
		l.Open("flow_bypassed")
		l.Uint("pkts", s.Shunt.Dropped)
		l.Uint("bytes", s.Shunt.DroppedBytes)
		l.Close()
	}
	l.Open("tcp")
	l.Uint("midstream_pickups", t.Midstream)
	l.Close()
	s.appLayer(&l, t.Malformed.TLS, t.Malformed.QUIC, t.Malformed.HTTP)
	s.detect(&l)
	l.Close()
	l.Open("metadata")
	l.Open("flowints")
	l.Uint("rmm_capture_freezes", freezes)
	l.Uint("rmm_unknown_link", t.Decode.Status[decode.StatusUnknownLink])
	l.Uint("rmm_fragments", t.Decode.Status[decode.StatusFragment])
	l.Uint("rmm_mirrored", t.Flows.Mirrored)
	l.Uint("rmm_flows_max", uint64(max(0, s.FlowsMax)))
	l.Uint("rmm_heads_given_up", t.Flows.HeadEvicted+t.Flows.HeadFull+t.HeadFull)
	l.Uint("rmm_malformed_dns", t.Malformed.DNS)
	l.Uint("rmm_tls_ech", t.ECH)
	l.Uint("rmm_matches", t.Matches)
	l.Uint("rmm_sightings", s.Collector.Sightings)
	l.Uint("rmm_findings_lost", s.Lost)
	l.Uint("rmm_panics", t.Panics)
	l.Uint("rmm_rules_reloads", s.Rules.Reloads)
	l.Uint("rmm_rules_refused", s.Rules.Refused)
	for i, kind := range s.kinds() {
		if i < maxKinds {
			l.Uint("rmm_alerts_"+key(string(kind)), s.Told[kind])
		}
	}
	l.Close()
	s.vars(&l)
	l.Close()
	return l.End()
}

// key makes a name that needs no escape in JSON.
func key(name string) string {
	out := []byte(name)
	for i, c := range out {
		if c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z' {
			out[i] = '_'
		}
	}
	return string(out)
}

// appLayer writes what the parsers refused. Suricata counts DNS over TCP and
// UDP apart, which is not done here: see rmm_malformed_dns.
func (s *Snapshot) appLayer(l *eve.Line, tls, quic, http uint64) {
	l.Open("app_layer")
	l.Open("error")
	for _, p := range []struct {
		name string
		n    uint64
	}{{"tls", tls}, {"quic", quic}, {"http", http}} {
		l.Open(p.name)
		l.Uint("parser", p.n)
		l.Close()
	}
	l.Close()
	l.Close()
}

func (s *Snapshot) detect(l *eve.Line) {
	var told uint64
	for _, n := range s.Told {
		told += n
	}
	l.Open("detect")
	l.Uint("alert", told)
	l.OpenList("engines")
	l.Open("")
	l.Uint("id", 0)
	if !s.Rules.Loaded.IsZero() {
		l.Time("last_reload", s.Rules.Loaded.UnixNano())
	}
	l.Uint("rules_loaded", uint64(max(0, s.Rules.Indicators)))
	l.Uint("rules_failed", 0) // a rule set with a bad rule is refused whole
	l.Close()
	l.CloseList()
	l.Close()
}

// vars writes what there are several of, an object each.
func (s *Snapshot) vars(l *eve.Line) {
	object := func(name, value string) {
		l.Open("")
		l.Str("key", name)
		l.Str("value", printable.Text([]byte(value)))
	}
	l.OpenList("flowvars")
	object("rmm_rules_version", s.Rules.Version)
	l.Close()
	for i := range s.Rings {
		r := &s.Rings[i]
		object("rmm_interface", r.Interface)
		l.Uint("ring", uint64(max(0, r.Index)))
		l.Uint("packets", r.Packets)
		l.Uint("drops", r.Drops)
		l.Bool("up", r.Up)
		l.Close()
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		object("rmm_output", o.Name)
		l.Str("state", string(o.State))
		l.Uint("backlog", uint64(max(0, o.Backlog.Records)))
		l.Uint("delivered", o.Delivered)
		l.Uint("refused", o.Refused)
		l.Uint("given_up", o.Backlog.Lost.Sum())
		l.Uint("failures", o.Failures)
		l.Close()
	}
	l.CloseList()
}
