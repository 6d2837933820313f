package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/config"
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
