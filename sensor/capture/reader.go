package capture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// format is the format of the capture that is being read.
type format uint8

const (
	formatUnknown format = iota
	formatPcap
	formatPcapng
	formatSnoop
)

// reader reads one capture at a time out of a byte stream.
type reader struct {
	w      window
	br     *bufio.Reader // what the decompressors read from; plain captures pass through it
	packed *packing      // nil: not compressed
	closer io.Closer     // the decompressor's, or nil
	format format
	pcap   pcap
	ng     pcapng
	snoop  snoop
	number uint64 // frames so far, of pcap and snoop
}

// open starts a capture. At most limit bytes are asked for in one read.
func (r *reader) open(src io.Reader, limit int) error {
	if r.br == nil {
		r.br = bufio.NewReaderSize(nil, 64<<10)
	}
	r.br.Reset(src)
	stream, packed, err := unpack(r.br)
	r.packed = packed
	r.closer, _ = stream.(io.Closer)
	r.format = formatUnknown
	r.number = 0
	r.w.reset(stream, limit)
	if err != nil {
		return r.failed(err)
	}
	return nil
}

// close releases the decompressor and lets go of the stream.
func (r *reader) close() {
	if r.closer != nil {
		r.closer.Close() // it has nothing to say that Read did not
		r.closer = nil
	}
	r.w.src = nil
	if r.br != nil {
		r.br.Reset(nil)
	}
}

// batch fills frames with whole frames of one buffer of the stream. It returns
// either frames or an error: io.EOF at the clean end, or a *DamageError.
func (r *reader) batch(frames []Frame, file uint32) (int, error) {
	for {
		if r.w.dropped() {
			n, err := r.parse(frames, file)
			if n > 0 || err == nil {
				return n, nil
			}
			if damage := new(DamageError); errors.As(err, &damage) {
				damage.Packed = r.packed != nil
			}
			if err != errMore {
				return 0, err
			}
		}
		if err := r.w.fill(); err != nil {
			return 0, r.failed(err)
		}
	}
}

// parse lets the format's reader have the window. Damage is found again by the
// next call, as nothing of a damaged record is consumed: errors need not be kept.
func (r *reader) parse(frames []Frame, file uint32) (n int, err error) {
	switch r.format {
	case formatPcap:
		n, err = r.pcap.read(&r.w, frames, r.number, file)
		r.number += uint64(n)
	case formatPcapng:
		n, err = r.ng.read(&r.w, frames, file)
	case formatSnoop:
		n, err = r.snoop.read(&r.w, frames, r.number, file)
		r.number += uint64(n)
	default:
		if err = r.sniff(); err == nil {
			return r.parse(frames, file)
		}
	}
	return n, err
}

// sniff finds out the format, by content.
func (r *reader) sniff() error {
	b := r.w.buf[r.w.pos:r.w.end]
	maybe := false
	for _, m := range magics {
		if bytes.HasPrefix(b, []byte(m.magic)) {
			r.format = m.format
			r.pcap = pcap{}
			r.ng.reset()
			r.snoop = snoop{}
			return nil
		}
		maybe = maybe || bytes.HasPrefix([]byte(m.magic), b)
	}
	if maybe {
		return errMore
	}
	return &DamageError{Reason: notCapture(b, r.packed), Err: errNotCapture}
}

// magics are the first bytes of captures.
var magics = []struct {
	magic  string
	format format
}{
	{"\xd4\xc3\xb2\xa1", formatPcap}, {"\xa1\xb2\xc3\xd4", formatPcap}, // microseconds
	{"\x4d\x3c\xb2\xa1", formatPcap}, {"\xa1\xb2\x3c\x4d", formatPcap}, // nanoseconds
	{"\x34\xcd\xb2\xa1", formatPcap}, {"\xa1\xb2\xcd\x34", formatPcap}, // modified
	{"\xac\x01\x00\x1c", formatPcap}, {"\x1c\x00\x01\xac", formatPcap}, // Ixia hardware
	{"\xab\x01\x00\x1c", formatPcap}, {"\x1c\x00\x01\xab", formatPcap}, // Ixia software
	{"\x0a\x0d\x0d\x0a", formatPcapng},
	{snoopMagic, formatSnoop},
}

// errNotCapture tells a file of another kind from a damaged capture: in a
// folder, it is passed over.
var errNotCapture = errors.New("not a capture")

func notCapture(b []byte, packed *packing) string {
	if packed != nil && packingOf(b) != nil {
		return "compressed twice: unpack it once first"
	}
	return fmt.Sprintf("not a capture: it starts with % x, as neither pcap nor pcapng nor snoop does, plain or compressed with gzip, zstd or lz4", b[:min(8, len(b))])
}

// failed is what the stream's end or error means for the capture.
func (r *reader) failed(err error) error {
	err = r.ended(err)
	if damage := new(DamageError); errors.As(err, &damage) {
		damage.Packed = r.packed != nil
	}
	return err
}

// ended is failed without the note whether the stream was compressed.
func (r *reader) ended(err error) error {
	w := &r.w
	offset, left := w.offset(), w.end-w.pos
	dropping := w.skip > 0 || r.format == formatPcapng && r.ng.trailer != 0
	if dropping {
		offset = w.start
	}
	var damage *DamageError
	switch path := new(fs.PathError); {
	case errors.As(err, &damage):
		return damage
	case errors.As(err, &path):
		return systemError(offset, err)
	case r.packed != nil && (err != io.EOF || w.src == nil):
		return unpackError(r.packed, offset, err)
	case err != io.EOF:
		return systemError(offset, err)
	}
	e := &DamageError{Offset: offset, Truncated: true}
	switch {
	case dropping:
		e.Reason = "cut short inside a record: " + present(w.base+int64(w.end)-offset, " of it")
	case offset == 0 && left == 0:
		e.Reason = "the file is empty"
	case r.headless():
		e.Reason = "cut short inside the file's header: " + present(int64(left), "")
	case left > 0:
		e.Reason = "cut short inside a record: " + present(int64(left), " of it")
	default:
		return io.EOF
	}
	return e
}

// headless reports whether the file's header is still to come.
func (r *reader) headless() bool {
	switch r.format {
	case formatPcap:
		return !r.pcap.ready
	case formatSnoop:
		return !r.snoop.ready
	}
	return r.w.offset() == 0
}
