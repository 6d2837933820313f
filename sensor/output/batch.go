package output

import (
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Limit bounds a batch.
type Limit struct {
	Count  int  // records
	Bytes  int  // of records; the first is taken whatever its size
	Stable bool // remember on disk where the batch ends, so that it is the same after a restart
}

// Batch is what Peek took.
type Batch struct {
	Messages []Message
	Oldest   time.Time // when the first was put
	seqs     []uint64  // of the messages
}

// Peek returns the oldest records that are on disk, or in memory while the disk
// takes nothing. They stay until Advance. An empty batch is no error.
func (q *Queue) Peek(l Limit) (b Batch, err error) {
	q.mu.Lock()
	q.expire()
	n, fresh := q.batch(l)
	entries := append([]entry(nil), q.waiting[:n]...)
	if n > 0 && fresh && l.Stable {
		q.batchEnd = entries[n-1].seq + 1
	}
	end := q.batchEnd
	q.mu.Unlock()
	if n == 0 {
		return b, nil
	}
	if fresh && l.Stable {
		err := q.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyBatch, key(end)) })
		if err != nil {
			q.cfg.Log("where a batch ends could not be stored", err)
		}
	}
	return b, q.read(&b, entries)
}

// batch is how many of the oldest records make the next batch, and whether it
// is a new one rather than one that was begun.
func (q *Queue) batch(l Limit) (n int, fresh bool) {
	fresh = q.batchEnd <= q.first()
	size := 0
	for _, e := range q.waiting {
		switch {
		case e.seq >= q.saved && q.failing == nil:
			return n, fresh
		case !fresh && e.seq >= q.batchEnd:
			return n, fresh
		case fresh && n > 0 && (n >= l.Count || size+e.size > l.Bytes):
			return n, fresh
		}
		size += e.size
		n++
	}
	return n, fresh
}

// read fills b with entries, from disk or memory. One that cannot be read is
// left out, and given up when the batch is.
func (q *Queue) read(b *Batch, entries []entry) error {
	b.Oldest = entries[0].put
	return q.db.View(func(tx *bbolt.Tx) error {
		messages := tx.Bucket(bucketMessages)
		for _, e := range entries {
			value := e.kept
			if value == nil {
				value = messages.Get(key(e.seq))
			}
			m, _, err := decode(value)
			if err != nil {
				q.damaged(e, err)
				continue
			}
			b.Messages = append(b.Messages, m)
			b.seqs = append(b.seqs, e.seq)
		}
		return nil
	})
}

// damaged gives up one record that cannot be read.
func (q *Queue) damaged(e entry, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.waiting, func(w entry) bool { return w.seq == e.seq })
	if i < 0 {
		return // given up for another reason meanwhile
	}
	q.lost.Damaged++
	q.cfg.Log("a record in the queue is damaged and is given up", fmt.Errorf("%s: %w", e.id, err))
	q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
	q.forget(e)
}

// Advance removes the first n records of b: they were delivered, or never will
// be. From the disk they go a little later; after a crash in between they are
// delivered once more.
func (q *Queue) Advance(b Batch, n int) {
	if n == 0 {
		return
	}
	last := b.seqs[n-1]
	q.mu.Lock()
	defer q.mu.Unlock()
	gone := 0
	for gone < len(q.waiting) && q.waiting[gone].seq <= last {
		gone++
	}
	// What was given up while it was under way has arrived all the same.
	q.lost.Full -= min(q.lost.Full, uint64(n-gone))
	q.drop(gone)
	signal(q.work)
	q.changed.Broadcast()
}
