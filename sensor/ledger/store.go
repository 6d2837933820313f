package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// How long to wait for another process that has the file open. A reader has it
// for a fraction of a second, a writer for as long as a transaction takes.
const (
	noWait   = time.Nanosecond
	lockWait = 5 * time.Second
	readWait = 30 * time.Second
)

// format is the number of the file's layout.
const format = 1

var (
	bucketUses = []byte("uses")
	bucketMeta = []byte("meta")
	keyFormat  = []byte("format")
	keyClock   = []byte("clock")
	keyCount   = []byte("count") // of the records: bbolt does not see when some are lost
)

// ErrBusy is a ledger that another process is reading at the moment: what is to
// be written waits in memory.
var ErrBusy = errors.New("another process reads the ledger; it is written when that has ended")

// ErrNewer is the ledger of a later version of this program.
var ErrNewer = errors.New("a newer rmmwatch made this ledger: use that one, or another state folder")

var errRemoved = errors.New("somebody has removed it, or put an empty file in its place")

func ledgerError(path string, err error) error { return fmt.Errorf("ledger %s: %w", path, err) }

// store is the file: closed, but for a read or a transaction.
type store struct {
	path     string
	maxBytes int64 // beyond that the file is written anew
	mu       sync.Mutex
	log      func(string, error)
	pending  atomic.Pointer[batch] // what is to be written; nil for nothing
	broken   atomic.Pointer[error] // why the next batch must be everything; nil for no reason
}

// batch is what one transaction does: forget, then put.
type batch struct {
	forget [][]byte
	puts   []record
	clock  int64
	known  bool  // the file was there before
	count  int   // records on disk afterwards
	broken error // the file is damaged thus: puts are everything, for a new one
}

type record struct{ key, value []byte }

// content is what a file holds.
type content struct {
	entries []*Entry
	clock   int64
	damaged uint64 // records that are lost
	why     error  // what is wrong with the first of those
}

// with opens the file, calls do, and closes it. What bbolt panics of is an error:
// that is its answer to some damage, and it reads a map of the file, which may be
// shorter than it says.
func (s *store) with(wait time.Duration, readOnly bool, do func(*bbolt.DB) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var db *bbolt.DB
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	db, err = bbolt.Open(s.path, 0o640, &bbolt.Options{Timeout: wait, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType, NoStatistics: true})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrBusy
	case err != nil:
		return err
	}
	db.AllocSize = 1 << 20 // the file grows by no more at a time
	return do(db)
}

// open reads the file, or creates it. One that cannot be read is moved aside;
// where only some of it cannot, content says so.
func (s *store) open() (content, error) {
	os.Remove(s.path + ".new") // of a process that was killed
	c, err := s.load()
	if err == nil || !damage(err) {
		return c, err
	}
	aside, e := s.putAside(os.Rename)
	if e != nil {
		return c, errors.Join(err, e)
	}
	s.log("the ledger is damaged: it was moved to "+aside+", and a new one begins", err)
	return s.load()
}

// load reads everything, and sees to it that the file is there and can be written.
// A file that is whole, or damaged, it leaves as it is.
func (s *store) load() (c content, err error) {
	err = s.with(lockWait, false, func(db *bbolt.DB) error {
		ours := false
		err := db.View(func(tx *bbolt.Tx) (err error) {
			ours = tx.Bucket(bucketMeta) != nil && tx.Bucket(bucketUses) != nil
			c, err = contents(tx, decodeEach)
			return err
		})
		if err != nil || ours {
			return err
		}
		return put(db, &batch{})
	})
	return c, err
}

// contents calls each with every record of a file. A file without our buckets is an empty one.
func contents(tx *bbolt.Tx, each func(*content, []byte, []byte)) (c content, err error) {
	meta, uses := tx.Bucket(bucketMeta), tx.Bucket(bucketUses)
	if meta == nil || uses == nil {
		return c, nil
	}
	if raw := meta.Get(keyFormat); raw != nil && toNumber(raw) != format {
		return c, ErrNewer
	}
	c.clock = toNumber(meta.Get(keyClock))
	n := int64(0)
	err = uses.ForEach(func(key, value []byte) error {
		n++
		each(&c, key, value)
		return nil
	})
	if missing := toNumber(meta.Get(keyCount)) - n; err == nil && missing != 0 {
		c.damaged, c.why = uint64(max(missing, 0)), fmt.Errorf("it has %d records and should have %d", n, n+missing)
	}
	return c, err
}

// decodeEach takes one record.
func decodeEach(c *content, key, value []byte) {
	e, err := decode(key, value)
	if err != nil {
		c.damaged++
		c.why = fmt.Errorf("a record is damaged: %w", err)
		return
	}
	c.entries = append(c.entries, e)
}

// write writes what is pending.
func (s *store) write(wait time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.pending.Load()
	if b == nil {
		return nil
	}
	if b.broken != nil {
		if err := s.replace(b); err != nil {
			return err
		}
	} else if err := s.apply(wait, b); err != nil {
		if damage(err) {
			s.broken.Store(&err)
			s.pending.Store(nil) // memory has everything
		}
		return err
	}
	s.pending.Store(nil)
	if info, err := os.Stat(s.path); err == nil && info.Size() > s.maxBytes {
		return s.compact()
	}
	return nil
}

// apply brings a batch to disk: all of it or nothing.
func (s *store) apply(wait time.Duration, b *batch) error {
	return s.with(wait, false, func(db *bbolt.DB) error { return put(db, b) })
}

func put(db *bbolt.DB, b *batch) error {
	return db.Update(func(tx *bbolt.Tx) error {
		if b.known && tx.Bucket(bucketMeta) == nil {
			return errRemoved
		}
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		uses, err := tx.CreateBucketIfNotExists(bucketUses)
		if err != nil {
			return err
		}
		for _, key := range b.forget {
			if err := uses.Delete(key); err != nil {
				return err
			}
		}
		for _, r := range b.puts {
			if err := uses.Put(r.key, r.value); err != nil {
				return err
			}
		}
		return errors.Join(meta.Put(keyFormat, number(format)), meta.Put(keyClock, number(b.clock)), meta.Put(keyCount, number(int64(b.count))))
	})
}

// replace puts a new file with everything in the place of a damaged one, of which
// it keeps a copy. A kill at any moment leaves one of the two in place.
func (s *store) replace(b *batch) error {
	fresh := &store{path: s.path + ".new"}
	os.Remove(fresh.path)
	if err := fresh.apply(noWait, b); err != nil {
		return err
	}
	aside, err := s.putAside(copyFile)
	if err != nil {
		return err
	}
	if err := os.Rename(fresh.path, s.path); err != nil {
		return err
	}
	s.log(fmt.Sprintf("the ledger was damaged: it was copied to %s as it was, and written anew with the %d entries that are known", aside, b.count), b.broken)
	return nil
}

// compactBatch is how much one transaction copies, in bytes.
const compactBatch = 4 << 20

// compact writes the file anew without its free pages, which bbolt keeps.
func (s *store) compact() error {
	fresh := s.path + ".new"
	os.Remove(fresh)
	err := s.with(noWait, true, func(src *bbolt.DB) error {
		dst := &store{path: fresh}
		return dst.with(noWait, false, func(db *bbolt.DB) error { return bbolt.Compact(db, src, compactBatch) })
	})
	if err == nil {
		err = os.Rename(fresh, s.path)
	}
	if err != nil {
		os.Remove(fresh)
		return fmt.Errorf("it is larger than its bound and cannot be written anew: %w", err)
	}
	return nil
}

// damage reports whether err tells of bytes that are wrong. A full disk, a
// missing right, another process or a newer version are no damage.
func damage(err error) bool {
	var system syscall.Errno
	for _, hidden := range []string{"file resize error", "file sync error", "mmap allocate error"} { // bbolt drops what was wrong with the disk
		if strings.HasPrefix(err.Error(), hidden) {
			return false
		}
	}
	return !errors.Is(err, ErrBusy) && !errors.Is(err, ErrNewer) && !errors.As(err, &system)
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// toNumber is number's opposite; anything else is 0.
func toNumber(raw []byte) int64 {
	if len(raw) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(raw))
}
