package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

// Batch is what the body of a request holds.
type Batch string

const (
	Single Batch = "single" // one record a request, as it is
	// Array is a JSON array of records, which must be JSON themselves. One record is
	// an array too, so that the receiver need not tell the two apart.
	Array Batch = "array"
	Lines Batch = "lines" // records as they are, each with a line feed after it
)

// Config of a sink.
type Config struct {
	URL string // of the receiver, or
	// URLFrom is where the URL is read from for each request. Many such URLs hold
	// a token, as Slack's do.
	URLFrom output.Secret
	// Secrets sign, each of them every request: two while one is exchanged for
	// the other. None for unsigned requests.
	Secrets []output.Secret
	// Header are further fields, such as Authorization. Their values are not shown.
	Header map[string]output.Secret
	// ContentType of the body; default application/json, and for Lines
	// application/x-ndjson.
	ContentType string
	Batch       Batch // default Single
	web.Options
}

// Sink is a receiver of webhooks.
type Sink struct {
	cfg    Config
	client *web.Client
}

// own are the fields that the sink itself or HTTP decides about.
var own = []string{"Host", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade", "Expect", "User-Agent",
	"Proxy-Authorization", "Idempotency-Key", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}

// New judges the configuration, secrets included.
func New(cfg Config) (*Sink, error) {
	switch cfg.Batch {
	case "":
		cfg.Batch = Single
	case Single, Array, Lines:
	default:
		return nil, fmt.Errorf("webhook: batch: mode %q is none of single, array, lines", string(cfg.Batch))
	}
	if cfg.ContentType == "" {
		cfg.ContentType = "application/json"
		if cfg.Batch == Lines {
			cfg.ContentType = "application/x-ndjson"
		}
	}
	if !httpguts.ValidHeaderFieldValue(cfg.ContentType) {
		return nil, errors.New("webhook: the content type is no value of a header field")
	}
	if (cfg.URL == "") == cfg.URLFrom.IsZero() {
		return nil, errors.New("webhook: one of url, url_file and url_env is needed")
	}
	names := map[string]bool{}
	for name := range cfg.Header {
		canonical := http.CanonicalHeaderKey(name)
		if !httpguts.ValidHeaderFieldName(name) || slices.Contains(own, canonical) {
			return nil, fmt.Errorf("webhook: headers: %q cannot be set", name)
		}
		if names[canonical] {
			return nil, fmt.Errorf("webhook: headers: %s is there twice", canonical)
		}
		names[canonical] = true
	}
	s := &Sink{cfg: cfg}
	var err error
	if s.client, err = web.NewClient(cfg.Options); err == nil {
		_, _, err = s.request()
	}
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return s, nil
}

func (s *Sink) url() (*url.URL, error) {
	text := s.cfg.URL
	if text == "" {
		var err error
		if text, err = s.cfg.URLFrom.Read(); err != nil {
			return nil, fmt.Errorf("url: %w", err)
		}
	}
	return web.ParseURL(text)
}

// Describe names the receiver without its secrets.
func (s *Sink) Describe() string {
	u, err := s.url()
	if err != nil {
		return "webhook, URL in " + s.cfg.URLFrom.String()
	}
	return "webhook " + output.SafeURL(u)
}

// request reads all that is secret: a request without body, id and signature,
// and the keys to sign it.
func (s *Sink) request() (r web.Request, signers [][]byte, err error) {
	if r.URL, err = s.url(); err != nil {
		return r, nil, err
	}
	if signers, r.Secrets, err = keys(s.cfg.Secrets); err != nil {
		return r, nil, err
	}
	r.Header = http.Header{"Content-Type": {s.cfg.ContentType}}
	for name, secret := range s.cfg.Header {
		value, err := secret.Read()
		if err != nil {
			return r, nil, fmt.Errorf("headers: %s: %w", name, err)
		}
		if !httpguts.ValidHeaderFieldValue(value) {
			return r, nil, fmt.Errorf("headers: %s: %s holds what a header field cannot", name, secret)
		}
		r.Header.Set(name, value)
		r.Secrets = append(r.Secrets, value)
	}
	return r, signers, nil
}

// Send implements output.Sink.
func (s *Sink) Send(ctx context.Context, batch []output.Message) (int, error) {
	r, signers, err := s.request()
	if err != nil {
		return 0, err
	}
	send := func(part []output.Message) (int, error) {
		if err := s.post(ctx, r, signers, part); err != nil {
			return 0, err
		}
		return len(part), nil
	}
	if s.cfg.Batch != Single {
		return web.OneByOne(batch, send)
	}
	for i := range batch {
		if _, err := send(batch[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(batch), nil
}

// post sends one request.
func (s *Sink) post(ctx context.Context, r web.Request, signers [][]byte, part []output.Message) error {
	var err error
	if r.Body, err = s.body(part); err != nil {
		return err
	}
	id, now := batchID(part), time.Now().Unix()
	r.Header = r.Header.Clone()
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(now, 10))
	if len(signers) > 0 {
		r.Header.Set("webhook-signature", sign(signers, id, now, r.Body))
	}
	answer, err := s.client.Post(ctx, r)
	if err != nil {
		return err
	}
	return answer.Err()
}

func (s *Sink) body(part []output.Message) ([]byte, error) {
	if s.cfg.Batch == Single {
		return part[0].Body, nil
	}
	var b bytes.Buffer
	for i, m := range part {
		switch {
		case s.cfg.Batch == Lines && bytes.ContainsAny(m.Body, "\n"):
			return nil, &output.RefusedError{Reason: "the record has more than one line, which batch mode lines cannot carry"}
		case s.cfg.Batch == Lines:
			b.Write(m.Body)
			b.WriteByte('\n')
			continue
		case !json.Valid(m.Body):
			return nil, &output.RefusedError{Reason: "the record is not JSON, which batch mode array needs"}
		}
		b.WriteString(map[bool]string{true: "[", false: ","}[i == 0])
		b.Write(m.Body)
	}
	if s.cfg.Batch == Array {
		b.WriteByte(']')
	}
	return b.Bytes(), nil
}

// Close implements output.Sink.
func (s *Sink) Close() error { return s.client.Close() }

var _ output.Sink = (*Sink)(nil)
