package monitor

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
)

const (
	dashboardFile = "../../docs/deploy/grafana-dashboard.json"
	rulesFile     = "../../docs/deploy/prometheus-rules.yml"
	metricsDoc    = "../../docs/metrics.md"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The page's table has every metric with its type, labels and meaning, as they are
// exported, in the order of families.go.
func TestMetricsDoc(t *testing.T) {
	types := map[prometheus.ValueType]string{prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge"}
	var want strings.Builder
	for _, f := range families {
		labels := "-"
		if len(f.labels) > 0 {
			labels = "`" + strings.Join(f.labels, "`, `") + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", f.name, types[f.kind], labels, f.help)
	}
	var got strings.Builder
	for line := range strings.Lines(string(read(t, metricsDoc))) {
		if strings.HasPrefix(line, "| `rmmwatch_") {
			got.WriteString(line)
		}
	}
	if got.String() != want.String() {
		t.Errorf("the table of docs/metrics.md should be\n%s", want.String())
	}
	// The scrape says the same, whatever the list says of itself.
	all := scrape(t, serverOf(healthy()))
	for _, f := range families {
		m := all[f.name]
		if m == nil || m.GetHelp() != f.help || strings.ToLower(m.GetType().String()) != types[f.kind] {
			t.Errorf("%s is exported as %v", f.name, m)
			continue
		}
		if labels := slices.Sorted(maps.Keys(labelValues(m))); !slices.Equal(labels, slices.Sorted(slices.Values(f.labels))) {
			t.Errorf("%s has the labels %v", f.name, labels)
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "rmmwatch_") && !slices.ContainsFunc(families, func(f *family) bool { return f.name == name }) {
			t.Errorf("%s is exported and not listed", name)
		}
	}
}

// Names of metrics in the page's prose exist.
func TestMetricsProse(t *testing.T) {
	k := exported(t)
	for _, name := range regexp.MustCompile(`\brmmwatch_\w+`).FindAllString(string(read(t, metricsDoc)), -1) {
		if k[name] == nil {
			t.Errorf("docs/metrics.md names %s, which does not exist", name)
		}
	}
}

// templated is a label in an alert's text.
var templated = regexp.MustCompile(`\$labels\.(\w+)`)

func TestPrometheusRules(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Expr        string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read(t, rulesFile), &file); err != nil {
		t.Fatal(err)
	}
	k := exported(t)
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			has, err := k.check(r.Expr)
			if err != nil {
				t.Errorf("%s: %v", r.Alert, err)
			}
			if seen[r.Alert] || r.Alert == "" {
				t.Errorf("%q is there twice", r.Alert)
			}
			seen[r.Alert] = true
			if s := r.Labels["severity"]; s != "warning" && s != "critical" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			for _, key := range []string{"summary", "description"} {
				if len(r.Annotations[key]) < 20 {
					t.Errorf("%s: no %s", r.Alert, key)
				}
				for _, l := range templated.FindAllStringSubmatch(r.Annotations[key], -1) {
					if !slices.Contains(has, l[1]) {
						t.Errorf("%s: its %s shows the label %s, which the expression does not leave", r.Alert, key, l[1])
					}
				}
			}
		}
	}
	for _, name := range []string{"CaptureLoss", "Blind", "QueueNotDraining", "OutputBroken", "ReloadRefused", "WorkerHangs", "Memory", "Restarts"} {
		if !seen["Rmmwatch"+name] {
			t.Errorf("no rule Rmmwatch%s", name)
		}
	}
}

// promtool, of Prometheus itself, takes the rules, and they fire and stay quiet
// over the series of testdata/rules_test.yml. Every rule fires there once.
func TestPromtool(t *testing.T) {
	tool := os.Getenv("PROMTOOL")
	if tool == "" {
		tool = "promtool"
	}
	path, err := exec.LookPath(tool)
	if err != nil {
		skip := t.Skip
		if os.Getenv("CI") == "true" {
			skip = t.Fatal
		}
		skip("promtool is not there: install Debian's package prometheus, or name the program in PROMTOOL")
	}
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", rulesFile}, {"test", "rules", "testdata/rules_test.yml"}} {
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	tests := string(read(t, "testdata/rules_test.yml"))
	for _, name := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(read(t, rulesFile)), -1) {
		if !regexp.MustCompile(`alertname: ` + name[1] + `\n\s+exp_alerts:\n`).MatchString(tests) {
			t.Errorf("%s never fires in testdata/rules_test.yml", name[1])
		}
	}
}

// panel is what the test needs of Grafana's.
type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource struct{ UID string }
	Targets    []struct {
		Expr, LegendFormat string
		Datasource         struct{ UID string }
	}
	GridPos struct{ X, Y, W, H int }
}

// legend is a label in a series' name.
var legend = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

func TestDashboard(t *testing.T) {
	var d struct {
		Panels      []panel
		Annotations struct{ List []struct{ Name, Expr string } }
		Templating  struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
	}
	if err := json.Unmarshal(read(t, dashboardFile), &d); err != nil {
		t.Fatal(err)
	}
	k := exported(t)
	var used []string
	for i, p := range d.Panels {
		for _, q := range d.Panels[:i] {
			if p.ID == q.ID || overlap(p, q) {
				t.Errorf("panels %q and %q have one id or overlap", p.Title, q.Title)
			}
		}
		if p.Type != "row" && (len(p.Targets) == 0 || p.Datasource.UID != "${datasource}") {
			t.Errorf("panel %q has %d targets of the data source %q", p.Title, len(p.Targets), p.Datasource.UID)
		}
		for _, target := range p.Targets {
			has, err := k.check(target.Expr)
			if err != nil {
				t.Errorf("panel %q: %v", p.Title, err)
			}
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("panel %q ignores the dashboard's variables: %s", p.Title, target.Expr)
			}
			for _, l := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !slices.Contains(has, l[1]) {
					t.Errorf("panel %q: its legend shows the label %s, which %s does not leave", p.Title, l[1], target.Expr)
				}
			}
			used = append(used, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		if _, err := k.check(a.Expr); err != nil {
			t.Errorf("annotation %s: %v", a.Name, err)
		}
	}
	if v := d.Templating.List; len(v) != 2 || v[0].Type != "datasource" || v[0].Name != "datasource" || v[1].Name != "instance" {
		t.Errorf("variables: %+v", v)
	}
	if query := fmt.Sprint(d.Templating.List[1].Query); !strings.Contains(query, "label_values("+startTime.name+", instance)") {
		t.Errorf("the sensors are asked by %s", query)
	}
	rules := string(read(t, rulesFile))
	for _, f := range families { // what nobody looks at need not be exported
		word := regexp.MustCompile(`\b` + f.name + `\b`)
		if !word.MatchString(strings.Join(used, "\n")) && !word.MatchString(rules) && !slices.Contains(unplotted, f.name) {
			t.Errorf("%s is in neither the dashboard nor the alert rules", f.name)
		}
	}
}

// unplotted are metrics for who looks for a cause, by hand.
var unplotted = []string{
	"rmmwatch_worker_last_packet_timestamp_seconds", "rmmwatch_mirrored_packets_total", "rmmwatch_flows_reused_total",
	"rmmwatch_head_segments_dropped_total", "rmmwatch_output_info", "rmmwatch_output_last_success_timestamp_seconds",
	"rmmwatch_shunt_bytes_total", "rmmwatch_shunt_refused_flows_total", "rmmwatch_shunt_flows",
}

func overlap(p, q panel) bool {
	a, b := p.GridPos, q.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}
