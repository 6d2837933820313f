package sensor_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/ledger"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

// rewritten is the bundled ScreenConnect capture with another host, tenant and
// beginning.
func rewritten(t *testing.T, host [4]byte, tenant string, begin time.Time) string {
	t.Helper()
	data, err := os.ReadFile("../pcaps/screenconnect-synthetic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(data, []byte{10, 1, 2, 3}, host[:])
	if len(tenant) != len("a1b2c3") {
		t.Fatal("a tenant of another length")
	}
	data = bytes.ReplaceAll(data, []byte("a1b2c3"), []byte(tenant))
	first := binary.LittleEndian.Uint32(data[24:])
	for at := 24; at < len(data); at += 16 + int(binary.LittleEndian.Uint32(data[at+8:])) {
		sec := binary.LittleEndian.Uint32(data[at:]) - first + uint32(begin.Unix())
		binary.LittleEndian.PutUint32(data[at:], sec)
	}
	path := filepath.Join(t.TempDir(), "c.pcap")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// judged replays captures under a configuration and returns the verdicts of the alerts, and of what
// was recorded.
func judgedBy(t *testing.T, text string, memory alert.Memory, captures ...string) (alerts, recorded []*alert.Alert) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rmmwatch.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(cfg.Sanctioned, rs.Tools())
	if err != nil {
		t.Fatal(err)
	}
	files, err := capture.Open(captures, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	r := sensor.Replay{
		Config: &cfg, Rules: rs, Source: files, Policy: p, Memory: memory, Damage: func(err error) { t.Error(err) }, Tick: func() {},
		Alert:    func(a *alert.Alert) { alerts = append(alerts, a) },
		Recorded: func(a *alert.Alert) { recorded = append(recorded, a) },
	}
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return alerts, recorded
}

// One capture, rewritten to two subnets, two tenants, inside and outside the hours,
// before and after the end, gives the stated verdicts. Its relay without a name,
// 203.0.113.72, is ours.
func TestVerdicts(t *testing.T) {
	const text = `sanctioned:
  - tool: screenconnect
    tenants: [a1b2c3]
    relays: [203.0.113.72]
    hosts: [10.1.0.0/16]
    hours: Mon-Fri 07:00-19:00 Europe/Berlin
    until: 2026-06-30
    reason: help desk
`
	ours, theirs := [4]byte{10, 1, 2, 3}, [4]byte{10, 2, 2, 3}
	noon := time.Date(2026, 3, 4, 11, 0, 0, 0, time.UTC) // a Wednesday
	night, later := noon.Add(9*time.Hour), noon.AddDate(0, 4, 0)
	for _, c := range []struct {
		host   [4]byte
		tenant string
		at     time.Time
		want   string // kinds of the alerts, or recorded
	}{
		{ours, "a1b2c3", noon, "recorded"},
		{ours, "zzzzzz", noon, "foreign-tenant recorded"}, // the relay by address is still ours
		{theirs, "a1b2c3", noon, "unsanctioned-tool"},
		{theirs, "zzzzzz", noon, "unsanctioned-tool"},
		{ours, "a1b2c3", night, "outside-hours"},
		{ours, "zzzzzz", night, "foreign-tenant outside-hours"},
		{ours, "a1b2c3", later, "expired-exception"},
		{theirs, "a1b2c3", later, "unsanctioned-tool"},
	} {
		alerts, recorded := judgedBy(t, text, nil, rewritten(t, c.host, c.tenant, c.at))
		var got []string
		for _, a := range alerts {
			got = append(got, string(a.Kind()))
			if a.Kind() == alert.ForeignTenant && (!slices.Equal(a.Tenants(), []string{"zzzzzz"}) || a.Severity() != alert.SeverityHigh) {
				t.Errorf("%v: tenants %v, severity %v", c, a.Tenants(), a.Severity())
			}
			if a.Kind() == alert.OutsideHours && (a.Severity() != alert.SeverityMedium || a.Reason != "help desk") {
				t.Errorf("%v: severity %v, reason %q", c, a.Severity(), a.Reason)
			}
		}
		slices.Sort(got)
		if len(recorded) > 0 {
			got = append(got, "recorded")
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("host %v, tenant %s, %v: %s, want %s", c.host, c.tenant, c.at, s, c.want)
		}
	}
}

// What both tenants of one host do are two alerts, and the ids of all differ.
func TestVerdictsApart(t *testing.T) {
	noon := time.Date(2026, 3, 4, 11, 0, 0, 0, time.UTC)
	ours := [4]byte{10, 1, 2, 3}
	alerts, recorded := judgedBy(t, "sanctioned: [{tool: screenconnect, tenants: [a1b2c3], relays: [203.0.113.72]}]\n", nil,
		rewritten(t, ours, "a1b2c3", noon), rewritten(t, ours, "zzzzzz", noon.Add(time.Minute)))
	if len(alerts) != 1 || len(recorded) != 1 || alerts[0].ID() == recorded[0].ID() {
		t.Fatalf("%d alerts, %d recorded", len(alerts), len(recorded))
	}
	if !slices.Equal(alerts[0].Tenants(), []string{"zzzzzz"}) || !slices.Equal(recorded[0].Tenants(), []string{"a1b2c3"}) {
		t.Errorf("tenants %v and %v", alerts[0].Tenants(), recorded[0].Tenants())
	}
}

// Two replays with a restart between: only the first says first-on-host.
func TestFirstOnHost(t *testing.T) {
	path := ledger.Path(t.TempDir())
	noon := time.Date(2026, 3, 4, 11, 0, 0, 0, time.UTC)
	for i, want := range [][]alert.News{{alert.FirstOnHost, alert.FirstInNetwork}, nil, {alert.FirstOnHost}, {alert.Returned}} {
		l, err := ledger.Open(path, ledger.Config{})
		if err != nil {
			t.Fatal(err)
		}
		host, at := [4]byte{10, 1, 2, 3}, noon.AddDate(0, 0, i)
		switch i {
		case 2:
			host[2] = 9
		case 3:
			at = noon.AddDate(0, 0, 90)
		}
		alerts, _ := judgedBy(t, "sensor: x\n", l, rewritten(t, host, "a1b2c3", at))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if len(alerts) != 1 || !slices.Equal(alerts[0].News, want) {
			t.Errorf("replay %d: %v, want %v", i, alerts[0].News, want)
		}
	}
}
