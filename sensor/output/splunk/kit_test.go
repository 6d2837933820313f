package splunk_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	"github.com/rmmwatch/rmmwatch/sensor/output/splunk"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token   = "12345678-1234-1234-1234-1234567890AB" // the vendor's example
	channel = "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba"
)

// collector is HEC, written from the vendor's pages that the package's comment names.
type collector struct {
	*outputtest.HTTP
	t testing.TB

	mu     sync.Mutex
	ack    bool           // as the token says
	after  int            // questions until an acknowledgement is true
	asked  map[uint64]int // questions so far
	next   uint64
	polls  int
	blame  func(event []byte) (code int, text string)
	number bool // blame by invalid-event-number
}

func newCollector(t testing.TB, config *tls.Config) *collector {
	c := &collector{t: t, asked: map[uint64]int{}, number: true}
	c.HTTP = outputtest.NewHTTP(t, config, c.accept)
	return c
}

func (c *collector) accept(r *http.Request, body []byte) ([]string, int, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("Authorization") != "Splunk "+token {
		return nil, 403, `{"text":"Invalid token","code":4}`
	}
	if c.ack && r.Header.Get("X-Splunk-Request-Channel") != channel {
		return nil, 400, `{"text":"Data channel is missing","code":10}`
	}
	switch r.URL.Path {
	case "/services/collector/event":
		return c.events(body)
	case "/services/collector/ack":
		return c.acks(r, body)
	}
	return nil, 404, `{"text":"The requested URL was not found on this server.","code":404}`
}

var timeForm = regexp.MustCompile(`^\d{10}\.\d{3,9}$`)

func (c *collector) events(body []byte) (ids []string, status int, answer string) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	for i := 0; ; i++ {
		var e struct {
			Time                            json.Number
			Host, Source, SourceType, Index string
			Event                           json.RawMessage
		}
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&e)
		if err == io.EOF {
			break
		}
		if err != nil {
			c.t.Errorf("event %d: %v", i, err)
			return nil, 400, fmt.Sprintf(`{"text":"Invalid data format","code":6,"invalid-event-number":%d}`, i)
		}
		if c.blame != nil {
			if code, text := c.blame(e.Event); code != 0 {
				if c.number {
					return nil, 400, fmt.Sprintf(`{"text":%q,"code":%d,"invalid-event-number":%d}`, text, code, i)
				}
				return nil, 400, fmt.Sprintf(`{"text":%q,"code":%d}`, text, code)
			}
		}
		if !timeForm.MatchString(e.Time.String()) || e.Time.String() != "1772632931.073270" || e.Host != "10.1.2.3" || e.Source != "rmmwatch" || e.SourceType != "rmm:eve" || e.Index != "soc" {
			c.t.Errorf("event %d: %+v", i, e)
		}
		id := outputtest.ID(e.Event)
		if id == "" {
			c.t.Errorf("an event came changed: %s", e.Event)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, 400, `{"text":"No data","code":5}`
	}
	if c.ack {
		c.next++
		c.asked[c.next] = 0
		return ids, 200, fmt.Sprintf(`{"text":"Success","code":0,"ackId":%d}`, c.next)
	}
	return ids, 200, `{"text":"Success","code":0}`
}

func (c *collector) acks(r *http.Request, body []byte) ([]string, int, string) {
	if !c.ack {
		return nil, 400, `{"text":"ACK is disabled","code":14}`
	}
	var q struct{ Acks []uint64 }
	if err := json.Unmarshal(body, &q); err != nil || len(q.Acks) == 0 || r.URL.Query().Get("channel") != channel {
		c.t.Errorf("%s asks %s", r.URL, body)
		return nil, 400, `{"text":"Invalid data format","code":6}`
	}
	c.polls++
	answer := map[string]bool{}
	for _, id := range q.Acks {
		n, known := c.asked[id]
		c.asked[id] = n + 1
		done := known && n+1 > c.after
		if done {
			delete(c.asked, id) // true is told once
		}
		answer[fmt.Sprint(id)] = done
	}
	raw, _ := json.Marshal(map[string]any{"acks": answer})
	return nil, 200, string(raw)
}

func TestKit(t *testing.T) {
	for _, ack := range []bool{false, true} {
		t.Run(fmt.Sprintf("ack %v", ack), func(t *testing.T) {
			t.Parallel()
			outputtest.Kit{
				TLS: true,
				Receive: func(t *testing.T, config *tls.Config) outputtest.Receiver {
					c := newCollector(t, config)
					c.mu.Lock()
					c.ack, c.after = ack, 1
					c.mu.Unlock()
					return c
				},
				Sink: func(t *testing.T, o outputtest.Options) output.Sink {
					scheme := map[bool]string{true: "https", false: "http"}[o.CAFile != ""]
					return sink(t, splunk.Config{
						URL: scheme + "://" + o.Addr, Token: outputtest.Secret(t, token), Source: "rmmwatch", SourceType: "rmm:eve", Index: "soc", Ack: ack, Channel: channel,
						AckWait: outputtest.Patience / 60, // the kit's receivers die with what they would have acknowledged
						Options: web.Options{TLS: output.TLS{CAFile: o.CAFile}, Dial: o.Dial, Gzip: ack, Proxy: "none"},
					})
				},
				Secrets: []string{token},
			}.Run(t)
		})
	}
}

func sink(t testing.TB, cfg splunk.Config) *splunk.Sink {
	t.Helper()
	s, err := splunk.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
