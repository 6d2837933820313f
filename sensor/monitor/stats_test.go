package monitor

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// Every line is valid by Suricata's own schemas: of a full sensor, of one that has
// just begun, and of one with hostile names and the largest numbers.
func TestStatsSchema(t *testing.T) {
	schemas := testshared.Schemas(t)
	hostile := healthy()
	hostile.Rings[0].Interface = "\"\\\xff\n\u202e"
	hostile.Told["a\"b\n"] = 4
	hostile.Told[alert.Kind(strings.Repeat("x", 1000))] = 4
	hostile.Rules.Version = "\xff\""
	for _, n := range numbers("", reflect.ValueOf(hostile).Elem()) {
		n.v.SetUint(math.MaxUint64 / 4)
	}
	back := healthy()
	back.Start, back.FlowsMax = noon.Add(time.Hour), -1
	for _, s := range []*Snapshot{healthy(), {}, hostile, back} {
		line := StatsLine(s, noon)
		if strings.Count(string(line), "\n") != 1 {
			t.Errorf("not one line: %q", line)
		}
		if err := schemas.Line(line); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
	}
	// The judge refuses what is no stats event.
	if schemas.Line([]byte(`{"timestamp":"2026-11-22T12:00:00.000000+0000","event_type":"stats","stats":{"rmm":1}}`)) == nil {
		t.Error("the schemas allow anything")
	}
}

// Names can be had back, and what cannot be is 0 rather than huge.
func TestStatsOdd(t *testing.T) {
	s := healthy()
	s.Start, s.FlowsMax, s.Rings[0].Interface = noon.Add(time.Hour), -1, "\"\\\xff"
	line := string(StatsLine(s, noon))
	for _, want := range []string{`"uptime":0,`, `"rmm_flows_max":0,`, `"value":"\"\\\\\\xff",`} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
}

func TestStatsNumbers(t *testing.T) {
	s := healthy()
	for i, n := range numbers("", reflect.ValueOf(s).Elem()) {
		n.v.SetUint(1000 + uint64(i)*uint64(i))
	}
	var got struct {
		Timestamp string
		EventType string `json:"event_type"`
		Stats     struct {
			Uptime  uint64
			Capture struct {
				Packets uint64 `json:"kernel_packets"`
				Drops   uint64 `json:"kernel_drops"`
			}
			Decoder struct {
				Pkts, Bytes, Invalid uint64
			}
			Flow struct {
				Total, Active uint64
				Mgr           map[string]uint64
				Wrk           map[string]uint64
			}
			Bypassed map[string]uint64 `json:"flow_bypassed"`
			App      struct {
				Error map[string]map[string]uint64
			} `json:"app_layer"`
			Detect struct {
				Alert   uint64
				Engines []struct {
					Reload string `json:"last_reload"`
					Loaded int    `json:"rules_loaded"`
				}
			}
		}
		Metadata struct {
			Flowints map[string]uint64
			Flowvars []map[string]any
		}
	}
	if err := json.Unmarshal(StatsLine(s, noon), &got); err != nil {
		t.Fatal(err)
	}
	w := s.Workers
	st := &got.Stats
	for _, c := range []struct{ got, want uint64 }{
		{st.Uptime, 3600},
		{st.Capture.Packets, s.Rings[0].Packets + s.Rings[1].Packets},
		{st.Capture.Drops, s.Rings[0].Drops + s.Rings[1].Drops},
		{st.Decoder.Pkts, w[0].Packets + w[1].Packets},
		{st.Decoder.Bytes, w[0].Bytes + w[1].Bytes},
		{st.Decoder.Invalid, w[0].Decode.Status[3] + w[1].Decode.Status[3] + w[0].Decode.Status[4] + w[1].Decode.Status[4]},
		{st.Flow.Total, w[0].Flows.Created + w[1].Flows.Created},
		{st.Flow.Active, w[0].Flows.Live + w[1].Flows.Live},
		{st.Flow.Mgr["flows_timeout"], w[0].Flows.Expired + w[1].Flows.Expired},
		{st.Flow.Wrk["flows_evicted"], w[0].Flows.Evicted + w[1].Flows.Evicted},
		{st.Bypassed["pkts"], s.Shunt.Dropped},
		{st.Bypassed["bytes"], s.Shunt.DroppedBytes},
		{st.App.Error["tls"]["parser"], w[0].Malformed.TLS + w[1].Malformed.TLS},
		{st.App.Error["quic"]["parser"], w[0].Malformed.QUIC + w[1].Malformed.QUIC},
		{st.App.Error["http"]["parser"], w[0].Malformed.HTTP + w[1].Malformed.HTTP},
		{st.Detect.Alert, 3},
		{got.Metadata.Flowints["rmm_malformed_dns"], w[0].Malformed.DNS + w[1].Malformed.DNS},
		{got.Metadata.Flowints["rmm_findings_lost"], s.Lost},
		{got.Metadata.Flowints["rmm_alerts_unsanctioned_tool"], 3},
		{got.Metadata.Flowints["rmm_rules_refused"], s.Rules.Refused},
		{uint64(got.Metadata.Flowvars[1]["drops"].(float64)), s.Rings[0].Drops},
		{uint64(got.Metadata.Flowvars[4]["delivered"].(float64)), s.Outputs[1].Delivered},
	} {
		if c.got != c.want {
			t.Errorf("%d, not %d in %+v", c.got, c.want, got)
		}
	}
	if e := st.Detect.Engines; len(e) != 1 || e[0].Reload != "2026-11-22T11:59:00.000000+0000" || e[0].Loaded != 9 || got.Timestamp != "2026-11-22T12:00:00.000000+0000" || got.EventType != "stats" {
		t.Errorf("%+v", got)
	}
}
