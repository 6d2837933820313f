//go:build !linux

package shunt

import "fmt"

// Shunt exists on Linux only.
type Shunt struct{}

// Load reports that the system is not Linux.
func Load(Config) (*Shunt, error) {
	return nil, fmt.Errorf("shunt: %w", ErrKernel)
}

// FD is never reached: there is no Shunt.
func (*Shunt) FD() int { return -1 }

// Attach reports that the system is not Linux.
func (*Shunt) Attach(int) error { return ErrKernel }

// Add reports that the system is not Linux.
func (*Shunt) Add(Key) error { return ErrKernel }

// Take finds nothing.
func (*Shunt) Take(Key) (Counts, bool) { return Counts{}, false }

// Remove finds nothing.
func (*Shunt) Remove(Key) (Counts, bool) { return Counts{}, false }

// Stats counts nothing.
func (*Shunt) Stats() (Stats, error) { return Stats{}, ErrKernel }

// Close does nothing.
func (*Shunt) Close() error { return nil }

// WallOffset reports that the system is not Linux.
func WallOffset() (int64, error) { return 0, ErrKernel }
