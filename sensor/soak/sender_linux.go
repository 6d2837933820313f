package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// maxFrame is what a veth cable of MTU 65535 carries, the link layer included.
const maxFrame = 65535 + 14

// ethernet is LINKTYPE_ETHERNET.
const ethernet = 1

// loadFrames reads the frames of captures that can be put on a cable as they are: whole
// Ethernet frames. Damaged captures, some of which are bundled, give what is whole. IPv4
// fragments stay out: the kernel joins them in front of a fanout group
// (PACKET_FANOUT_FLAG_DEFRAG), and then fewer packets come up than were sent.
func loadFrames(paths []string) (frames [][]byte, err error) {
	for _, path := range paths {
		src, err := capture.Open([]string{path}, capture.Options{})
		if err != nil {
			return nil, err
		}
		batch := make([]capture.Frame, 64)
		for {
			n, err := src.ReadBatch(batch)
			if errors.Is(err, io.EOF) {
				break
			}
			for _, f := range batch[:n] {
				if f.Link == ethernet && int(f.WireLen) == len(f.Data) && len(f.Data) >= 14 && len(f.Data) <= maxFrame && !fragment4(f.Data) {
					frames = append(frames, append([]byte(nil), f.Data...))
				}
			}
		}
		src.Close()
	}
	if len(frames) < 1000 {
		return nil, fmt.Errorf("only %d frames in %d captures", len(frames), len(paths))
	}
	return frames, nil
}

// bundled lists the captures of the repository at root.
func bundled(root string) ([]string, error) {
	return filepath.Glob(filepath.Join(root, "pcaps", "*.pcap"))
}

// sender puts frames on the cable without end. Whoever holds mu has it pause.
type sender struct {
	frames [][]byte
	rate   int // packets a second
	fd     int
	to     unix.SockaddrLinklayer

	mu    sync.Mutex
	sent  uint64 // frames that the kernel took or dropped because the cable was out
	loops uint32
	err   error
	stop  chan struct{}
	done  chan struct{}
}

func newSender(frames [][]byte, rate int) (*sender, error) {
	peer, err := net.InterfaceByName("peer")
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // protocol 0: it receives nothing
	if err != nil {
		return nil, err
	}
	s := &sender{frames: frames, rate: rate, fd: fd, to: unix.SockaddrLinklayer{Ifindex: peer.Index}, stop: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s, nil
}

// burst is how many frames go without a pause.
const burst = 32

func (s *sender) run() {
	defer close(s.done)
	pause := time.NewTicker(max(time.Second*burst/time.Duration(s.rate), time.Millisecond))
	defer pause.Stop()
	buf := make([]byte, maxFrame)
	for i := 0; ; {
		select {
		case <-s.stop:
			return
		case <-pause.C:
		}
		s.mu.Lock()
		for range burst {
			frame := buf[:copy(buf, s.frames[i])]
			rewrite(frame, s.loops)
			err := unix.Sendto(s.fd, frame, 0, &s.to)
			switch {
			case err == nil, errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.ENOBUFS):
				s.sent++
			default:
				s.err = fmt.Errorf("sending %d bytes: %w", len(frame), err)
				s.mu.Unlock()
				return
			}
			if i++; i == len(s.frames) {
				i = 0
				s.loops++
			}
		}
		s.mu.Unlock()
	}
}

// close ends it and returns what failed.
func (s *sender) close() error {
	close(s.stop)
	<-s.done
	unix.Close(s.fd)
	return s.err
}
