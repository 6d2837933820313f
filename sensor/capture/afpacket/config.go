package afpacket

import (
	"fmt"

	"golang.org/x/net/bpf"
)

const (
	// blockSize is the unit in which the kernel hands over frames, in bytes.
	// One frame must fit: the longest common one is a GRO packet of 64 KiB.
	// Larger ones (BIG TCP) up to this size are whole, too. Four of the 64 KiB
	// leave at most a quarter of a block unused, and a block stays in the
	// second-level cache while its frames are looked at.
	blockSize = 256 << 10

	// MinRing is the smallest ring, in bytes: one block that is read, one
	// that is filled.
	MinRing = 2 * blockSize

	// MaxRings is how many sockets the kernel takes into a fanout group
	// (PACKET_FANOUT_MAX was 256 before Linux 5.9).
	MaxRings = 256

	// maxFilter is how many instructions the kernel takes (BPF_MAXINSNS).
	maxFilter = 4096
)

// Config says what Open opens.
type Config struct {
	Interface string // name of the interface

	RingBytes int    // memory of this ring, rounded down to blocks of 256 KiB; at least MinRing
	Rings     int    // rings that share the interface's flows; 0 and 1: no fanout
	Index     int    // which of them this is, from 0
	Group     uint16 // the rings' fanout group: unique in the network namespace

	// Filter drops frames in the kernel before they are copied; nil: none. A
	// program that accepts less than the frame cuts it.
	Filter []bpf.RawInstruction

	Promiscuous    bool   // ask the interface for frames that are not addressed to it
	IgnoreOutgoing bool   // only frames that came in
	File           uint32 // what the frames carry as File
}

func (c *Config) check() error {
	switch {
	case c.Interface == "":
		return fmt.Errorf("no interface to capture from: name one")
	case c.RingBytes < MinRing:
		return fmt.Errorf("a ring of %d bytes for %s: %d are the fewest", c.RingBytes, c.Interface, MinRing)
	case c.Rings < 0 || c.Rings > MaxRings:
		return fmt.Errorf("%d rings for %s: 1 to %d are possible", c.Rings, c.Interface, MaxRings)
	case c.Index < 0 || c.Index >= max(c.Rings, 1):
		return fmt.Errorf("ring %d of %d for %s: they are counted from 0", c.Index, max(c.Rings, 1), c.Interface)
	case len(c.Filter) > maxFilter:
		return fmt.Errorf("a filter of %d instructions for %s: the kernel takes %d", len(c.Filter), c.Interface, maxFilter)
	}
	return nil
}

// name is how errors call the ring.
func (c *Config) name() string {
	if c.Rings > 1 {
		return fmt.Sprintf("%s (ring %d of %d)", c.Interface, c.Index+1, c.Rings)
	}
	return c.Interface
}

// DownError says that the interface is down or away, so that nothing is
// captured. It comes once each time; the caller goes on calling ReadBatch, which
// yields frames again when an interface of that name is up again. Frames that
// came before may follow it.
type DownError struct {
	Interface string
	Gone      bool  // the interface was removed; otherwise it is down
	Err       error // the system's reason, or why it cannot be captured from again
}

func (e *DownError) Error() string {
	state := "is down"
	if e.Gone {
		state = "was removed"
	}
	return fmt.Sprintf("%s: the interface %s: %v; frames are read again when it is back", e.Interface, state, e.Err)
}

func (e *DownError) Unwrap() error { return e.Err }
