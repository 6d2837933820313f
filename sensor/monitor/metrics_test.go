package monitor

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// The exposition follows Prometheus' conventions by its own linter, and the
// strictest registry finds no inconsistency in it.
func TestConventions(t *testing.T) {
	_, body := get(t, serverOf(healthy()).Handler(), "GET", "/metrics")
	var ours []string
	for line := range strings.Lines(body) {
		if strings.Contains(line, "rmmwatch_") {
			ours = append(ours, line)
		}
	}
	problems, err := promlint.New(strings.NewReader(strings.Join(ours, ""))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	strict := prometheus.NewPedanticRegistry()
	strict.MustRegister(&collector{snap: healthy(), at: noon})
	got, err := strict.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !slices.ContainsFunc(got, func(m *dto.MetricFamily) bool { return m.GetName() == f.name }) {
			t.Errorf("%s is defined and never exported", f.name)
		}
	}
}

// number is one counter or level of a snapshot, by its path.
type number struct {
	path string
	v    reflect.Value
}

// numbers finds every uint64 of a snapshot but those whose sums are elsewhere.
func numbers(path string, v reflect.Value) (all []number) {
	switch v.Kind() {
	case reflect.Uint64:
		return []number{{path, v}}
	case reflect.Pointer:
		return numbers(path, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[delivery.Total]() { // of all runs; Prometheus adds up runs itself
			return nil
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			name := path + "." + f.Name
			if f.Anonymous {
				name = path
			}
			all = append(all, numbers(name, v.Field(i))...)
		}
	case reflect.Slice, reflect.Array:
		if strings.HasSuffix(v.Type().String(), "]uint8") || strings.HasPrefix(v.Type().String(), "time.") {
			return nil
		}
		for i := range v.Len() {
			all = append(all, numbers(fmt.Sprintf("%s[%d]", path, i), v.Index(i))...)
		}
	}
	return all
}

// unshown is what stays 0 by definition: no tunnel is no tunnel.
var unshown = regexp.MustCompile(`\.Decode\.Tunnel\[0\]$`)

// Every number that the sensor counts is shown, by one series and no other, and
// by the one that the list names.
func TestEveryNumber(t *testing.T) {
	want, err := os.ReadFile("testdata/series.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := healthy()
	srv := serverOf(s)
	before := series(scrape(t, srv))
	var got bytes.Buffer
	for _, n := range numbers("", reflect.ValueOf(s).Elem()) {
		if unshown.MatchString(n.path) {
			continue
		}
		n.v.SetUint(n.v.Uint() + 1000)
		after := series(scrape(t, srv))
		n.v.SetUint(n.v.Uint() - 1000)
		var moved []string
		for name, v := range after {
			switch v - before[name] {
			case 0:
			case 1000:
				moved = append(moved, name)
			default:
				t.Errorf("%s: %s moved by %g, not 1000", n.path, name, v-before[name])
			}
		}
		if len(moved) != 1 {
			t.Errorf("%s is shown by %d series: %v", n.path, len(moved), moved)
		}
		fmt.Fprintln(&got, strings.TrimPrefix(n.path, "."), strings.Join(moved, " "))
	}
	if got.String() != string(want) {
		t.Errorf("testdata/series.txt differs; it should be\n%s", got.String())
	}
}

// Counters never fall while the sensor runs, whatever its levels do.
func TestCountersGrow(t *testing.T) {
	s := healthy()
	srv := serverOf(s)
	level := regexp.MustCompile(`Flows\.Live$`)
	rnd := rand.New(rand.NewPCG(1, 2))
	last := map[string]float64{}
	counters := 0
	for range 40 {
		for _, n := range numbers("", reflect.ValueOf(s).Elem()) {
			if level.MatchString(n.path) {
				n.v.SetUint(rnd.Uint64N(1000))
			} else {
				n.v.SetUint(n.v.Uint() + rnd.Uint64N(1000))
			}
		}
		s.Told[alert.Kinds[rnd.IntN(len(alert.Kinds))]]++
		s.Shunt.Flows, s.FlowsMax, s.Rules.Tools = rnd.IntN(100), rnd.IntN(100), rnd.IntN(100)
		s.Outputs[0].Backlog.Records, s.Outputs[0].Backlog.Bytes = rnd.IntN(100), rnd.Int64N(100)
		counters = 0
		for name, f := range scrape(t, srv) {
			if f.GetType() != dto.MetricType_COUNTER || !strings.HasPrefix(name, "rmmwatch_") {
				continue
			}
			for _, m := range f.Metric {
				counters++
				key := name + m.String()[:strings.Index(m.String()+"counter", "counter")]
				if v := m.GetCounter().GetValue(); v < last[key] {
					t.Errorf("%s fell from %g to %g", key, last[key], v)
				} else {
					last[key] = v
				}
			}
		}
	}
	if len(last) != counters || counters < 80 {
		t.Errorf("%d counters were seen, %d keys", counters, len(last))
	}
}

// Names of interfaces come from whoever may make one: they break neither a
// scrape nor the labels of others, and can be had back.
func TestHostileNames(t *testing.T) {
	hostile := []string{"a\"} 1\nx{y=\"", "\xff\xfe\x00", "é", "\\", "", strings.Repeat("long", 1000), "\u202e"}
	s := healthy()
	s.Rings = nil
	for i, name := range hostile {
		s.Rings = append(s.Rings, Ring{Interface: name, Index: i, Packets: uint64(i + 1), Up: true})
	}
	s.Rings = append(s.Rings, s.Rings[0]) // twice: the scrape holds all the same
	s.Rules.Version = "\xff\n"
	s.Told["\xff"] = 1
	for i := range 100 {
		s.Told[alert.Kind(fmt.Sprint("kind-", i))] = 1
	}
	all := scrape(t, serverOf(s))
	values := series(all)
	for i, name := range hostile {
		cut, _ := printable.Clip([]byte(name), maxLabel)
		key := fmt.Sprintf("capture_packets_total{interface=%s,ring=%d}", printable.Text(cut), i)
		if values[key] != float64(i+1) {
			t.Errorf("%s is %g, not %d", key, values[key], i+1)
		}
	}
	ours := len((&Snapshot{}).kinds()) // those are shown first
	if n := len(all["rmmwatch_alerts_total"].Metric); n != maxKinds+1 {
		t.Errorf("%d kinds of alerts are shown, not %d", n, maxKinds+1)
	}
	if n := values["alerts_total{kind=other}"]; n != float64(101-(maxKinds-ours)) {
		t.Errorf("the other kinds have %g alerts", n)
	}
}

func TestOutputs(t *testing.T) {
	v := series(scrape(t, serverOf(healthy())))
	for key, want := range map[string]float64{
		"output_backlog_age_seconds{output=siem}":            0,
		"output_backlog_age_seconds{output=soar}":            90,
		"output_backlog_records{output=soar}":                2,
		"output_backlog_bytes{output=soar}":                  900,
		"output_state{output=siem,state=working}":            1,
		"output_state{output=soar,state=working}":            0,
		"output_state{output=soar,state=broken}":             1,
		"rules_info{version=2026.11.1}":                      1,
		"build_info{version=1.2.3}":                          1,
		"rules_loaded_timestamp_seconds{}":                   float64(noon.Unix() - 60),
		"start_timestamp_seconds{}":                          float64(noon.Unix() - 3600),
		"output_last_success_timestamp_seconds{output=siem}": 0,
		"alerts_total{kind=sensor-blind}":                    0,
		"alerts_total{kind=unsanctioned-tool}":               3,
		"flows_limit{}":                                      200_000,
	} {
		if got, ok := v[key]; !ok || got != want {
			t.Errorf("%s is %g (there: %v), not %g", key, got, ok, want)
		}
	}
}
