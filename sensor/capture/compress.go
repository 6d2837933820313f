package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxWindow is the most that a zstd stream may ask to remember, in bytes: what
// the zstd command decodes without being told (--long=27).
const maxWindow = 128 << 20

// packing is a way of compression, known by the first bytes of a file.
type packing struct {
	name  string
	magic string
	mask  byte // bits of the first byte that count
	open  func(io.Reader) (io.Reader, error)
	hint  string // what to do where open is nil
}

var packings = []packing{
	{name: "gzip", magic: "\x1f\x8b", mask: 0xff, open: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{name: "zstd", magic: "\x28\xb5\x2f\xfd", mask: 0xff, open: openZstd},
	{name: "zstd", magic: "\x50\x2a\x4d\x18", mask: 0xf0, open: openZstd}, // a skippable frame, as pzstd writes first
	{name: "lz4", magic: "\x04\x22\x4d\x18", mask: 0xff, open: openLZ4},
	{name: "lz4", magic: "\x02\x21\x4c\x18", mask: 0xff, open: openLZ4}, // legacy
	{name: "xz", magic: "\xfd7zXZ\x00", mask: 0xff, hint: "xz -dc FILE | rmmwatch replay -"},
	{name: "bzip2", magic: "BZh", mask: 0xff, hint: "bzip2 -dc FILE | rmmwatch replay -"},
	{name: "compress", magic: "\x1f\x9d", mask: 0xff, hint: "gzip -dc FILE | rmmwatch replay -"},
	{name: "zip", magic: "PK\x03\x04", mask: 0xff, hint: "unpack it first"},
	{name: "7-zip", magic: "7z\xbc\xaf\x27\x1c", mask: 0xff, hint: "unpack it first"},
}

// packingOf returns how a file that starts with head is compressed, or nil.
func packingOf(head []byte) *packing {
	for i := range packings {
		p := &packings[i]
		if len(head) >= len(p.magic) && head[0]&p.mask == p.magic[0]&p.mask &&
			string(head[1:len(p.magic)]) == p.magic[1:] {
			return p
		}
	}
	return nil
}

// Each decoder runs in the caller's goroutine: replay has one source and one
// worker, and the order of errors and bytes stays simple.

func openZstd(r io.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

func openLZ4(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }

// unpack returns the stream that br holds, decompressed where it starts with
// the magic of a compression, and that compression.
func unpack(br *bufio.Reader) (io.Reader, *packing, error) {
	head, err := br.Peek(6) // shorter at the end of the file
	if len(head) == 0 && err != io.EOF {
		return nil, nil, err
	}
	p := packingOf(head)
	if p == nil {
		return br, nil, nil
	}
	if p.open == nil {
		return nil, p, &DamageError{Reason: "compressed with " + p.name + ", which is not read here: " + p.hint, Err: errNotCapture}
	}
	r, err := p.open(br)
	if err != nil {
		return nil, p, err
	}
	return &guard{r}, p, nil
}

// guard turns a decompressor's panic into an error. The decompressors are not
// ours, and a capture that crashes one must not end the replay.
type guard struct{ r io.Reader }

func (g *guard) Read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, fmt.Errorf("the decompressor failed: %v", v)
		}
	}()
	return g.r.Read(p)
}

func (g *guard) Close() error {
	if c, ok := g.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// unpackError is what to say of a decompressor's error.
func unpackError(p *packing, offset int64, err error) *DamageError {
	e := &DamageError{Offset: offset, Err: err}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.Truncated = true
		e.Reason = "the " + p.name + " stream is cut short"
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		e.Reason = fmt.Sprintf("the zstd stream needs a window of more than %d MiB: zstd -dc --long=31 FILE | rmmwatch replay -", maxWindow>>20)
	default:
		e.Reason = fmt.Sprintf("the %s stream is damaged: %v", p.name, err)
	}
	return e
}
