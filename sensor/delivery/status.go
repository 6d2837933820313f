package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Status is how one output does.
type Status struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Receiver string `json:"receiver"` // as it may be shown
	Running  bool   `json:"running"`  // a process delivers just now
	output.Status
	Backlog output.Backlog `json:"backlog"`
	Problem string         `json:"problem,omitempty"` // why the queue cannot be read
	// Since is when the process that counted started. Counts are from then on, but
	// for Total, which goes on from one to the next.
	Since time.Time `json:"since,omitzero"`
	Total Total     `json:"total"`
	At    time.Time `json:"at,omitzero"` // when this was written
}

func (r *route) now() Status {
	return Status{
		Name: r.cfg.Name, Kind: r.cfg.Kind, Receiver: r.sink.Describe(), Running: true, Status: r.courier.Status(), Backlog: r.queue.Backlog(),
	}
}

// Total counts records since the queue was made. A crash may forget the last
// second of it.
type Total struct {
	Delivered uint64 `json:"delivered"`
	GivenUp   uint64 `json:"given_up"` // refused by the receiver, or lost to a bound of the queue
}

// Well reports whether the output does what it should.
func (s *Status) Well() bool {
	return s.Problem == "" && (s.State == output.Working || s.State == "") && s.Refused+s.Backlog.Lost.Sum() == 0 && s.Backlog.Failing == ""
}

// statusFile is how other processes learn how an output does: a file beside the
// queue, which only its owner can open.
type statusFile struct {
	path   string
	log    *zap.Logger
	before Status // what the process before us left
	since  time.Time
	failed bool
}

func statusPath(queue string) string { return strings.TrimSuffix(queue, ".queue") + ".status.json" }

func newStatusFile(queue string, log *zap.Logger) *statusFile {
	f := &statusFile{path: statusPath(queue), log: log, since: time.Now().UTC()}
	f.before, _ = readStatus(f.path) // none, or one that cannot be read, is no loss
	return f
}

// statusEvery is how often the file is written anew while something changes.
const statusEvery = time.Second

// keep writes the file when something has changed, until ctx is done.
func (f *statusFile) keep(ctx context.Context, r *route) {
	f.write(r)
	last := r.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(statusEvery):
		}
		if now := r.now(); now != last {
			last = now
			f.write(r)
		}
	}
}

func (f *statusFile) write(r *route) {
	s := r.now()
	s.Since, s.At = f.since, time.Now().UTC()
	s.Total = Total{f.before.Total.Delivered + s.Delivered, f.before.Total.GivenUp + s.Refused + s.Backlog.Lost.Sum()}
	if s.LastSuccess.IsZero() {
		s.LastSuccess = f.before.LastSuccess
	}
	if s.LastErrorAt.IsZero() {
		s.LastError, s.LastErrorAt = f.before.LastError, f.before.LastErrorAt
	}
	raw, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(f.path+".new", raw, 0o640)
	}
	if err == nil {
		err = os.Rename(f.path+".new", f.path)
	}
	if err != nil && !f.failed {
		f.log.Warn("the status of an output cannot be written", zap.Error(err))
	}
	f.failed = err != nil
}

func readStatus(path string) (s Status, err error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	return s, err
}

// Read returns how the outputs of a configuration do, from what the process that
// delivers wrote a second ago at most, or from the queues themselves when there
// is none.
func Read(cfg *config.Config) []Status {
	var list []Status
	for i := range cfg.Outputs {
		c := &cfg.Outputs[i]
		queue := QueueFile(cfg.State, c.Name)
		s, _ := readStatus(statusPath(queue)) // none, or one that cannot be read, says nothing
		s.Name, s.Kind = c.Name, c.Kind
		if sink, err := newSink(c, nil, nil); s.Receiver == "" && err == nil {
			s.Receiver = sink.Describe()
			sink.Close()
		}
		b, err := output.ReadBacklog(queue)
		switch {
		case err == nil:
			lost, failing := s.Backlog.Lost, s.Backlog.Failing
			s.Backlog, s.Running = b, false
			s.Backlog.Lost, s.Backlog.Failing = lost, failing
		case errors.Is(err, output.ErrInUse):
			s.Running = true
		case errors.Is(err, fs.ErrNotExist):
			s.Running = false
		default:
			s.Running, s.Problem = false, err.Error()
		}
		list = append(list, s)
	}
	return list
}
