package ledger

import (
	"errors"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

// Content is a ledger as it was at one flush.
type Content struct {
	Entries []Entry // by host and tool
	Clock   int64   // packet time of the latest flush, nanoseconds; 0 for none
	Damaged uint64  // records that could not be read
}

// Read reads the ledger at path, also while another process writes it: then it
// waits for the end of a flush. It changes nothing. The error is fs.ErrNotExist
// where there is none yet.
func Read(path string) (Content, error) {
	if _, err := os.Stat(path); err != nil {
		return Content{}, ledgerError(path, errors.Unwrap(err))
	}
	var raw []record
	var c content
	s := &store{path: path}
	err := s.with(readWait, true, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) (err error) {
			c, err = contents(tx, func(_ *content, key, value []byte) {
				raw = append(raw, record{append([]byte(nil), key...), append([]byte(nil), value...)})
			})
			return err
		})
	})
	switch {
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrNewer):
		return Content{}, ledgerError(path, err)
	case errors.Is(err, ErrBusy):
		return Content{}, ledgerError(path, errors.New("another process does not let go of it"))
	case err != nil:
		return Content{}, ledgerError(path, errors.Join(err, errors.New("the sensor puts a damaged ledger aside at its next start")))
	}
	for _, r := range raw { // behind the lock: the writer need not wait
		decodeEach(&c, r.key, r.value)
	}
	out := Content{Clock: c.clock, Damaged: c.damaged, Entries: make([]Entry, 0, len(c.entries))}
	for _, e := range c.entries {
		out.Entries = append(out.Entries, *e)
	}
	sortEntries(out.Entries)
	return out, nil
}
