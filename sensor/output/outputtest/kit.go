package outputtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Receiver is a running receiver of a sink's protocol, written against the
// protocol's specification and not against the sink.
type Receiver interface {
	// Addr is the TCP address that it listens at.
	Addr() string
	// Received returns the records that were received in whole, in order of
	// arrival, each as often as it came.
	Received() []string
	// Stop kills it: connections are reset, what was read stays in Received.
	Stop()
}

// HTTPReceiver is a receiver that answers with statuses.
type HTTPReceiver interface {
	Receiver
	// Answer sets the status and header fields of further answers; 0 is success.
	Answer(status int, header http.Header)
}

// Options is how a sink reaches its receiver.
type Options struct {
	Addr   string // host:port
	CAFile string // speak TLS and trust this authority; "" for plain
	Dial   output.Dial
}

// Kit is a sink with a receiver.
type Kit struct {
	// Receive starts a receiver; with config it speaks TLS.
	Receive func(t *testing.T, config *tls.Config) Receiver
	// Sink makes the sink to be judged.
	Sink func(t *testing.T, o Options) output.Sink
	// TLS says that the sink can speak it.
	TLS bool
	// Limit of a batch; zero for the courier's.
	Limit output.Limit
	// Secrets must not be in any log line or status.
	Secrets []string
}

// Patience is how long tests wait for what must happen.
const Patience = 60 * time.Second

// Run lets the receiver fail in every way and demands that all is received in
// the end.
func (k Kit) Run(t *testing.T) {
	k.network(t)
	if k.TLS {
		k.certificates(t)
	}
	probe := k.Receive(t, nil)
	_, isHTTP := probe.(HTTPReceiver)
	probe.Stop()
	if isHTTP {
		k.statuses(t)
	}
}

func (k Kit) network(t *testing.T) {
	for name, mode := range map[string]Mode{
		"refused connection": Refuse, "half-closed socket": HalfClosed, "silent receiver": Silent, "no such name": NoName,
	} {
		t.Run(name, func(t *testing.T) {
			r := k.start(t, nil, "")
			r.put(20)
			r.waitSome(1)
			r.gate.Set(mode)
			r.put(20)
			r.waitFailures(2)
			r.gate.Set(Pass)
			r.put(20)
			r.finish()
		})
	}
	t.Run("slow reader", func(t *testing.T) {
		r := k.start(t, nil, "")
		r.gate.Set(Slow)
		r.put(40)
		r.finish()
	})
	t.Run("killed and restarted in mid-stream", func(t *testing.T) {
		r := k.start(t, nil, "")
		for range 6 {
			r.put(15)
			r.waitSome(1)
			r.receivers[len(r.receivers)-1].Stop()
			r.gate.Kill()
			r.put(5)
			r.receive(nil)
		}
		r.finish()
	})
	t.Run("connections cut all the time", func(t *testing.T) {
		r := k.start(t, nil, "")
		r.gate.Set(Slow)
		r.put(30)
		for range 20 {
			r.gate.Kill()
			time.Sleep(7 * time.Millisecond)
		}
		r.finish()
	})
}

func (k Kit) certificates(t *testing.T) {
	ca := NewCA(t)
	good, _, _ := ca.Issue(t, ServerName, time.Now().Add(time.Hour))
	expired, _, _ := ca.Issue(t, ServerName, time.Now().Add(-time.Hour))
	other, _, _ := ca.Issue(t, "somebody-else.test", time.Now().Add(time.Hour))
	stranger, _, _ := NewCA(t).Issue(t, ServerName, time.Now().Add(time.Hour))
	for name, c := range map[string]struct {
		cert tls.Certificate
		says string
	}{
		"expired certificate": {expired, "expired"}, "certificate for another name": {other, "not " + ServerName}, "certificate of a stranger": {stranger, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			r := k.start(t, &tls.Config{Certificates: []tls.Certificate{c.cert}}, ca.File(t))
			r.put(10)
			r.waitFailures(2)
			if got := len(r.received()); got != 0 {
				t.Errorf("%d records went to a receiver that could not prove who it is", got)
			}
			if s := r.courier.Status(); !strings.Contains(s.LastError, c.says) {
				t.Errorf("the error %q does not say %q", s.LastError, c.says)
			}
			r.receive(&tls.Config{Certificates: []tls.Certificate{good}})
			r.gate.Kill()
			r.put(10)
			r.finish()
		})
	}
}

func (k Kit) statuses(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header http.Header
	}{
		"500": {500, nil}, "502": {502, nil}, "503": {503, nil}, "408": {408, nil}, "401": {401, nil}, "403": {403, nil}, "404": {404, nil},
		"302":                  {302, http.Header{"Location": {"http://192.0.2.1/"}}},
		"429 with Retry-After": {429, http.Header{"Retry-After": {"1"}}},
		"503 with a date":      {503, http.Header{"Retry-After": {time.Now().Add(time.Second).UTC().Format(http.TimeFormat)}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := k.start(t, nil, "")
			r.put(10)
			r.waitSome(1)
			r.receivers[0].(HTTPReceiver).Answer(c.status, c.header)
			r.put(10)
			r.waitFailures(1)
			r.receivers[0].(HTTPReceiver).Answer(0, nil)
			r.finish()
		})
	}
}

// run is a sink at work.
type run struct {
	t         *testing.T
	kit       Kit
	gate      *Gate
	queue     *output.Queue
	courier   *output.Courier
	target    atomic.Value // string
	receivers []Receiver
	sent      []string
	logs      *bytes.Buffer
}

func (k Kit) start(t *testing.T, config *tls.Config, caFile string) *run {
	t.Helper()
	r := &run{t: t, kit: k, logs: new(bytes.Buffer)}
	r.receive(config)
	r.gate = NewGate(t, func() string { return r.target.Load().(string) })
	var err error
	if r.queue, err = output.OpenQueue(filepath.Join(t.TempDir(), "queue"), output.QueueConfig{MaxBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	addr := r.gate.Addr()
	if caFile != "" {
		addr = ServerName + ":443"
	}
	sink := k.Sink(t, Options{Addr: addr, CAFile: caFile, Dial: r.gate.Dial})
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(r.logs)), zap.DebugLevel))
	r.courier = output.NewCourier(output.CourierConfig{
		Name: "test", Queue: r.queue, Sink: sink, Limit: k.Limit, Log: log,
		Timeout: 700 * time.Millisecond, MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		r.courier.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
		if err := r.queue.Close(); err != nil {
			t.Error(err)
		}
		for _, secret := range k.Secrets {
			if status := fmt.Sprintf("%+v", r.courier.Status()); strings.Contains(status, secret) || strings.Contains(r.logs.String(), secret) {
				t.Errorf("a secret is in the log or the status:\n%s\n%s", status, r.logs)
			}
		}
	})
	return r
}

// receive starts a receiver, to which further connections go.
func (r *run) receive(config *tls.Config) {
	receiver := r.kit.Receive(r.t, config)
	r.receivers = append(r.receivers, receiver)
	r.target.Store(receiver.Addr())
	r.t.Cleanup(receiver.Stop)
}

// Body is the record that tests send for an id: a line of JSON with what
// hostile names leave of themselves.
func Body(id string) []byte {
	raw, err := json.Marshal(map[string]string{
		"id": id, "text": strings.Repeat(`a "quoted" \u001b[31m | pipe = sign ] `, 8), "pad": strings.Repeat("x", len(id)*7),
	})
	if err != nil {
		panic(err)
	}
	return raw
}

// ID gets the id back out of a record, or "" when it is not as it was sent.
func ID(record []byte) string {
	var r struct{ ID string }
	if err := json.Unmarshal(record, &r); err != nil || !bytes.Equal(record, Body(r.ID)) {
		return ""
	}
	return r.ID
}

// Message is a message with Body.
func Message(id string) output.Message {
	return output.Message{
		ID: id, Host: "10.1.2.3", Kind: "unsanctioned-tool", Tool: "anydesk", Severity: output.High,
		Time: time.Date(2026, 3, 4, 14, 2, 11, 73270000, time.UTC), Body: Body(id),
	}
}

func (r *run) put(n int) {
	r.t.Helper()
	for range n {
		id := fmt.Sprintf("alert-%04d", len(r.sent))
		r.sent = append(r.sent, id)
		if err := r.queue.Put(Message(id)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// received is what all receivers got.
func (r *run) received() (all []string) {
	for _, receiver := range r.receivers {
		all = append(all, receiver.Received()...)
	}
	return all
}

func (r *run) wait(what string, reached func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(Patience); !reached(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for %s; %+v, %+v\n%s", what, r.courier.Status(), r.queue.Backlog(), r.logs)
		}
	}
}

func (r *run) waitSome(n int) {
	r.t.Helper()
	have := len(r.received())
	r.wait("records", func() bool { return len(r.received()) >= min(have+n, len(r.sent)) })
}

func (r *run) waitFailures(n uint64) {
	r.t.Helper()
	had := r.courier.Status().Failures
	r.wait("failures", func() bool { return r.courier.Status().Failures >= had+n })
}

// finish waits for delivery and compares.
func (r *run) finish() {
	r.t.Helper()
	r.wait("delivery", func() bool { return r.queue.Backlog().Records == 0 })
	// The courier counts a record a moment after it has left the queue.
	r.wait("the count", func() bool { return r.courier.Status().Delivered >= uint64(len(r.sent)) })
	r.wait("the receiver", func() bool { return len(unique(r.received())) >= len(r.sent) })
	got := unique(r.received())
	if !slices.Equal(got, r.sent) {
		r.t.Errorf("%d records were received, %d sent: %q", len(got), len(r.sent), diff(r.sent, got))
	}
	if s := r.courier.Status(); s.State != output.Working || s.Delivered != uint64(len(r.sent)) || s.Refused != 0 {
		r.t.Errorf("%d sent, %+v", len(r.sent), s)
	}
}

// unique is list without repetitions, in order of first coming.
func unique(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// diff is what is in one list only, or where the order differs.
func diff(want, got []string) (out []string) {
	for _, s := range want {
		if !slices.Contains(got, s) {
			out = append(out, "-"+s)
		}
	}
	for i, s := range got {
		if !slices.Contains(want, s) || len(out) == 0 && i < len(want) && want[i] != s {
			out = append(out, "+"+s)
		}
	}
	return out
}
