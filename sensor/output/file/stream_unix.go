//go:build unix

package file

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openFifo opens a named pipe for writing and fails when nobody reads from it.
func openFifo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
}

// standardFile is f under another descriptor: of descriptors 1 and 2 a write to a
// pipe that nobody reads ends the process (os/signal, SIGPIPE) instead of failing.
func standardFile(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// syncDir makes names in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil // a file system that does not do this for folders
	}
	return errors.Join(err, d.Close())
}
