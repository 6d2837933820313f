package detect

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func TestSession(t *testing.T) {
	file := func(session string) []byte {
		return fmt.Appendf(nil, "tool: t\nname: T\nclass: rmm\nsession: %s\nindicators:\n  - {id: one, role: relay, confidence: high, domain: [a.t.example]}\ntests:\n  match:\n    - {name: a.t.example, indicator: one}\n  no_match:\n    - {name: other.example}\n", session)
	}
	for text, want := range map[string]Session{ // any order
		"{rate: 20KB/s, for: 60s, quiet: 5m}": {20_000, time.Minute, 5 * time.Minute},
		"{rate: 1B/s}":                        {Rate: 1},
		"{rate: 100MB/s}":                     {Rate: 100_000_000},
		"{for: 7s, quiet: 20m}":               {For: 7 * time.Second, Quiet: 20 * time.Minute},
	} {
		tool, errs := Parse("t.yaml", file(text))
		if errs != nil || *tool.Session != want {
			t.Errorf("%s: %v %+v", text, errs, tool)
			continue
		}
		if _, err := json.Marshal(tool); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"{}", "5m", "[]", "{rate: 0B/s}", "{rate: 20 KB/s}", "{rate: 101MB/s}", "{rate: 999999MB/s}", "{rate: -1B/s}", "{rate: [1B/s]}",
		"{for: 6s}", "{for: 2h}", "{for: 60}", "{quiet: 29s}", "{quiet: 21m}", "{quiet: soon}", "{min_rate: 20KB/s}",
	} {
		if _, errs := Parse("t.yaml", file(text)); errs == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
