package events

import (
	"fmt"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/http"
)

// Request writes the head of an HTTP/1 request as an http event.
func (w *Writer) Request(m Meta, r *http.RequestHead) {
	l := w.begin(m, "http", "http")
	v := vars{w: w, l: l}
	if len(r.Upgrade) > 0 {
		v.add("http.upgrade", r.Upgrade)
	}
	if len(r.WebSocketProtocol) > 0 {
		v.add("http.websocket_protocol", r.WebSocketProtocol)
	}
	if len(r.HostHeader) > 0 && string(r.HostHeader) != string(r.Host) {
		v.add("http.host_header", r.HostHeader)
	}
	if m.Carried {
		v.add("carried", []byte("true"))
	}
	v.close()

	l.Open("http")
	if len(r.Host) > 0 {
		w.raw(l, "hostname", r.Host)
	}
	if r.Port > 0 {
		l.Uint("http_port", uint64(r.Port))
	}
	w.raw(l, "url", r.Target)
	if len(r.UserAgent) > 0 {
		w.raw(l, "http_user_agent", r.UserAgent)
	}
	w.raw(l, "http_method", r.Method)
	l.Str("protocol", fmt.Sprintf("HTTP/%d.%d", r.Major, r.Minor))
	l.Close()
	w.end()
}
