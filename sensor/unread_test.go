package sensor_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// snapped are the frames of a capture as a snap length would have left them.
func snapped(t *testing.T, path string, snaplen int) (list []capture.Frame) {
	t.Helper()
	f, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	batch := make([]capture.Frame, 128)
	for {
		n, err := f.ReadBatch(batch)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, fr := range batch[:n] {
			fr.Data = bytes.Clone(fr.Data[:min(len(fr.Data), snaplen)])
			list = append(list, fr)
		}
	}
}

// notSeen is what the report says that the capture hid.
func notSeen(t *testing.T, r result) string {
	t.Helper()
	var b strings.Builder
	if err := (&format.Table{Files: func(uint32) string { return "" }}).Write(&b, &r.summary, r.alerts); err != nil {
		t.Fatal(err)
	}
	_, said, _ := strings.Cut(b.String(), "not seen: ")
	return strings.ReplaceAll(said, "\n", " ")
}

// What a snap length hid is told: a report without it would call the network
// quiet. Nothing is told of the same capture when
// it is whole, or when what was cut matters to nobody.
func TestSnappedIsTold(t *testing.T) {
	for _, c := range []struct {
		path    string
		snaplen int
		want    string
	}{
		{"chromium-tls.pcap", 1 << 16, ""},
		{"chromium-tls.pcap", 96, "2 handshakes were cut (snaplen 96) or have gaps"},
		{"chromium-tls.pcap", 68, "2 flows were cut (snaplen 68) before the protocol was seen"}, // IP and TCP headers, timestamps
		{"chromium-tls.pcap", 40, "inside the headers"},
		{"chromium-quic.pcap", 1 << 16, ""},
		{"chromium-quic.pcap", 96, "1 handshake was cut (snaplen 96) or has gaps"},
		{"netsupport-synthetic.pcap", 1 << 16, ""},
		{"netsupport-synthetic.pcap", 96, "handshake was cut (snaplen 96) or has gaps"},
		{"vnc.pcap", 96, ""},
	} {
		got := notSeen(t, replayFrames(t, snapped(t, "../pcaps/"+c.path, c.snaplen)))
		if !strings.Contains(got, c.want) || c.want == "" && strings.Contains(got, "cut") {
			t.Errorf("%s at %d: %q, want %q", c.path, c.snaplen, got, c.want)
		}
	}
}

// A ClientHello or a request head with a hole in it, or one that never came to
// its end, is told; one whose missing part comes later is not.
func TestGapIsTold(t *testing.T) {
	hello := goHello(t, relay)
	head := []byte("GET /" + strings.Repeat("x", 600) + " HTTP/1.1\r\nHost: " + relay + "\r\n\r\n")
	for _, first := range [][]byte{hello, head} {
		for _, c := range []struct {
			name  string
			parts [][2]int
			want  uint64
		}{
			{"whole", [][2]int{{0, len(first)}}, 0},
			{"a gap", [][2]int{{0, 100}, {150, len(first)}}, 1},
			{"a gap that closes", [][2]int{{0, 100}, {150, len(first)}, {100, 150}}, 0},
			{"cut short", [][2]int{{0, 100}}, 1},
		} {
			w := newWire(t, false)
			w.segment(99, true, nil)
			for _, p := range c.parts {
				w.segment(100+uint32(p[0]), false, first[p[0]:p[1]])
			}
			r := replayFrames(t, w.frames)
			if r.summary.Handshakes != c.want || r.summary.Cut != 0 || len(r.alerts) != 1-int(c.want) {
				t.Errorf("%.5q, %s: %d handshakes unread, %d alerts", first, c.name, r.summary.Handshakes, len(r.alerts))
			}
			if got := notSeen(t, r); c.want == 1 && got != "1 handshake was cut or has gaps " {
				t.Errorf("%.5q, %s: %q", first, c.name, got)
			}
		}
	}
}
