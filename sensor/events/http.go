package events

import (
	"bytes"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/http"
)

// Request writes the head of an HTTP/1 request as an http event. It keeps
// nothing of r.
func (w *Writer) Request(m Meta, r *http.RequestHead) {
	l := w.begin(&m, "http", "http")
	if len(r.Upgrade) > 0 {
		w.flowvar("http.upgrade", r.Upgrade)
	}
	if len(r.WebSocketProtocol) > 0 {
		w.flowvar("http.websocket_protocol", r.WebSocketProtocol)
	}
	if len(r.HostHeader) > 0 && !bytes.Equal(r.HostHeader, r.Host) {
		w.flowvar("http.host_header", r.HostHeader)
	}
	if m.Carried {
		w.flowvar("carried", always)
	}
	w.endVars()

	l.Open("http")
	if len(r.Host) > 0 {
		w.raw("hostname", r.Host)
	}
	if r.Port > 0 {
		l.Uint("http_port", uint64(r.Port))
	}
	w.raw("url", r.Target)
	if len(r.UserAgent) > 0 {
		w.raw("http_user_agent", r.UserAgent)
	}
	w.raw("http_method", r.Method)
	version := [...]byte{'H', 'T', 'T', 'P', '/', '0' + r.Major, '.', '0' + r.Minor} // a digit each
	l.Text("protocol", version[:])
	l.Close()
	w.end()
}
