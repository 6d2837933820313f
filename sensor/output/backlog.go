package output

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Backlog is the state of a queue.
type Backlog struct {
	Records int       `json:"records"` // that wait
	Bytes   int64     `json:"bytes"`
	Oldest  time.Time `json:"oldest,omitzero"` // when it was put
	Lost    Lost      `json:"lost"`
	Failing string    `json:"failing,omitempty"` // why the disk takes nothing
}

// Sum is how many records were given up.
func (l Lost) Sum() uint64 { return l.Full + l.Expired + l.Damaged }

// Backlog returns the state.
func (q *Queue) Backlog() Backlog {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := Backlog{Records: len(q.waiting), Bytes: q.bytes, Lost: q.lost}
	if len(q.waiting) > 0 {
		b.Oldest = q.waiting[0].put
	}
	if q.failing != nil {
		b.Failing = q.failing.Error()
	}
	return b
}

// ReadBacklog reads how much waits in a queue that no process has open; ErrInUse
// when one has.
func ReadBacklog(path string) (b Backlog, err error) {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return b, err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { // bbolt's answers to damage
		if p := recover(); p != nil {
			err = fmt.Errorf("queue %s is damaged: %v", path, p)
		}
	}()
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: 100 * time.Millisecond})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return b, ErrInUse
	}
	if err != nil {
		return b, fmt.Errorf("queue %s: %w", path, err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		messages := tx.Bucket(bucketMessages)
		if messages == nil {
			return nil
		}
		return messages.ForEach(func(_, value []byte) error {
			if b.Records++; b.Records == 1 {
				_, b.Oldest, _ = decode(value)
			}
			b.Bytes += int64(len(value))
			return nil
		})
	})
	return b, err
}
