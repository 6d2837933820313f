package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// holdForReading opens the file as a reader that does not end.
func holdForReading(t *testing.T, path string) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Readers see the state of one flush, whole, while a writer goes on. Each flush
// brings all of a generation of 50 hosts.
func TestReadWhileWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path, Config{})
	var stop atomic.Bool
	failed := make(chan error, 1)
	flushes := 0
	go func() {
		defer close(failed)
		for ; !stop.Load(); flushes++ {
			for h := range 50 {
				l.Observe(use(h, "x", start+int64(flushes)))
			}
			if err := l.Flush(); err != nil && !errors.Is(err, ErrBusy) {
				failed <- err
				return
			}
			time.Sleep(20 * time.Millisecond) // a sensor flushes once a second
		}
	}()
	changes, before := 0, int64(0)
	for changes < 10 {
		c, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Entries) == 0 {
			continue
		}
		for _, e := range c.Entries {
			if e.Last != c.Entries[0].Last || len(c.Entries) != 50 {
				t.Fatalf("%d entries, of two flushes: %d and %d", len(c.Entries), e.Last, c.Entries[0].Last)
			}
		}
		if c.Entries[0].Last != before {
			changes++
		}
		before = c.Entries[0].Last
	}
	stop.Store(true)
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	if c, err := Read(path); err != nil || c.Entries[0].Last != start+int64(flushes)-1 {
		t.Errorf("%v, the last flush is lost", err)
	}
}

// A reader that does not end, such as one that was stopped, keeps a flush away but
// not its changes.
func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path, Config{})
	l.Observe(use(1, "x", start))
	db := holdForReading(t, path)
	if err := l.Flush(); !errors.Is(err, ErrBusy) {
		t.Fatalf("%v", err)
	}
	l.Observe(use(2, "x", start))
	db.Close()
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if c, err := Read(path); err != nil || len(c.Entries) != 2 {
		t.Errorf("%v %+v", err, c)
	}
}

func TestReadWithout(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "ledger.db"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// written is a ledger of n hosts on disk.
func written(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path, Config{})
	for i := range n {
		l.Observe(use(i, "x", start+int64(i)))
	}
	closed(t, l)
	return path
}

// A file that is no ledger is put aside as it was, each time to a name of its own.
func TestDamagedFile(t *testing.T) {
	path := written(t, 10)
	var logs []string
	cfg := Config{Log: func(text string, err error) { logs = append(logs, fmt.Sprint(text, ": ", err)) }}
	for i, junk := range []string{"not a database", strings.Repeat("junk", 10_000)} {
		if err := os.WriteFile(path, []byte(junk), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "puts a damaged ledger aside") {
			t.Errorf("%v", err)
		}
		l := open(t, path, cfg)
		if n := l.Observe(use(1, "x", start)); !n.FirstOnHost {
			t.Errorf("%+v", n)
		}
		closed(t, l)
		aside := path + []string{".damaged", ".damaged-2"}[i]
		if got, err := os.ReadFile(aside); err != nil || string(got) != junk {
			t.Errorf("%v: %s is not what it was", err, aside)
		}
		if len(logs) != i+1 || !strings.Contains(logs[i], "moved to "+aside+", and a new one begins") {
			t.Errorf("%q", logs)
		}
	}
}

// Of a file with a damaged record the others are kept, and a copy of it as it was.
func TestDamagedRecord(t *testing.T) {
	path := written(t, 10)
	key, value := encode(&Entry{Host: host(3), Tool: "x"})
	s := &store{path: path}
	if err := s.apply(lockWait, &batch{puts: []record{{key, value[:9]}, {[]byte("short"), nil}}, clock: start, count: 11}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Read(path); err != nil || c.Damaged != 2 || len(c.Entries) != 9 {
		t.Errorf("%v %+v", err, c)
	}
	var logs []string
	l := open(t, path, Config{Log: func(text string, err error) { logs = append(logs, fmt.Sprint(text, ": ", err)) }})
	if s := l.Stats(); s.Entries != 9 || s.Damaged != 2 || len(logs) != 1 || !strings.Contains(logs[0], "copied to "+path+".damaged as it was, and written anew with the 9 entries") {
		t.Errorf("%+v %q", s, logs)
	}
	closed(t, l)
	if aside, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(aside, before) {
		t.Errorf("%v: the copy is not what it was", err)
	}
	closed(t, open(t, path, Config{})) // no complaint again
}

// Whatever bytes of the file are wrong, it opens, what was there is still
// somewhere, and no record says what was never written.
func TestFlippedBytes(t *testing.T) {
	path := written(t, 200)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewSource(1))
	asides := 0
	for range 300 {
		os.Remove(path + ".damaged")
		bad := bytes.Clone(whole)
		for range 1 + r.Intn(4) {
			bad[r.Intn(len(bad))] ^= byte(1 + r.Intn(255))
		}
		if r.Intn(4) == 0 {
			bad = bad[:r.Intn(len(bad))]
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		told := 0
		l := open(t, path, Config{Log: func(string, error) { told++ }})
		for _, e := range l.Entries() {
			n := e.Last - start
			if n < 0 || n >= 200 || e.Host != host(int(n)) || e.Tool != "x" {
				t.Fatalf("made up: %+v", e)
			}
		}
		if aside, err := os.ReadFile(path + ".damaged"); err == nil {
			asides++
			if !bytes.Equal(aside, bad) || told == 0 {
				t.Fatalf("the copy is not what it was, or nobody was told")
			}
		}
		l.Observe(use(1000, "after", start)) // and it can be written, at once or anew
		n := l.Stats().Entries
		closed(t, l)
		if c, err := Read(path); err != nil || len(c.Entries) != n || c.Damaged != 0 {
			t.Fatalf("%v, %d entries of %d", err, len(c.Entries), n)
		}
		// Without its newer meta page the file is what it was one flush before: empty here.
		if n < 201 && n > 1 && told == 0 {
			t.Fatalf("%d entries are lost, and nobody was told", 201-n)
		}
	}
	t.Logf("%d of 300 were put aside", asides)
	if asides == 0 {
		t.Error("no damage was found")
	}
}

// A record that is missing without a trace is told.
func TestLostRecord(t *testing.T) {
	path := written(t, 10)
	key, _ := encode(&Entry{Host: host(3), Tool: "x"})
	if err := (&store{path: path}).apply(lockWait, &batch{forget: [][]byte{key}, clock: start, count: 10}); err != nil {
		t.Fatal(err)
	}
	var why error
	l := open(t, path, Config{Log: func(_ string, err error) { why = err }})
	if why == nil || why.Error() != "it has 9 records and should have 10" || l.Stats().Entries != 9 {
		t.Errorf("%v, %+v", why, l.Stats())
	}
	closed(t, l)
	closed(t, open(t, path, Config{})) // no complaint again
}

// A file that is damaged or removed while the ledger is open is written anew from
// memory, and a copy kept.
func TestDamagedMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	var logs []string
	l := open(t, path, Config{Log: func(text string, err error) { logs = append(logs, text) }})
	for i, junk := range []string{"junk", strings.Repeat("junk", 10_000), ""} {
		l.Observe(use(i, "x", start))
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(junk), 0o600); err != nil {
			t.Fatal(err)
		}
		if junk == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		l.Observe(use(i, "y", start))
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if c, err := Read(path); err != nil || len(c.Entries) != 2*(i+1) || c.Damaged != 0 {
			t.Fatalf("%d: %v, %+v", i, err, c)
		}
	}
	if len(logs) != 3 || !strings.Contains(logs[1], path+".damaged-2 as it was, and written anew with the 4 entries") {
		t.Errorf("%q", logs)
	}
}

// The ledger of a later version is left alone.
func TestNewer(t *testing.T) {
	path := written(t, 1)
	s := &store{path: path}
	err := s.with(lockWait, false, func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyFormat, number(format+1)) })
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Config{}); !errors.Is(err, ErrNewer) {
		t.Errorf("%v", err)
	}
	if _, err := Read(path); !errors.Is(err, ErrNewer) {
		t.Errorf("%v", err)
	}
	if list, _ := filepath.Glob(path + ".damaged*"); len(list) > 0 {
		t.Errorf("%q", list)
	}
}

// A bound that was lowered holds from the next flush on.
func TestLowerBound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path, Config{MaxMiB: 8})
	for i := range 30_000 {
		l.Observe(use(i, "x", start+int64(i)))
	}
	closed(t, l)
	l = open(t, path, Config{MaxMiB: 1})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	bounded(t, path)
	if c, err := Read(path); err != nil || len(c.Entries) != l.Stats().Entries || l.Stats().Evicted == 0 {
		t.Errorf("%v, %d on disk, %+v", err, len(c.Entries), l.Stats())
	}
}

// Write may run beside everything else; the race detector watches.
func TestWriteBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path, Config{MaxMiB: 1})
	var stop atomic.Bool
	done := make(chan error, 1)
	writes := atomic.Int64{}
	go func() {
		for !stop.Load() {
			if err := l.Write(); err != nil {
				done <- err
				return
			}
			writes.Add(1)
			time.Sleep(time.Millisecond)
		}
		done <- nil
	}()
	n := 0
	for ; n < 5000 || writes.Load() < 10; n++ {
		l.Observe(use(n, "x", start+int64(n)))
		if n%100 == 0 {
			l.Stage()
			l.Advance(start + int64(n))
		}
		if n > 5000 {
			time.Sleep(time.Millisecond)
		}
	}
	stop.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	if c, err := Read(path); err != nil || len(c.Entries) != l.Stats().Entries || c.Entries[len(c.Entries)-1].Last != start+int64(n)-1 {
		t.Errorf("%v, %d entries of %d", err, len(c.Entries), l.Stats().Entries)
	}
}
