package webhook_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
	"github.com/rmmwatch/rmmwatch/sensor/output/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secretOld = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	secretNew = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo="
	pathToken = "T0SECRETPATH/B0SECRETPART"
	authToken = "Bearer tok-very-secret-1234"
)

// receiver verifies what comes with the upstream library.
func receiver(t testing.TB, config *tls.Config, mode webhook.Batch) *outputtest.HTTP {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secretOld)
	if err != nil {
		t.Fatal(err)
	}
	return outputtest.NewHTTP(t, config, func(r *http.Request, body []byte) ([]string, int, string) {
		if r.Method != "POST" || r.URL.Path != "/services/"+pathToken || r.Header.Get("Authorization") != authToken || r.UserAgent() != "rmmwatch" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
			return nil, 404, ""
		}
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("%v: %v", err, r.Header)
			return nil, 401, ""
		}
		return idsOf(t, mode, body), 204, ""
	})
}

// idsOf takes a body apart as the mode says.
func idsOf(t testing.TB, mode webhook.Batch, body []byte) (ids []string) {
	records := [][]byte{body}
	switch mode {
	case webhook.Array:
		var raw []json.RawMessage
		if err := json.Unmarshal(body, &raw); err != nil {
			t.Error(err)
		}
		records = nil
		for _, r := range raw {
			records = append(records, r)
		}
	case webhook.Lines:
		records = bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
	}
	for _, r := range records {
		id := outputtest.ID(r)
		if id == "" {
			t.Errorf("a record came changed: %q", r)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestKit(t *testing.T) {
	for _, c := range []struct {
		mode webhook.Batch
		gzip bool
	}{{webhook.Single, false}, {webhook.Array, true}, {webhook.Lines, false}} {
		t.Run(string(c.mode), func(t *testing.T) {
			t.Parallel()
			outputtest.Kit{
				TLS: true,
				Receive: func(t *testing.T, config *tls.Config) outputtest.Receiver {
					return receiver(t, config, c.mode)
				},
				Sink: func(t *testing.T, o outputtest.Options) output.Sink {
					scheme := map[bool]string{true: "https", false: "http"}[o.CAFile != ""]
					return sink(t, webhook.Config{
						URLFrom: outputtest.Secret(t, scheme+"://"+o.Addr+"/services/"+pathToken), Secrets: []output.Secret{outputtest.Secret(t, secretOld)},
						Header: map[string]output.Secret{"authorization": outputtest.Secret(t, authToken)}, Batch: c.mode,
						Options: web.Options{TLS: output.TLS{CAFile: o.CAFile}, Dial: o.Dial, Gzip: c.gzip, Proxy: "none"},
					})
				},
				Secrets: []string{secretOld, secretOld[6:], "T0SECRETPATH", "B0SECRETPART", "tok-very-secret"},
			}.Run(t)
		})
	}
}

func sink(t interface{ Fatal(...any) }, cfg webhook.Config) *webhook.Sink {
	s, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
