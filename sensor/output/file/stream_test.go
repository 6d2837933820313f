package file_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/file"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
)

// Standard output is written to as it is; a reader that went away is an error.
func TestStdout(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := newSink(t, file.Config{Path: "-", Stdout: out})
	batch := []output.Message{outputtest.Message("a"), outputtest.Message("b")}
	if n, err := s.Send(context.Background(), batch); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	got := make([]byte, 1<<16)
	n, _ := in.Read(got)
	if want := string(batch[0].Body) + "\n" + string(batch[1].Body) + "\n"; string(got[:n]) != want {
		t.Errorf("%q", got[:n])
	}
	in.Close()
	if n, err := s.Send(context.Background(), batch); n != 0 || err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("%d, %v", n, err)
	}
}

// A reader that does not read holds Send up until its time is over, not longer,
// and loses nothing.
func TestStdoutBlocked(t *testing.T) {
	in, out := io.Pipe()
	s := newSink(t, file.Config{Path: "-", Stdout: out})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	soon, done := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer done()
	batch := []output.Message{outputtest.Message("a")}
	for _, ctx := range []context.Context{soon, ctx} {
		if n, err := s.Send(ctx, batch); n != 0 || !errors.Is(err, ctx.Err()) {
			t.Errorf("%d, %v", n, err)
		}
	}
	var got bytes.Buffer
	read := make(chan struct{})
	go func() {
		io.Copy(&got, in)
		close(read)
	}()
	if n, err := s.Send(context.Background(), batch); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	out.Close()
	<-read
	if line := string(batch[0].Body) + "\n"; got.String() != line+line {
		t.Errorf("%q", got.String())
	}
}

func FuzzMend(f *testing.F) {
	f.Add([]byte("{}\n{\"a\":"), "x\ny")
	f.Add([]byte("\x00\x00\n"), "\x00")
	f.Fuzz(func(t *testing.T, left []byte, body string) {
		path := filepath.Join(t.TempDir(), "eve.json")
		if err := os.WriteFile(path, left, 0o640); err != nil {
			t.Fatal(err)
		}
		s := newSink(t, file.Config{Path: path})
		m := outputtest.Message("next")
		hostile := m
		hostile.Body = []byte(body)
		if n, err := s.Send(context.Background(), []output.Message{hostile, m}); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		raw, _ := os.ReadFile(path)
		lines := slices.Collect(bytes.Lines(raw))
		if len(lines) < 2 || outputtest.ID(bytes.TrimSuffix(lines[len(lines)-1], []byte("\n"))) != "next" || bytes.IndexByte(raw, 0) >= 0 {
			t.Fatalf("%q", raw)
		}
		if old := bytes.Join(lines[:len(lines)-2], nil); !bytes.HasPrefix(left, old) {
			t.Fatalf("%q is not the start of %q", old, left)
		}
	})
}

func BenchmarkFile(b *testing.B) {
	s := newSink(b, file.Config{Path: filepath.Join(b.TempDir(), "eve.json"), RotateMiB: 100, Keep: 1})
	r := run{t: b}
	batch := r.batch(100)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := s.Send(context.Background(), batch); n != 100 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "records/s")
}
