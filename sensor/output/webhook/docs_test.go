package webhook_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
)

// The example in the documentation is what is sent.
func TestDocumentedExample(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/outputs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(raw)
	h := outputtest.NewHTTP(t, nil, func(r *http.Request, body []byte) ([]string, int, string) {
		want := []string{strings.TrimSuffix(string(body), "\n") + "\n```"}
		want = append(want, "Content-Type: application/json\nWebhook-Id: "+r.Header.Get("Webhook-Id")+"\n")
		var signatures []string
		for _, text := range []string{secretOld, secretNew} {
			v, err := standardwebhooks.NewWebhook(text)
			if err != nil {
				t.Error(err)
			}
			signature, err := v.Sign("a-17d2f60c9be1", time.Unix(1772632931, 0), body)
			if err != nil {
				t.Error(err)
			}
			signatures = append(signatures, signature)
		}
		want = append(want, "Webhook-Signature: "+strings.Join(signatures, " ")+"\n", secretOld, secretNew)
		for _, text := range want {
			if !strings.Contains(docs, text) {
				t.Errorf("docs/outputs/http.md does not have: %s", text)
			}
		}
		return nil, 200, ""
	})
	cfg := config("")
	cfg.Secrets = []output.Secret{outputtest.Secret(t, secretOld), outputtest.Secret(t, secretNew)}
	cfg.URL = "http://" + h.Addr()
	s := sink(t, cfg)
	defer s.Close()
	message := output.Message{ID: "a-17d2f60c9be1", Host: "10.1.2.3", Time: time.Date(2026, 3, 4, 14, 2, 11, 73270000, time.UTC),
		Body: []byte(`{"timestamp":"2026-03-04T14:02:11.073270+0000","event_type":"alert"}`)}
	if n, err := s.Send(t.Context(), []output.Message{message}); n != 1 || err != nil {
		t.Error(n, err)
	}
}
