package capture

import (
	"errors"
	"io"
)

const (
	// MaxFrame is the most bytes of one frame that are delivered, in bytes:
	// libpcap's MAXIMUM_SNAPLEN, beyond which it calls a record damaged, too.
	MaxFrame = 256 << 10

	// readSize is the most that one read asks for, in bytes. Measured with a
	// warm page cache, 800-byte packets and four cache lines of each looked
	// at (CPU time a packet): 77 ns with 64 KiB, 67 with 256 KiB, 44 with
	// 1 MiB, 36 with 2 MiB: the kernel copies large pieces faster, and that
	// outweighs that frames then come out of the third-level cache.
	readSize = 512 << 10

	// maxRecord is the longest record that has to be in memory at once: a
	// frame, and 64 KiB for its header and options.
	maxRecord = MaxFrame + 64<<10

	// bufferSize is fixed, so nothing that a file says can make it grow.
	bufferSize = readSize + maxRecord
)

// errMore is what a format's reader returns when the window ends before the
// next record does.
var errMore = errors.New("capture: more bytes are needed")

// window is the part of a stream that is in memory: buf[pos:end] has been read
// and not yet been consumed.
type window struct {
	src      io.Reader
	buf      []byte
	pos, end int
	base     int64 // offset of buf[0] in the stream
	limit    int   // bytes to ask of one read
	err      error // comes after the bytes that are in buf

	skip  int64 // bytes to drop before the next record
	start int64 // where the record that is being dropped began
}

// reset starts a new stream.
func (w *window) reset(src io.Reader, limit int) {
	if w.buf == nil {
		w.buf = make([]byte, bufferSize)
	}
	*w = window{src: src, buf: w.buf, limit: limit}
}

// offset is the place of the next byte in the stream.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// drop arranges for n bytes from the next one on to be passed over as they
// come. A damage inside them is reported at start.
func (w *window) drop(n, start int64) { w.skip, w.start = n, start }

// dropped passes over what is to be dropped, as far as it is in memory, and
// reports whether that was all.
func (w *window) dropped() bool {
	n := min(w.skip, int64(w.end-w.pos))
	w.pos += int(n)
	w.skip -= n
	return w.skip == 0
}

// fill moves the unconsumed tail before the place that reads go to and reads
// once. The frames of the previous batch die here. Reads always go to the same
// place, aligned to a page as the file's pages are: the kernel copies to
// anywhere else more slowly.
func (w *window) fill() error {
	if w.err != nil {
		return w.err
	}
	tail := w.end - w.pos
	from := max(maxRecord-tail, 0)
	copy(w.buf[from:], w.buf[w.pos:w.end])
	w.base += int64(w.pos - from)
	w.pos, w.end = from, from+tail
	room := w.buf[w.end:min(w.end+w.limit, len(w.buf))]
	for range 100 {
		n, err := w.src.Read(room)
		w.end += n
		if n > 0 {
			w.err = err
			return nil
		}
		if err != nil {
			w.err = err
			return err
		}
	}
	w.err = io.ErrNoProgress
	return w.err
}
