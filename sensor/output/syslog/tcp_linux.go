package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// state asks the system about a TCP connection. A unix stream needs less: nothing
// is ever on the way, and what was unread when the receiver closed is reported as
// a reset by itself. Of anything else it knows nothing and has no objection.
type state struct {
	raw  syscall.RawConn // of TCP
	unix syscall.RawConn
}

func newState(c net.Conn) (s state) {
	switch c := c.(type) {
	case *net.TCPConn:
		s.raw, _ = c.SyscallConn()
	case *net.UnixConn:
		s.unix, _ = c.SyscallConn()
	}
	return s
}

// ask returns the state, the bytes that the receiver's system has not
// acknowledged, and the error of the connection.
func (s state) ask() (tcp uint8, unacked int, err error) {
	control := s.raw.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
			return
		}
		tcp = info.State
		if unacked, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err != nil {
			return
		}
		var pending int
		if pending, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); err == nil && pending != 0 {
			err = syscall.Errno(pending)
		}
	})
	return tcp, unacked, errors.Join(control, err)
}

// acked waits until the receiver's system has everything that was written.
func (s state) acked(ctx context.Context) error {
	if s.raw == nil {
		return nil
	}
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		tcp, unacked, err := s.ask()
		if err != nil {
			return fmt.Errorf("the receiver closed the connection: %w", err)
		}
		if unacked == 0 || tcp == unix.BPF_TCP_CLOSE {
			return nil // open and end judge the rest
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the receiver did not take %d bytes in time: %w", unacked, ctx.Err())
		}
		time.Sleep(wait)
	}
}

// open reports an error unless both directions are.
func (s state) open(context.Context, net.Conn) error {
	if s.unix != nil {
		n, peek := -1, error(nil)
		s.unix.Control(func(fd uintptr) {
			n, _, peek = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		})
		if n == 0 && peek == nil {
			return errEarly
		}
	}
	if s.raw == nil {
		return nil
	}
	switch tcp, _, err := s.ask(); {
	case err != nil:
		return fmt.Errorf("the receiver closed the connection: %w", err)
	case tcp != unix.BPF_TCP_ESTABLISHED:
		return errEarly
	}
	return nil
}

// cork keeps what is written until the connection is closed, so that TLS's
// close_notify leaves in one segment with the FIN: a receiver that answers the
// one has the other.
func (s state) cork() {
	if s.raw != nil {
		s.raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1) })
	}
}

// first reports an error when the receiver's FIN came before ours did, asked
// right after ours was sent. FIN_WAIT1 and 2 are ours alone. LAST_ACK, CLOSING and
// CLOSE_WAIT say that theirs was sent without knowledge of ours. CLOSE is the end of
// both orders: ours was first and the receiver very fast, or theirs came in the
// microsecond since open looked; after settle nothing makes it come just then.
func (s state) first() error {
	if s.raw == nil {
		return nil
	}
	switch tcp, _, err := s.ask(); {
	case err != nil:
		return fmt.Errorf("the receiver did not read the whole batch: %w", err)
	case tcp == unix.BPF_TCP_FIN_WAIT1, tcp == unix.BPF_TCP_FIN_WAIT2, tcp == unix.BPF_TCP_TIME_WAIT, tcp == unix.BPF_TCP_CLOSE:
		return nil
	}
	return errEarly
}

// end judges a connection that both sides closed.
func (s state) end() error {
	if s.raw == nil {
		return nil
	}
	switch _, unacked, err := s.ask(); {
	case err != nil:
		return fmt.Errorf("the receiver did not read the whole batch: %w", err)
	case unacked != 0:
		return fmt.Errorf("the receiver did not acknowledge %d bytes", unacked)
	}
	return nil
}
