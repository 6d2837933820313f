package sensor_test

import (
	"bytes"
	"runtime/debug"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/events"
)

// faulty turns faults of its reader's goroutine into panics.
type faulty struct{ capture.Source }

func (f faulty) ReadBatch(frames []capture.Frame) (int, error) {
	debug.SetPanicOnFault(true)
	return f.Source.ReadBatch(frames)
}

// A frame that finds a fault in the program is put aside, and the frames around
// it are seen once each: the alerts, volumes included, are those of a replay.
// One kind of frame cannot be read, which shows in decoding; the other is of a
// file without a name, which shows when an event is written, in the middle of a
// batch that is half done.
func TestPanic(t *testing.T) {
	rs := ruleset(t)
	const path = "../pcaps/many-tools-synthetic.pcap"
	want := replayed(t, path, rs)
	gone, err := unix.Mmap(-1, 0, 4096, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(gone)
	sources := shares(t, path, 1)
	s := sources[0].(*share)
	unreadable := capture.Frame{Link: 1, Data: gone[:60], WireLen: 60}
	nameless := shares(t, "../pcaps/anydesk-synthetic.pcap", 1)[0].(*share).frames[0] // a DNS question
	nameless.File = 99
	for i, at := range []int{0, 3, 50, 51, len(s.frames)} {
		bad := unreadable
		if i%2 == 1 {
			bad = nameless
		}
		bad.Time = s.frames[min(at, len(s.frames)-1)].Time
		s.frames = slices.Insert(s.frames, at, bad)
	}
	sources[0] = faulty{s}
	var out bytes.Buffer
	ev := events.New(&out, func(file uint32) string {
		if file == 99 {
			panic("planted")
		}
		return path
	})
	var caught []sensor.Panicked
	l := &sensor.Live{Sources: sources, Events: []*events.Writer{ev}, Panic: func(_ int, p sensor.Panicked) { caught = append(caught, p) }}
	if got := closed(t, l, rs, path); !slices.Equal(got, want) {
		t.Errorf("%d alerts, want %d", len(got), len(want))
	}
	if len(caught) != 5 || l.Workers()[0].Panics != 5 {
		t.Errorf("%d panics, counted %d", len(caught), l.Workers()[0].Panics)
	}
	for _, p := range caught {
		if p.Value == "planted" && !bytes.Equal(p.Frame.Data, nameless.Data) || len(p.Stack) == 0 {
			t.Errorf("%+v", p)
		}
	}
}
