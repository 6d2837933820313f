package syslog

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"strconv"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Sink sends to one receiver.
type Sink struct {
	cfg     Config
	host    string // of the address
	confirm bool
	enc     encoder
	buf     []byte   // a batch in its framing
	kept    net.Conn // between batches, only without confirmation
}

// Describe is the receiver as it may be shown.
func (s *Sink) Describe() string { return "syslog " + s.cfg.Network + "://" + s.cfg.Address }

// Send delivers batch, all of it or nothing: a stream that failed does not tell
// what of it was read.
func (s *Sink) Send(ctx context.Context, batch []output.Message) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	defer s.tellCuts(s.enc.cuts)
	var n int
	var err error
	switch s.cfg.Network {
	case "udp":
		n, err = s.datagrams(ctx, "udp", batch)
	case "unix":
		n, err = s.unix(ctx, batch)
	default:
		n, err = s.streamed(ctx, "tcp", batch)
	}
	var refused *output.RefusedError
	if err == nil || errors.As(err, &refused) {
		return n, err
	}
	return n, fmt.Errorf("%s: %w", s.Describe(), err)
}

// tellCuts says that messages were cut, when there are as many again as before.
func (s *Sink) tellCuts(before uint64) {
	if bits.Len64(before) != bits.Len64(s.enc.cuts) {
		s.cfg.Log("messages are longer than max_bytes and were cut, JSON in them is none any more; raise it here and at the receiver",
			fmt.Errorf("%d so far, at %d bytes", s.enc.cuts, s.enc.maxBytes))
	}
}

// Close closes a connection that was kept. It never fails: what was delivered is,
// whatever the receiver thinks of the end.
func (s *Sink) Close() error {
	s.drop()
	return nil
}

func (s *Sink) drop() {
	if s.kept != nil {
		s.kept.Close()
		s.kept = nil
	}
}

// frame writes the batch as one piece of a stream.
func (s *Sink) frame(batch []output.Message) []byte {
	s.buf = s.buf[:0]
	for i := range batch {
		if s.cfg.Framing == Newline {
			s.buf = append(s.enc.append(s.buf, &batch[i]), '\n')
			continue
		}
		start := len(s.buf)
		s.buf = s.enc.append(s.buf, &batch[i])
		s.buf = prefix(s.buf, start)
	}
	return s.buf
}

// prefix puts the length of buf[start:] and a space before it.
func prefix(buf []byte, start int) []byte {
	var digits [24]byte
	count := append(strconv.AppendInt(digits[:0], int64(len(buf)-start), 10), ' ')
	buf = append(buf, count...)
	copy(buf[start+len(count):], buf[start:])
	copy(buf[start:], count)
	return buf
}

// guard lets ctx end all waiting on c. The function returned undoes it.
func guard(ctx context.Context, c net.Conn) (undo func()) {
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}
