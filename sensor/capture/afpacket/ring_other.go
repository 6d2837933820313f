//go:build !linux

package afpacket

import (
	"errors"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

var errLinux = errors.New("live capture needs Linux; replay works here")

// Ring is a Source of live frames on Linux. Here there is none.
type Ring struct{}

var _ capture.Source = (*Ring)(nil)

// Open fails: live capture needs Linux.
func Open(c Config) (*Ring, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return nil, errLinux
}

// ReadBatch fails.
func (*Ring) ReadBatch([]capture.Frame) (int, error) { return 0, errLinux }

// Stats is zero.
func (*Ring) Stats() (packets, drops, freezes uint64) { return 0, 0, 0 }

// Up is false.
func (*Ring) Up() bool { return false }

// FD is no descriptor.
func (*Ring) FD() int { return -1 }

// Attach fails.
func (*Ring) Attach(int) error { return errLinux }

// Detach fails.
func (*Ring) Detach() error { return errLinux }

// Close does nothing.
func (*Ring) Close() error { return nil }
