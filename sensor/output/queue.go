package output

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// QueueConfig bounds a queue.
type QueueConfig struct {
	MaxBytes int64         // of all records that wait
	MaxAge   time.Duration // since a record was put
	// Log is told what goes wrong, and once what is right again. It may be
	// called from any goroutine. Nil is silent.
	Log func(text string, err error)
}

// maxUnsaved bounds what is kept in memory while the disk takes nothing, in
// bytes: some ten thousand alerts.
const maxUnsaved = 32 << 20

// Queue is what waits for one receiver, oldest first, on disk: a bbolt database
// of its own. Put returns at once; one goroutine writes what was put and removes
// what was delivered, many records to a transaction. While the disk is full the
// newest records wait in memory and are delivered from there.
//
// All methods may be called from any goroutine, Peek and Advance from one.
type Queue struct {
	cfg  QueueConfig
	path string
	db   *bbolt.DB

	mu       sync.Mutex
	waiting  []entry // what is on disk or to be written, oldest first
	bytes    int64
	next     uint64 // sequence number of the next record
	saved    uint64 // records below are on disk
	removed  uint64 // records below are off the disk
	unsaved  int64  // bytes of what is not on disk yet
	ids      map[string]bool
	batchEnd uint64 // the batch that Peek began ends here; 0 for none
	lost     Lost
	failing  error // why the disk takes nothing
	closed   bool

	work    chan struct{} // something to write
	arrived chan struct{} // something to deliver
	changed *sync.Cond    // saved, removed or failing have changed
	done    chan struct{}
}

// entry is a record that waits.
type entry struct {
	seq  uint64
	id   string
	size int
	put  time.Time
	kept []byte // the record as it is stored, while it is not on disk
}

// Lost counts records that were given up.
type Lost struct {
	Full    uint64 `json:"full"`    // the oldest, to make room
	Expired uint64 `json:"expired"` // older than MaxAge
	Damaged uint64 `json:"damaged"` // unreadable on disk
}

var (
	bucketMessages = []byte("messages")
	bucketMeta     = []byte("meta")
	keyBatch       = []byte("batch")
	keyNext        = []byte("next")
)

// ErrInUse is the queue of another process.
var ErrInUse = errors.New("another rmmwatch uses this queue")

// OpenQueue opens or creates the queue at path. A file that is no queue, or a
// damaged one, is moved aside to path.damaged and told to Log.
func OpenQueue(path string, cfg QueueConfig) (*Queue, error) {
	if cfg.Log == nil {
		cfg.Log = func(string, error) {}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	q := &Queue{
		cfg: cfg, path: path, ids: map[string]bool{},
		work: make(chan struct{}, 1), arrived: make(chan struct{}, 1), done: make(chan struct{}),
	}
	q.changed = sync.NewCond(&q.mu)
	err := q.load()
	var system syscall.Errno // a full disk or a missing right is no damage
	if err != nil && !errors.Is(err, ErrInUse) && !errors.As(err, &system) {
		aside := path + ".damaged"
		cfg.Log("queue is damaged and was moved to "+aside, err)
		if err := os.Rename(path, aside); err != nil {
			return nil, fmt.Errorf("queue: %w", err)
		}
		err = q.load()
	}
	if err != nil {
		return nil, fmt.Errorf("queue %s: %w", path, err)
	}
	if len(q.waiting) > 0 {
		signal(q.arrived)
	}
	go q.write()
	return q, nil
}

// lockWait is how long OpenQueue waits for another process, which may be about
// to end, to let go of the file.
const lockWait = 2 * time.Second

// load opens the database and reads which records wait in it.
func (q *Queue) load() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // bbolt reads a map of the file, which may be shorter than it says
	defer func() {
		if p := recover(); p != nil { // bbolt's answer to some damage
			err = fmt.Errorf("%v", p)
		}
		if err != nil && q.db != nil {
			q.db.Close()
			q.db = nil
		}
	}()
	q.waiting, q.bytes, q.ids, q.lost = nil, 0, map[string]bool{}, Lost{}
	q.db, err = bbolt.Open(q.path, 0o640, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType, NoStatistics: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return ErrInUse
	}
	if err != nil {
		return err
	}
	return q.db.Update(func(tx *bbolt.Tx) error {
		messages, err := tx.CreateBucketIfNotExists(bucketMessages)
		if err != nil {
			return err
		}
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		q.next, q.batchEnd = number(meta.Get(keyNext)), number(meta.Get(keyBatch))
		var damaged [][]byte // removed later: a cursor does not survive changes
		err = messages.ForEach(func(key, value []byte) error {
			m, put, err := decode(value)
			if err != nil || len(key) != 8 {
				q.lost.Damaged++
				q.cfg.Log("a record in the queue is damaged and was removed", err)
				damaged = append(damaged, bytes.Clone(key))
				return nil
			}
			q.add(entry{seq: number(key), id: m.ID, size: len(value), put: put})
			return nil
		})
		for _, key := range damaged {
			err = errors.Join(err, messages.Delete(key))
		}
		if err != nil {
			return err
		}
		q.next = max(q.next, 1)
		if n := len(q.waiting); n > 0 {
			q.next = max(q.next, q.waiting[n-1].seq+1)
		}
		q.saved, q.removed = q.next, q.first()
		return nil
	})
}

// first is the number of the oldest record that waits, or of the next to come.
func (q *Queue) first() uint64 {
	if len(q.waiting) > 0 {
		return q.waiting[0].seq
	}
	return q.next
}

func (q *Queue) add(e entry) {
	q.waiting = append(q.waiting, e)
	q.bytes += int64(e.size)
	q.ids[e.id] = true
	if e.kept != nil {
		q.unsaved += int64(e.size)
	}
}

// drop takes the n oldest records away.
func (q *Queue) drop(n int) {
	for _, e := range q.waiting[:n] {
		q.forget(e)
	}
	q.waiting = q.waiting[n:]
	if len(q.waiting) == 0 {
		q.waiting = nil // lets go of the array
	}
}

// forget takes e out of the accounts.
func (q *Queue) forget(e entry) {
	q.bytes -= int64(e.size)
	delete(q.ids, e.id)
	if e.kept != nil {
		q.unsaved -= int64(e.size)
	}
}

// Put adds a record. One whose id waits already is the same and is not added
// again. It never waits for the disk or a receiver: when there is no room, the
// oldest record is given up. The error is that of a queue that was closed.
func (q *Queue) Put(m Message) error {
	now := time.Now()
	value := encode(&m, now)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return os.ErrClosed
	case q.ids[m.ID]:
		return nil
	}
	q.add(entry{seq: q.next, id: m.ID, size: len(value), put: now, kept: value})
	q.next++
	full := 0
	for bytes := q.bytes; bytes > q.cfg.MaxBytes && full < len(q.waiting)-1; full++ {
		bytes -= int64(q.waiting[full].size)
	}
	if full > 0 {
		q.give(full, &q.lost.Full, "queue is full, the oldest records are given up")
	}
	for q.unsaved > maxUnsaved {
		q.dropUnsaved()
	}
	signal(q.work)
	return nil
}

// Room waits until the disk has kept up with what was put and a quarter of the
// queue is free, for callers who have time. It does not wait for a disk that
// takes nothing.
func (q *Queue) Room(ctx context.Context) error {
	return q.wait(ctx, func() bool {
		return q.failing != nil || q.unsaved < maxUnsaved/4 && q.bytes <= q.cfg.MaxBytes/4*3
	})
}

// Sync waits until everything that was put is on disk. It fails when the disk
// takes nothing, or with ctx.
func (q *Queue) Sync(ctx context.Context) error {
	var want uint64
	err := q.wait(ctx, func() bool {
		if want == 0 {
			want = q.next
		}
		return q.saved >= want || q.failing != nil
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil && q.saved < want {
		err = q.failing
	}
	return err
}

// wait waits until reached, which is called with the lock, holds.
func (q *Queue) wait(ctx context.Context, reached func() bool) error {
	defer context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Broadcast()
	})()
	q.mu.Lock()
	defer q.mu.Unlock()
	for !reached() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if q.closed {
			return os.ErrClosed
		}
		q.changed.Wait()
	}
	return nil
}

// give gives up the n oldest records. It is told the first time and whenever their
// number has doubled: a receiver that is away for days must not fill the log too.
func (q *Queue) give(n int, count *uint64, text string) {
	before := *count
	*count += uint64(n)
	if bits.Len64(before) != bits.Len64(*count) {
		q.cfg.Log(text, fmt.Errorf("%d records since the start, now %s", *count, q.waiting[n-1].id))
	}
	q.drop(n)
	signal(q.work)
}

// dropUnsaved gives up the oldest record that is in memory only.
func (q *Queue) dropUnsaved() {
	i := q.firstUnsaved()
	e := q.waiting[i]
	q.lost.Full++
	if n := q.lost.Full; bits.Len64(n-1) != bits.Len64(n) {
		q.cfg.Log("the disk takes nothing and memory is full, records are given up", fmt.Errorf("%d records since the start, now %s", n, e.id))
	}
	q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
	q.forget(e)
}

// firstUnsaved is the index of the oldest record that is not on disk. All
// behind it are not either.
func (q *Queue) firstUnsaved() int {
	i := len(q.waiting)
	for i > 0 && q.waiting[i-1].kept != nil {
		i--
	}
	return i
}

// Arrived is ready when something was put or came to be deliverable since it
// was read last.
func (q *Queue) Arrived() <-chan struct{} { return q.arrived }

// expire gives up what waits for too long.
func (q *Queue) expire() {
	if q.cfg.MaxAge <= 0 {
		return
	}
	n, limit := 0, time.Now().Add(-q.cfg.MaxAge)
	for n < len(q.waiting) && q.waiting[n].put.Before(limit) {
		n++
	}
	if n > 0 {
		q.give(n, &q.lost.Expired, "records waited for too long and are given up")
	}
}

// Close writes what it can and lets go of the file. What waits is there at the
// next start; the error tells how much is not, which Backlog counts as lost.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.mu.Unlock()
	signal(q.work)
	<-q.done
	err := q.db.Close()
	q.mu.Lock()
	defer q.mu.Unlock()
	if first := q.firstUnsaved(); first < len(q.waiting) {
		n := len(q.waiting) - first
		q.lost.Full += uint64(n)
		for _, e := range q.waiting[first:] {
			q.forget(e)
		}
		q.waiting = q.waiting[:first]
		err = fmt.Errorf("queue %s: %d records that could not be written are lost: %w", q.path, n, q.failing)
	}
	return err
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func number(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

// signal wakes who waits for c, if it is not awake already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
