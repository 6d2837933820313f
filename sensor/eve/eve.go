package eve

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// Line builds one line at a time, each in the memory of the one before. Begin
// or Reset comes first, End last; every Open needs its Close.
type Line struct {
	buf   []byte
	comma bool // a value precedes in the open object or array
}

// Reset begins a new line with its opening brace.
func (l *Line) Reset() {
	l.buf = append(l.buf[:0], '{')
	l.comma = false
}

// End closes the line, with its newline, and returns it. It is valid until the
// next Reset.
func (l *Line) End() []byte {
	l.buf = append(l.buf, '}', '\n')
	return l.buf
}

func (l *Line) key(k string) {
	if l.comma {
		l.buf = append(l.buf, ',')
	}
	l.comma = true
	if k != "" {
		l.buf = append(l.buf, '"')
		l.buf = append(l.buf, k...)
		l.buf = append(l.buf, '"', ':')
	}
}

// Str adds a text. The key is empty within an array, here and below, and only
// there.
func (l *Line) Str(k, v string) {
	l.key(k)
	l.buf = appendText(l.buf, v)
}

// Text is Str for bytes.
func (l *Line) Text(k string, v []byte) {
	l.key(k)
	l.buf = appendText(l.buf, v)
}

// Uint adds a number.
func (l *Line) Uint(k string, v uint64) {
	l.key(k)
	l.buf = strconv.AppendUint(l.buf, v, 10)
}

// Bool adds true or false.
func (l *Line) Bool(k string, v bool) {
	l.key(k)
	l.buf = strconv.AppendBool(l.buf, v)
}

// Time adds a time given in nanoseconds since the Unix epoch, as EVE writes it.
func (l *Line) Time(k string, ns int64) {
	l.key(k)
	l.buf = append(l.buf, '"')
	l.buf = AppendTime(l.buf, ns)
	l.buf = append(l.buf, '"')
}

// Addr adds an address, which must be valid.
func (l *Line) Addr(k string, a netip.Addr) {
	l.key(k)
	l.buf = append(l.buf, '"')
	l.buf = a.AppendTo(l.buf)
	l.buf = append(l.buf, '"')
}

// Open begins an object, Close ends it.
func (l *Line) Open(k string) {
	l.key(k)
	l.buf = append(l.buf, '{')
	l.comma = false
}

// Close ends an object.
func (l *Line) Close() {
	l.buf = append(l.buf, '}')
	l.comma = true
}

// OpenList begins an array, CloseList ends it.
func (l *Line) OpenList(k string) {
	l.key(k)
	l.buf = append(l.buf, '[')
	l.comma = false
}

// CloseList ends an array.
func (l *Line) CloseList() {
	l.buf = append(l.buf, ']')
	l.comma = true
}

// List adds an array of texts; nothing where there are none, since the schema
// wants at least one.
func (l *Line) List(k string, values ...string) {
	if len(values) == 0 {
		return
	}
	l.OpenList(k)
	for _, v := range values {
		l.Str("", v)
	}
	l.CloseList()
}

// appendText appends v as a JSON string. Bytes that are not printable ASCII do
// not occur; where one did, its place is taken by a question mark rather than
// by broken JSON.
func appendText[T string | []byte](dst []byte, v T) []byte {
	dst = append(dst, '"')
	for i := range len(v) {
		c := v[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c > '~':
			dst = append(dst, '?')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// AppendTime appends a time as 2026-11-22T19:55:01.123456+0000.
func AppendTime(dst []byte, ns int64) []byte {
	return time.Unix(0, ns).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000-0700")
}

// Header is what every event says of its packet and flow.
type Header struct {
	Type     string // event_type
	Time     int64  // packet time, nanoseconds
	Number   uint64 // of the packet in its file; 0 leaves it out
	File     string // base name of the capture; empty leaves it out
	FlowID   uint64
	Tuple    flow.Tuple // client first, whichever side sent the packet
	VLAN     uint16     // 0 leaves it out
	AppProto string     // empty leaves it out
}

// Begin resets the line and adds the header.
func (l *Line) Begin(h *Header) {
	l.Reset()
	l.Time("timestamp", h.Time)
	l.Uint("flow_id", h.FlowID)
	if h.Number > 0 {
		l.Uint("pcap_cnt", h.Number)
	}
	if h.File != "" {
		l.Str("pcap_filename", h.File)
	}
	l.Str("event_type", h.Type)
	if h.VLAN > 0 {
		l.OpenList("vlan")
		l.Uint("", uint64(h.VLAN))
		l.CloseList()
	}
	t := &h.Tuple
	l.Addr("src_ip", t.Client)
	l.Uint("src_port", uint64(t.ClientPort))
	l.Addr("dest_ip", t.Server)
	l.Uint("dest_port", uint64(t.ServerPort))
	l.Str("proto", Proto(t.Proto))
	l.Str("community_id", t.CommunityID())
	if h.AppProto != "" {
		l.Str("app_proto", h.AppProto)
	}
}

// Proto is the name of a transport as EVE has it, or its number.
func Proto(p uint8) string {
	switch p {
	case 6:
		return "TCP"
	case 17:
		return "UDP"
	}
	return strconv.Itoa(int(p))
}
