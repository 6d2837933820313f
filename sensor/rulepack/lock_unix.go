//go:build unix

package rulepack

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock takes the store for this process, until f is closed or the process ends.
func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errors.New("another rmmwatch is changing the installed rules; try again when it is done")
	}
	if err != nil {
		return fmt.Errorf("the lock: %w", err)
	}
	return nil
}
