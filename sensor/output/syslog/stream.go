package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// How a stream is confirmed. Syslog receivers say nothing, and what TCP
// acknowledges lies in the buffer of a system whose receiver may never read it: a
// sender that only writes loses what is in flight when the receiver ends
// (rsyslog, "On the (un)reliability of plain TCP syslog"). But TCP says in the end
// whether everything was read. The sink writes a batch, closes its own direction
// and waits for the receiver to close the other:
//
//   - a receiver that read to the end meets our FIN and closes; its FIN comes back;
//   - one that closes, or dies, with something unread makes its system answer
//     with a reset instead (RFC 1122 4.2.2.13, RFC 9293 3.6.1);
//   - one whose system died answers nothing, and the attempt times out.
//
// A receiver's FIN that came before ours proves nothing, so the order of the two
// is looked at: see tcp_linux.go. Over TLS, close_notify and FIN leave in one
// segment, and the receiver's answer to both is waited for. One thing cannot be
// told: a receiver that gets our FIN, closes only its sending side, and never
// reads. None does so on purpose; what does so by its own mishap (a relay whose
// other end is gone) is given a moment to do it before ours.

// settle is that moment, from when the receiver's system has everything.
const settle = 30 * time.Millisecond

// errEarly is a receiver that does not want more.
var errEarly = errors.New("the receiver closed the connection before the batch ended")

// streamed sends the batch over a connection.
func (s *Sink) streamed(ctx context.Context, network string, batch []output.Message) (int, error) {
	frames := s.frame(batch)
	var err error
	if s.confirm {
		err = s.confirmed(ctx, network, frames)
	} else {
		err = s.written(ctx, network, frames)
	}
	if err != nil {
		return 0, err
	}
	return len(batch), nil
}

// dial connects, and over TLS proves who is there.
func (s *Sink) dial(ctx context.Context, network string) (net.Conn, error) {
	c, err := s.cfg.Dial(ctx, network, s.cfg.Address)
	if err != nil || s.cfg.Network != "tls" {
		return c, err
	}
	config, err := s.cfg.TLS.Config(s.host)
	if err != nil {
		c.Close()
		return nil, err
	}
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secure, nil
}

// confirmed sends frames over a connection of its own and returns nil only when
// the receiver has read all of it.
func (s *Sink) confirmed(ctx context.Context, network string, frames []byte) error {
	c, err := s.dial(ctx, network)
	if err != nil {
		return err
	}
	defer c.Close()
	defer guard(ctx, c)()
	plain := under(c)
	half, ok := plain.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("a connection of type %T cannot be closed in one direction: set confirm: false", plain)
	}
	if _, err := c.Write(frames); err != nil {
		return told(c, fmt.Errorf("%w: %w", errEarly, err))
	}
	st := newState(plain)
	if err := st.acked(ctx); err != nil {
		return told(c, err)
	}
	time.Sleep(settle)
	if err := st.open(ctx, c); err != nil {
		return told(c, err)
	}
	if secure, ok := c.(*tls.Conn); ok {
		st.cork()
		if err := secure.CloseWrite(); err != nil {
			return err
		}
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	if err := st.first(); err != nil {
		return err
	}
	if err := drain(c, plain); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the receiver got the batch and did not close its side in time, so that nobody can tell whether it read it; "+
				"if it never closes, set confirm: false: %w", err)
		}
		return fmt.Errorf("the receiver did not read the whole batch: %w", err)
	}
	return st.end()
}

// under is the connection that carries c.
func under(c net.Conn) net.Conn {
	if secure, ok := c.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return c
}

// told is err, or what the receiver said of it over TLS, such as that it does not
// want our certificate.
func told(c net.Conn, err error) error {
	secure, ok := c.(*tls.Conn)
	if !ok {
		return err
	}
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, said := io.Copy(io.Discard, io.LimitReader(secure, maxTalk))
	var alert *net.OpError
	if errors.As(said, &alert) && alert.Op == "remote error" {
		return fmt.Errorf("%w (%w)", said, err)
	}
	return err
}

// maxTalk is how much a receiver may say, in bytes: syslog has no answers.
const maxTalk = 64 << 10

// drain reads until the receiver has closed its side.
func drain(c, plain net.Conn) error {
	err := toEnd(c)
	if err == nil && c != plain {
		err = toEnd(plain)
	}
	return err
}

func toEnd(c net.Conn) error {
	n, err := io.Copy(io.Discard, io.LimitReader(c, maxTalk))
	if err == nil && n == maxTalk {
		return errors.New("it talks, which syslog receivers do not: is something else listening there?")
	}
	return err
}

// written sends frames over the connection that is kept and returns nil when TCP
// has acknowledged them.
func (s *Sink) written(ctx context.Context, network string, frames []byte) error {
	if s.kept != nil && newState(under(s.kept)).open(ctx, s.kept) != nil {
		s.drop()
	}
	if s.kept == nil {
		c, err := s.dial(ctx, network)
		if err != nil {
			return err
		}
		s.kept = c
	}
	undo := guard(ctx, s.kept)
	_, err := s.kept.Write(frames)
	st := newState(under(s.kept))
	if err == nil {
		err = st.acked(ctx)
	}
	if err == nil {
		err = st.open(ctx, s.kept)
	}
	undo()
	if err != nil {
		err = told(s.kept, err)
		s.drop()
	}
	return err
}
