package sensor_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/enrich/build"
)

// places are databases in which 203.0.113.0/24 is somewhere.
func places(t *testing.T) *enrich.DB {
	t.Helper()
	var c enrich.Config
	for kind, list := range map[build.Kind]string{
		build.Country: "203.0.113.0,203.0.113.255,DE\n", build.ASN: "203.0.113.0,203.0.113.255,64496,Example Networks\n",
	} {
		path := filepath.Join(t.TempDir(), "db.mmdb")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := build.Build(f, kind, 0, build.Source{Name: "list", Rows: strings.NewReader(list)}); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if kind == build.Country {
			c.Country = path
		} else {
			c.ASN = path
		}
	}
	db, err := enrich.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// The other side of a session is placed, the resolver is not, and rules find
// autonomous systems, which alone are no alert.
func TestPlaces(t *testing.T) {
	rs, err := detect.LoadFS("mem", fstest.MapFS{"r.yaml": {Data: []byte(`tool: netsupport
name: NetSupport
class: rmm
indicators:
  - {id: agent, role: control, confidence: medium, http: {agent: ["NetSupport*"]}, asn: [64496]}
  - {id: network, role: relay, confidence: low, asn: [64496]}
  - {id: elsewhere, role: relay, confidence: high, http: {agent: ["NetSupport*"]}, asn: [64497]}
tests:
  match:
    - {http: {agent: NetSupport Manager/1.3}, asn: 64496, indicator: agent}
    - {asn: 64496, indicator: network}
    - {http: {agent: NetSupport Manager/1.3}, asn: 64497, indicator: elsewhere}
  no_match: [{asn: 64498}]
`)}})
	if err != nil {
		t.Fatal(err)
	}
	run := func(db *enrich.DB, path string) (alerts []*alert.Alert) {
		files, err := capture.Open([]string{path}, capture.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer files.Close()
		cfg := config.Default()
		cfg.Alerts.MinConfidence = "low"
		r := sensor.Replay{
			Config: &cfg, Rules: rs, Source: files, Places: db, Alert: func(a *alert.Alert) { alerts = append(alerts, a) },
			Damage: func(err error) { t.Error(err) }, Tick: func() {},
		}
		if _, err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return alerts
	}
	const capture = "../pcaps/netsupport-synthetic.pcap"
	alerts := run(places(t), capture)
	if len(alerts) != 1 || strings.Join(alerts[0].Indicators(), " ") != "network agent" {
		t.Fatalf("%+v", alerts)
	}
	if p := alerts[0].Place(); p != (enrich.Place{Country: "DE", ASN: 64496, Org: "Example Networks"}) {
		t.Errorf("%+v", p)
	}
	for _, e := range alerts[0].Evidence {
		if e.Kind == detect.KindDNS && e.Place != (enrich.Place{}) {
			t.Errorf("the resolver %v is placed", netip.AddrPortFrom(e.Flow.Server, e.Flow.ServerPort))
		}
	}
	if alerts := run(nil, capture); alerts != nil {
		t.Errorf("without databases: %+v", alerts)
	}
	// Other flows to that network meet the indicator of the network alone.
	if alerts := run(places(t), "../pcaps/anydesk-synthetic.pcap"); alerts != nil {
		t.Errorf("an autonomous system alone is an alert: %+v", alerts[0].Evidence)
	}
}
