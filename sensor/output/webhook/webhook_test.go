package webhook_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
	"github.com/rmmwatch/rmmwatch/sensor/output/webhook"
)

func config(addr string) webhook.Config {
	return webhook.Config{URL: "http://" + addr + "/hook-secret-1", Options: web.Options{Proxy: "none", Timeout: 30 * time.Second}}
}

func messages(n int) (batch []output.Message, ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("alert-%04d", i))
		batch = append(batch, outputtest.Message(ids[i]))
	}
	return batch, ids
}

// While a secret is exchanged for another, requests verify with either, and with
// no third; the file may change between two requests.
func TestRotation(t *testing.T) {
	valid := map[string]bool{}
	h := outputtest.NewHTTP(t, nil, func(r *http.Request, body []byte) ([]string, int, string) {
		clear(valid)
		for _, text := range []string{secretOld, secretNew, strings.TrimPrefix(secretOld, "whsec_"), "whsec_" + strings.Repeat("QUFB", 10)} {
			v, err := standardwebhooks.NewWebhook(text)
			if err != nil {
				t.Error(err)
			}
			valid[text] = v.Verify(body, r.Header) == nil
		}
		return nil, 200, ""
	})
	cfg := config(h.Addr())
	batch, _ := messages(1)
	send := func(cfg webhook.Config, want ...string) {
		t.Helper()
		s := sink(t, cfg)
		defer s.Close()
		if n, err := s.Send(t.Context(), batch); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for text, ok := range valid {
			if ok != slices.Contains(want, text) {
				t.Errorf("%s verifies: %v", text, ok)
			}
		}
	}
	send(cfg)
	bare := strings.TrimPrefix(secretOld, "whsec_")
	file := outputtest.Secret(t, secretOld)
	cfg.Secrets = []output.Secret{file}
	send(cfg, secretOld, bare)
	cfg.Secrets = []output.Secret{file, outputtest.Secret(t, secretNew)}
	send(cfg, secretOld, bare, secretNew)
	cfg.Secrets = []output.Secret{outputtest.Secret(t, bare)}
	send(cfg, secretOld, bare)
	cfg.Secrets = []output.Secret{file}
	s := sink(t, cfg)
	defer s.Close()
	if err := os.WriteFile(file.File, []byte(secretNew), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), batch); err != nil || !valid[secretNew] || valid[secretOld] {
		t.Error(err, valid)
	}
	if err := os.Remove(file.File); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Send(t.Context(), batch); n != 0 || err == nil {
		t.Error("sent without its signature")
	}
}

// The id is that of the record, or for several one that depends on nothing but
// them, and is the same in every attempt; the time is that of the attempt.
func TestID(t *testing.T) {
	var got []string
	h := outputtest.NewHTTP(t, nil, func(r *http.Request, _ []byte) ([]string, int, string) {
		got = append(got, r.Header.Get("webhook-id"))
		var unix int64
		fmt.Sscan(r.Header.Get("webhook-timestamp"), &unix)
		if d := time.Since(time.Unix(unix, 0)); d < 0 || d > time.Minute {
			t.Errorf("a request of %v ago", d)
		}
		return nil, 500, ""
	})
	batch, ids := messages(3)
	cfg := config(h.Addr())
	cfg.Batch = webhook.Lines
	for range 2 { // a restart
		s := sink(t, cfg)
		s.Send(t.Context(), batch)
		s.Send(t.Context(), batch)
		s.Send(t.Context(), batch[:2])
		s.Send(t.Context(), batch[:1])
		s.Close()
	}
	if len(got) != 8 || !slices.Equal(got[:4], got[4:]) || got[0] != got[1] || got[2] == got[0] || got[3] != ids[0] || !strings.HasPrefix(got[0], "batch-") || strings.Contains(got[0], ".") {
		t.Errorf("%q", got)
	}
}

// In every mode, for any records that the receiver does not want: those are
// refused and no others, n is exact, and all others arrive.
func TestRefusedInTheMiddle(t *testing.T) {
	var bad []string
	var mode webhook.Batch
	h := outputtest.NewHTTP(t, nil, func(_ *http.Request, body []byte) ([]string, int, string) {
		ids := idsOf(t, mode, body)
		for _, id := range ids {
			if slices.Contains(bad, id) {
				return nil, 422, "no thanks: hook-secret-1"
			}
		}
		return ids, 202, ""
	})
	rapid.Check(t, func(rt *rapid.T) {
		mode = rapid.SampledFrom([]webhook.Batch{webhook.Single, webhook.Array, webhook.Lines}).Draw(rt, "mode")
		batch, ids := messages(rapid.IntRange(1, 7).Draw(rt, "n"))
		bad = nil
		var good []string
		for _, id := range ids {
			if rapid.Bool().Draw(rt, id) {
				bad = append(bad, id)
			} else {
				good = append(good, id)
			}
		}
		before := len(h.Received())
		cfg := config(h.Addr())
		cfg.Batch = mode
		s := sink(rt, cfg)
		defer s.Close()
		var refused []string
		for len(batch) > 0 {
			n, err := s.Send(t.Context(), batch)
			var no *output.RefusedError
			if batch = batch[n:]; errors.As(err, &no) {
				if strings.Contains(no.Reason, "secret-1") || !strings.Contains(no.Reason, "no thanks") {
					rt.Fatal(no.Reason)
				}
				refused, batch = append(refused, batch[0].ID), batch[1:]
			} else if err != nil {
				rt.Fatal(err)
			}
		}
		got := h.Received()[before:]
		slices.Sort(got)
		if !slices.Equal(refused, bad) || !slices.Equal(slices.Compact(got), good) {
			rt.Fatalf("refused %q, want %q; received %q, want %q", refused, bad, got, good)
		}
	})
}

func TestGone(t *testing.T) {
	h := outputtest.NewHTTP(t, nil, nil)
	h.Answer(410, nil)
	s := sink(t, config(h.Addr()))
	defer s.Close()
	batch, _ := messages(2)
	if n, err := s.Send(t.Context(), batch); n != 0 || !errors.Is(err, output.ErrGone) {
		t.Error(n, err)
	}
}

func TestRecordThatFitsNoBatch(t *testing.T) {
	h := outputtest.NewHTTP(t, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, "" })
	for mode, body := range map[webhook.Batch]string{webhook.Array: "CEF:0|x", webhook.Lines: "two\nlines"} {
		cfg := config(h.Addr())
		cfg.Batch = mode
		s := sink(t, cfg)
		batch, _ := messages(3)
		batch[1].Body = []byte(body)
		var refused *output.RefusedError
		if n, err := s.Send(t.Context(), batch); n != 1 || !errors.As(err, &refused) {
			t.Error(mode, n, err)
		}
		s.Close()
	}
}

func TestNewJudges(t *testing.T) {
	short := base64.StdEncoding.EncodeToString([]byte("secret-x"))
	for want, change := range map[string]func(*webhook.Config){
		"url: not":     func(c *webhook.Config) { c.URL = "soar.example/secret-x" },
		"one of":       func(c *webhook.Config) { c.URL = "" },
		"is empty":     func(c *webhook.Config) { c.Secrets = []output.Secret{{Env: "RMMWATCH_NOT_SET"}} },
		"whsec_BASE64": func(c *webhook.Config) { c.Secrets = []output.Secret{outputtest.Secret(t, "secret-x!")} },
		"24 to 64":     func(c *webhook.Config) { c.Secrets = []output.Secret{outputtest.Secret(t, "whsec_"+short)} },
		"asymmetric":   func(c *webhook.Config) { c.Secrets = []output.Secret{outputtest.Secret(t, "whsk_"+short)} },
		"Webhook-Id": func(c *webhook.Config) {
			c.Header = map[string]output.Secret{"Webhook-Id": outputtest.Secret(t, "secret-x")}
		},
		"cannot be set": func(c *webhook.Config) { c.Header = map[string]output.Secret{"a b": outputtest.Secret(t, "secret-x")} },
		"twice": func(c *webhook.Config) {
			c.Header = map[string]output.Secret{"x-a": outputtest.Secret(t, "x"), "X-A": outputtest.Secret(t, "x")}
		},
		"header field c": func(c *webhook.Config) {
			c.Header = map[string]output.Secret{"X-A": outputtest.Secret(t, "secret-x\nX-B: c")}
		},
		"mode":         func(c *webhook.Config) { c.Batch = "all" },
		"content type": func(c *webhook.Config) { c.ContentType = "a\nb" },
		"link-local":   func(c *webhook.Config) { c.URL = "http://169.254.169.254/secret-x" },
	} {
		cfg := config("soar.example")
		change(&cfg)
		_, err := webhook.New(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-x") || strings.Contains(err.Error(), short) || !strings.HasPrefix(err.Error(), "webhook: ") {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if got := sink(t, config("soar.example:8443")).Describe(); got != "webhook http://soar.example:8443" {
		t.Error(got)
	}
}

func BenchmarkSend(b *testing.B) {
	for _, mode := range []webhook.Batch{webhook.Single, webhook.Array, webhook.Lines} {
		b.Run(string(mode), func(b *testing.B) {
			h := outputtest.NewHTTP(b, nil, func(*http.Request, []byte) ([]string, int, string) { return nil, 200, "" })
			cfg := config(h.Addr())
			cfg.Batch, cfg.Secrets = mode, []output.Secret{outputtest.Secret(b, secretNew)}
			s := sink(b, cfg)
			defer s.Close()
			batch, _ := messages(100)
			for b.Loop() {
				if _, err := s.Send(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "records/s")
		})
	}
}
