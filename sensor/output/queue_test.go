package output_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var all = output.Limit{Count: 1 << 20, Bytes: 1 << 30}

func open(t testing.TB, path string, cfg output.QueueConfig) *output.Queue {
	t.Helper()
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 64 << 20
	}
	q, err := output.OpenQueue(path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func message(n int) output.Message {
	return output.Message{
		ID: fmt.Sprintf("m%05d", n), Host: "10.1.2.3", Kind: "unsanctioned-tool", Tool: "anydesk", Severity: output.High,
		Time: time.Date(2026, 3, 4, 14, 2, 11, n, time.UTC), Body: []byte(fmt.Sprintf("record %d\x00\xff\n second line", n)),
	}
}

func put(t testing.TB, q *output.Queue, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := q.Put(message(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func peek(t testing.TB, q *output.Queue, l output.Limit) output.Batch {
	t.Helper()
	b, err := q.Peek(l)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ids(b output.Batch) string {
	var s []string
	for _, m := range b.Messages {
		s = append(s, strings.TrimLeft(m.ID, "m0"))
	}
	return strings.Join(s, " ")
}

func TestQueueKeepsWhatWasPut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new folder", "q")
	q := open(t, path, output.QueueConfig{})
	put(t, q, 1, 11)
	b := peek(t, q, output.Limit{Count: 4, Bytes: 1 << 20})
	if ids(b) != "1 2 3 4" {
		t.Fatal(ids(b))
	}
	want := message(1)
	if m := b.Messages[0]; m.ID != want.ID || m.Host != want.Host || m.Kind != want.Kind || m.Tool != want.Tool ||
		m.Severity != want.Severity || !m.Time.Equal(want.Time) || !bytes.Equal(m.Body, want.Body) {
		t.Errorf("%+v", m)
	}
	q.Advance(b, 3)
	put(t, q, 11, 13)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := q.Put(message(99)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed queue took a record: %v", err)
	}
	q = open(t, path, output.QueueConfig{})
	if b := peek(t, q, all); ids(b) != "4 5 6 7 8 9 10 11 12" {
		t.Error(ids(b))
	}
	put(t, q, 13, 14)
	if b := peek(t, q, all); ids(b) != "4 5 6 7 8 9 10 11 12 13" {
		t.Error(ids(b))
	}
}

// The queue against a list, over any sequence of operations and restarts.
func TestQueueModel(t *testing.T) {
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		path := filepath.Join(dir, fmt.Sprint(run))
		q := open(t, path, output.QueueConfig{})
		defer func() { q.Close() }()
		var model []string
		next := 0
		stable := 0 // length of the batch that was begun, when it must stay
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(rt, "n") {
					next++
					model = append(model, message(next).ID)
					if err := q.Put(message(next)); err != nil {
						rt.Fatal(err)
					}
				}
				if err := q.Sync(context.Background()); err != nil {
					rt.Fatal(err)
				}
			},
			"again": func(rt *rapid.T) { // what waits is not put twice
				if len(model) > 0 {
					var n int
					fmt.Sscanf(rapid.SampledFrom(model).Draw(rt, "id"), "m%d", &n)
					if err := q.Put(message(n)); err != nil {
						rt.Fatal(err)
					}
				}
			},
			"take": func(rt *rapid.T) {
				l := output.Limit{Count: rapid.IntRange(1, 6).Draw(rt, "count"), Bytes: 1 << 20, Stable: rapid.Bool().Draw(rt, "stable")}
				b, err := q.Peek(l)
				if err != nil {
					rt.Fatal(err)
				}
				want := min(l.Count, len(model))
				if stable > 0 {
					want = stable
				}
				if len(b.Messages) != want {
					rt.Fatalf("%d records, want %d", len(b.Messages), want)
				}
				for i, m := range b.Messages {
					if m.ID != model[i] {
						rt.Fatalf("record %d is %s, want %s", i, m.ID, model[i])
					}
				}
				if l.Stable {
					stable = len(b.Messages)
				}
				n := rapid.IntRange(0, len(b.Messages)).Draw(rt, "n")
				q.Advance(b, n)
				model = model[n:]
				stable = max(0, stable-n)
			},
			"restart": func(rt *rapid.T) {
				if err := q.Close(); err != nil {
					rt.Fatal(err)
				}
				q = open(t, path, output.QueueConfig{})
			},
			"": func(rt *rapid.T) {
				if b := q.Backlog(); b.Records != len(model) || (b.Bytes == 0) != (len(model) == 0) || b.Lost != (output.Lost{}) {
					rt.Fatalf("%+v, %d records", b, len(model))
				}
			},
		})
	})
}

func TestQueueBounds(t *testing.T) {
	var mu sync.Mutex
	var logs []string
	log := func(text string, err error) {
		mu.Lock()
		defer mu.Unlock()
		logs = append(logs, fmt.Sprint(text, ": ", err))
	}
	path := filepath.Join(t.TempDir(), "q")
	q := open(t, path, output.QueueConfig{MaxBytes: 5000, Log: log})
	put(t, q, 1, 101)
	s := q.Backlog()
	if s.Bytes > 5000 || s.Records < 10 || s.Lost.Full != 100-uint64(s.Records) {
		t.Errorf("%+v", s)
	}
	b := peek(t, q, all)
	if n := len(b.Messages); n != s.Records || b.Messages[n-1].ID != "m00100" || b.Messages[0].ID != message(101-n).ID {
		t.Errorf("the oldest must go first: %s", ids(b))
	}
	mu.Lock()
	if len(logs) == 0 || !strings.Contains(logs[0], "queue is full") {
		t.Errorf("%q", logs)
	}
	mu.Unlock()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}

	// On the next day all of it is too old.
	q = open(t, path, output.QueueConfig{MaxAge: time.Nanosecond, Log: log})
	if b := peek(t, q, all); len(b.Messages) != 0 {
		t.Error(ids(b))
	}
	if got := q.Backlog(); got.Lost.Expired != uint64(s.Records) || got.Records != 0 || got.Bytes != 0 {
		t.Errorf("%+v", got)
	}
}

// A batch that was taken may lose its oldest records to a full queue before it
// is delivered: Advance must then not remove younger ones.
func TestAdvanceAfterLoss(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"), output.QueueConfig{MaxBytes: 2500})
	put(t, q, 1, 11)
	b := peek(t, q, output.Limit{Count: 3, Bytes: 1 << 20})
	put(t, q, 11, 21)
	q.Advance(b, 3)
	left := peek(t, q, all)
	if left.Messages[0].ID <= b.Messages[2].ID || left.Messages[len(left.Messages)-1].ID != "m00020" {
		t.Errorf("took %s, left %s", ids(b), ids(left))
	}
	if s := q.Backlog(); s.Records+int(s.Lost.Full)+3 != 20 { // what was delivered is not lost too
		t.Errorf("%+v", s)
	}
}

func TestQueueInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	open(t, path, output.QueueConfig{})
	if _, err := output.OpenQueue(path, output.QueueConfig{}); !errors.Is(err, output.ErrInUse) {
		t.Errorf("%v", err)
	}
}

// Whatever is in the file, the queue opens, keeps the damaged file, and works.
func TestDamagedQueue(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	q := open(t, good, output.QueueConfig{})
	put(t, q, 1, 50)
	q.Close()
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string][]byte{"text": []byte("not a queue"), "zeros": make([]byte, 1<<16), "half": raw[:len(raw)/2]}
	for page := 0; page < len(raw)/4096; page++ {
		d := bytes.Clone(raw)
		for i := range d[page*4096 : page*4096+4096] {
			d[page*4096+i] ^= byte(0xa5 + i)
		}
		damages[fmt.Sprint("page ", page)] = d
	}
	for name, d := range damages {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "q")
			if err := os.WriteFile(path, d, 0o600); err != nil {
				t.Fatal(err)
			}
			q := open(t, path, output.QueueConfig{})
			b := peek(t, q, all)
			q.Advance(b, len(b.Messages))
			put(t, q, 100, 103)
			if b := peek(t, q, all); ids(b) != "100 101 102" {
				t.Error(ids(b))
			}
		})
	}
}
