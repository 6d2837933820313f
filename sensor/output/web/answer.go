package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// maxRetryAfter bounds what a receiver may wish.
const maxRetryAfter = time.Hour

// Answer is what a receiver said.
type Answer struct {
	Status int
	Body   []byte // what was read of it
	Whole  bool   // whether that is all

	receiver string
	cut      cutter
	after    string // Retry-After
	readErr  error
}

// OK reports a status of success.
func (a *Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Err is what the status means to a courier, nil for 2xx: ErrGone for 410,
// *output.RefusedError for what is the record's fault, *output.RetryAfterError
// for 429 and 503 that name a time. Anything else, 401, 403 and 404 too, can be
// mended by somebody and is tried again.
func (a *Answer) Err() error {
	switch a.Status {
	case http.StatusGone:
		return fmt.Errorf("%s: %w", a.receiver, output.ErrGone)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return &output.RefusedError{Reason: a.Errorf("").Error()}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if d, ok := retryAfter(a.after, time.Now()); ok {
			return &output.RetryAfterError{After: d, Err: a.Errorf("")}
		}
	}
	switch {
	case a.OK():
		return nil
	case a.Status >= 300 && a.Status < 400:
		return a.Errorf("a redirect, which is never followed: configure the URL that it leads to")
	}
	return a.Errorf("")
}

// Errorf is an error with the receiver, its status, the text and the beginning of
// the answer, without secrets.
func (a *Answer) Errorf(format string, args ...any) error {
	text := fmt.Sprintf("%s: answers %d %s", a.receiver, a.Status, http.StatusText(a.Status))
	if format != "" {
		text = strings.TrimSpace(text) + ": " + a.cut.show(fmt.Sprintf(format, args...), 2*maxShown)
	}
	if a.readErr != nil {
		text += ": " + a.cut.show(a.readErr.Error(), maxShown)
	}
	// The Location of a redirect is no part of this, but its body names it again.
	if len(a.Body) > 0 && (a.Status < 300 || a.Status >= 400) {
		text += ": " + a.cut.show(string(a.Body), maxShown)
	}
	return errors.New(text)
}

// Show is foreign text as it may be shown: without secrets, printable, short.
func (a *Answer) Show(text string) string { return a.cut.show(text, maxShown) }

// retryAfter reads a number of seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return maxRetryAfter, true // more than 136 years
		}
		return min(time.Duration(n)*time.Second, maxRetryAfter), true
	}
	t, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(t.Sub(now), 0), maxRetryAfter), true
}

// OneByOne sends a batch, and when the receiver refuses it as a whole, each of
// its records by itself to find the one that it means. send returns how many
// went, as Sink.Send does.
func OneByOne(batch []output.Message, send func([]output.Message) (int, error)) (int, error) {
	n, err := send(batch)
	var refused *output.RefusedError
	if len(batch) == 1 || n > 0 || !errors.As(err, &refused) {
		return n, err
	}
	for i := range batch {
		if _, err := send(batch[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(batch), nil
}
