package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
)

// stdinName stands for standard input, among the paths and as a file's name.
const stdinName = "-"

// Options are what Open needs beside the paths.
type Options struct {
	Stdin io.Reader // what the path "-" reads; it is not closed
}

// SkippedFile is a file that Open left out.
type SkippedFile struct {
	Name   string
	Reason string
}

// Kind is the reason without what it says of this file alone: files can be
// counted by it.
func (s SkippedFile) Kind() string {
	kind, _, _ := strings.Cut(s.Reason, ":")
	return kind
}

// Files is a Source of capture files, one after the other. Only Progress may
// be called from another goroutine while it is read.
type Files struct {
	inputs  []input
	skipped []SkippedFile
	stdin   io.Reader
	total   int64 // bytes of all inputs; 0 when one is not a regular file

	r       reader
	next    int      // of inputs: the first that has not been opened
	file    *os.File // the open input, unless that is standard input
	reading bool     // r has an input
	count   counter  // the open input's bytes
	one     [1]Frame // for ZeroCopyReadPacketData
}

var _ Source = (*Files)(nil)

// Open finds the captures that paths name, and the order to read them in. A
// path is a file, a folder, which is searched with all the folders below it,
// or "-" for standard input.
//
// All files, of folders or given by name, are read in the order of their first
// packets' times (by name where those are equal), so that rotated captures are
// one continuous stream. Files whose first packet is not found in their first
// MiB, because they are empty, damaged or unreadable, come last. Standard
// input and what else is not a regular file cannot be looked into beforehand:
// it keeps its place, and only the files before it and those after it are
// sorted among themselves.
//
// Regular files of a folder that are no captures are left out, as is a regular
// file that was found already under whatever name; Skipped lists them. What is wrong with any other path is reported by ReadBatch, when its
// turn comes. Open itself fails when there is nothing to read at all.
func Open(paths []string, opt Options) (*Files, error) {
	f := &Files{stdin: opt.Stdin}
	stdins := 0
	for _, path := range paths {
		if path == stdinName {
			stdins++
		}
	}
	switch {
	case len(paths) == 0:
		return nil, errors.New("no capture to read: name a file, a folder, or - for standard input")
	case stdins > 1:
		return nil, errors.New("standard input (-) is named twice: it can be read once only")
	case stdins == 1 && opt.Stdin == nil:
		return nil, errors.New("there is no standard input to read")
	}
	for _, path := range paths {
		f.find(path)
	}
	if len(f.inputs) == 0 {
		return nil, f.nothing(paths)
	}
	f.order()
	f.one = [1]Frame{}
	for i := range f.inputs {
		if !f.inputs[i].regular {
			f.total = 0
			break
		}
		f.total += f.inputs[i].size
	}
	return f, nil
}

// nothing says why paths, which are folders, hold nothing to read.
func (f *Files) nothing(paths []string) error {
	where := displayName(paths[0])
	if n := len(paths) - 1; n > 0 {
		where += fmt.Sprintf(" and %d more", n)
	}
	const formats = "pcap, pcapng or snoop, plain or compressed with gzip, zstd or lz4"
	switch len(f.skipped) {
	case 0:
		return fmt.Errorf("no capture in %s: there is no file", where)
	case 1:
		return fmt.Errorf("no capture in %s: the only file there is not %s", where, formats)
	}
	return fmt.Errorf("no capture in %s: none of the %d files there is %s", where, len(f.skipped), formats)
}

// ReadBatch fills frames with the next ones and returns how many. Their data
// is in a buffer that is used again by the next call, so a batch also ends
// where that has to be refilled, and at the end of each file. An error comes
// alone: a *DamageError for each file that cannot be read to its end, after
// which the next call goes on with the next file, and io.EOF at last.
func (f *Files) ReadBatch(frames []Frame) (int, error) {
	if len(frames) == 0 {
		return 0, nil
	}
	for {
		if !f.reading {
			if f.next == len(f.inputs) {
				return 0, io.EOF
			}
			f.next++
			if err := f.open(&f.inputs[f.next-1]); err != nil {
				return 0, f.finish(err)
			}
		}
		n, err := f.r.batch(frames, uint32(f.next-1))
		if err == nil {
			return n, nil
		}
		if err = f.finish(err); err != nil {
			return 0, err
		}
	}
}

// open starts reading in.
func (f *Files) open(in *input) error {
	f.reading = true
	f.count.r = f.stdin
	switch {
	case in.err != nil:
		return systemError(0, in.err)
	case in.name != stdinName:
		file, err := os.Open(in.name)
		if err != nil {
			return systemError(0, err)
		}
		f.file = file
		f.count.r = file
	}
	return f.r.open(&f.count, readSize)
}

// finish closes the input that is being read. It returns the error with the
// input's name in it, or nil for a clean end.
func (f *Files) finish(err error) error {
	f.closeInput()
	var damage *DamageError
	if errors.As(err, &damage) {
		damage.File = f.inputs[f.next-1].name
		return damage
	}
	return nil
}

func (f *Files) closeInput() {
	f.r.close()
	if f.file != nil {
		f.file.Close() // it was only read
		f.file = nil
	}
	f.count.r = nil
	f.reading = false
}

// Name is the name of a file by its index, Frame.File: the path as it was
// given or found, "-" for standard input, "" for no file.
func (f *Files) Name(i uint32) string {
	if uint64(i) >= uint64(len(f.inputs)) {
		return ""
	}
	return f.inputs[i].name
}

// Len is the number of files. They are read in the order of their indices.
func (f *Files) Len() int { return len(f.inputs) }

// Skipped lists the files that were left out, in the order in which
// they were found.
func (f *Files) Skipped() []SkippedFile { return f.skipped }

// Progress is how many bytes have been read of how many, as they lie on the
// disk: compressed, where they are. The total is 0 when it is not known,
// because standard input or a pipe is among the files. It may be called from
// any goroutine.
func (f *Files) Progress() (read, total int64) { return f.count.n.Load(), f.total }

// Close ends the reading, wherever it is. The frames of the last batch must
// not be used any more.
func (f *Files) Close() error {
	f.next = len(f.inputs)
	if f.reading {
		f.closeInput()
	}
	return nil
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
