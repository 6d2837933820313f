package file_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/file"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
)

func newSink(t testing.TB, cfg file.Config) *file.Sink {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = func(text string, err error) { t.Error(text, err) }
	}
	s, err := file.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// run numbers messages and remembers which were delivered.
type run struct {
	t    testing.TB
	next int
	sent []string // what Send said that it delivered
}

func (r *run) batch(n int) (batch []output.Message) {
	for range n {
		batch = append(batch, outputtest.Message(fmt.Sprintf("alert-%06d", r.next)))
		r.next++
	}
	return batch
}

// send sends until it is taken.
func (r *run) send(s *file.Sink, n int) {
	r.t.Helper()
	batch := r.batch(n)
	if got, err := s.Send(context.Background(), batch); got != n || err != nil {
		r.t.Fatal(got, err)
	}
	r.delivered(batch)
}

func (r *run) delivered(batch []output.Message) {
	for _, m := range batch {
		r.sent = append(r.sent, m.ID)
	}
}

// ids reads the records of a file.
func ids(t testing.TB, path string) (got []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var in io.Reader = bytes.NewReader(raw)
	switch filepath.Ext(path) {
	case ".gz":
		in, err = gzip.NewReader(in)
	case ".zst":
		in, err = zstd.NewReader(in)
	}
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = io.ReadAll(in); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		body, ok := bytes.CutSuffix(line, []byte("\n"))
		id := outputtest.ID(body)
		if !ok || id == "" {
			t.Errorf("%s: %q is no record", path, line)
		}
		got = append(got, id)
	}
	return got
}

// all reads a file and what was rotated out of it, in order.
func all(t testing.TB, path string) (got []string) {
	t.Helper()
	names, err := filepath.Glob(path + "-*")
	if err != nil {
		t.Fatal(err)
	}
	stem := func(name string) string { return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst") }
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(stem(a), stem(b)) })
	for _, name := range names {
		got = append(got, ids(t, name)...)
	}
	return append(got, ids(t, path)...)
}

func same(t testing.TB, want, got []string) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Errorf("%d records are there, %d were delivered:\n got %.300q\nwant %.300q", len(got), len(want), got, want)
	}
}

// A file that a crash cut at any byte of its last batch is mended, and what was
// not delivered comes again.
func TestCutAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	r := run{t: t}
	s := newSink(t, file.Config{Path: path})
	r.send(s, 3)
	before, _ := os.ReadFile(path)
	r.send(s, 2)
	after, _ := os.ReadFile(path)
	s.Close()
	first := len(before) + bytes.IndexByte(after[len(before):], '\n') + 1
	for cut := len(before); cut <= len(after); cut++ {
		// As left by the crash of a process, or of a system that had not written a page.
		for _, left := range []string{"", "\x00\x00", "\x00\x00}\n"} {
			raw := append(bytes.Clone(after[:cut]), left...)
			if err := os.WriteFile(path, raw, 0o640); err != nil {
				t.Fatal(err)
			}
			s := newSink(t, file.Config{Path: path})
			if n, err := s.Send(context.Background(), []output.Message{outputtest.Message("again")}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			s.Close()
			want := slices.Clone(r.sent[:3])
			if cut >= first {
				want = append(want, r.sent[3])
			}
			if cut == len(after) {
				want = append(want, r.sent[4])
			}
			same(t, append(want, "again"), ids(t, path))
		}
	}
}

// A body with a line break still is one line.
func TestOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	s := newSink(t, file.Config{Path: path})
	m := outputtest.Message("a")
	m.Body = []byte("one\ntwo\r\n\x00three\tfour")
	if _, err := s.Send(context.Background(), []output.Message{m, m}); err != nil {
		t.Fatal(err)
	}
	line := `one\x0atwo\x0d\x0a\x00three` + "\tfour\n"
	if raw, _ := os.ReadFile(path); string(raw) != line+line {
		t.Errorf("%q", raw)
	}
	if info, _ := os.Stat(path); info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("mode %v", info.Mode())
	}
}

// Rotation by size: no file grows beyond, nothing is lost, the newest are kept.
func TestRotation(t *testing.T) {
	for _, compress := range []file.Compress{file.None, file.Gzip, file.Zstd} {
		t.Run(string(compress), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "eve.json")
			now := time.Date(2026, 11, 23, 12, 1, 2, 0, time.UTC) // stands still: names collide
			cfg := file.Config{Path: path, RotateMiB: 1, Compress: compress, Now: func() time.Time { return now }}
			s := newSink(t, cfg)
			r := run{t: t}
			for range 30 {
				r.send(s, 500)
			}
			s.Close()
			// What Close cut short is taken up by the next.
			s = newSink(t, cfg)
			r.send(s, 1)
			suffix := map[file.Compress]string{file.None: "", file.Gzip: ".gz", file.Zstd: ".zst"}[compress]
			wait(t, "compression", func() bool {
				names, _ := filepath.Glob(path + "-*")
				return !slices.ContainsFunc(names, func(n string) bool {
					return strings.TrimPrefix(filepath.Ext(n), ".json") != suffix && suffix != "" || strings.HasSuffix(n, ".tmp")
				})
			})
			s.Close()
			same(t, r.sent, all(t, path))
			names, _ := filepath.Glob(path + "-*")
			if len(names) < 3 || filepath.Base(names[0]) != "eve.json-20261123T120102Z"+suffix && filepath.Base(names[len(names)-1]) != "eve.json-20261123T120102Z"+suffix {
				t.Errorf("rotated files are %q", names)
			}
			for _, name := range append(names, path) {
				if info, err := os.Stat(name); err != nil || info.Size() > 1<<20 {
					t.Errorf("%s has %d bytes", name, info.Size())
				}
			}
			cfg.Keep = 2
			s = newSink(t, cfg)
			r.send(s, 1)
			s.Close()
			wait(t, "the oldest to go", func() bool { names, _ := filepath.Glob(path + "-*"); return len(names) == 2 })
			kept := all(t, path)
			same(t, r.sent[len(r.sent)-len(kept):], kept)
		})
	}
}

func wait(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !reached(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Rotation by age: at the turn of a period, also when the sensor did not run then.
func TestEvery(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	now := time.Date(2026, 11, 23, 22, 30, 0, 0, time.UTC)
	cfg := file.Config{Path: path, RotateEvery: 24 * time.Hour, Now: func() time.Time { return now }}
	s := newSink(t, cfg)
	r := run{t: t}
	rotated := func(want int) {
		t.Helper()
		if names, _ := filepath.Glob(path + "-*"); len(names) != want {
			t.Errorf("at %v: rotated files are %q", now, names)
		}
	}
	r.send(s, 1)
	now = now.Add(time.Hour)
	r.send(s, 1)
	rotated(0)
	now = now.Add(time.Hour) // half past midnight
	r.send(s, 1)
	rotated(1)
	s.Close()
	os.Chtimes(path, now, now)
	now = now.Add(time.Hour)
	s = newSink(t, cfg)
	r.send(s, 1)
	rotated(1)
	s.Close()
	os.Chtimes(path, now, now)
	now = now.Add(24 * time.Hour)
	s = newSink(t, cfg)
	r.send(s, 1)
	rotated(2)
	same(t, r.sent, all(t, path))
}

// A compression that was killed leaves the original; the next start ends it,
// also when only the removal of the original was missing.
func TestCompressionKilled(t *testing.T) {
	for _, left := range []string{"half", "whole"} {
		path := filepath.Join(t.TempDir(), "eve.json")
		r := run{t: t}
		s := newSink(t, file.Config{Path: path})
		r.send(s, 50)
		s.Close()
		old := path + "-20261122T000000Z"
		if err := os.Rename(path, old); err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		raw, _ := os.ReadFile(old)
		z := gzip.NewWriter(&packed)
		z.Write(raw)
		z.Close()
		if left == "half" {
			os.WriteFile(old+".gz.tmp", packed.Bytes()[:packed.Len()/2], 0o640)
		} else {
			os.WriteFile(old+".gz", packed.Bytes(), 0o640)
		}
		s = newSink(t, file.Config{Path: path, RotateMiB: 1, Compress: file.Gzip})
		r.send(s, 1)
		wait(t, "compression", func() bool {
			names, _ := filepath.Glob(path + "-*")
			return slices.Equal(names, []string{old + ".gz"})
		})
		same(t, r.sent, all(t, path))
	}
}

// Removed, renamed, emptied and replaced files are noticed; Reopen too.
func TestTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	r := run{t: t}
	s := newSink(t, file.Config{Path: path})
	r.send(s, 2)
	os.Rename(path, path+"-1")
	r.send(s, 2)
	os.Rename(path, path+"-2")
	os.WriteFile(path, nil, 0o640) // logrotate's "create"
	r.send(s, 2)
	s.Reopen()
	r.send(s, 1)
	same(t, r.sent, all(t, path))
	os.Remove(path)
	r.sent = r.sent[:4]
	r.send(s, 2)
	same(t, r.sent, all(t, path))
	os.Truncate(path, 0) // logrotate's copytruncate
	r.sent = r.sent[:4]
	r.send(s, 2)
	same(t, r.sent, all(t, path))
	os.Remove(path)
	os.Mkdir(path, 0o700)
	if n, err := s.Send(context.Background(), r.batch(1)); n != 0 || err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("%d, %v", n, err)
	}
	os.Remove(path)
	r.sent = r.sent[:4]
	r.send(s, 1)
	same(t, r.sent, all(t, path))
}

// While somebody moves the file away, packs it and removes it all the time, as
// logrotate does without delaycompress, no record is lost.
func TestTakenWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	s := newSink(t, file.Config{Path: path})
	stop, done := make(chan struct{}), make(chan []string)
	go func() {
		var got []string
		take := func() {
			if os.Rename(path, path+"-1") == nil {
				raw, _ := os.ReadFile(path + "-1")
				for line := range bytes.Lines(raw) {
					// A write may be under way: half a record does not count.
					if id := outputtest.ID(bytes.TrimSuffix(line, []byte("\n"))); id != "" {
						got = append(got, id)
					}
				}
				time.Sleep(200 * time.Microsecond)
				os.Remove(path + "-1")
			}
		}
		for {
			select {
			case <-stop:
				take()
				done <- got
				return
			default:
				take()
			}
		}
	}()
	r := run{t: t}
	for range 500 {
		batch := r.batch(2)
		for {
			n, err := s.Send(context.Background(), batch)
			if err == nil && n == 2 {
				break
			}
		}
		r.delivered(batch)
	}
	close(stop)
	got := <-done
	slices.Sort(got)
	same(t, r.sent, slices.Compact(got))
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	os.Symlink(filepath.Join(dir, "x"), link)
	for want, cfg := range map[string]file.Config{
		"none is given":           {},
		"is a folder":             {Path: dir},
		"make the folder first":   {Path: filepath.Join(dir, "a", "b")},
		"is a device":             {Path: "/dev/null"},
		"is a stream":             {Path: "-", RotateMiB: 1},
		"rotate_mib: -1":          {Path: dir + "/x", RotateMiB: -1},
		"less than a second":      {Path: dir + "/x", RotateEvery: 1},
		"keep: -1":                {Path: dir + "/x", Keep: -1},
		"none of gzip":            {Path: dir + "/x", RotateMiB: 1, Compress: "lzma"},
		"set rotate_mib":          {Path: dir + "/x", Keep: 1},
		"which rotation would re": {Path: link, RotateMiB: 1},
	} {
		if _, err := file.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, not %q", cfg, err, want)
		}
	}
}
