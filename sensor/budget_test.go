package sensor_test

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
)

// flood is a source that makes n frames as they are read, then yields the
// frames of a real session.
type flood struct {
	n, i  int
	frame func(i int, buf []byte) []byte // fills buf and returns the part in use
	bufs  [64][]byte
	then  frames
}

func (s *flood) ReadBatch(dst []capture.Frame) (int, error) {
	if s.i >= s.n {
		return s.then.ReadBatch(dst)
	}
	n := min(len(dst), s.n-s.i, len(s.bufs))
	for j := range n {
		if s.bufs[j] == nil {
			s.bufs[j] = make([]byte, 2048)
		}
		data := s.frame(s.i, s.bufs[j])
		dst[j] = capture.Frame{Data: data, Time: 1e18 + int64(s.i)*1000, Number: uint64(s.i + 1), WireLen: uint32(len(data)), Link: 1}
		s.i++
	}
	return n, nil
}

// ipv4 writes an Ethernet and IPv4 header around a payload of size bytes for
// host number i and returns the frame with its payload.
func ipv4(buf []byte, i int, proto byte, size int) (frame, payload []byte) {
	frame = buf[:14+20+size]
	clear(frame)
	frame[12] = 8
	ip := frame[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(20+size))
	binary.BigEndian.PutUint16(ip[4:], uint16(i))
	binary.BigEndian.PutUint32(ip[12:], 10<<24|uint32(i)&0xffffff)
	copy(ip[16:], []byte{203, 0, 113, 7})
	return frame, ip[20:]
}

// tcpHeader writes a TCP header of 20 bytes and returns what follows it.
func tcpHeader(b []byte, i int, flags byte, seq uint32) []byte {
	binary.BigEndian.PutUint16(b, uint16(1024+i>>24))
	binary.BigEndian.PutUint16(b[2:], 443)
	binary.BigEndian.PutUint32(b[4:], seq)
	b[12], b[13] = 5<<4, flags
	return b[20:]
}

// Whatever floods the sensor, its memory stays what it took at the start, and
// the session that comes afterwards is detected.
func TestFloodsStayInBudget(t *testing.T) {
	n := 2_000_000
	if os.Getenv("CI") == "true" {
		n = 20_000_000
	}
	session := newWire(t, false)
	h := goHello(t, relay)
	session.now = 1e18 + int64(n)*1000
	session.segment(99, true, nil)
	session.segment(100, false, h[:700])
	session.segment(800, false, h[700:])

	for name, f := range map[string]struct {
		n     int
		frame func(i int, buf []byte) []byte
	}{
		"SYN flood": {n, func(i int, buf []byte) []byte {
			frame, b := ipv4(buf, i, 6, 20)
			tcpHeader(b, i, 2, uint32(i))
			return frame
		}},
		"half-open ClientHellos": {n / 10, func(i int, buf []byte) []byte {
			frame, b := ipv4(buf, i, 6, 20+1400)
			copy(tcpHeader(b, i, 16, uint32(i)), h[:1400])
			return frame
		}},
		"fragments that never end": {n / 10, func(i int, buf []byte) []byte {
			frame, _ := ipv4(buf, i, 17, 1400)
			frame[14+6] = 0x20 | byte(i%7) // more fragments, at some offset
			return frame
		}},
		"one byte at wild sequence numbers": {n / 10, func(i int, buf []byte) []byte {
			frame, b := ipv4(buf, i%1000, 6, 21)
			tcpHeader(b, 0, 16, uint32(i)*7919)
			return frame
		}},
		"DNS questions for a tool": {n / 40, func(i int, buf []byte) []byte {
			name := "\x05relay\x0banydesk-evil\x07example\x00" // no tool's, but asked by everybody
			if i%2 == 0 {
				name = "\x0erelay-0badc0de\x03net\x07anydesk\x03com\x00"
			}
			frame, b := ipv4(buf, i, 17, 8+12+len(name)+4)
			binary.BigEndian.PutUint16(b, 5000)
			binary.BigEndian.PutUint16(b[2:], 53)
			binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
			b[8], b[9], b[10], b[13] = byte(i>>8), byte(i), 1, 1
			copy(b[20:], name)
			b[20+len(name)+1], b[20+len(name)+3] = 1, 1
			return frame
		}},
	} {
		t.Run(name, func(t *testing.T) {
			src := &flood{n: f.n, frame: f.frame, then: frames{list: session.frames}}
			before := heap()
			found := false
			summary := replayInto(t, config.Default(), src, func(a *alert.Alert) {
				found = found || strings.HasPrefix(story([]*alert.Alert{a}), "10.1.2.3 screenconnect high")
			})
			if grown := heap() - before; grown > 150<<20 {
				t.Errorf("%d MiB more in use", grown>>20)
			}
			if summary.Packets != uint64(f.n+len(session.frames)) {
				t.Errorf("%d packets", summary.Packets)
			}
			if !found {
				t.Error("the session after the flood was not detected")
			}
		})
	}
}

// replayInto runs a source without events and keeps nothing of it.
func replayInto(t *testing.T, cfg config.Config, src capture.Source, alert func(*alert.Alert)) format.Summary {
	t.Helper()
	rs, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	run := sensor.Replay{Config: &cfg, Rules: rs, Source: src, Alert: alert, Damage: func(err error) { t.Error(err) }, Tick: func() {}}
	summary, err := run.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// heap is what the process has taken from the system for its heap, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapSys - m.HeapReleased)
}

// In a generated enterprise mix every hidden flow is found by its name or its
// bytes, however it was cut and reordered; ordinary traffic alerts nobody.
func TestMixFindsEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("it generates 60 MB of traffic")
	}
	dir := t.TempDir()
	mix, manifest := filepath.Join(dir, "mix.pcap"), filepath.Join(dir, "manifest.tsv")
	cmd := exec.Command("go", "run", "../pcaps/gen", "mix", "-o", mix, "-size", "60MB", "-flows", "8000", "-manifest", manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	raw, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	f, err := capture.Open([]string{mix}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := replaySource(t, config.Default(), f, f.Name)

	hidden := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		if i == 0 {
			continue
		}
		// packet, proto, client, client_port, server, server_port, kind, tool, name
		c := strings.Split(line, "\t")
		port, _ := strconv.Atoi(c[3])
		found := false
		hidden[c[2]] = true
		for _, a := range r.alerts {
			for _, e := range a.Evidence {
				tuple := e.Flow.Tuple
				if a.Host.String() == c[2] && int(tuple.ClientPort) == port && tuple.Server.String() == c[4] && (c[6] == "payload" || strings.Contains(e.Value, c[8])) {
					found = true
				}
			}
		}
		if !found {
			t.Errorf("not found: %s", line)
		}
	}
	if len(hidden) < 20 {
		t.Fatalf("only %d hosts in the manifest", len(hidden))
	}
	for _, a := range r.alerts {
		if !hidden[a.Host.String()] {
			t.Errorf("%s %s alerts without being hidden: %s", a.Host, a.Tool.ID, a.Best().Value)
		}
	}
}
