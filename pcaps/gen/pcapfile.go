package main

import (
	"encoding/binary"
	"io"
	"time"
)

// Link types as the capture file headers number them.
const (
	linkEthernet = 1
	linkSLL2     = 276
	linkRaw      = 101
)

// pcapWriter writes a classic capture file: little-endian, microseconds. It builds each packet in its own buffer,
// so that gigabytes pass through it without an allocation.
type pcapWriter struct {
	w       io.Writer
	buf     []byte
	at      int // where the packet under construction starts in buf
	packets int
	bytes   int64 // written so far, headers included
	err     error
}

// flushAt keeps writes large; maxFrame is more than any frame made here, so buf never grows.
const (
	flushAt  = 1 << 20
	maxFrame = 1 << 16
)

func newPcapWriter(w io.Writer, linkType uint32) *pcapWriter {
	p := &pcapWriter{w: w, buf: make([]byte, 0, flushAt+maxFrame)}
	for _, v := range []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, 262144, linkType} {
		p.buf = binary.LittleEndian.AppendUint32(p.buf, v)
	}
	return p
}

// begin returns the buffer to append the next packet to, which end takes back.
func (p *pcapWriter) begin() []byte {
	if len(p.buf) >= flushAt {
		p.flush()
	}
	p.at = len(p.buf)
	return p.buf[:p.at+16]
}

// end completes the packet that was appended to begin's buffer, seen at the given microseconds since 1970.
func (p *pcapWriter) end(buf []byte, micros int64) {
	n := uint32(len(buf) - p.at - 16)
	binary.LittleEndian.PutUint32(buf[p.at:], uint32(micros/1e6))
	binary.LittleEndian.PutUint32(buf[p.at+4:], uint32(micros%1e6))
	binary.LittleEndian.PutUint32(buf[p.at+8:], n)
	binary.LittleEndian.PutUint32(buf[p.at+12:], n)
	p.buf = buf
	p.packets++
}

// write adds one whole packet.
func (p *pcapWriter) write(frame []byte, at time.Time) {
	p.end(append(p.begin(), frame...), at.UnixMicro())
}

// size is how long the file is, counting what is still buffered.
func (p *pcapWriter) size() int64 { return p.bytes + int64(len(p.buf)) }

// flush hands everything buffered to the file and reports the first error of all writes.
func (p *pcapWriter) flush() error {
	if p.err == nil {
		_, p.err = p.w.Write(p.buf)
	}
	p.bytes += int64(len(p.buf))
	p.buf = p.buf[:0]
	return p.err
}
