package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Result is what came of a test alert.
type Result struct {
	Name     string
	Receiver string
	Took     time.Duration
	Note     string // what is not as it should be although the receiver has the alert
	Err      error
}

// Test sends one test alert through every output, past filter and queue. Each
// receiver may take timeout.
func Test(ctx context.Context, cfg *config.Config, stdout io.Writer, timeout time.Duration) []Result {
	now := time.Now()
	var list []Result
	for i := range cfg.Outputs {
		c := &cfg.Outputs[i]
		begin := time.Now()
		r := Result{Name: c.Name, Receiver: "-"}
		r.Err = r.test(ctx, c, stdout, timeout, now)
		r.Took = time.Since(begin)
		list = append(list, r)
	}
	return list
}

func (r *Result) test(ctx context.Context, c *config.Output, stdout io.Writer, timeout time.Duration, now time.Time) error {
	enc, err := Encoder(c.Format, c.Template, func(uint32) string { return "test" })
	if err != nil {
		return fmt.Errorf("%s: %w", c.At, err)
	}
	sink, err := newSink(c, stdout, func(text string, err error) { r.Note = fmt.Sprintf("%s: %v", text, err) })
	if err != nil {
		return fmt.Errorf("%s: %w", c.At, err)
	}
	defer sink.Close()
	r.Receiver = sink.Describe()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	way := route{cfg: c, encoder: enc}
	n, err := sink.Send(ctx, []output.Message{way.message(TestAlert(now))})
	if err == nil && n != 1 {
		err = errors.New("the receiver did not confirm the alert")
	}
	return err
}

// TestAlert is an alert that nobody can take for a real one: its tool is
// rmmwatch-test, its addresses are of RFC 5737's and its name of RFC 6761's kind.
func TestAlert(now time.Time) *alert.Alert {
	in := &detect.Indicator{ID: "test", Role: "relay", Confidence: detect.High, Need: detect.CondDomain, Domain: []string{"rmmwatch-test.example"}}
	in.Tool = &detect.Tool{
		ID: "rmmwatch-test", Name: "TEST ALERT, no tool", Vendor: "rmmwatch", Class: "rmm", Attack: []string{"T1219"},
		Indicators: []*detect.Indicator{in},
		Guidance:   "This is a test of the way from rmmwatch to you. Nothing was seen; there is nothing to do.",
		Plain:      "Somebody ran \"rmmwatch outputs test\".",
	}
	host, at := netip.MustParseAddr("192.0.2.1"), now.UnixNano()
	f := alert.Flow{ID: 1, Start: at, Tuple: flow.Tuple{
		Client: host, Server: netip.MustParseAddr("198.51.100.1"), ClientPort: 49152, ServerPort: 443, Proto: decode.ProtoTCP,
	}}
	return &alert.Alert{
		Tool: in.Tool, Host: host, Confidence: detect.High, First: at, Last: at, Flows: 1,
		Evidence: []alert.Evidence{{
			Indicator: in, Kind: detect.KindSNI, Value: "rmmwatch-test.example", Count: 1, First: at, Last: at,
			FirstFrame: alert.Frame{Number: 1}, LastFrame: alert.Frame{Number: 1}, Flow: f,
		}},
	}
}
