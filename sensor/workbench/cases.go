package workbench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// RunCase replays a case's capture with rules and returns what differs from what
// it expects: nothing when it holds. An alert that is missing is told where the
// case expects it, one that nobody expects where the case begins.
func RunCase(ctx context.Context, rules *detect.Ruleset, c detect.Case) []detect.RuleError {
	alerts, err := replay(ctx, rules, nil, c.Capture)
	if err != nil {
		return []detect.RuleError{{File: c.File, Line: c.Line, Col: c.Col, Msg: err.Error(), Hint: "the path of a capture counts from the file of the case"}}
	}
	var out []detect.RuleError
	var left []*alert.Alert
	for _, a := range alerts {
		if a.Tool.ID == c.Tool.ID {
			left = append(left, a)
		}
	}
	for _, want := range c.Alerts {
		i := slices.IndexFunc(left, func(a *alert.Alert) bool { return meets(a, want) })
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		e := detect.RuleError{File: c.File, Line: want.Line, Col: want.Col, Msg: "no such alert from " + c.Capture}
		if len(left) > 0 {
			e.Hint = "there is " + words(left[0])
		}
		out = append(out, e)
	}
	for _, a := range left {
		out = append(out, detect.RuleError{File: c.File, Line: c.Line, Col: c.Col, Msg: c.Capture + " raises an alert that the case does not have: " + words(a)})
	}
	return out
}

// meets reports whether a is what the case says.
func meets(a *alert.Alert, want detect.CaseAlert) bool {
	if want.Host.IsValid() && a.Host.Unmap() != want.Host.Unmap() ||
		want.Kind != "" && string(a.Kind()) != want.Kind ||
		want.Confidence != 0 && a.Confidence != want.Confidence ||
		want.Tenant != "" && !slices.ContainsFunc(a.Evidence, func(e alert.Evidence) bool { return e.Tenant == want.Tenant }) {
		return false
	}
	ids := indicators(a)
	for _, id := range want.Indicators {
		if !slices.Contains(ids, id) {
			return false
		}
	}
	return true
}

// indicators are the ids in an alert's evidence, each once, in its order.
func indicators(a *alert.Alert) (ids []string) {
	for i := range a.Evidence {
		if id := a.Evidence[i].Indicator.ID; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// words says an alert as a case would.
func words(a *alert.Alert) string {
	s := fmt.Sprintf("{host: %s, kind: %s, confidence: %s", a.Host, a.Kind(), a.Confidence)
	for i := range a.Evidence {
		if t := a.Evidence[i].Tenant; t != "" {
			s += ", tenant: " + t
			break
		}
	}
	return s + ", indicators: [" + strings.Join(indicators(a), ", ") + "]}"
}
