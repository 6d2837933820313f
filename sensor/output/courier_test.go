package output_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// script is a sink whose answers are written down: each call of Send takes the
// next, and the last one stays.
type script struct {
	mu      sync.Mutex
	answers []answer
	got     []string // ids that were taken
	calls   [][]string
}

type answer struct {
	n   int // how many are taken; -1 for all
	err error
}

func (s *script) Send(ctx context.Context, batch []output.Message) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := answer{n: -1}
	if len(s.answers) > 0 {
		a = s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
	}
	var call []string
	for _, m := range batch {
		call = append(call, strings.TrimLeft(m.ID, "m0"))
	}
	s.calls = append(s.calls, call)
	n := a.n
	if n < 0 || n > len(batch) {
		n = len(batch)
	}
	s.got = append(s.got, call[:n]...)
	return n, a.err
}

func (s *script) Close() error { return nil }

func (s *script) taken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.got, " ")
}

// work lets a courier deliver n records to s and returns when done says so.
func work(t *testing.T, s *script, n int, cfg output.CourierConfig, done func(*output.Courier, *output.Queue) bool) (*output.Courier, *output.Queue, *observer.ObservedLogs) {
	t.Helper()
	q := open(t, filepath.Join(t.TempDir(), "q"), output.QueueConfig{})
	put(t, q, 1, n+1)
	core, logs := observer.New(zapcore.DebugLevel)
	cfg.Name, cfg.Queue, cfg.Sink, cfg.Log = "test", q, s, zap.New(core)
	if cfg.MinBackoff == 0 {
		cfg.MinBackoff, cfg.MaxBackoff = time.Millisecond, 4*time.Millisecond
	}
	c := output.NewCourier(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	for deadline := time.Now().Add(30 * time.Second); !done(c, q); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %+v, %+v, calls %q", c.Status(), q.Backlog(), s.calls)
		}
	}
	return c, q, logs
}

func empty(_ *output.Courier, q *output.Queue) bool { return q.Backlog().Records == 0 }

func TestCourierAdvancesByWhatWasTaken(t *testing.T) {
	s := &script{answers: []answer{{2, errors.New("cut")}, {0, errors.New("cut")}, {1, nil}, {-1, nil}}}
	c, _, _ := work(t, s, 10, output.CourierConfig{Limit: output.Limit{Count: 4}}, empty)
	if got := s.taken(); got != "1 2 3 4 5 6 7 8 9 10" {
		t.Error(got)
	}
	if st := c.Status(); st.Delivered != 10 || st.Failures != 3 || st.State != output.Working || st.LastSuccess.IsZero() ||
		!strings.Contains(st.LastError, "only a part") {
		t.Errorf("%+v", st)
	}
}

func TestCourierPutsRefusedAside(t *testing.T) {
	refused := &output.RefusedError{Reason: "too long"}
	s := &script{answers: []answer{{1, refused}, {0, fmt.Errorf("wrapped: %w", refused)}, {-1, nil}}}
	c, _, logs := work(t, s, 5, output.CourierConfig{}, empty)
	if got := s.taken(); got != "1 4 5" {
		t.Error(got)
	}
	if st := c.Status(); st.Delivered != 3 || st.Refused != 2 || st.Failures != 0 {
		t.Errorf("%+v", st)
	}
	if n := logs.FilterField(zap.String("id", "m00002")).Len(); n != 1 {
		t.Errorf("%d log lines name the refused alert", n)
	}
}

func TestCourierGone(t *testing.T) {
	s := &script{answers: []answer{{0, fmt.Errorf("webhook: %w", output.ErrGone)}}}
	c, q, _ := work(t, s, 3, output.CourierConfig{}, func(c *output.Courier, _ *output.Queue) bool { return c.Status().State == output.Gone })
	time.Sleep(20 * time.Millisecond) // many times the backoff
	if len(s.calls) != 1 || q.Backlog().Records != 3 {
		t.Errorf("%d calls, %+v, %+v", len(s.calls), c.Status(), q.Backlog())
	}
}

func TestCourierRetryAfter(t *testing.T) {
	s := &script{answers: []answer{{0, &output.RetryAfterError{After: 300 * time.Millisecond, Err: errors.New("busy")}}, {-1, nil}}}
	begin := time.Now()
	work(t, s, 1, output.CourierConfig{}, empty)
	if d := time.Since(begin); d < 300*time.Millisecond {
		t.Errorf("the receiver was asked again after %v", d)
	}
}

// While the breaker is open one record probes; each change of state is one log line.
func TestCourierBreaker(t *testing.T) {
	down := errors.New("refused connection")
	s := &script{answers: []answer{{0, down}, {0, down}, {0, down}, {0, down}, {0, down}, {0, down}, {0, down}, {-1, nil}}}
	c, _, logs := work(t, s, 20, output.CourierConfig{Limit: output.Limit{Count: 10}}, empty)
	var sizes []int
	for _, call := range s.calls {
		sizes = append(sizes, len(call))
	}
	if fmt.Sprint(sizes) != "[10 10 10 10 10 1 1 1 10 9]" {
		t.Errorf("batches of %v", sizes)
	}
	var lines []string
	for _, e := range logs.All() {
		lines = append(lines, e.Message)
	}
	if got := strings.Join(lines, ", "); got != "output failing, output broken, output works again" {
		t.Error(got)
	}
	if st := c.Status(); st.Failures != 7 || st.State != output.Working {
		t.Errorf("%+v", st)
	}
}

// A batch that is not full waits for more, but not for ever.
func TestCourierLinger(t *testing.T) {
	s := &script{}
	begin := time.Now()
	work(t, s, 25, output.CourierConfig{Limit: output.Limit{Count: 10}, Linger: 300 * time.Millisecond}, empty)
	if len(s.calls) != 3 || len(s.calls[0]) != 10 || len(s.calls[2]) != 5 {
		t.Errorf("%q", s.calls)
	}
	if d := time.Since(begin); d < 250*time.Millisecond {
		t.Errorf("the rest was sent after %v", d)
	}
}

// stuck is a sink that only a done context ends.
type stuck struct{ script }

func (s *stuck) Send(ctx context.Context, batch []output.Message) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// A call that is cut off at the end of the program loses nothing and is no failure.
func TestCourierEnds(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"), output.QueueConfig{})
	put(t, q, 1, 4)
	c := output.NewCourier(output.CourierConfig{Queue: q, Sink: &stuck{}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		c.Run(ctx)
		close(done)
	}()
	time.Sleep(10 * time.Millisecond)
	cancel()
	<-done
	if b, s := q.Backlog(), c.Status(); b.Records != 3 || s.Failures != 0 || s.Delivered != 0 {
		t.Errorf("%+v, %+v", b, s)
	}
}
