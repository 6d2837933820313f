package monitor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// reference is a metric that an expression selects, with its matchers.
type reference struct {
	metric   string
	matchers [][3]string // label, operator, value
}

// token of PromQL as far as names need it: a quoted text, a name, a range or any
// other sign.
var token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\$\{?\w+\}?|[a-zA-Z_:][a-zA-Z0-9_:]*|\[[^\]]*\]|[0-9][0-9a-z.]*|=~|!~|!=|[^\s]`)

var keywords = strings.Fields("and or unless offset bool on ignoring by without group_left group_right inf nan")

// names reads an expression: the metrics that it selects, and the labels that it
// groups or joins by. It is no parser; promtool checks the grammar.
func names(expr string) (refs []reference, labels []string, err error) {
	t := token.FindAllString(expr, -1)
	at := func(i int) string {
		if i < len(t) {
			return t[i]
		}
		return ""
	}
	word := regexp.MustCompile(`^[a-zA-Z_:]`)
	for i := 0; i < len(t); i++ {
		switch {
		case slices.Contains([]string{"by", "without", "on", "ignoring", "group_left", "group_right"}, t[i]):
			if at(i+1) != "(" {
				continue
			}
			for i += 2; at(i) != ")"; i++ {
				if i >= len(t) {
					return nil, nil, fmt.Errorf("a list of labels does not end: %s", expr)
				}
				if t[i] != "," {
					labels = append(labels, t[i])
				}
			}
		case at(i) == "{":
			return nil, nil, fmt.Errorf("a selector without a name: %s", expr)
		case !word.MatchString(t[i]) || slices.Contains(keywords, t[i]) || at(i+1) == "(":
		case slices.Contains([]string{"sum", "min", "max", "avg", "count"}, t[i]) && (at(i+1) == "by" || at(i+1) == "without"):
		default:
			ref := reference{metric: t[i]}
			if at(i+1) == "{" {
				for i += 2; at(i) != "}"; i++ {
					if i+2 >= len(t) {
						return nil, nil, fmt.Errorf("a selector does not end: %s", expr)
					}
					if t[i] == "," {
						continue
					}
					ref.matchers = append(ref.matchers, [3]string{t[i], t[i+1], strings.Trim(t[i+2], `"`)})
					i += 2
				}
			}
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		return nil, nil, fmt.Errorf("no metric in it: %s", expr)
	}
	return refs, labels, nil
}

// known is what is exported: by metric and label the values.
type known map[string]map[string][]string

// exported lists the metrics of a full scrape, and those of Prometheus itself.
func exported(t *testing.T) known {
	k := known{"up": {}}
	for name, f := range scrape(t, serverOf(healthy())) {
		k[name] = labelValues(f)
	}
	for _, labels := range k { // added by Prometheus
		labels["instance"], labels["job"] = nil, nil
	}
	return k
}

func labelValues(f *dto.MetricFamily) map[string][]string {
	out := map[string][]string{}
	for _, m := range f.Metric {
		for _, l := range m.Label {
			out[l.GetName()] = append(out[l.GetName()], l.GetValue())
		}
	}
	return out
}

// free are the labels whose values are the operator's.
var free = []string{"instance", "job", "interface", "ring", "worker", "output", "version"}

// check returns what is wrong with an expression, and the labels that its
// metrics have.
func (k known) check(expr string) (has []string, err error) {
	refs, grouped, err := names(expr)
	if err != nil {
		return nil, err
	}
	for _, r := range refs {
		labels, ok := k[r.metric]
		if !ok {
			return nil, fmt.Errorf("no metric %s: %s", r.metric, expr)
		}
		for l := range labels {
			has = append(has, l)
		}
		for _, m := range r.matchers {
			values, ok := labels[m[0]]
			if !ok {
				return nil, fmt.Errorf("%s has no label %s: %s", r.metric, m[0], expr)
			}
			if slices.Contains(free, m[0]) {
				continue
			}
			wanted := []string{m[2]}
			if strings.HasSuffix(m[1], "~") {
				wanted = strings.Split(m[2], "|")
			}
			for _, v := range wanted {
				if !slices.Contains(values, v) {
					return nil, fmt.Errorf("%s is never %s of %s: %s", v, m[0], r.metric, expr)
				}
			}
		}
	}
	for _, l := range grouped {
		if !slices.Contains(has, l) {
			return nil, fmt.Errorf("no metric of it has the label %s: %s", l, expr)
		}
	}
	if len(grouped) > 0 && strings.Contains(expr, "by (") {
		has = grouped
	}
	return has, nil
}

// The check sees what it is for.
func TestCheckSees(t *testing.T) {
	k := exported(t)
	for expr, want := range map[string]string{
		`rate(rmmwatch_packets_total[5m]) > 0`:                                    "",
		`sum by (worker) (rmmwatch_flows{worker="7", instance=~"$instance"}) / 2`: "",
		`sum(rate(rmmwatch_packet_total[$__rate_interval]))`:                      "no metric rmmwatch_packet_total",
		`rmmwatch_alerts_total and rmmwatch_alerts`:                               "no metric rmmwatch_alerts",
		`rmmwatch_flows{kind="x"}`:                                                "rmmwatch_flows has no label kind",
		`rmmwatch_output_state{state="brokn"}`:                                    "brokn is never state",
		`rmmwatch_output_state{output="x", state=~"broken|lost"}`:                 "lost is never state",
		`sum by (interface) (rmmwatch_packets_total)`:                             "no metric of it has the label interface",
		`sum(rmmwatch_packets_total) by (instance, ring)`:                         "no metric of it has the label ring",
		`rmmwatch_flows / on (output) rmmwatch_flows_limit`:                       "no metric of it has the label output",
		`{job="x"}`:               "a selector without a name",
		`rmmwatch_flows{worker="`: "does not end",
		`vector(1) > 0`:           "no metric in it",
	} {
		_, err := k.check(expr)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", expr, err, want)
		}
	}
}
