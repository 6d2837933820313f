package elasticsearch

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

// Config of a sink.
type Config struct {
	// URL of the cluster or of a node: https://HOST:9200, with a path in front of
	// /_bulk if a proxy wants one.
	URL string
	// Index is the name of an index or data stream. %{+yyyy.MM.dd} in it is the
	// date of the record in UTC, not of its delivery: a record that is sent again
	// after midnight finds its first copy.
	Index string
	// APIKey is an API key as the vendor encodes it, or id:key.
	APIKey output.Secret
	// User and Password for basic authentication, in place of an API key.
	User     string
	Password output.Secret
	web.Options
}

// Sink is a cluster.
type Sink struct {
	cfg    Config
	url    *url.URL
	index  pattern
	client *web.Client
}

// bulkQuery leaves out of an answer what is not needed: the rest of an item is its
// index, version and shards.
const bulkQuery = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"

// maxItem is how much of an answer is read for each record, in bytes: an error's
// reason quotes the record.
const maxItem = 2 << 10

// New judges the configuration, credentials included.
func New(cfg Config) (*Sink, error) {
	s := &Sink{cfg: cfg}
	err := s.judge()
	if err == nil {
		s.client, err = web.NewClient(cfg.Options)
	}
	if err == nil {
		_, err = s.request()
	}
	if err != nil {
		return nil, fmt.Errorf("elasticsearch: %w", err)
	}
	return s, nil
}

func (s *Sink) judge() (err error) {
	if s.url, err = web.ParseURL(s.cfg.URL); err != nil {
		return err
	}
	if s.url.RawQuery != "" || s.url.User != nil {
		return errors.New("url: credentials and queries have no place in it, user and password have settings of their own")
	}
	s.url.Path, s.url.RawPath = strings.TrimSuffix(strings.TrimSuffix(s.url.Path, "/"), "/_bulk"), ""
	switch key, password := !s.cfg.APIKey.IsZero(), !s.cfg.Password.IsZero(); {
	case key && (password || s.cfg.User != ""):
		return errors.New("an API key or user and password, not both")
	case password != (s.cfg.User != ""):
		return errors.New("user and password_file or password_env: one needs the other")
	case strings.Contains(s.cfg.User, ":"):
		return errors.New("user: a colon cannot be in it")
	}
	s.index, err = parsePattern(s.cfg.Index)
	return err
}

// Describe names the receiver without its secrets.
func (s *Sink) Describe() string { return "elasticsearch " + output.SafeURL(s.url) }

// request is one without body.
func (s *Sink) request() (web.Request, error) {
	r := web.Request{URL: s.url, Path: "_bulk", Query: bulkQuery, Header: http.Header{"Content-Type": {"application/x-ndjson"}}}
	encode := base64.StdEncoding.EncodeToString
	switch {
	case !s.cfg.APIKey.IsZero():
		key, err := s.cfg.APIKey.Read()
		if err != nil {
			return r, err
		}
		r.Secrets = []string{key}
		if id, secret, ok := strings.Cut(key, ":"); ok {
			r.Secrets = append(r.Secrets, id, secret)
			key = encode([]byte(key))
		} else if raw, err := base64.StdEncoding.DecodeString(key); err == nil {
			r.Secrets = append(r.Secrets, strings.Split(string(raw), ":")...)
		}
		if strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return r, fmt.Errorf("secret: %s holds more than an API key", s.cfg.APIKey)
		}
		r.Header.Set("Authorization", "ApiKey "+key)
	case s.cfg.User != "":
		password, err := s.cfg.Password.Read()
		if err != nil {
			return r, err
		}
		r.Secrets = []string{password}
		r.Header.Set("Authorization", "Basic "+encode([]byte(s.cfg.User+":"+password)))
	}
	return r, nil
}

// Send implements output.Sink.
func (s *Sink) Send(ctx context.Context, batch []output.Message) (int, error) {
	// A record that makes no line of the request would spoil it all: what is
	// before it goes first.
	for i, m := range batch {
		if err := checkRecord(m.Body); err != nil {
			if i == 0 {
				return 0, err
			}
			n, sent := s.Send(ctx, batch[:i])
			if sent != nil {
				return n, sent
			}
			return i, err
		}
	}
	n, whole, err := s.send(ctx, batch)
	if !whole {
		return n, err // an item was blamed, or nothing
	}
	return web.OneByOne(batch, func(part []output.Message) (int, error) {
		if len(part) == len(batch) {
			return n, err // known already
		}
		n, _, err := s.send(ctx, part)
		return n, err
	})
}

func checkRecord(record []byte) error {
	if trimmed := bytes.TrimSpace(record); len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(record) || bytes.ContainsAny(record, "\n\r") {
		return &output.RefusedError{Reason: "the record is not a JSON object on one line: choose a format that makes such, as ecs or eve"}
	}
	return nil
}

// send sends one request. whole is whether an error is about all of it.
func (s *Sink) send(ctx context.Context, part []output.Message) (n int, whole bool, err error) {
	r, err := s.request()
	if err != nil {
		return 0, true, err
	}
	r.Body, r.MaxAnswer = s.body(part), int64(len(part))*maxItem
	answer, err := s.client.Post(ctx, r)
	if err != nil {
		return 0, true, err
	}
	if !answer.OK() {
		return 0, true, answer.Err()
	}
	items, broken := parseItems(answer.Body)
	n, err = tally(len(part), items, func(format string, args ...any) error {
		if format == "" {
			return answer.Errorf("%d results for %d records (%v)", len(items), len(part), broken)
		}
		return fmt.Errorf("%s: %s", output.SafeURL(s.url), answer.Show(fmt.Sprintf(format, args...)))
	})
	return n, false, err
}

// tally finds the first of n records that was not delivered. Those after it that
// were will answer 409 when they come again. An empty format stands for an answer
// that has not as many items as there are records.
func tally(n int, items []item, errorf func(format string, args ...any) error) (int, error) {
	if len(items) > n {
		return 0, errorf("") // which item belongs to which record?
	}
	for i, it := range items {
		switch it.outcome() {
		case refused:
			return i, &output.RefusedError{Reason: errorf("status %d, %s: %s", it.Status, it.Error.Type, it.Error.Reason).Error()}
		case again:
			return i, errorf("status %d, %s: %s", it.Status, it.Error.Type, it.Error.Reason)
		}
	}
	if len(items) < n {
		return len(items), errorf("")
	}
	return n, nil
}

// body is two lines for each record: the action and the record. Data streams take
// no other action than create.
func (s *Sink) body(part []output.Message) []byte {
	var b bytes.Buffer
	for _, m := range part {
		type target struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		line, _ := json.Marshal(map[string]target{"create": {s.index.name(m.Time), m.ID}}) // strings only: never fails
		b.Write(line)
		b.WriteByte('\n')
		b.Write(m.Body)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// Close implements output.Sink.
func (s *Sink) Close() error { return s.client.Close() }

var _ output.Sink = (*Sink)(nil)
