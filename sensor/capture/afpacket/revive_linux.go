package afpacket

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// spareSockets is how many sockets a ring with fanout has in reserve. A socket
// that joined a fanout group can never be bound to another interface, so one is
// used up each time the interface is removed and made anew, and a sensor that
// dropped its privileges cannot make sockets. Without fanout the socket is
// bound anew as often as need be.
const spareSockets = 8

// patience is after how many attempts it is said that an interface that is back
// cannot be captured from: about five seconds. Until the other rings of a
// fanout group have left the interface that was removed, the group is refused.
const patience = 50

// failed says what happened to the socket.
func (r *Ring) failed() error {
	code, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR) // asking clears it
	if err != nil {
		return fmt.Errorf("%s: %w", r.cfg.name(), err)
	}
	if code == 0 {
		return nil
	}
	r.up.Store(false)
	r.tries = 0
	return &DownError{Interface: r.cfg.Interface, Gone: isGone(r.fd), Err: unix.Errno(code)}
}

// revive goes on with an interface that is up again, if it is. The ring is
// empty: a wait that is longer than blocks need to be handed over was in vain.
func (r *Ring) revive() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.joined && isGone(r.fd) {
		r.joined = false
		if r.cfg.Rings > 1 {
			r.leave() // at once: the other rings cannot join the new interface before
		}
	}
	err := r.again()
	if err == nil {
		r.tries = 0
		return nil
	}
	if r.tries++; r.tries == patience {
		return &DownError{Interface: r.cfg.Interface, Gone: true, Err: err}
	}
	return nil
}

// leave closes the socket and frees its ring. The caller holds mu.
func (r *Ring) leave() {
	r.count()
	unix.Close(r.fd)
	r.fd = -1
	r.unmap()
}

// again captures from the interface if it is up. An error is what hinders that
// although it is. The caller holds mu.
func (r *Ring) again() (err error) {
	if r.fd < 0 {
		if err := r.renew(); err != nil {
			return err
		}
	}
	if !isUp(r.fd, r.cfg.Interface) {
		return nil
	}
	if !r.joined {
		if r.lane.link, err = join(r.fd, &r.cfg); err != nil {
			return err
		}
		if err = r.filter(); err != nil {
			return err
		}
		r.joined = true
	} // else the kernel took the socket up again by itself
	r.up.Store(true)
	return nil
}

// renew takes another socket, with a ring. The caller holds mu.
func (r *Ring) renew() (err error) {
	var fd int
	if last := len(r.spares) - 1; last >= 0 {
		fd, r.spares = r.spares[last], r.spares[:last]
	} else if fd, err = newSocket(); err != nil {
		return err
	}
	if r.mem, err = newRing(fd, r.cfg.RingBytes); err != nil {
		r.spares = append(r.spares, fd)
		return err
	}
	r.fd = fd
	return nil
}
