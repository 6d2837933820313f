package capture

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// peekBytes is how far into a file the first packet is searched.
const peekBytes = 1 << 20

// input is one capture to read.
type input struct {
	name    string
	size    int64
	regular bool
	err     error // found already: it is reported when the input's turn comes
	peeked  bool
	info    fs.FileInfo // nil where the system had none
	timed   bool        // first is known
	first   int64       // time of the first packet, in nanoseconds
}

// find adds the captures that path names.
func (f *Files) find(path string) {
	if path == stdinName {
		f.inputs = append(f.inputs, input{name: path})
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		f.inputs = append(f.inputs, input{name: path, regular: true, err: err})
	case info.IsDir():
		// The separator makes WalkDir follow path itself where it is a link.
		filepath.WalkDir(path+string(filepath.Separator), func(name string, d fs.DirEntry, err error) error {
			f.visit(name, d, err)
			return nil
		})
	default:
		f.add(input{name: path, size: info.Size(), regular: info.Mode().IsRegular(), info: info})
	}
}

// visit takes a folder's entry as a capture, or leaves it out.
func (f *Files) visit(name string, d fs.DirEntry, err error) {
	in := input{name: name, regular: true, err: err}
	switch {
	case err != nil:
		f.inputs = append(f.inputs, in)
		return
	case d.IsDir():
		return
	case !d.Type().IsRegular():
		f.skipped = append(f.skipped, SkippedFile{name, "not a regular file: name it itself to read it"})
		return
	}
	if info, err := d.Info(); err == nil {
		in.size, in.info = info.Size(), info
	}
	err = f.peek(&in)
	var damage *DamageError
	if errors.As(err, &damage) && (errors.Is(err, errNotCapture) || in.size == 0) {
		f.skipped = append(f.skipped, SkippedFile{name, damage.Reason})
		return
	}
	f.add(in)
}

// add takes an input, unless it is a regular file that is there already under
// whatever name: read twice, everything in it would count twice.
func (f *Files) add(in input) {
	if in.regular && in.info != nil {
		// Files of one size are few, and the system is not asked again.
		for i := range f.inputs {
			if o := &f.inputs[i]; o.size == in.size && o.info != nil && os.SameFile(o.info, in.info) {
				f.skipped = append(f.skipped, SkippedFile{in.name, "the same file as another, and read once: " + displayName(o.name)})
				return
			}
		}
	}
	f.inputs = append(f.inputs, in)
}

// order sorts the inputs between those that cannot be looked into.
func (f *Files) order() {
	for rest := f.inputs; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(in input) bool { return !in.regular })
		if n < 0 {
			n = len(rest)
		}
		if n > 1 {
			for i := range rest[:n] {
				f.peek(&rest[i]) // what is wrong is found again when it is read
			}
			slices.SortStableFunc(rest[:n], compareInputs)
		}
		rest = rest[min(n+1, len(rest)):]
	}
}

func compareInputs(a, b input) int {
	switch {
	case a.timed != b.timed && a.timed:
		return -1
	case a.timed != b.timed:
		return 1
	}
	return cmp.Or(cmp.Compare(a.first, b.first), strings.Compare(a.name, b.name))
}

// peek finds the time of a file's first packet, reading at most peekBytes of
// the file, and as many of what it decompresses to.
func (f *Files) peek(in *input) error {
	if in.peeked || in.err != nil {
		return nil
	}
	in.peeked = true
	file, err := os.Open(in.name)
	if err != nil {
		return err
	}
	defer file.Close()
	defer f.r.close()
	if err := f.r.open(io.LimitReader(file, peekBytes), 16<<10); err != nil {
		return err
	}
	f.r.w.src = io.LimitReader(f.r.w.src, peekBytes)
	n, err := f.r.batch(f.one[:], 0)
	if n == 1 {
		in.timed, in.first = true, f.one[0].Time
	}
	return err
}
