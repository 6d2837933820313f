package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"
)

func TestRetention(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	cfg := Config{Retention: 30 * 24 * time.Hour}
	l := open(t, path, cfg)
	for d := range int64(28) {
		l.Observe(use(1, "old", start+min(d, 2)*day))
		l.Observe(use(2, "kept", start+d*day))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l.Advance(start + 33*day) // nobody uses anything
	if s := l.Stats(); s.Entries != 1 || s.Expired != 1 {
		t.Errorf("%+v", s)
	}
	if n := l.Observe(use(1, "old", start+33*day)); !n.FirstInNetwork {
		t.Errorf("what was forgotten is remembered: %+v", n)
	}
	closed(t, l)
	c, err := Read(path)
	if err != nil || len(c.Entries) != 2 || c.Entries[0].First != start+33*day || c.Clock != start+33*day {
		t.Errorf("%v %+v", err, c)
	}
	// A use from an old capture lives as long as its replay.
	l = open(t, path, cfg)
	if n := l.Observe(use(3, "ancient", start-300*day)); !n.FirstOnHost {
		t.Errorf("%+v", n)
	}
	if n := l.Observe(use(3, "ancient", start-300*day+1)); n.FirstOnHost {
		t.Errorf("%+v", n)
	}
	closed(t, l)
	if l = open(t, path, cfg); l.Stats().Entries != 2 || l.Stats().Expired != 1 {
		t.Errorf("%+v", l.Stats())
	}
}

// One wild time empties no ledger; two that agree are the time.
func TestWildClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path, Config{})
	l.Observe(use(9, "wild", start+30_000*day)) // also the very first
	for i := range int64(5) {
		l.Observe(use(int(i), "x", start+i))
	}
	wild := use(9, "x", start+10_000*day)
	l.Observe(wild)
	l.Observe(wild)
	closed(t, l)
	l = open(t, path, Config{})
	if s := l.Stats(); s.Entries != 7 || l.Clock() != start+4 {
		t.Errorf("%+v, clock %d", s, l.Clock())
	}
	l.Advance(start + 700*day)
	l.Advance(start + 700*day + 1)
	if s := l.Stats(); s.Entries != 2 || s.Expired != 5 {
		t.Errorf("%+v", s)
	}
}

// A full ledger forgets the longest silent, the same ones each time, and the file
// stays within its bound whatever passes through it.
func TestSize(t *testing.T) {
	fill := func() (*Ledger, string) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		l := open(t, path, Config{MaxMiB: 1})
		for i := range 20_000 {
			u := use(i*7919%1_000_000, fmt.Sprint("tool", i%5), start+int64(i)*1e9)
			u.Tenant, u.Relay, u.Verdict = fmt.Sprint("tenant", i), fmt.Sprintf("relay-%d.example", i), "unsanctioned"
			l.Observe(u)
			if i%500 == 0 {
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
				bounded(t, path)
			}
		}
		closed(t, l)
		bounded(t, path)
		return l, path
	}
	l, path := fill()
	s := l.Stats()
	if s.Entries+int(s.Evicted) != 20_000 || s.Evicted == 0 || s.Bytes > 1<<20 || s.Entries < 900 {
		t.Errorf("%+v", s)
	}
	for _, e := range l.Entries() {
		if e.Last < start+int64(s.Evicted)*1e9 {
			t.Fatalf("%+v is there, and later ones are not", e)
		}
	}
	c, err := Read(path)
	if err != nil || !reflect.DeepEqual(c.Entries, l.Entries()) {
		t.Fatalf("%v, %d entries on disk, %d in memory", err, len(c.Entries), s.Entries)
	}
	if again, _ := fill(); !reflect.DeepEqual(again.Entries(), l.Entries()) {
		t.Error("another run keeps others")
	}
}

func bounded(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Size() > 1<<20 {
		t.Fatalf("%v %d bytes", err, info.Size())
	}
}

// While the disk takes nothing, memory stays bounded too.
func TestFailingDiskIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path, Config{MaxMiB: 1})
	db := holdForReading(t, path)
	for i := range 60_000 {
		l.Observe(use(i, "x", start+int64(i)))
		if i%1000 == 0 {
			if err := l.Flush(); i > 0 && err == nil {
				t.Fatal("it was written")
			}
		}
	}
	if n := len(l.dirty) + len(l.forget); n > 4*l.Stats().Entries {
		t.Errorf("%d are to be written, of %d entries", n, l.Stats().Entries)
	}
	db.Close()
	closed(t, l)
	if c, err := Read(path); err != nil || !reflect.DeepEqual(c.Entries, l.Entries()) {
		t.Fatalf("%v, %d entries on disk, %d in memory", err, len(c.Entries), l.Stats().Entries)
	}
}

// The memory that docs/ledger.md states.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"), Config{MaxMiB: 8})
	for i := range 60_000 {
		u := use(i, "anydesk", start+int64(i)*1e9)
		for r := range i % 4 {
			u.Relay, u.Verdict = fmt.Sprintf("relay-%d-%d.net.anydesk.com", i, r), "unsanctioned"
			l.Observe(u)
		}
	}
	if l.Stats().Evicted == 0 {
		t.Fatal("it is not full")
	}
	l.Flush()
	used := heap() - before
	t.Logf("%d entries, %d bytes accounted, %d in use", l.Stats().Entries, l.Stats().Bytes, used)
	if used > 9<<20 {
		t.Errorf("%d bytes for max_mib 8", used)
	}
	runtime.KeepAlive(l)
}

func BenchmarkObserve(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "ledger.db"), Config{})
	for i := range 10_000 {
		l.Observe(use(i, "x", start))
	}
	u := use(5, "x", start)
	u.Relay, u.Verdict = "relay.example", "unsanctioned"
	b.ReportAllocs()
	for b.Loop() {
		u.First, u.Last = u.First+1, u.Last+1
		l.Observe(u)
	}
}

// BenchmarkFlush is a second of a busy network: ten entries of a full ledger.
func BenchmarkFlush(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "ledger.db"), Config{})
	for i := range 60_000 {
		u := use(i, "anydesk", start+int64(i))
		u.Relay, u.Verdict = fmt.Sprintf("relay-%d.net.anydesk.com", i), "unsanctioned"
		l.Observe(u)
	}
	if err := l.Flush(); err != nil {
		b.Fatal(err)
	}
	for at := int64(1); b.Loop(); at++ {
		for i := range 10 {
			l.Observe(use(59_000+i*97, "anydesk", start+60_000+at))
		}
		if err := l.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is the start of a sensor with a full ledger.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ledger.db")
	l := open(b, path, Config{})
	for i := range 60_000 {
		l.Observe(use(i, "anydesk", start+int64(i)))
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l := open(b, path, Config{})
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
