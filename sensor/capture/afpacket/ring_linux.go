package afpacket

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// waitMillis is the longest that ReadBatch blocks, in milliseconds.
const waitMillis = 100

// Ring is a Source of the frames of one interface, or with fanout of its share
// of them. One goroutine calls ReadBatch; the other methods may be called from
// any.
//
// Frames alias the ring, which the kernel writes to: a block goes back at the
// next call after its last frame was handed out. Only a slow reader loses frames,
// and they are counted.
type Ring struct {
	cfg  Config
	wake int // an eventfd: ends the wait of ReadBatch

	reading sync.Mutex // held by ReadBatch: Close waits for its end
	mem     []byte     // the mapped ring; nil where it could not be had again
	next    int        // offset of the block that is read or awaited
	held    bool       // it is ours and walked by block
	lent    bool       // the last call handed out frames
	block   block
	lane    lane
	polls   [2]unix.PollFd
	tries   int // in vain, to capture from the interface again
	closed  atomic.Bool
	up      atomic.Bool

	mu                      sync.Mutex // guards what follows, and who replaces or closes fd
	fd                      int        // -1: closed, or not had again
	program                 int        // the attached eBPF program, a descriptor of our own; -1: none
	spares                  []int      // see spareSockets
	joined                  bool       // the socket captures from an interface, be that down
	packets, drops, freezes uint64

	damaged atomic.Uint64 // frames whose headers in the ring were impossible
}

var _ capture.Source = (*Ring)(nil)

// Open starts a capture. It needs CAP_NET_RAW, and so does nothing after it. An
// interface that is down is no error: the first ReadBatch says so.
func Open(c Config) (*Ring, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	r := &Ring{cfg: c, fd: -1, wake: -1, program: -1}
	r.lane.file = c.File
	if err := r.start(); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", c.name(), err)
	}
	return r, nil
}

func (r *Ring) start() (err error) {
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("an eventfd: %w", err)
	}
	if r.fd, err = newSocket(); err != nil {
		return err
	}
	for r.cfg.Rings > 1 && len(r.spares) < spareSockets {
		fd, err := newSocket()
		if err != nil {
			return err
		}
		r.spares = append(r.spares, fd)
	}
	if _, err = interfaceIndex(r.fd, r.cfg.Interface); err != nil {
		return err // before memory is asked for
	}
	if r.mem, err = newRing(r.fd, r.cfg.RingBytes); err != nil {
		return err
	}
	if r.lane.link, err = join(r.fd, &r.cfg); err != nil {
		return err
	}
	if err = r.filter(); err != nil {
		return err
	}
	r.joined = true
	r.up.Store(true)
	return nil
}

// filter puts in force what the socket is to be filtered by. The caller holds mu,
// or is the only one who knows r.
func (r *Ring) filter() error {
	if r.program >= 0 {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, r.program); err != nil {
			return fmt.Errorf("attaching the eBPF program: %w", err)
		}
		return nil
	}
	if err := setFilter(r.fd, r.cfg.Filter); err != nil {
		return fmt.Errorf("attaching the filter of %d instructions: %w", len(r.cfg.Filter), err)
	}
	return nil
}

// ReadBatch fills frames with the next ones of one block and returns how many.
// It blocks for 100 ms at most and returns 0, nil when nothing came; a block
// that is not full is handed over 50 ms after its first frame. A *DownError
// says that the interface is down or away, io.EOF that the ring was closed.
func (r *Ring) ReadBatch(frames []capture.Frame) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	r.lent = false
	if r.closed.Load() {
		r.unmap()
		return 0, io.EOF
	}
	n := r.take(frames)
	if n == 0 && len(frames) > 0 {
		if err := r.wait(); err != nil {
			return 0, err
		}
		n = r.take(frames)
	}
	r.lent = n > 0
	return n, nil
}

// take hands out frames that are there, after it gave back the block whose
// frames are all used.
func (r *Ring) take(frames []capture.Frame) int {
	if r.mem == nil {
		return 0
	}
	for {
		mem := r.mem[r.next : r.next+blockSize]
		if r.held && r.block.left == 0 {
			r.held = false
			giveBack(mem)
			if r.next += blockSize; r.next+blockSize > len(r.mem) {
				r.next = 0
			}
			continue
		}
		if !r.held {
			if !ours(mem) {
				return 0
			}
			r.held = true
			r.block.open(mem)
		}
		n := r.block.read(frames, &r.lane)
		if r.block.damaged != 0 {
			r.damaged.Add(r.block.damaged)
			r.block.damaged = 0
		}
		if n > 0 || len(frames) == 0 {
			return n
		}
	}
}

// wait blocks until a block is there, something happened to the interface,
// the ring was closed, or time is up.
func (r *Ring) wait() error {
	r.polls[0] = unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN} // fd: only this goroutine and Close, which waits for it, replace it
	r.polls[1] = unix.PollFd{Fd: int32(r.wake), Events: unix.POLLIN}
	r.nap()
	n, err := unix.Poll(r.polls[:], 0)
	switch {
	case errors.Is(err, unix.EINTR):
		return nil // the runtime's signals; the caller calls again anyway
	case err != nil:
		return fmt.Errorf("%s: waiting for frames: %w", r.cfg.name(), err)
	case r.closed.Load():
		r.unmap()
		return io.EOF
	case r.polls[0].Revents&unix.POLLIN != 0:
		return nil // frames first; an error stays until it is asked for
	case r.polls[0].Revents&unix.POLLERR != 0:
		return r.failed()
	case n == 0 && !r.up.Load():
		return r.revive()
	}
	return nil
}

// napFor is how long a ring without frames is left alone: at 10 Gbit/s some 6 MB
// come meanwhile.
const napFor = 5 * time.Millisecond

// nap sleeps until there is a block, the ring is closed, or time is up. To sleep in
// poll(2) instead would cost more than all packets of a quiet link: a thread that
// blocks in a system call makes the Go scheduler's monitor look every 20 us.
func (r *Ring) nap() {
	for range waitMillis * time.Millisecond / napFor {
		if r.closed.Load() || r.mem != nil && ours(r.mem[r.next:r.next+blockSize]) {
			return
		}
		time.Sleep(napFor)
	}
}

// Stats returns what the kernel counted since Open: frames that passed the
// filter, those of them that were lost because the ring was full, and how
// often it became full. Frames whose headers in the ring were impossible, which
// no kernel writes, count as drops.
func (r *Ring) Stats() (packets, drops, freezes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count()
	return r.packets, r.drops + r.damaged.Load(), r.freezes
}

// count adds what the kernel counted since the last time: it counts from 0
// each time it was asked.
func (r *Ring) count() {
	if r.fd < 0 {
		return
	}
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return // a packet socket always has them
	}
	r.packets += uint64(s.Packets)
	r.drops += uint64(s.Drops)
	r.freezes += uint64(s.Freeze_q_cnt)
}

// Up reports whether the interface was up when it was last looked at: false
// from a *DownError on until it is back.
func (r *Ring) Up() bool { return r.up.Load() }

// FD is the socket's descriptor, -1 when it is closed. It changes when an
// interface with fanout was removed and came back: use Attach for programs.
func (r *Ring) FD() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fd
}

// Attach filters by an eBPF program of type BPF_PROG_TYPE_SOCKET_FILTER, in
// place of Config.Filter. The ring keeps a copy of the descriptor, and attaches
// the program again where it needs a new socket.
func (r *Ring) Attach(progFD int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return fmt.Errorf("%s: the ring is closed", r.cfg.name())
	}
	program, err := unix.FcntlInt(uintptr(progFD), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: the eBPF program: %w", r.cfg.name(), err)
	}
	old := r.program
	r.program = program
	if r.joined {
		err = r.filter()
	}
	if err != nil {
		r.program, old = old, program
		err = fmt.Errorf("%s: %w", r.cfg.name(), err)
	}
	if old >= 0 {
		unix.Close(old)
	}
	return err
}

// Detach ends what Attach began: Config.Filter is in force again.
func (r *Ring) Detach() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.program >= 0 {
		unix.Close(r.program)
		r.program = -1
	}
	if !r.joined {
		return nil // revive sets the filter
	}
	if err := r.filter(); err != nil {
		return fmt.Errorf("%s: %w", r.cfg.name(), err)
	}
	return nil
}

// Close ends the capture: no frame is read from the ring any more, also those
// that are in it already. A ReadBatch under way returns. Frames that were handed
// out stay valid until the next ReadBatch, which returns io.EOF and releases the
// memory.
func (r *Ring) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	if r.wake >= 0 {
		unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it cannot fail: the counter is 0
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count()
	r.up.Store(false)
	if r.fd >= 0 {
		// A mapped socket outlives its descriptor.
		setFilter(r.fd, nothing)
	}
	for _, fd := range append(r.spares, r.fd, r.program, r.wake) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	r.spares, r.fd, r.program, r.wake = nil, -1, -1, -1
	if !r.lent {
		r.unmap()
	}
	return nil
}

// unmap gives the ring's memory back. The caller holds reading, and no frame is
// in use.
func (r *Ring) unmap() {
	if r.mem != nil {
		unix.Munmap(r.mem) // it is what Mmap returned: it cannot fail
	}
	r.mem, r.held, r.next, r.block = nil, false, 0, block{}
}
