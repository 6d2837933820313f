package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Sink appends to one file or stream.
type Sink struct {
	cfg    Config
	kind   kind
	buf    []byte
	reopen atomic.Bool

	f    *os.File  // nil is closed
	size int64     // of what is whole and on disk
	torn bool      // more than size may be there
	last time.Time // when it was written to

	stream stream

	back   sync.WaitGroup // compression
	busy   atomic.Bool    // it is under way
	more   atomic.Bool    // there is more to do
	closed atomic.Bool    // and has to end
}

// again is how often a batch is written anew because the file was taken away
// meanwhile.
const again = 3

// Describe is the file as it may be shown.
func (s *Sink) Describe() string { return "file " + s.cfg.Path }

// Reopen lets go of the file before the next batch, as after logrotate. It may be
// called from any goroutine.
func (s *Sink) Reopen() { s.reopen.Store(true) }

// Send appends the batch in one write and waits until it is on disk. It delivers
// all or nothing.
func (s *Sink) Send(ctx context.Context, batch []output.Message) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%s: %w", s.Describe(), err)
	}
	s.buf = s.buf[:0]
	for i := range batch {
		s.buf = appendLine(s.buf, batch[i].Body)
	}
	write := s.write
	if s.kind != regular {
		write = s.writeStream
	}
	if err := write(ctx); err != nil {
		return 0, fmt.Errorf("%s: %w", s.Describe(), err)
	}
	return len(batch), nil
}

// appendLine adds body as one line: what would end it early is escaped, and so is
// NUL, which marks what a crash left unwritten.
func appendLine(dst, body []byte) []byte {
	for {
		i := bytes.IndexAny(body, "\n\r\x00")
		if i < 0 {
			return append(append(dst, body...), '\n')
		}
		dst = fmt.Appendf(append(dst, body[:i]...), `\x%02x`, body[i])
		body = body[i+1:]
	}
}

// write appends s.buf to the file that is at the path now.
func (s *Sink) write(context.Context) error {
	for range again {
		if err := s.ready(); err != nil {
			return err
		}
		if err := s.rotate(); err != nil {
			return err
		}
		if err := s.append(); err != nil {
			return err
		}
		// Who moved or removed the file meanwhile may have read it before.
		if s.current() {
			return nil
		}
	}
	return errors.New("the file is moved or removed during each write")
}

// append writes, syncs and, when either fails, cuts off what was written: after a
// failed fsync nobody knows what of it is on disk.
func (s *Sink) append() error {
	s.torn = true
	_, err := s.f.Write(s.buf)
	if err == nil {
		err = s.f.Sync()
	}
	if err != nil {
		if cut := s.mend(); cut != nil {
			err = fmt.Errorf("%w; what was written of it cannot be cut off yet: %w", err, cut)
		}
		return err
	}
	s.size += int64(len(s.buf))
	s.torn, s.last = false, s.cfg.Now()
	return nil
}

// mend cuts a torn line off.
func (s *Sink) mend() error {
	if err := s.f.Truncate(s.size); err != nil {
		return err
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	s.torn = false
	return nil
}

// ready makes s.f the file at the path, with nothing but whole lines in it.
func (s *Sink) ready() error {
	if s.reopen.Swap(false) || s.f != nil && !s.current() {
		if err := s.let(); err != nil {
			return err
		}
	}
	if s.f == nil {
		return s.open()
	}
	if s.torn {
		return s.mend()
	}
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == s.size {
		return nil
	}
	// Somebody else writes to it, or emptied it in place (copytruncate).
	s.size, err = whole(s.f, info.Size())
	if err == nil && s.size < info.Size() {
		return s.mend()
	}
	return err
}

// current reports whether the open file still is the one at the path.
func (s *Sink) current() bool {
	there, err := os.Stat(s.cfg.Path)
	if err != nil {
		return false
	}
	ours, err := s.f.Stat()
	return err == nil && os.SameFile(there, ours)
}

// let closes the file. A torn line is cut off first; where that fails, opening it
// tries again.
func (s *Sink) let() error {
	if s.f == nil {
		return nil
	}
	if s.torn {
		s.mend()
	}
	err := s.f.Close()
	s.f, s.torn = nil, false
	return err
}

// open opens or creates the file and cuts a torn line off its end.
func (s *Sink) open() error {
	if kind, err := kindOf(s.cfg.Path); err != nil {
		return err
	} else if kind != regular {
		return errors.New("it was a file and is a pipe now: start again")
	}
	_, missing := os.Stat(s.cfg.Path)
	f, err := os.OpenFile(s.cfg.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && missing != nil {
		err = syncDir(filepath.Dir(s.cfg.Path))
	}
	if err == nil {
		s.size, err = whole(f, info.Size())
	}
	if err != nil {
		f.Close()
		return err
	}
	s.f, s.last, s.torn = f, info.ModTime(), s.size < info.Size()
	if s.torn {
		if err := s.mend(); err != nil {
			return err
		}
	}
	s.tidy() // what a run before did not end
	return nil
}

// maxTorn bounds the search for the end of the last whole line, in bytes: four of
// the courier's batches.
const maxTorn = 4 << 20

// whole returns how many bytes at the start of f are lines that were written in
// whole. A line without an end is none, nor is one with a NUL in it, which is what a
// file system shows for pages that it did not write before a crash.
func whole(f *os.File, size int64) (int64, error) {
	from := max(0, size-maxTorn)
	tail := make([]byte, size-from)
	if _, err := f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if i := bytes.IndexByte(tail, 0); i >= 0 {
		tail = tail[:i]
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if end == 0 && from > 0 {
		return 0, fmt.Errorf("the last line is longer than %d MiB: this is no file of records; name another or move it away", maxTorn>>20)
	}
	return from + int64(end), nil
}

// Close waits for the disk and ends compression; what it did not end is taken up
// at the next start.
func (s *Sink) Close() error {
	s.closed.Store(true)
	s.back.Wait()
	return errors.Join(s.let(), s.stream.close())
}
