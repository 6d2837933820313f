package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/output"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load reads a configuration whose relative paths count from dir.
func load(t testing.TB, dir, text string) *config.Config {
	t.Helper()
	path := filepath.Join(dir, "rmmwatch.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return &cfg
}

func open(t testing.TB, cfg *config.Config, log *zap.Logger) *delivery.Outputs {
	t.Helper()
	if log == nil {
		log = zap.NewNop()
	}
	o, err := delivery.Open(cfg, delivery.Options{Files: func(uint32) string { return "test.pcap" }, Log: log, Stdout: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// sample is an alert of a tool with a confidence; n makes it another one.
func sample(tool, class string, c detect.Confidence, n int) *alert.Alert {
	a := delivery.TestAlert(time.Unix(1772632931+int64(n), 0))
	t := *a.Tool
	t.ID, t.Name, t.Class = tool, tool, class
	a.Tool, a.Confidence = &t, c
	return a
}

func wait(t testing.TB, o *delivery.Outputs) {
	t.Helper()
	if err := o.Wait(context.Background(), 30*time.Second, func([]delivery.Status) {}); err != nil {
		t.Fatalf("%v: %+v", err, o.Status())
	}
}

// tools lists the tools of the records in a file of EVE.
func tools(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for line := range bytes.Lines(raw) {
		var l struct {
			Alert struct {
				Metadata struct {
					Tool []string `json:"rmm_tool"`
				} `json:"metadata"`
			} `json:"alert"`
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l.Alert.Metadata.Tool...)
	}
	return strings.Join(out, " ")
}

func TestFilters(t *testing.T) {
	dir := t.TempDir()
	cfg := load(t, dir, `
state: state
outputs:
  - file: {name: all, path: all}
  - file: {name: high, path: high, min_severity: high}
  - file: {name: rat, path: rat, kinds: [remote-access-trojan]}
  - file: {name: tool, path: tool, tools: [anydesk, vnc], min_severity: medium}
  - file: {name: cef, path: cef, format: cef}
`)
	o := open(t, cfg, nil)
	for i, a := range []*alert.Alert{
		sample("anydesk", "remote-desktop", detect.High, 1), sample("vnc", "protocol", detect.Low, 2), sample("asyncrat", "rat", detect.Medium, 3),
		sample("ngrok", "tunnel", detect.Medium, 4), sample("vnc", "protocol", detect.Medium, 5),
	} {
		a.First += int64(i)
		o.Put(a)
	}
	wait(t, o)
	for name, want := range map[string]string{
		"all": "anydesk vnc asyncrat ngrok vnc", "high": "anydesk asyncrat", "rat": "asyncrat", "tool": "anydesk vnc",
	} {
		if got := tools(t, filepath.Join(dir, name)); got != want {
			t.Errorf("output %s has %q, want %q", name, got, want)
		}
	}
	if raw, _ := os.ReadFile(filepath.Join(dir, "cef")); strings.Count(string(raw), "CEF:0|rmmwatch|") != 5 {
		t.Errorf("%s", raw)
	}
}

// hook is a webhook that can be out of order.
type hook struct {
	*httptest.Server
	down atomic.Bool
	mu   sync.Mutex
	ids  []string
}

func newHook(t testing.TB) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if h.down.Load() {
			http.Error(w, "down for "+r.URL.Path, http.StatusServiceUnavailable)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ids = append(h.ids, r.Header.Get("webhook-id"))
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ids)
}

// A receiver that is down slows nobody; what it has not got goes out after a
// restart; nothing that is secret is told to anybody.
func TestOneReceiverDown(t *testing.T) {
	const secret = "c2VjcmV0LXRoYXQtbm9ib2R5LXNlZXMh"
	dir := t.TempDir()
	h := newHook(t)
	h.down.Store(true)
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("whsec_"+secret), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("state: state\noutputs:\n  - webhook: {url: %q, secret_file: secret}\n  - file: {path: all}\n", h.URL+"/token-in-path")
	cfg := load(t, dir, text)
	var logs bytes.Buffer
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&logs)), zap.DebugLevel))
	o := open(t, cfg, log)
	for n := range 50 {
		o.Put(sample("anydesk", "rmm", detect.High, n))
	}
	err := o.Wait(context.Background(), 2*time.Second, func([]delivery.Status) {})
	if err == nil || !strings.Contains(err.Error(), "nothing was delivered") {
		t.Errorf("Wait: %v", err)
	}
	if got := tools(t, filepath.Join(dir, "all")); strings.Count(got, "anydesk") != 50 {
		t.Errorf("the other output got %q", got)
	}
	list := delivery.Read(cfg) // beside the one that delivers
	if len(list) != 2 || !list[0].Running {
		t.Fatalf("%+v", list)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if list = delivery.Read(cfg); list[0].Running || list[0].Backlog.Records != 50 || list[1].Backlog.Records != 0 ||
		list[1].Delivered != 50 || !strings.Contains(list[0].LastError, "503") || list[0].Well() || !list[1].Well() {
		t.Fatalf("%+v", list)
	}
	shown := fmt.Sprintf("%s %+v", &logs, list)
	if strings.Contains(shown, secret) || strings.Contains(shown, "token-in-path") {
		t.Errorf("a secret was told: %s", shown)
	}

	h.down.Store(false)
	o = open(t, cfg, nil)
	wait(t, o)
	if h.count() != 50 {
		t.Errorf("%d requests came", h.count())
	}
}

// A replay has time: a queue that is small and a receiver that is slow lose
// nothing, and one that is away is waited for once.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	h := newHook(t)
	cfg := load(t, dir, fmt.Sprintf("state: state\noutputs:\n  - webhook: {url: %q, queue: {max_mib: 1}}\n  - syslog: {address: \"tcp://127.0.0.1:9\", queue: {max_mib: 1}}\n", h.URL))
	o := open(t, cfg, nil)
	const alerts = 2000 // some five times what fits
	for n := range alerts {
		o.Room(context.Background(), 300*time.Millisecond)
		o.Put(sample("anydesk", "rmm", detect.High, n))
	}
	for deadline := time.Now().Add(30 * time.Second); h.count() < alerts && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	s := o.Status()
	if h.count() != alerts || s[0].Backlog.Lost.Sum() != 0 {
		t.Errorf("%d of %d came, %+v", h.count(), alerts, s[0])
	}
	if lost := s[1].Backlog.Lost.Full; lost == 0 || int(lost)+s[1].Backlog.Records != alerts {
		t.Errorf("%+v", s[1])
	}
}

// The status of a process that delivers is never older than a second or so.
func TestStatusWhileRunning(t *testing.T) {
	dir := t.TempDir()
	h := newHook(t)
	cfg := load(t, dir, fmt.Sprintf("state: state\noutputs: [webhook: {url: %q}]\n", h.URL))
	o := open(t, cfg, nil)
	o.Put(sample("anydesk", "rmm", detect.High, 1))
	wait(t, o)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		list := delivery.Read(cfg)
		if list[0].Running && list[0].Delivered == 1 && !list[0].LastSuccess.IsZero() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", list)
		}
	}
}

// A queue that is damaged is told, and hides no other.
func TestStatusOfDamage(t *testing.T) {
	dir := t.TempDir()
	cfg := load(t, dir, "state: state\noutputs: [file: {name: a, path: a}, file: {name: b, path: b}, file: {name: c, path: c}]\n")
	o := open(t, cfg, nil)
	for n := range 300 {
		o.Put(sample("anydesk", "rmm", detect.High, n))
	}
	wait(t, o)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	queue := delivery.QueueFile(cfg.State, "a")
	raw, err := os.ReadFile(queue)
	if err != nil {
		t.Fatal(err)
	}
	for at := 2 * 4096; at < len(raw); at++ {
		raw[at] = byte(at * 7)
	}
	if err := errors.Join(os.WriteFile(queue, raw, 0o600), os.Truncate(delivery.QueueFile(cfg.State, "b"), 0)); err != nil {
		t.Fatal(err)
	}
	list := delivery.Read(cfg)
	if list[0].Problem == "" || list[0].Well() || list[1].Problem != "" || list[2].Problem != "" || list[2].Total.Delivered != 300 {
		t.Errorf("%+v", list)
	}
	if err := os.WriteFile(queue, raw[:3*4096], 0o600); err != nil { // shorter than it says
		t.Fatal(err)
	}
	if list = delivery.Read(cfg); list[0].Problem == "" {
		t.Errorf("%+v", list[0])
	}
	o = open(t, cfg, nil)
	o.Put(sample("anydesk", "rmm", detect.High, 1000))
	wait(t, o)
	if got := o.Close(); got != nil {
		t.Error(got)
	}
	if list = delivery.Read(cfg); list[2].Total.Delivered != 301 || !list[0].Well() {
		t.Errorf("%+v", list)
	}
}

func TestOpenErrors(t *testing.T) {
	for name, c := range map[string]struct{ output, want string }{
		"template":  {`file: {path: x, format: template, template_file: nowhere.tmpl}`, "rmmwatch.yaml:2:11: template: open"},
		"secret":    {`webhook: {url: "https://x.example/", secret_file: nowhere}`, "rmmwatch.yaml:2:11: webhook: secret"},
		"directory": {`file: {path: "."}`, "rmmwatch.yaml:2:11: file: "},
		"port":      {`syslog: {address: "tcp://nowhere:99999"}`, "rmmwatch.yaml:2:11: syslog: address"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := load(t, t.TempDir(), "state: state\noutputs: ["+c.output+"]\n")
			_, err := delivery.Open(cfg, delivery.Options{Log: zap.NewNop()})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	dir := t.TempDir()
	cfg := load(t, dir, "state: state\noutputs: [file: {path: x}]\n")
	open(t, cfg, nil)
	if _, err := delivery.Open(cfg, delivery.Options{Log: zap.NewNop()}); !errors.Is(err, output.ErrInUse) {
		t.Errorf("a queue of another process: %v", err)
	}
}

func TestTestSend(t *testing.T) {
	dir := t.TempDir()
	h := newHook(t)
	cfg := load(t, dir, fmt.Sprintf("state: state\noutputs:\n  - webhook: {url: %q, kinds: [remote-access-trojan]}\n  - file: {path: x}\n  - syslog: {address: \"tcp://127.0.0.1:9\"}\n", h.URL))
	o := open(t, cfg, nil) // a running sensor does not disturb
	list := delivery.Test(context.Background(), cfg, io.Discard, 10*time.Second)
	if len(list) != 3 || list[0].Err != nil || list[1].Err != nil || list[2].Err == nil || list[2].Receiver != "syslog tcp://127.0.0.1:9" {
		t.Errorf("%+v", list)
	}
	if got := tools(t, filepath.Join(dir, "x")); got != "rmmwatch-test" {
		t.Error(got)
	}
	if s := o.Status(); h.count() != 1 || s[0].Delivered != 0 {
		t.Errorf("%d requests, %+v", h.count(), s)
	}
}

// From the alert to the receiver, through the queue on disk.
func BenchmarkLatency(b *testing.B) {
	h := newHook(b)
	cfg := load(b, b.TempDir(), fmt.Sprintf("state: state\noutputs: [webhook: {url: %q}]\n", h.URL))
	o := open(b, cfg, nil)
	n := 0
	for b.Loop() {
		n++
		o.Put(sample("anydesk", "rmm", detect.High, n))
		for h.count() < n {
			time.Sleep(20 * time.Microsecond)
		}
	}
}

// A burst of alerts, from the first to the last one received.
func BenchmarkBurst(b *testing.B) {
	h := newHook(b)
	dir := b.TempDir()
	for name, out := range map[string]string{
		"file":    "file: {path: x}",
		"webhook": fmt.Sprintf("webhook: {url: %q}", h.URL),
		"array":   fmt.Sprintf("webhook: {url: %q, batch: {mode: array}}", h.URL),
	} {
		b.Run(name, func(b *testing.B) {
			o := open(b, load(b, dir, "state: "+name+"\noutputs: ["+out+"]\n"), nil)
			n := 0
			for b.Loop() {
				for range 1000 {
					n++
					o.Put(sample("anydesk", "rmm", detect.High, n))
				}
				wait(b, o)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "alerts/s")
			o.Close()
		})
	}
}
