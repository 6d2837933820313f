package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// capfile is a capture made by hand, and where its records end.
type capfile struct {
	data   []byte
	order  binary.AppendByteOrder
	frames []Frame // what reading it must yield
	marks  []mark
}

// mark is the end of a record: a file cut there is whole.
type mark struct{ offset, frames int }

func (c *capfile) mark() { c.marks = append(c.marks, mark{len(c.data), len(c.frames)}) }

func (c *capfile) u16(v ...uint16) {
	for _, v := range v {
		c.data = c.order.AppendUint16(c.data, v)
	}
}

func (c *capfile) u32(v ...uint32) {
	for _, v := range v {
		c.data = c.order.AppendUint32(c.data, v)
	}
}

// want adds a frame that reading must yield.
func (c *capfile) want(f Frame) {
	if f.Number == 0 {
		f.Number = uint64(len(c.frames) + 1)
	}
	c.frames = append(c.frames, f)
}

// pcapFile starts a pcap file.
func pcapFile(order binary.AppendByteOrder, magic uint32, minor uint16, snap, network uint32) *capfile {
	c := &capfile{order: order}
	c.u32(magic)
	c.u16(2, minor)
	c.u32(0, 0, snap, network)
	if magic == magicIxiaHW || magic == magicIxiaSW {
		c.u32(12345)
	}
	c.mark()
	return c
}

// packet adds a record; the frame it must yield has the time ns.
func (c *capfile) packet(sec, frac uint32, data []byte, wire uint32, extra int, link uint32, ns int64) {
	c.u32(sec, frac, uint32(len(data)), wire)
	c.data = append(c.data, bytes.Repeat([]byte{0xee}, extra)...)
	c.data = append(c.data, data...)
	c.want(Frame{Data: data, Time: ns, WireLen: wire, Link: link})
	c.mark()
}

// block adds a pcapng block, padded, without a frame.
func (c *capfile) block(kind uint32, body []byte) {
	pad := -len(body) & 3
	length := uint32(len(body) + pad + 12)
	c.u32(kind, length)
	c.data = append(c.data, body...)
	c.data = append(c.data, make([]byte, pad)...)
	c.u32(length)
	c.mark()
}

// body makes a block's body in the file's byte order.
func (c *capfile) body(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case uint16:
			b = c.order.AppendUint16(b, p)
		case uint32:
			b = c.order.AppendUint32(b, p)
		case uint64:
			b = c.order.AppendUint64(b, p)
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		default:
			panic(p)
		}
	}
	return b
}

// section adds a section header block and changes the byte order to order.
func (c *capfile) section(order binary.AppendByteOrder) {
	c.order = order
	c.block(blockSection, c.body(uint32(byteOrderMagic), uint16(1), uint16(0), ^uint64(0)))
}

// option is an option of a block.
func (c *capfile) option(code uint16, value []byte) []byte {
	b := c.body(code, uint16(len(value)), value)
	return append(b, make([]byte, -len(value)&3)...)
}

// iface adds an interface description block.
func (c *capfile) iface(link uint16, snap uint32, options ...[]byte) {
	c.block(blockInterface, c.body(link, uint16(0), snap, bytes.Join(options, nil)))
}

// enhanced adds an enhanced packet block.
func (c *capfile) enhanced(id uint32, ticks uint64, data []byte, wire uint32, options []byte, want Frame) {
	pad := make([]byte, -len(data)&3)
	want.Data, want.WireLen = data, wire
	c.want(want)
	c.block(blockEnhancedPacket, c.body(id, uint32(ticks>>32), uint32(ticks), uint32(len(data)), wire, data, pad, options))
}

// payload is n bytes that differ from their neighbours.
func payload(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	return b
}

var testBuffer = make([]byte, bufferSize)

// readStream reads a capture from src to its end, copying the frames.
func readStream(t testing.TB, src io.Reader, batch int) (all []Frame, damage *DamageError) {
	t.Helper()
	f, err := Open([]string{"-"}, Options{Stdin: src})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.r.w.buf = testBuffer // a new one each time would be most of the tests' work
	return drain(t, f, batch)
}

// drain reads f to its end. It holds every batch to the contract of ReadBatch.
func drain(t testing.TB, f *Files, batch int) (all []Frame, damage *DamageError) {
	t.Helper()
	frames := make([]Frame, batch)
	for {
		n, err := f.ReadBatch(frames)
		for _, fr := range frames[:n] {
			if len(fr.Data) > MaxFrame || cap(fr.Data) != len(fr.Data) {
				t.Fatalf("frame %d has %d bytes, and room for %d", fr.Number, len(fr.Data), cap(fr.Data))
			}
			fr.Data = bytes.Clone(fr.Data)
			all = append(all, fr)
		}
		var d *DamageError
		switch {
		case n > 0 && err != nil:
			t.Fatalf("%d frames and the error %v in one", n, err)
		case err == io.EOF:
			if n, err := f.ReadBatch(frames); n != 0 || err != io.EOF {
				t.Fatalf("after the end: %d frames, %v", n, err)
			}
			return all, damage
		case errors.As(err, &d):
			if damage == nil {
				damage = d
			}
		case err != nil:
			t.Fatalf("ReadBatch returned %v", err)
		case n == 0:
			t.Fatal("ReadBatch returned nothing and no error")
		}
	}
}

// same compares frames with what they must be.
func same(t testing.TB, got, want []Frame) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if !bytes.Equal(g.Data, w.Data) {
			t.Fatalf("frame %d: %d bytes that differ from the %d wanted", i+1, len(g.Data), len(w.Data))
		}
		g.Data, w.Data = nil, nil
		if g.Time != w.Time || g.Number != w.Number || g.WireLen != w.WireLen || g.Link != w.Link || g.File != w.File {
			t.Fatalf("frame %d is %+v, want %+v", i+1, g, w)
		}
	}
}

// check reads c whole, in one piece and byte by byte, and cut at every length:
// the frames must be those of the whole records, and the error must point at
// the first that is not.
func (c *capfile) check(t *testing.T) {
	t.Helper()
	for _, src := range []io.Reader{bytes.NewReader(c.data), iotest.OneByteReader(bytes.NewReader(c.data)), iotest.DataErrReader(bytes.NewReader(c.data))} {
		got, damage := readStream(t, src, 3)
		if damage != nil {
			t.Fatalf("the whole file: %v", damage)
		}
		same(t, got, c.frames)
	}
	for cut := range c.data {
		whole, clean := mark{}, false
		for _, m := range c.marks {
			if m.offset <= cut {
				whole, clean = m, m.offset == cut
			}
		}
		got, damage := readStream(t, bytes.NewReader(c.data[:cut]), 3)
		same(t, got, c.frames[:whole.frames])
		switch {
		case clean && damage != nil:
			t.Fatalf("cut at %d, between records: %v", cut, damage)
		case !clean && (damage == nil || !damage.Truncated || damage.Offset != int64(whole.offset) || damage.File != "-"):
			t.Fatalf("cut at %d, after whole records up to %d: %#v", cut, whole.offset, damage)
		}
	}
}
