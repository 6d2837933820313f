package elasticsearch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/elasticsearch"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

func config(t testing.TB, addr string) elasticsearch.Config {
	return elasticsearch.Config{URL: "http://" + addr + "/", Index: "rmmwatch-2026.03.04", APIKey: outputtest.Secret(t, encoded), Options: web.Options{Proxy: "none", Timeout: 30 * time.Second}}
}

func messages(n int) (batch []output.Message, ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("alert-%04d", i))
		batch = append(batch, outputtest.Message(ids[i]))
	}
	return batch, ids
}

// fates are what can become of a record, with the errors of real clusters.
var fates = map[string]struct {
	status      int
	typ, reason string
}{
	"ok":      {},
	"refused": {400, "document_parsing_exception", "[1:6] failed to parse field [src_port] of type [long]. Preview of field's value: 'x'"},
	"mapping": {400, "strict_dynamic_mapping_exception", "mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed"},
	"busy":    {429, "es_rejected_execution_exception", "rejected execution of coordinating operation"},
	"down":    {503, "unavailable_shards_exception", "[rmmwatch][0] primary shard is not active Timeout: [1m]"},
	"closed":  {400, "index_closed_exception", "closed"},
	"blocked": {403, "cluster_block_exception", "index [rmmwatch] blocked by: [FORBIDDEN/8/index write (api)]"},
	"none":    {404, "index_not_found_exception", "no such index [rmmwatch]"},
}

// For any outcome of each record: Send's n and error are those of the first that
// was not delivered, and what a courier makes of them puts aside the refused ones
// and nothing else, and delivers all others once.
func TestPartialResults(t *testing.T) {
	c := newCluster(t, nil)
	s := sink(t, config(t, c.Addr()))
	defer s.Close()
	names := []string{"ok", "ok", "ok", "refused", "mapping", "busy", "down", "closed", "blocked", "none"}
	rapid.Check(t, func(rt *rapid.T) {
		drawn := rapid.SliceOfN(rapid.SampledFrom(names), 1, 12).Draw(rt, "fates")
		batch, ids := messages(len(drawn))
		fate := map[string]string{}
		for i, name := range drawn {
			fate[ids[i]] = name
		}
		c.mu.Lock()
		clear(c.docs)
		c.fate = func(id string) (int, string, string) { f := fates[fate[id]]; return f.status, f.typ, f.reason }
		c.mu.Unlock()
		before := len(c.Received())
		var delivered, refused []string
		for len(batch) > 0 {
			n, err := s.Send(t.Context(), batch)
			for _, m := range batch[:n] {
				if fate[m.ID] != "ok" {
					rt.Fatalf("%s is said to be delivered, but is %s", m.ID, fate[m.ID])
				}
				delivered = append(delivered, m.ID)
			}
			if batch = batch[n:]; len(batch) == 0 {
				if err != nil {
					rt.Fatal(err)
				}
				break
			}
			id := batch[0].ID
			var no *output.RefusedError
			switch name := fate[id]; {
			case err == nil || name == "ok":
				rt.Fatalf("%s is %s: %v", id, name, err)
			case errors.As(err, &no) != (name == "refused" || name == "mapping"):
				rt.Fatalf("%s is %s: %v", id, name, err)
			case !strings.Contains(err.Error(), fates[name].typ):
				rt.Fatalf("%v says not that it is %s", err, fates[name].typ)
			case errors.As(err, &no):
				refused, batch = append(refused, id), batch[1:]
			default: // the receiver gets well
				fate[id] = "ok"
			}
		}
		var want, wantRefused []string
		for _, id := range ids {
			if fate[id] == "ok" {
				want = append(want, id)
			} else {
				wantRefused = append(wantRefused, id)
			}
		}
		got := c.Received()[before:]
		slices.Sort(got)
		if !slices.Equal(got, want) || !slices.Equal(delivered, want) || !slices.Equal(refused, wantRefused) {
			rt.Fatalf("%q: received %q, delivered %q, refused %q", drawn, got, delivered, refused)
		}
	})
	if len(c.twice) == 0 {
		t.Error("no record came twice, and so nothing is known of 409")
	}
}

// An answer that is cut off anywhere counts for the records before the cut, and
// one that has a result too many for none.
func TestCutAnswer(t *testing.T) {
	batch, _ := messages(3)
	whole := `{"took":3,"errors":true,"items":[{"create":{"status":201}},{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"x"}}},{"create":{"_id":"a","status":200}}]}`
	var body string
	h := outputtest.NewHTTP(t, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, body })
	s := sink(t, config(t, h.Addr()))
	defer s.Close()
	ends := []int{strings.Index(whole, `,{"create":{"status":409`), strings.Index(whole, `,{"create":{"_id"`), strings.Index(whole, `]}`)}
	for cut := range len(whole) {
		body = whole[:cut]
		want := 0
		for want < 3 && cut >= ends[want] {
			want++
		}
		n, err := s.Send(t.Context(), batch)
		var refused *output.RefusedError
		if n != want || (n < 3) != (err != nil) || errors.As(err, &refused) {
			t.Fatalf("%s: %d, %v; want %d", body, n, err, want)
		}
	}
	for _, wrong := range []string{strings.Replace(whole, "]}", `,{"create":{"status":201}}]}`, 1), strings.Replace(whole, `"create"`, `"index"`, 1), `{}`, `[]`, `{"items":{}}`, `{"errors":false}`, "<html>"} {
		body = wrong
		if n, err := s.Send(t.Context(), batch); n != 0 || err == nil {
			t.Errorf("%s: %d, %v", wrong, n, err)
		}
	}
}

// A request that is refused as a whole is taken apart, also when records cannot
// be lines of it.
func TestRefusedAsAWhole(t *testing.T) {
	c := newCluster(t, nil)
	s := sink(t, config(t, c.Addr()))
	defer s.Close()
	batch, _ := messages(6)
	batch[3].Body = []byte("CEF:0|x")
	var refused *output.RefusedError
	if n, err := s.Send(t.Context(), batch); n != 3 || !errors.As(err, &refused) {
		t.Error(n, err)
	}
	for _, bad := range []string{"", "{", "[1]", "{\n}", "17", `{} {}`} {
		if n, err := s.Send(t.Context(), []output.Message{{ID: "a", Body: []byte(bad)}}); n != 0 || !errors.As(err, &refused) {
			t.Errorf("%q: %d, %v", bad, n, err)
		}
	}
	small := outputtest.NewHTTP(t, nil, func(_ *http.Request, body []byte) ([]string, int, string) {
		if strings.Count(string(body), "\n") > 2 || strings.Contains(string(body), "alert-0002") {
			return nil, 413, ""
		}
		return nil, 200, `{"errors":false,"items":[{"create":{"status":201}}]}`
	})
	tight := sink(t, config(t, small.Addr()))
	defer tight.Close()
	good, _ := messages(6)
	if n, err := tight.Send(t.Context(), good); n != 2 || !errors.As(err, &refused) {
		t.Error(n, err)
	}
	if n, err := tight.Send(t.Context(), good[3:]); n != 3 || err != nil {
		t.Error(n, err)
	}
}

// A record that is blamed by itself makes nobody send the others one by one.
func TestOneRequestIsEnough(t *testing.T) {
	c := newCluster(t, nil)
	c.fate = func(id string) (int, string, string) {
		f := fates[map[bool]string{true: "refused", false: "ok"}[id == "alert-0000"]]
		return f.status, f.typ, f.reason
	}
	s := sink(t, config(t, c.Addr()))
	defer s.Close()
	batch, _ := messages(5)
	var refused *output.RefusedError
	if n, err := s.Send(t.Context(), batch); n != 0 || !errors.As(err, &refused) {
		t.Error(n, err)
	}
	if n, _ := c.Requests(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Big answers of many records are read, errors do not show credentials.
func TestBigBatch(t *testing.T) {
	c := newCluster(t, nil)
	s := sink(t, config(t, c.Addr()))
	defer s.Close()
	c.fate = func(id string) (int, string, string) {
		if id < "alert-1999" {
			return 0, "", ""
		}
		return 400, "document_parsing_exception", strings.Repeat(apiKey+encoded, 20)
	}
	batch, _ := messages(2000)
	n, err := s.Send(t.Context(), batch)
	if n != 1999 || err == nil || strings.Contains(err.Error(), encoded[:8]) || strings.Contains(err.Error(), apiKey[:8]) || len(err.Error()) > 500 {
		t.Error(n, err)
	}
	var ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if n, err := s.Send(ctx, batch); n != 0 || err == nil {
		t.Error(n, err)
	}
}

func TestNewJudges(t *testing.T) {
	good := config(t, "elastic.example:9200")
	for want, change := range map[string]func(*elasticsearch.Config){
		"url: not":  func(c *elasticsearch.Config) { c.URL = "elastic.example:9200" },
		"not both":  func(c *elasticsearch.Config) { c.User, c.Password = "u", outputtest.Secret(t, "secret-x") },
		"one needs": func(c *elasticsearch.Config) { c.APIKey, c.User = output.Secret{}, "u" },
		"colon": func(c *elasticsearch.Config) {
			c.APIKey, c.User, c.Password = output.Secret{}, "u:v", outputtest.Secret(t, "secret-x")
		},
		"is empty":    func(c *elasticsearch.Config) { c.APIKey = output.Secret{Env: "RMMWATCH_NOT_SET"} },
		"more than":   func(c *elasticsearch.Config) { c.APIKey = outputtest.Secret(t, "ApiKey secret-x") },
		"credentials": func(c *elasticsearch.Config) { c.URL = "https://u:secret-x@elastic.example" },
		"name of":     func(c *elasticsearch.Config) { c.Index = "" },
		"capital":     func(c *elasticsearch.Config) { c.Index = "Alerts" },
		"characters":  func(c *elasticsearch.Config) { c.Index = "<alerts-{now/d}>" },
		"starts":      func(c *elasticsearch.Config) { c.Index = "_alerts" },
		"a date":      func(c *elasticsearch.Config) { c.Index = "alerts-%{+YYYY.MM}" },
		"date is":     func(c *elasticsearch.Config) { c.Index = "alerts-%{yyyy}" },
		"written":     func(c *elasticsearch.Config) { c.Index = "alerts-%{+yyyy" },
	} {
		cfg := good
		change(&cfg)
		_, err := elasticsearch.New(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-x") || !strings.HasPrefix(err.Error(), "elasticsearch: ") {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if got := sink(t, good).Describe(); got != "elasticsearch http://elastic.example:9200" {
		t.Error(got)
	}
}

func BenchmarkSend(b *testing.B) {
	answer := `{"errors":false,"items":[` + strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, 100), ",") + `]}`
	h := outputtest.NewHTTP(b, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, answer })
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
