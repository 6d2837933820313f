package events

import (
	"bufio"
	"io"
	"path/filepath"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/eve"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// Meta is what an event says of its packet.
type Meta struct {
	Flow    *flow.Flow
	Time    int64 // packet time, nanoseconds
	Number  uint64
	File    uint32
	Carried bool // behind a proxy or upgrade negotiation

	Encrypted dns.Encryption // a ClientHello to a resolver
}

// maxText is how many bytes of one text an event keeps: what HTTP servers
// accept as a request line.
const maxText = 8 << 10

// Writer writes events as lines.
type Writer struct {
	out  *bufio.Writer
	err  error
	name func(file uint32) string
	line eve.Line
	text []byte
	// Count is how many events were written.
	Count uint64
}

// New returns a writer of events to out. name gives the path of a capture
// file; events carry its base name.
func New(out io.Writer, name func(file uint32) string) *Writer {
	return &Writer{out: bufio.NewWriterSize(out, 64<<10), name: name}
}

// Flush writes what is buffered and returns the first error of the output.
func (w *Writer) Flush() error {
	if err := w.out.Flush(); w.err == nil {
		w.err = err
	}
	return w.err
}

func (w *Writer) begin(m Meta, event, app string) *eve.Line {
	w.line.Begin(&eve.Header{
		Type: event, Time: m.Time, Number: m.Number, File: printable.Text([]byte(filepath.Base(w.name(m.File)))),
		FlowID: m.Flow.ID(), Tuple: m.Flow.Tuple(), VLAN: m.Flow.VLAN, AppProto: app,
	})
	return &w.line
}

func (w *Writer) end() {
	if _, err := w.out.Write(w.line.End()); err != nil && w.err == nil {
		w.err = err
	}
	w.Count++
}

// raw adds a text from the wire.
func (w *Writer) raw(l *eve.Line, key string, v []byte) {
	v, _ = printable.Clip(v, maxText)
	w.text = printable.Append(w.text[:0], v)
	l.Text(key, w.text)
}

// vars collects the values of metadata.flowvars; an object each.
type vars struct {
	w    *Writer
	l    *eve.Line
	open bool
}

func (v *vars) add(key string, value []byte) {
	if !v.open {
		v.l.Open("metadata")
		v.l.OpenList("flowvars")
		v.open = true
	}
	v.l.Open("")
	v.w.raw(v.l, key, value)
	v.l.Close()
}

func (v *vars) close() {
	if v.open {
		v.l.CloseList()
		v.l.Close()
	}
}
