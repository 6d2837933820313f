//go:build !linux

package syslog

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// state is what can be known of a connection without Linux's TCP_INFO: whether
// the receiver has closed its side, by reading. What it cannot see is a receiver
// that closes its side in the moment of ours and reads nothing more; and without
// confirmation, what of the data was acknowledged.
type state struct{}

func newState(net.Conn) state             { return state{} }
func (state) acked(context.Context) error { return nil }
func (state) cork()                       {}
func (state) first() error                { return nil }
func (state) end() error                  { return nil }

// open reads for a moment: an end is an error, silence is none.
func (state) open(ctx context.Context, c net.Conn) error {
	c.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
	_, err := io.Copy(io.Discard, io.LimitReader(c, maxTalk))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return errEarly
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.SetReadDeadline(deadline)
	}
	return nil
}
