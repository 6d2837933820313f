//go:build !unix

package file

import (
	"errors"
	"os"
)

func openFifo(string) (*os.File, error) {
	return nil, errors.New("named pipes are not written to on this system")
}

func standardFile(f *os.File) (*os.File, error) { return f, nil }

// syncDir does nothing: this system does not sync folders.
func syncDir(string) error { return nil }
