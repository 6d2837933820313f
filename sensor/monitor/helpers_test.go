package monitor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// noon is when the snapshots of the tests are taken.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// healthy is a snapshot of a sensor that has everything a sensor may have.
func healthy() *Snapshot {
	return &Snapshot{
		Version:        "1.2.3",
		Start:          noon.Add(-time.Hour),
		Workers:        make([]sensor.WorkerStats, 2),
		Rings:          []Ring{{Interface: "eth1", Up: true}, {Interface: "eth2", Index: 1, Up: true}},
		CollectorTurns: 1,
		Told:           map[alert.Kind]uint64{alert.UnsanctionedTool: 3},
		Outputs: []delivery.Status{
			{Name: "siem", Kind: "syslog", Running: true, Status: output.Status{State: output.Working}},
			{Name: "soar", Kind: "webhook", Running: true, Status: output.Status{State: output.Broken}, Backlog: output.Backlog{Records: 2, Bytes: 900, Oldest: noon.Add(-90 * time.Second)}},
		},
		Rules:    Rules{Version: "2026.11.1", Tools: 2, Indicators: 9, Loaded: noon.Add(-time.Minute)},
		Shunt:    &Shunt{},
		FlowsMax: 200_000,
	}
}

// serverOf shows a snapshot that may change between requests.
func serverOf(s *Snapshot) *Server {
	srv := New(func() Snapshot { return *s }, nil)
	srv.now = func() time.Time { return noon }
	return srv
}

// get asks the handler over a real connection.
func get(t testing.TB, h http.Handler, method, path string) (*http.Response, string) {
	t.Helper()
	web := httptest.NewServer(h)
	defer web.Close()
	req, err := http.NewRequest(method, web.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// scrape returns what Prometheus would read.
func scrape(t testing.TB, srv *Server) map[string]*dto.MetricFamily {
	t.Helper()
	resp, body := get(t, srv.Handler(), "GET", "/metrics")
	if resp.StatusCode != 200 {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	all, err := p.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return all
}

// series are the values of a scrape by name{label=value,...}, of the metrics of ours.
func series(all map[string]*dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for name, f := range all {
		if !strings.HasPrefix(name, "rmmwatch_") {
			continue
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			key := strings.TrimPrefix(name, "rmmwatch_") + "{" + strings.Join(labels, ",") + "}"
			out[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}
