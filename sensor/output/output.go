package output

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// Severity is that of a message, as syslog and others need it.
type Severity uint8

const (
	Low Severity = iota + 1
	Medium
	High
)

// Message is one record for one receiver. It is immutable: whoever gets one may
// keep it, nobody may change it.
type Message struct {
	// ID names the record in every delivery of it: receivers that see it twice
	// know that it is one. Letters, digits, '-' and '_', at most 64.
	ID string
	// Host is whom the record is about, as text.
	Host string
	// Kind is the kind of alert, such as unsanctioned-tool.
	Kind string
	// Tool is the tool's id.
	Tool     string
	Time     time.Time // of what the record tells: packet time, UTC
	Severity Severity
	// Body is the record as it is to be sent: one line without its end.
	Body []byte
}

// Sink speaks the protocol of one receiver. One courier calls it, one call at a
// time.
type Sink interface {
	// Send delivers the messages in order and returns how many of them, from the
	// first on, the receiver has for certain. n < len(batch) comes with an error
	// that says what happened to the message after them: a *RefusedError when
	// the receiver will never take it, a *RetryAfterError when the receiver named
	// a time, ErrGone when it wants nothing any more, any other when another try
	// may succeed. Errors name the receiver and no secret. Send returns soon
	// after ctx is done and keeps no reference to batch.
	Send(ctx context.Context, batch []Message) (n int, err error)
	// Close lets go of what Send holds on to between calls. The sink is not used
	// afterwards.
	Close() error
}

// RefusedError is a message that the receiver will never take: it is given up,
// counted and logged, and the next one follows.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused: " + e.Reason }

// RetryAfterError is a receiver's wish to be left alone for a time.
type RetryAfterError struct {
	After time.Duration // from now
	Err   error         // what the receiver said
}

func (e *RetryAfterError) Error() string {
	return fmt.Sprintf("%v (try again after %v)", e.Err, e.After)
}
func (e *RetryAfterError) Unwrap() error { return e.Err }

// ErrGone is a receiver's wish to get nothing any more (HTTP 410). Nothing is
// sent until the next start; the queue keeps what it may.
var ErrGone = errors.New("the receiver is gone for good (410): no more is sent until the next start")

// Dial connects to a receiver. network and address are as for net.Dialer.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Secret is a credential that is read when it is needed, so that it can be
// exchanged without a restart. It prints as where it is from, never as what it is.
type Secret struct {
	File string // path, or
	Env  string // name of an environment variable
}

// maxSecret bounds a secret, in bytes.
const maxSecret = 64 << 10

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s == Secret{} }

func (s Secret) String() string {
	if s.File != "" {
		return "file " + s.File
	}
	return "environment variable " + s.Env
}

// Read returns the secret without the white space around it. An empty one is an
// error.
func (s Secret) Read() (string, error) {
	text := os.Getenv(s.Env)
	if s.File != "" {
		raw, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		if len(raw) > maxSecret {
			return "", fmt.Errorf("secret: %s is larger than 64 KiB", s.File)
		}
		text = string(raw)
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", fmt.Errorf("secret: %s is empty", s)
	}
	return text, nil
}

// SafeURL is a URL as it may be shown: scheme, host and port. Paths and queries
// often hold a token.
func SafeURL(u *url.URL) string { return u.Scheme + "://" + u.Host }
