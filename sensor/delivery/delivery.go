package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Options is what outputs need beside the configuration.
type Options struct {
	Files  format.Files // names captures
	Log    *zap.Logger
	Stdout io.Writer // what a file output with the path "-" writes to
}

// Outputs delivers alerts to all outputs of a configuration. Put is for one
// goroutine, the other methods for any.
type Outputs struct {
	routes []*route
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// route is the way of an alert to one output.
type route struct {
	cfg     *config.Output
	encoder format.Encoder
	queue   *output.Queue
	sink    sink
	courier *output.Courier
	status  *statusFile

	stuck   bool // Room waited in vain when through was stuckAt
	stuckAt uint64
}

// QueueFile is where the queue of an output is below the state folder.
func QueueFile(state, name string) string { return filepath.Join(state, "outputs", name+".queue") }

// Open opens the queue of each output and begins to deliver what waits in it.
// Close ends that.
func Open(cfg *config.Config, o Options) (*Outputs, error) {
	ctx, stop := context.WithCancel(context.Background())
	out := &Outputs{stop: stop}
	for i := range cfg.Outputs {
		r, err := newRoute(cfg, &cfg.Outputs[i], o)
		if err != nil {
			stop()
			return nil, errors.Join(fmt.Errorf("%s: %w", cfg.Outputs[i].At, err), out.release())
		}
		out.routes = append(out.routes, r)
	}
	for _, r := range out.routes {
		out.done.Go(func() { r.courier.Run(ctx) })
		out.done.Go(func() { r.status.keep(ctx, r) })
	}
	return out, nil
}

func newRoute(cfg *config.Config, c *config.Output, o Options) (*route, error) {
	r := &route{cfg: c}
	var err error
	if r.encoder, err = Encoder(c.Format, c.Template, o.Files); err != nil {
		return nil, err
	}
	log := teller(o.Log.With(zap.String("output", c.Name)))
	if r.sink, err = newSink(c, o.Stdout, log); err != nil {
		return nil, err
	}
	path := QueueFile(cfg.State, c.Name)
	r.queue, err = output.OpenQueue(path, output.QueueConfig{MaxBytes: int64(c.Queue.MaxMiB) << 20, MaxAge: c.Queue.MaxAge, Log: log})
	if err != nil {
		r.sink.Close()
		return nil, err
	}
	r.courier = output.NewCourier(output.CourierConfig{
		Name: c.Name, Queue: r.queue, Sink: r.sink, Timeout: c.Timeout, Linger: c.Batch.Wait, Log: o.Log,
		Limit: output.Limit{Count: c.Batch.Count, Bytes: c.Batch.Bytes, Stable: c.Kind == "webhook" && c.Batch.Count > 1},
	})
	r.status = newStatusFile(path, o.Log)
	return r, nil
}

// teller logs what goes wrong, and without an error what is right again.
func teller(log *zap.Logger) func(string, error) {
	return func(text string, err error) {
		if err == nil {
			log.Info(text)
			return
		}
		log.Error(text, zap.Error(err))
	}
}

// Encoder returns the encoder of a format of format.Names, or of the template in
// a file.
func Encoder(name, template string, files format.Files) (format.Encoder, error) {
	if name != config.FormatTemplate {
		return format.New(name, files)
	}
	text, err := os.ReadFile(template)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return format.NewTemplate(template, string(text), files)
}

// wants reports whether the output takes the alert.
func (r *route) wants(a *alert.Alert) bool {
	f := &r.cfg.Filter
	return a.Severity() >= f.MinSeverity && takes(f.Kinds, string(a.Kind())) && takes(f.Tools, a.Tool.ID)
}

// takes reports whether a filter, which may be empty, has v.
func takes(filter []string, v string) bool { return len(filter) == 0 || slices.Contains(filter, v) }

// message is the alert in the format of the output.
func (r *route) message(a *alert.Alert) output.Message {
	line := r.encoder.Line(a)
	return output.Message{
		ID: a.MessageID(), Host: a.Host.String(), Kind: string(a.Kind()), Tool: a.Tool.ID, Time: time.Unix(0, a.Best().First).UTC(),
		Severity: output.Severity(a.Severity()), Body: append([]byte(nil), line[:len(line)-1]...),
	}
}

// Put hands the alert to every output that takes it. It waits for nothing: not
// for a disk, nor for a receiver.
func (o *Outputs) Put(a *alert.Alert) {
	for _, r := range o.routes {
		if r.wants(a) {
			r.queue.Put(r.message(a)) // fails only after Close
		}
	}
}

// Room waits until every queue has room, for callers who have time: as long as
// something is delivered now and then, and up to patience when nothing is. Then
// the queue gives up its oldest records, as that of a live sensor does.
func (o *Outputs) Room(ctx context.Context, patience time.Duration) {
	for _, r := range o.routes {
		r.room(ctx, patience)
	}
}

func (r *route) room(ctx context.Context, patience time.Duration) {
	last, moved := r.through(), time.Now()
	if r.stuck && last == r.stuckAt {
		return // waited for in vain before, and nothing moved since
	}
	r.stuck = false
	for {
		turn, cancel := context.WithTimeout(ctx, min(patience, 200*time.Millisecond))
		err := r.queue.Room(turn)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		if through := r.through(); through != last {
			last, moved = through, time.Now()
		}
		if time.Since(moved) >= patience {
			r.stuck, r.stuckAt = true, last
			return
		}
	}
}

// through is how many records have left the queue for the receiver.
func (r *route) through() uint64 {
	s := r.courier.Status()
	return s.Delivered + s.Refused
}

// Reopen lets go of files that somebody else has moved, as on SIGHUP.
func (o *Outputs) Reopen() {
	for _, r := range o.routes {
		if f, ok := r.sink.(interface{ Reopen() }); ok {
			f.Reopen()
		}
	}
}

// Status returns how each output does, in the order of the configuration.
func (o *Outputs) Status() []Status {
	var out []Status
	for _, r := range o.routes {
		out = append(out, r.now())
	}
	return out
}

// Wait waits until everything is delivered. It gives up when ctx is done, or when
// nothing was delivered for the time of patience; the error then says what is left.
func (o *Outputs) Wait(ctx context.Context, patience time.Duration, tick func([]Status)) error {
	last, moved := uint64(0), time.Now()
	for {
		list := o.Status()
		waiting, through := 0, uint64(0)
		for _, s := range list {
			waiting += s.Backlog.Records
			through += s.Delivered + s.Refused + s.Backlog.Lost.Sum()
		}
		if waiting == 0 {
			return nil
		}
		if through != last {
			last, moved = through, time.Now()
		}
		if time.Since(moved) > patience {
			return fmt.Errorf("nothing was delivered for %v", patience)
		}
		tick(list)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waitEvery):
		}
	}
}

// waitEvery is how often Wait looks.
const waitEvery = 20 * time.Millisecond

// Flush gives receivers that work a while to take what waits.
func (o *Outputs) Flush(limit time.Duration) {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		waits := false
		for _, s := range o.Status() {
			waits = waits || s.Backlog.Records > 0 && s.State == output.Working
		}
		if !waits {
			return
		}
		time.Sleep(waitEvery)
	}
}

// Close ends delivery. What waits is on disk for the next start; the error tells
// what is not.
func (o *Outputs) Close() error {
	o.stop()
	o.done.Wait()
	return o.release()
}

func (o *Outputs) release() error {
	var errs []error
	for _, r := range o.routes {
		if err := errors.Join(r.sink.Close(), r.queue.Close()); err != nil {
			errs = append(errs, fmt.Errorf("output %s: %w", r.cfg.Name, err))
		}
		r.status.write(r)
	}
	return errors.Join(errs...)
}
