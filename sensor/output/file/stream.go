package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// stream is standard output or a named pipe. What is read out of it cannot be
// known; delivered is what the pipe took.
type stream struct {
	w     io.Writer
	file  *os.File   // to be closed
	under chan error // a write that has not ended; nil is none
	torn  bool       // half a line may have gone out
}

func (t *stream) close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	*t = stream{}
	return err
}

// openStream opens what the path names.
func (s *Sink) openStream() (err error) {
	t := &s.stream
	switch {
	case s.kind == fifo:
		// Without a reader this fails at once, and is tried again.
		t.file, err = openFifo(s.cfg.Path)
		if err != nil {
			return fmt.Errorf("nobody reads from the pipe: %w", err)
		}
	case s.cfg.Stdout != nil:
		t.w = s.cfg.Stdout
		return nil
	case s.cfg.Path == "/dev/stderr":
		t.file, err = standardFile(os.Stderr)
	default:
		t.file, err = standardFile(os.Stdout)
	}
	t.w = t.file
	return err
}

// writeStream writes s.buf. A write that blocks goes on when ctx is done: it
// counts as failed, and what it wrote comes once more.
func (s *Sink) writeStream(ctx context.Context) error {
	t := &s.stream
	if t.under == nil {
		if t.w == nil {
			if err := s.openStream(); err != nil {
				return err
			}
		}
		s.startWrite()
		return s.awaitWrite(ctx)
	}
	if err := s.awaitWrite(ctx); err != nil {
		return err
	}
	s.startWrite()
	return s.awaitWrite(ctx)
}

// startWrite begins to write a copy of s.buf, on a new line if need be.
func (s *Sink) startWrite() {
	t := &s.stream
	var data []byte
	if t.torn {
		data = append(data, '\n')
	}
	data = append(data, s.buf...)
	t.under = make(chan error, 1)
	go func(w io.Writer, done chan<- error) {
		n, err := w.Write(data)
		if err == nil && n < len(data) {
			err = io.ErrShortWrite
		}
		if f, ok := w.(*os.File); ok && err == nil {
			// Standard output may be a file.
			if info, stat := f.Stat(); stat == nil && info.Mode().IsRegular() {
				err = f.Sync()
			}
		}
		done <- err
	}(t.w, t.under)
}

func (s *Sink) awaitWrite(ctx context.Context) error {
	t := &s.stream
	select {
	case err := <-t.under:
		t.under, t.torn = nil, err != nil
		if err != nil && s.kind == fifo {
			torn := !errors.Is(err, os.ErrClosed)
			t.close()
			t.torn = torn
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("whoever reads does not: %w", ctx.Err())
	}
}
