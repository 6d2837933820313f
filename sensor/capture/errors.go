package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
)

// DamageError says that a file could not be read further. It comes alone,
// after every whole packet before it was delivered; the source goes on with
// the next file when it is called again.
type DamageError struct {
	File      string // the file's name, as Files.Name gives it
	Offset    int64  // where the unreadable record starts, in bytes of the decompressed capture
	Reason    string // what is wrong, and what to do where that is known
	Packed    bool   // the file is compressed: Offset is not a place in the file
	Truncated bool   // the capture merely ends inside a record: a recording that was cut short
	Err       error  // the error underneath, of the system or a decompressor; may be nil
}

// Error names the file, the reason and, where something was read or unpacked,
// the place.
// Control characters of a file's name are escaped.
func (e *DamageError) Error() string {
	if e.Offset == 0 && e.Err != nil && (!e.Packed || errors.Is(e.Err, errNotCapture)) {
		return displayName(e.File) + ": " + e.Reason
	}
	where := ""
	if e.Packed {
		where = " of what is packed in it"
	}
	return fmt.Sprintf("%s: at byte %d%s: %s", displayName(e.File), e.Offset, where, e.Reason)
}

// Unwrap returns the error underneath, for errors.Is and errors.As.
func (e *DamageError) Unwrap() error { return e.Err }

// displayName is a file's name fit for a terminal.
func displayName(name string) string {
	if name == stdinName {
		return "standard input"
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// present says that n bytes of something are there.
func present(n int64, of string) string {
	if n == 1 {
		return "1 byte" + of + " is there"
	}
	return fmt.Sprintf("%d bytes%s are there", n, of)
}

// damaged is a record that contradicts itself.
func damaged(offset int64, format string, args ...any) *DamageError {
	return &DamageError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// systemError is a file that the system did not let us open or read.
func systemError(offset int64, err error) *DamageError {
	reason := err.Error()
	if path := new(fs.PathError); errors.As(err, &path) {
		reason = path.Op + ": " + path.Err.Error() // the path is said already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		reason = "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		reason = "permission denied: this user may not read it"
	}
	return &DamageError{Offset: offset, Reason: reason, Err: err}
}
