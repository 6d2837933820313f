package delivery

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// TestAlert is an alert that nobody can take for a real one: its tool is
// rmmwatch-test, its addresses are of RFC 5737's and its name of RFC 6761's kind.
func TestAlert(now time.Time) *alert.Alert {
	return own(&detect.Tool{
		ID: "rmmwatch-test", Name: "TEST ALERT, no tool", Vendor: "rmmwatch", Class: "rmm", Attack: []string{"T1219"},
		Guidance: "This is a test of the way from rmmwatch to you. Nothing was seen; there is nothing to do.",
		Plain:    "Somebody ran \"rmmwatch outputs test\".",
	}, "rmmwatch-test.example", now, now)
}

// BlindAlert is an alert about the sensor itself: since then it sees less than
// there is, as text says. over ends it.
func BlindAlert(id, text string, since, now time.Time, over bool) *alert.Alert {
	a := own(&detect.Tool{
		ID: "rmmwatch-" + id, Name: "rmmwatch itself, which sees less than there is", Vendor: "rmmwatch", Class: alert.ClassSensor,
		Guidance: "Mend the capture: until then, that nothing is reported says nothing. rmmwatch doctor shows what is wrong.",
		Plain:    "The sensor does not see all of the network at the moment.",
	}, text, since, now)
	a.State = alert.Opened
	if over {
		a.State, a.Revision = alert.Closed, 1
	}
	return a
}

// StormAlert is an alert about alerts: so many came in a minute that they are not
// told one by one.
func StormAlert(s alert.Storm) *alert.Alert {
	text := fmt.Sprintf("%d more alerts in a minute than the budget allows:", s.Alerts)
	for i, t := range s.Tools {
		if i == 8 {
			text += fmt.Sprintf(" and %d other tools", len(s.Tools)-i)
			break
		}
		text += fmt.Sprintf(" %s %d", t.Tool.ID, t.Alerts)
	}
	return own(&detect.Tool{
		ID: alert.StormID, Name: "rmmwatch itself, which has more alerts than its budget", Vendor: "rmmwatch", Class: alert.ClassSensor,
		Guidance: "rmmwatch hosts lists every use of the time. Something spreads, or a rule is too wide, or alerts.budget too small.",
		Plain:    "Many computers began to use remote access at once.",
	}, text, time.Unix(0, s.First), time.Unix(0, s.Last))
}

// own is an alert that no packet made.
func own(tool *detect.Tool, value string, first, last time.Time) *alert.Alert {
	in := &detect.Indicator{ID: "sensor", Role: "relay", Confidence: detect.High, Need: detect.CondDomain, Domain: []string{"rmmwatch-test.example"}, Tool: tool}
	tool.Indicators = []*detect.Indicator{in}
	host, at := netip.MustParseAddr("192.0.2.1"), first.UnixNano()
	f := alert.Flow{ID: 1, Start: at, Tuple: flow.Tuple{
		Client: host, Server: netip.MustParseAddr("198.51.100.1"), ClientPort: 49152, ServerPort: 443, Proto: decode.ProtoTCP,
	}}
	return &alert.Alert{
		Tool: tool, Host: host, Confidence: detect.High, First: at, Last: last.UnixNano(), Flows: 1,
		Evidence: []alert.Evidence{{
			Indicator: in, Kind: detect.KindSNI, Value: printable.Text([]byte(value)), Count: 1, First: at, Last: last.UnixNano(),
			FirstFrame: alert.Frame{Number: 1}, LastFrame: alert.Frame{Number: 1}, Flow: f,
		}},
	}
}
