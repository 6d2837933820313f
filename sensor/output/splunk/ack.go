package splunk

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Waits between two questions for an acknowledgement: an idle indexer needs some
// 100 ms, a busy one many seconds.
const minPoll, maxPoll = 50 * time.Millisecond, 5 * time.Second

// errLate is an acknowledgement that did not come in time: the events are sent
// again.
var errLate = errors.New("the events were taken but not acknowledged in time")

// overlap is how many records of the batch, from its first on, are in the request
// that waits for its acknowledgement.
func (s *Sink) overlap(batch []output.Message) (n int) {
	if s.pending == nil {
		return 0
	}
	for n < len(batch) && n < len(s.pending.ids) && batch[n].ID == s.pending.ids[n] {
		n++
	}
	return n
}

// await asks until the pending request is acknowledged. If it never was, it is
// forgotten; when only ctx has ended or the question has failed, it stays pending.
func (s *Sink) await(ctx context.Context) error {
	if s.pending.until.IsZero() {
		return nil // acknowledged before
	}
	for wait := minPoll; ; wait = min(2*wait, maxPoll) {
		done, err := s.ask(ctx)
		switch {
		case done:
			s.pending.until = time.Time{}
			return nil
		case time.Now().After(s.pending.until):
			s.pending = nil
			return fmt.Errorf("%s: %w", output.SafeURL(s.url), errLate)
		case err != nil:
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: the events were taken and are not acknowledged yet", output.SafeURL(s.url))
		case <-timer.C:
		}
	}
}

// confirmed is the result of a Send whose first n records are in the pending
// request, once that has the outcome err.
func (s *Sink) confirmed(n int, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	// A Send of one record may follow one of many: the others are there already.
	if s.pending.ids = s.pending.ids[n:]; len(s.pending.ids) == 0 {
		s.pending = nil
	}
	return n, nil
}

// ask asks once. An answer of true is given only once, so that nothing may get
// between it and the end of the wait.
func (s *Sink) ask(ctx context.Context) (bool, error) {
	r, err := s.request()
	if err != nil {
		return false, err
	}
	r.Path, r.Query = ackPath, "channel="+url.QueryEscape(s.cfg.Channel)
	r.Body = fmt.Appendf(nil, `{"acks":[%d]}`, s.pending.ack)
	answer, err := s.client.Post(ctx, r)
	if err != nil {
		return false, err
	}
	if !answer.OK() {
		_, err := judge(answer, 0)
		var refused *output.RefusedError
		if errors.As(err, &refused) {
			return false, errors.New(refused.Reason) // it is no record that is refused here
		}
		return false, err
	}
	done, err := parseAcks(answer.Body, s.pending.ack)
	if err != nil {
		return false, answer.Errorf("%v", err)
	}
	return done, nil
}
