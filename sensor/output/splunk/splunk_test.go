package splunk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	"github.com/rmmwatch/rmmwatch/sensor/output/splunk"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

func config(t testing.TB, addr string) splunk.Config {
	return splunk.Config{
		URL: "http://" + addr + "/services/collector/event", Token: outputtest.Secret(t, token), Source: "rmmwatch", SourceType: "rmm:eve", Index: "soc",
		Options: web.Options{Proxy: "none", Timeout: 30 * time.Second},
	}
}

func messages(n int) (batch []output.Message, ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("alert-%04d", i))
		batch = append(batch, outputtest.Message(ids[i]))
	}
	return batch, ids
}

// Every code of the vendor's table.
func TestCodes(t *testing.T) {
	batch, _ := messages(1)
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{200, `{"text":"Success","code":0}`, "ok"},
		{403, `{"text":"Token disabled","code":1}`, "again"}, {401, `{"text":"Token is required","code":2}`, "again"}, {401, `{"text":"Invalid authorization","code":3}`, "again"},
		{403, `{"text":"Invalid token","code":4}`, "again"}, {400, `{"text":"No data","code":5}`, "refused"}, {400, `{"text":"Invalid data format","code":6}`, "refused"},
		{400, `{"text":"Incorrect index","code":7,"invalid-event-number":0}`, "again"}, {500, `{"text":"Internal server error","code":8}`, "again"},
		{503, `{"text":"Server is busy","code":9}`, "again"}, {400, `{"text":"Data channel is missing","code":10}`, "again"}, {400, `{"text":"Invalid data channel","code":11}`, "again"},
		{400, `{"text":"Event field is required","code":12,"invalid-event-number":0}`, "refused"}, {400, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, "refused"},
		{400, `{"text":"ACK is disabled","code":14}`, "again"}, {400, `{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, "refused"},
		{400, `{"text":"Query string authorization is not enabled","code":16}`, "again"}, {413, "too large", "refused"}, {410, "", "gone"}, {400, "<html>", "refused"},
		{200, "", "again"}, {200, "<html>log in</html>", "again"}, {200, `{}`, "again"}, {200, `{"code":6}`, "refused"}, {204, "", "again"}, {200, `[]`, "again"}, {200, `{"code":"0"}`, "again"},
		{200, strings.Repeat(" ", 70000) + `{"code":0}`, "again"},
	} {
		h := outputtest.NewHTTP(t, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, c.status, c.body })
		s := sink(t, config(t, h.Addr()))
		n, err := s.Send(t.Context(), batch)
		s.Close()
		var refused *output.RefusedError
		got := "again"
		switch {
		case err == nil && n == 1:
			got = "ok"
		case errors.As(err, &refused):
			got = "refused"
		case errors.Is(err, output.ErrGone):
			got = "gone"
		}
		if got != c.want {
			t.Errorf("%d %.60s: %s, want %s (%v)", c.status, c.body, got, c.want, err)
		}
	}
}

// deliver does what a courier does, until all is delivered or refused.
func deliver(ctx context.Context, s output.Sink, batch []output.Message) (refused []string, err error) {
	for tries := 0; len(batch) > 0; tries++ {
		n, err := s.Send(ctx, batch)
		var no *output.RefusedError
		if errors.As(err, &no) {
			refused = append(refused, batch[n].ID)
			n++
		} else if err != nil && tries > 1000 {
			return refused, err
		}
		batch = batch[n:]
	}
	return refused, nil
}

// Whichever events are wrong, by number or not, with acknowledgements or not:
// those and no others are refused, and all others arrive.
func TestRefusedInTheMiddle(t *testing.T) {
	c := newCollector(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		bad := rapid.SliceOfN(rapid.Bool(), 1, 7).Draw(rt, "bad")
		batch, ids := messages(len(bad))
		var want, good []string
		for i, b := range bad {
			if b {
				want = append(want, ids[i])
			} else {
				good = append(good, ids[i])
			}
		}
		c.mu.Lock()
		c.number, c.ack = rapid.Bool().Draw(rt, "number"), rapid.Bool().Draw(rt, "ack")
		cfg := config(t, c.Addr())
		cfg.Ack, cfg.Channel = c.ack, channel
		c.blame = func(event []byte) (int, string) {
			if slices.Contains(want, outputtest.ID(event)) {
				return 6, "Invalid data format"
			}
			return 0, ""
		}
		c.mu.Unlock()
		before := len(c.Received())
		s := sink(t, cfg)
		defer s.Close()
		refused, err := deliver(t.Context(), s, batch)
		if err != nil || !slices.Equal(refused, want) {
			rt.Fatalf("refused %q, want %q (%v)", refused, want, err)
		}
		got := c.Received()[before:]
		slices.Sort(got)
		if !slices.Equal(slices.Compact(got), good) {
			rt.Fatalf("received %q, want %q", got, good)
		}
	})
}

// A Send that ends before the acknowledgement comes does not send the events a
// second time, even when the next one has fewer records.
func TestAckOutlivesSend(t *testing.T) {
	c := newCollector(t, nil)
	c.ack, c.after = true, 1<<30
	cfg := config(t, c.Addr())
	cfg.Ack, cfg.Channel = true, channel
	s := sink(t, cfg)
	defer s.Close()
	batch, ids := messages(5)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if n, err := s.Send(ctx, batch); n != 0 || err == nil {
			t.Fatal(n, err)
		}
		cancel()
	}
	c.mu.Lock()
	if c.polls < 3 {
		t.Errorf("asked %d times", c.polls)
	}
	c.after = 0
	c.mu.Unlock()
	if n, err := s.Send(t.Context(), batch[:1]); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	more, _ := messages(7)
	if n, err := s.Send(t.Context(), more[1:]); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	if got := c.Received(); !slices.Equal(got, append(ids, "alert-0005", "alert-0006")) {
		t.Errorf("%q", got)
	}
}

// What is never acknowledged is sent again after AckWait.
func TestAckTooLate(t *testing.T) {
	c := newCollector(t, nil)
	c.ack, c.after = true, 1<<30
	cfg := config(t, c.Addr())
	cfg.Ack, cfg.Channel, cfg.AckWait = true, channel, 100*time.Millisecond
	s := sink(t, cfg)
	defer s.Close()
	batch, _ := messages(2)
	for i := range 2 {
		if n, err := s.Send(t.Context(), batch); n != 0 || err == nil || !strings.Contains(err.Error(), "not acknowledged in time") {
			t.Fatal(n, err)
		}
		if got := len(c.Received()); got != 2*(i+1) {
			t.Errorf("%d events after %d sends", got, i+1)
		}
	}
}

// Ack without a token that acknowledges is told.
func TestAckDisabled(t *testing.T) {
	c := newCollector(t, nil)
	cfg := config(t, c.Addr())
	cfg.Ack = true
	s := sink(t, cfg)
	defer s.Close()
	batch, _ := messages(1)
	if n, err := s.Send(t.Context(), batch); n != 0 || err == nil || !strings.Contains(err.Error(), "enable indexer acknowledgement") {
		t.Error(n, err)
	}
}

// A record that is no JSON object goes as a string.
func TestTextRecord(t *testing.T) {
	for _, record := range []string{`CEF:0|a "b"|<&>`, `"text"`, `[1]`, `17`, `{"cut":`} {
		var got string
		h := outputtest.NewHTTP(t, nil, func(_ *http.Request, body []byte) ([]string, int, string) {
			var e struct{ Event string }
			if err := json.Unmarshal(body, &e); err != nil || bytes.Count(body, []byte("\n")) != 1 || strings.Contains(string(body), `"time"`) {
				t.Errorf("%v: %s", err, body)
			}
			got = e.Event
			return nil, 200, `{"code":0}`
		})
		s := sink(t, config(t, h.Addr()))
		if _, err := s.Send(t.Context(), []output.Message{{ID: "a", Body: []byte(record)}}); err != nil || got != record {
			t.Errorf("%q came as %q (%v)", record, got, err)
		}
		s.Close()
	}
}

func TestNewJudges(t *testing.T) {
	good := config(t, "splunk.example:8088")
	for want, change := range map[string]func(*splunk.Config){
		"url: not":     func(c *splunk.Config) { c.URL = "splunk.example:8088" },
		"token_file":   func(c *splunk.Config) { c.Token = output.Secret{} },
		"is empty":     func(c *splunk.Config) { c.Token = output.Secret{Env: "RMMWATCH_NOT_SET"} },
		"more than":    func(c *splunk.Config) { c.Token = outputtest.Secret(t, "Splunk secret-x") },
		"channel":      func(c *splunk.Config) { c.Channel = "x" },
		"credentials":  func(c *splunk.Config) { c.URL = "https://u:secret-x@splunk.example" },
		"proxy: schem": func(c *splunk.Config) { c.Proxy = "secret-x" },
	} {
		cfg := good
		change(&cfg)
		_, err := splunk.New(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-x") || !strings.HasPrefix(err.Error(), "splunk: ") {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if got := sink(t, good).Describe(); got != "splunk http://splunk.example:8088" {
		t.Error(got)
	}
}

func BenchmarkSend(b *testing.B) {
	h := outputtest.NewHTTP(b, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, `{"text":"Success","code":0}` })
	s := sink(b, config(b, h.Addr()))
	defer s.Close()
	batch, _ := messages(100)
	for b.Loop() {
		if _, err := s.Send(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "records/s")
}
