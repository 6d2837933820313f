package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// retryDisk is how long the writer leaves a disk alone that took nothing.
const retryDisk = time.Second

// write brings the disk up to date until the queue is closed.
func (q *Queue) write() {
	defer close(q.done)
	retry := time.NewTimer(retryDisk)
	defer retry.Stop()
	for {
		select {
		case <-q.work:
		case <-retry.C:
		}
		q.mu.Lock()
		closed := q.closed // read first: what came before it is in this flush
		q.mu.Unlock()
		q.flush()
		if closed {
			return
		}
		retry.Reset(retryDisk)
	}
}

// flush writes what was put and removes what is gone, in one transaction.
func (q *Queue) flush() {
	q.mu.Lock()
	puts := slices.Clone(q.waiting[q.firstUnsaved():])
	from, to, next := q.removed, q.first(), q.next
	q.mu.Unlock()
	if len(puts) == 0 && from == to {
		return
	}
	err := q.db.Update(func(tx *bbolt.Tx) error {
		messages, meta := tx.Bucket(bucketMessages), tx.Bucket(bucketMeta)
		for seq := from; seq < to; seq++ {
			if err := messages.Delete(key(seq)); err != nil {
				return err
			}
		}
		for _, e := range puts {
			if err := messages.Put(key(e.seq), e.kept); err != nil {
				return err
			}
		}
		return meta.Put(keyNext, key(next))
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	q.report(err)
	if err == nil {
		q.saved, q.removed = next, to
		unsaved := q.waiting[q.firstUnsaved():]
		for i := range unsaved {
			if e := &unsaved[i]; e.seq < next {
				q.unsaved -= int64(e.size)
				e.kept = nil
			}
		}
	}
	if len(q.waiting) > 0 {
		signal(q.arrived)
	}
	q.changed.Broadcast()
}

// report tells when the disk begins to fail and when it works again.
func (q *Queue) report(err error) {
	switch {
	case err != nil && q.failing == nil:
		q.cfg.Log("the queue cannot be written: new records wait in memory and are lost if the program ends", err)
	case err == nil && q.failing != nil:
		q.cfg.Log("the queue is written again", nil)
	}
	q.failing = err
}

// header is what is stored of a message before its body, as JSON on a line.
type header struct {
	ID       string    `json:"id"`
	Host     string    `json:"host"`
	Kind     string    `json:"kind"`
	Tool     string    `json:"tool"`
	Time     time.Time `json:"time"`
	Severity Severity  `json:"severity"`
	Put      time.Time `json:"put"`
}

func encode(m *Message, put time.Time) []byte {
	h, err := json.Marshal(header{m.ID, m.Host, m.Kind, m.Tool, m.Time.UTC(), m.Severity, put.UTC()})
	if err != nil { // a year beyond 9999
		h, _ = json.Marshal(header{m.ID, m.Host, m.Kind, m.Tool, time.Time{}, m.Severity, put.UTC()})
	}
	return append(append(h, '\n'), m.Body...)
}

var errNoHeader = errors.New("no header")

// decode is encode's opposite; nothing in the message points into value.
func decode(value []byte) (Message, time.Time, error) {
	line, body, ok := bytes.Cut(value, []byte("\n"))
	if !ok {
		return Message{}, time.Time{}, errNoHeader
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return Message{}, time.Time{}, err
	}
	if h.ID == "" || h.Severity < Low || h.Severity > High {
		return Message{}, time.Time{}, fmt.Errorf("header %q", line)
	}
	return Message{h.ID, h.Host, h.Kind, h.Tool, h.Time, h.Severity, bytes.Clone(body)}, h.Put, nil
}
