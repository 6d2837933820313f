package elasticsearch_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/elasticsearch"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The key is the example of the vendor's page on API keys.
const (
	apiKey   = "VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw"
	encoded  = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="
	password = "pass-very-secret"
)

// cluster is the bulk API, written from the vendor's page.
type cluster struct {
	*outputtest.HTTP
	t testing.TB

	mu    sync.Mutex
	docs  map[string]bool // index/id
	twice []string        // ids that were answered with 409
	index string
	fate  func(id string) (status int, typ, reason string) // 0 for 201
}

func newCluster(t testing.TB, config *tls.Config) *cluster {
	c := &cluster{t: t, docs: map[string]bool{}, index: "rmmwatch-2026.03.04"}
	c.HTTP = outputtest.NewHTTP(t, config, c.accept)
	return c
}

func (c *cluster) accept(r *http.Request, body []byte) (ids []string, status int, answer string) {
	user, pass, _ := r.BasicAuth()
	if r.Header.Get("Authorization") != "ApiKey "+encoded && (user != "elastic" || pass != password) {
		return nil, 401, `{"error":{"type":"security_exception"},"status":401}`
	}
	if r.Method != "POST" || r.URL.Path != "/_bulk" || r.Header.Get("Content-Type") != "application/x-ndjson" || r.URL.Query().Get("filter_path") == "" {
		c.t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	lines := bytes.Split(body, []byte("\n"))
	if len(lines)%2 != 1 || len(lines[len(lines)-1]) != 0 {
		c.t.Errorf("%d lines, and after the last %q", len(lines), lines[len(lines)-1])
		return nil, 400, `{"error":{"type":"illegal_argument_exception","reason":"The bulk request must be terminated by a newline [\\n]"},"status":400}`
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var items []any
	failed := false
	for i := 0; i+1 < len(lines); i += 2 {
		var action struct {
			Create struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			}
		}
		d := json.NewDecoder(bytes.NewReader(lines[i]))
		d.DisallowUnknownFields()
		if err := d.Decode(&action); err != nil || action.Create.Index != c.index || outputtest.ID(lines[i+1]) != action.Create.ID || action.Create.ID == "" {
			c.t.Errorf("%v: %s %s", err, lines[i], lines[i+1])
		}
		id := action.Create.ID
		item := map[string]any{"status": 201}
		if c.fate != nil {
			if status, typ, reason := c.fate(id); status != 0 {
				item = map[string]any{"status": status, "error": map[string]string{"type": typ, "reason": reason}}
			}
		}
		switch doc := c.index + "/" + id; {
		case item["status"] != 201:
			failed = true
		case c.docs[doc]:
			failed = true
			c.twice = append(c.twice, id)
			item = map[string]any{"status": 409, "error": map[string]string{"type": "version_conflict_engine_exception", "reason": "[" + id + "]: version conflict, document already exists (current version [1])"}}
		default:
			c.docs[doc] = true
			ids = append(ids, id)
		}
		items = append(items, map[string]any{"create": item})
	}
	raw, _ := json.Marshal(map[string]any{"errors": failed, "items": items})
	return ids, 200, string(raw)
}

func TestKit(t *testing.T) {
	for _, basic := range []bool{false, true} {
		t.Run(fmt.Sprintf("basic %v", basic), func(t *testing.T) {
			t.Parallel()
			outputtest.Kit{
				TLS: true,
				Receive: func(t *testing.T, config *tls.Config) outputtest.Receiver {
					return newCluster(t, config)
				},
				Sink: func(t *testing.T, o outputtest.Options) output.Sink {
					scheme := map[bool]string{true: "https", false: "http"}[o.CAFile != ""]
					cfg := elasticsearch.Config{
						URL: scheme + "://" + o.Addr, Index: "rmmwatch-%{+yyyy.MM.dd}", APIKey: outputtest.Secret(t, apiKey),
						Options: web.Options{TLS: output.TLS{CAFile: o.CAFile}, Dial: o.Dial, Gzip: basic, Proxy: "none"},
					}
					if basic {
						cfg.APIKey, cfg.User, cfg.Password = output.Secret{}, "elastic", outputtest.Secret(t, password)
					}
					return sink(t, cfg)
				},
				Secrets: []string{apiKey, encoded, password, "ui2lp2axTNmsyakw9tvNnw"},
			}.Run(t)
		})
	}
}

func sink(t testing.TB, cfg elasticsearch.Config) *elasticsearch.Sink {
	t.Helper()
	s, err := elasticsearch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
