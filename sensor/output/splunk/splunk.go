package splunk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

// Config of a sink.
type Config struct {
	// URL of the collector: https://HOST:8088, with the path in front of
	// /services/collector if a proxy adds one.
	URL   string
	Token output.Secret // of HEC
	// Index, Source and SourceType of all events; what is "" is the token's.
	Index, Source, SourceType string
	// Ack waits until the events are indexed. The token must have indexer
	// acknowledgement enabled.
	Ack bool
	// Channel is a GUID of this sender; with Ack a random one is made if it is "".
	Channel string
	// AckWait is how long after a request its acknowledgement may come before it is
	// sent again; default 5 min, the vendor's advice.
	AckWait time.Duration
	web.Options
}

// Sink is a collector.
type Sink struct {
	cfg     Config
	url     *url.URL
	client  *web.Client
	pending *pending
}

// pending is a request that was taken and is not indexed yet. It outlives a Send
// that ends too early, so that the next one asks for the acknowledgement instead
// of sending the same events again.
type pending struct {
	ids   []string // of its records
	ack   uint64
	until time.Time
}

const (
	eventPath = "services/collector/event"
	ackPath   = "services/collector/ack"
)

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$`)

// New judges the configuration, the token included.
func New(cfg Config) (*Sink, error) {
	s := &Sink{cfg: cfg}
	var err error
	if s.url, err = web.ParseURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("splunk: %w", err)
	}
	if s.url.RawQuery != "" || s.url.User != nil {
		return nil, errors.New("splunk: url: credentials and queries have no place in it, the token has a setting of its own")
	}
	// What people copy from the vendor's examples.
	s.url.Path = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(s.url.Path, "/"), "/event"), "/services/collector")
	s.url.RawPath = ""
	if cfg.Token.IsZero() {
		return nil, errors.New("splunk: one of token_file and token_env is needed")
	}
	if cfg.Channel == "" && cfg.Ack {
		s.cfg.Channel = randomGUID()
	} else if cfg.Channel != "" && !guid.MatchString(cfg.Channel) {
		return nil, errors.New("splunk: channel: not a GUID such as 0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba")
	}
	if s.cfg.AckWait == 0 {
		s.cfg.AckWait = 5 * time.Minute
	}
	if s.client, err = web.NewClient(cfg.Options); err == nil {
		_, err = s.request()
	}
	if err != nil {
		return nil, fmt.Errorf("splunk: %w", err)
	}
	return s, nil
}

// randomGUID is a random UUID (RFC 9562, version 4).
func randomGUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Describe names the receiver without its secrets.
func (s *Sink) Describe() string { return "splunk " + output.SafeURL(s.url) }

// request is one without path and body.
func (s *Sink) request() (web.Request, error) {
	token, err := s.cfg.Token.Read()
	if err != nil {
		return web.Request{}, err
	}
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return web.Request{}, fmt.Errorf("secret: %s holds more than a token", s.cfg.Token)
	}
	r := web.Request{URL: s.url, Secrets: []string{token}, Header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Splunk " + token}}}
	if s.cfg.Channel != "" {
		r.Header.Set("X-Splunk-Request-Channel", s.cfg.Channel)
	}
	return r, nil
}

// Send implements output.Sink.
func (s *Sink) Send(ctx context.Context, batch []output.Message) (int, error) {
	if n := s.overlap(batch); n > 0 {
		// The rest of the batch waits its turn: one request is under way at a time.
		err := s.await(ctx)
		if err != nil || n == len(batch) {
			return s.confirmed(n, err)
		}
		n, _ = s.confirmed(n, nil)
		rest, err := s.sendAll(ctx, batch[n:])
		return n + rest, err
	}
	s.pending = nil
	return s.sendAll(ctx, batch)
}

// sendAll sends the batch. An event that HEC blames is known by its number, or is
// found by sending each by itself.
func (s *Sink) sendAll(ctx context.Context, batch []output.Message) (int, error) {
	n, err := s.send(ctx, batch)
	var refused *output.RefusedError
	if !errors.As(err, &refused) || len(batch) == 1 {
		return n, err
	}
	var c *culprit
	if !errors.As(err, &c) || c.n < 0 {
		return web.OneByOne(batch, func(part []output.Message) (int, error) {
			if len(part) == len(batch) {
				return n, err // known already
			}
			return s.send(ctx, part)
		})
	}
	if c.n > 0 {
		// Some versions index the events before the culprit, but no document
		// promises it: better twice than never.
		if n, err := s.send(ctx, batch[:c.n]); err != nil {
			return n, err
		}
	}
	return c.n, c.err
}

// send sends one request and waits for what the configuration wants.
func (s *Sink) send(ctx context.Context, part []output.Message) (int, error) {
	r, err := s.request()
	if err != nil {
		return 0, err
	}
	if r.Body, err = s.body(part); err != nil {
		return 0, err
	}
	r.Path = eventPath
	answer, err := s.client.Post(ctx, r)
	if err != nil {
		return 0, err
	}
	said, err := judge(answer, len(part))
	if err != nil {
		return 0, err
	}
	if !s.cfg.Ack {
		return len(part), nil
	}
	if said.AckID == nil {
		return 0, answer.Errorf("it takes events but acknowledges none: enable indexer acknowledgement for the token, or switch ack off")
	}
	s.pending = &pending{ack: *said.AckID, until: time.Now().Add(s.cfg.AckWait)}
	for _, m := range part {
		s.pending.ids = append(s.pending.ids, m.ID)
	}
	return s.confirmed(len(part), s.await(ctx))
}

// Close implements output.Sink.
func (s *Sink) Close() error { return s.client.Close() }

var _ output.Sink = (*Sink)(nil)
