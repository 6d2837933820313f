package output

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
)

// CourierConfig says how a courier delivers. Zero durations and counts take the
// defaults named.
type CourierConfig struct {
	Name  string // of the output, for logs
	Queue *Queue // the courier closes neither queue
	Sink  Sink   // nor sink
	Limit Limit  // of a batch; default 100 records, 1 MiB
	// Linger is how long a batch that is not full waits for more, from the moment
	// that its first record was put.
	Linger  time.Duration
	Timeout time.Duration // of one Send; default 30 s
	// MinBackoff is the wait after a first failure, default 1 s; each further one
	// doubles it up to MaxBackoff, default 1 min. A random part of up to half is
	// taken off, so that a receiver that comes back is not met by all at once.
	MinBackoff, MaxBackoff time.Duration
	Log                    *zap.Logger // nil for none
}

// breakAfter is how many failures in a row open the breaker.
const breakAfter = 5

// State is how an output does.
type State string

const (
	Working State = "working"
	Failing State = "failing" // the last attempt failed; the next follows soon
	// Broken: many attempts in a row failed. One record at a time tries whether
	// the receiver is back.
	Broken State = "broken"
	Gone   State = "gone" // see ErrGone
)

// Status is how a courier has done since its start.
type Status struct {
	State       State     `json:"state"`
	Delivered   uint64    `json:"delivered"` // records
	Refused     uint64    `json:"refused"`   // records that the receiver will never take
	Failures    uint64    `json:"failures"`  // attempts
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
}

// Courier takes records from a queue and gives them to a sink: peek, send, and
// only then advance.
type Courier struct {
	cfg    CourierConfig
	mu     sync.Mutex
	status Status
	row    int // failures in a row; of the goroutine of Run only
}

// NewCourier returns a courier that does not work yet.
func NewCourier(cfg CourierConfig) *Courier {
	for d, def := range map[*time.Duration]time.Duration{
		&cfg.Timeout: 30 * time.Second, &cfg.MinBackoff: time.Second, &cfg.MaxBackoff: time.Minute,
	} {
		if *d == 0 {
			*d = def
		}
	}
	if cfg.Limit.Count == 0 {
		cfg.Limit.Count = 100
	}
	if cfg.Limit.Bytes == 0 {
		cfg.Limit.Bytes = 1 << 20
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	return &Courier{cfg: cfg, status: Status{State: Working}}
}

// Status returns how it did so far.
func (c *Courier) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Run delivers until ctx is done. An attempt that is under way then is cut off
// and counts as failed: its records stay.
func (c *Courier) Run(ctx context.Context) {
	for ctx.Err() == nil {
		limit := c.cfg.Limit
		if c.row >= breakAfter {
			limit.Count = 1
		}
		batch, err := c.cfg.Queue.Peek(limit)
		if err != nil {
			c.cfg.Log.Error("queue cannot be read", zap.String("output", c.cfg.Name), zap.Error(err))
			c.pause(ctx, c.cfg.MaxBackoff)
			continue
		}
		wait, full := c.linger(batch, limit)
		if !full {
			c.idle(ctx, wait)
			continue
		}
		if again := c.deliver(ctx, batch); again > 0 {
			c.pause(ctx, again)
		}
	}
}

// linger reports whether the batch is to be sent now, else how long to wait for
// more; 0 is until something arrives.
func (c *Courier) linger(b Batch, limit Limit) (time.Duration, bool) {
	if len(b.Messages) == 0 {
		return 0, false
	}
	if c.cfg.Linger == 0 || len(b.Messages) >= limit.Count || c.row > 0 {
		return 0, true
	}
	wait := time.Until(b.Oldest.Add(c.cfg.Linger))
	return wait, wait <= 0
}

// deliver sends the batch and returns how long to leave the receiver alone.
func (c *Courier) deliver(ctx context.Context, b Batch) time.Duration {
	send, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	n, err := c.cfg.Sink.Send(send, b.Messages)
	cancel()
	n = min(max(n, 0), len(b.Messages))
	if err == nil && n < len(b.Messages) {
		err = errors.New("the receiver confirmed only a part")
	}
	refused := 0
	var no *RefusedError
	if errors.As(err, &no) && n < len(b.Messages) {
		refused = 1
		c.cfg.Log.Error("alert refused by the receiver and given up", zap.String("output", c.cfg.Name),
			zap.String("id", b.Messages[n].ID), zap.String("reason", no.Reason))
	}
	c.cfg.Queue.Advance(b, n+refused)
	if refused > 0 {
		c.book(n, refused, nil)
		return 0
	}
	if ctx.Err() != nil && err != nil {
		c.book(n, 0, nil)
		return 0 // cut off by us, which says nothing of the receiver
	}
	return c.book(n, 0, err)
}

// book counts the outcome of an attempt and returns how long to wait.
func (c *Courier) book(delivered, refused int, err error) time.Duration {
	now := time.Now().UTC()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.status
	s.Delivered += uint64(delivered)
	s.Refused += uint64(refused)
	if delivered > 0 {
		s.LastSuccess = now
	}
	if refused > 0 {
		s.LastError, s.LastErrorAt = "an alert was refused, see the log", now
	}
	if err == nil {
		if delivered+refused > 0 {
			if s.State != Working {
				c.cfg.Log.Info("output works again", zap.String("output", c.cfg.Name), zap.Int("failures", c.row))
			}
			c.row, s.State = 0, Working
		}
		return 0
	}
	if delivered > 0 {
		c.row = 0
	}
	c.row++
	s.Failures++
	s.LastError, s.LastErrorAt = err.Error(), now
	wait := c.backoff()
	var after *RetryAfterError
	state := Failing
	switch {
	case errors.Is(err, ErrGone):
		state, wait = Gone, forever
	case errors.As(err, &after):
		wait = min(max(wait, after.After), maxRetryAfter)
	case c.row >= breakAfter:
		state = Broken
	}
	// Every step down is told once, not each attempt.
	if state != s.State {
		fields := []zap.Field{zap.String("output", c.cfg.Name), zap.Error(err)}
		if state != Gone {
			fields = append(fields, zap.String("retry", wait.Round(time.Millisecond).String()))
		}
		c.cfg.Log.Warn("output "+string(state), fields...)
	}
	s.State = state
	return wait
}

const (
	forever = 100 * 365 * 24 * time.Hour
	// maxRetryAfter bounds what a receiver may wish.
	maxRetryAfter = time.Hour
)

// backoff is how long to wait after the failures so far.
func (c *Courier) backoff() time.Duration {
	d := c.cfg.MaxBackoff
	if shift := c.row - 1; shift < 30 {
		d = min(d, c.cfg.MinBackoff<<shift)
	}
	return d - rand.N(d/2+1)
}

// idle waits for records to come, at most for d unless it is 0.
func (c *Courier) idle(ctx context.Context, d time.Duration) {
	var timer <-chan time.Time
	if d > 0 {
		timer = time.After(d)
	} else {
		timer = time.After(c.cfg.MaxBackoff) // so that what is too old goes
	}
	select {
	case <-ctx.Done():
	case <-c.cfg.Queue.Arrived():
	case <-timer:
	}
}

// pause waits for d whatever comes.
func (c *Courier) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
