package events

import (
	"bufio"
	"io"
	"path/filepath"
	"strconv"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/eve"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// Meta is what an event says of its packet.
type Meta struct {
	Flow    *flow.Flow
	Time    int64  // packet time, nanoseconds
	Number  uint64 // of the packet in its file, 1-based
	File    uint32 // index among the capture's files
	Carried bool   // behind a proxy or upgrade negotiation

	Encrypted dns.Encryption // a ClientHello to a resolver
}

// Bounds of one event. A SIEM takes lines of some 64 KiB; what is longer was
// made to be.
const (
	maxText = 8 << 10 // bytes of one text: what HTTP servers accept as a request line
	maxVars = 256     // flowvars; the largest certificates of content networks name some 200 hosts
)

// Writer writes events as lines. It is not safe for concurrent use.
type Writer struct {
	out  *bufio.Writer // keeps its first error
	path func(file uint32) string
	line eve.Line
	vars vars
	text []byte // scratch

	named uint32 // the file that name is of
	name  string // its base name, empty before the first event
}

// New returns a writer of events to out. path gives the path of a capture
// file by its index; events carry its base name.
func New(out io.Writer, path func(file uint32) string) *Writer {
	return &Writer{out: bufio.NewWriterSize(out, 64<<10), path: path}
}

// Flush writes what is buffered. It returns the first error of the output;
// nothing was written after that.
func (w *Writer) Flush() error { return w.out.Flush() }

// begin starts a line with what every event has.
func (w *Writer) begin(m *Meta, event, app string) *eve.Line {
	if w.name == "" || w.named != m.File {
		w.named, w.name = m.File, printable.Text([]byte(filepath.Base(w.path(m.File))))
	}
	w.line.Begin(&eve.Header{
		Type: event, Time: m.Time, Number: m.Number, File: w.name,
		FlowID: m.Flow.ID(), Tuple: m.Flow.Tuple(), VLAN: m.Flow.VLAN, AppProto: app,
	})
	w.vars = 0
	return &w.line
}

// end writes the line. An error stays with the buffer.
func (w *Writer) end() { w.out.Write(w.line.End()) }

// raw adds a text from the wire.
func (w *Writer) raw(key string, v []byte) {
	v, _ = printable.Clip(v, maxText)
	w.text = printable.Append(w.text[:0], v)
	w.line.Text(key, w.text)
}

// vars is how many values metadata.flowvars has so far.
type vars int

// flowvar adds one value from the wire to metadata.flowvars: an object each.
func (w *Writer) flowvar(key string, value []byte) {
	if w.vars++; w.vars > maxVars {
		return
	}
	if w.vars == 1 {
		w.line.Open("metadata")
		w.line.OpenList("flowvars")
	}
	w.line.Open("")
	w.raw(key, value)
	w.line.Close()
}

// endVars closes metadata.flowvars, where there are any.
func (w *Writer) endVars() {
	if w.vars == 0 {
		return
	}
	if n := w.vars - maxVars; n > 0 {
		w.line.Open("")
		w.line.Str("more", strconv.Itoa(int(n)))
		w.line.Close()
	}
	w.line.CloseList()
	w.line.Close()
}

// always is the value of a flowvar that has no other.
var always = []byte("true")
