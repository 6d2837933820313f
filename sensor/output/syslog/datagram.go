package syslog

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

const (
	// refusal is how long to wait for a host that has no receiver to say so (ICMP
	// port unreachable). A host that is down or a network that drops says nothing.
	refusal = 20 * time.Millisecond
	// burst is how many bytes of datagrams go out without a pause: a fourth of the
	// buffer that a receiver on Linux has unless it asks for more (212,992 bytes,
	// of which the kernel's bookkeeping takes half).
	burst = 24 << 10
	// pause lets a receiver read a burst: 24 MB/s are left.
	pause = time.Millisecond
)

// datagrams sends one message each. Nothing is known of what becomes of them,
// except that a refusal comes back.
func (s *Sink) datagrams(ctx context.Context, network string, batch []output.Message) (int, error) {
	c, err := s.cfg.Dial(ctx, network, s.cfg.Address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	defer guard(ctx, c)()
	sent := 0
	for i := range batch {
		s.buf = s.enc.append(s.buf[:0], &batch[i])
		if sent += len(s.buf); sent > burst {
			time.Sleep(pause)
			sent = len(s.buf)
		}
		if _, err := c.Write(s.buf); err != nil {
			if errors.Is(err, syscall.EMSGSIZE) {
				return i, &output.RefusedError{Reason: "longer than a datagram to " + s.cfg.Address + " may be: lower max_bytes"}
			}
			return 0, err
		}
	}
	if network != "udp" {
		return len(batch), nil // the receiver's queue has them
	}
	c.SetReadDeadline(time.Now().Add(refusal))
	var answer [1]byte
	switch _, err := c.Read(answer[:]); {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return 0, err
	}
	return len(batch), nil
}

// unix sends to a socket of this machine: datagrams, or a stream where the socket
// is one, as log/syslog does.
func (s *Sink) unix(ctx context.Context, batch []output.Message) (int, error) {
	n, err := s.datagrams(ctx, "unixgram", batch)
	var op *net.OpError
	if errors.Is(err, syscall.EPROTOTYPE) && errors.As(err, &op) && op.Op == "dial" {
		return s.streamed(ctx, "unix", batch)
	}
	return n, err
}
