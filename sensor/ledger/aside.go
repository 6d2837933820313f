package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxAside bounds the damaged files that are kept: who has so many has another
// problem, and must look.
const maxAside = 100

// putAside brings the file to a name beside it that is not taken, by move, and
// returns that name.
func (s *store) putAside(move func(from, to string) error) (string, error) {
	for n := range maxAside {
		aside := s.path + ".damaged"
		if n > 0 {
			aside += fmt.Sprintf("-%d", n+1)
		}
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		return aside, move(s.path, aside)
	}
	return "", fmt.Errorf("it is damaged, and there are %d damaged ones beside it: look at them and remove what is not needed", maxAside)
}

// copyFile copies a file to a new one.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		os.Remove(to) // half a copy is none
	}
	return err
}
