package sensor_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// share is one worker's part of a capture: the frames between hosts whose
// addresses hash to it, as a fanout would give it.
type share struct {
	frames []capture.Frame
	empty  int // turns without a frame before each batch
	turn   int
}

func (s *share) ReadBatch(frames []capture.Frame) (int, error) {
	if s.turn++; s.turn%(s.empty+1) != 0 {
		return 0, nil
	}
	if len(s.frames) == 0 {
		return 0, io.EOF
	}
	n := copy(frames, s.frames[:min(len(s.frames), 1+s.turn%sensor.BatchSize)])
	s.frames = s.frames[n:]
	return n, nil
}

// shares reads a capture whole and spreads it over n workers.
func shares(t *testing.T, path string, n int) []capture.Source {
	t.Helper()
	files, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	parts := make([]*share, n)
	for i := range parts {
		parts[i] = &share{empty: i % 2}
	}
	var dec decode.Decoder
	var p decode.Packet
	frames := make([]capture.Frame, sensor.BatchSize)
	for {
		got, err := files.ReadBatch(frames)
		if err == io.EOF {
			break
		}
		for _, f := range frames[:got] {
			dec.Decode(f.Link, f.Data, &p)
			f.Data = bytes.Clone(f.Data)
			h := (p.Src.Hi ^ p.Dst.Hi) + (p.Src.Lo ^ p.Dst.Lo)
			i := int(h % uint64(n))
			parts[i].frames = append(parts[i].frames, f)
		}
	}
	var out []capture.Source
	for _, s := range parts {
		out = append(out, s)
	}
	return out
}

func ruleset(t testing.TB) *detect.Ruleset {
	t.Helper()
	rs, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// closed runs a live sensor over sources and returns the alerts that were closed, as
// lines, sorted.
func closed(t *testing.T, l *sensor.Live, rs *detect.Ruleset, name string) []string {
	t.Helper()
	cfg := small()
	enc := format.NewEVE(func(uint32) string { return name })
	var lines []string
	states := map[string]string{}
	l.Config, l.Seed = &cfg, [2]uint64{1, 2}
	l.Now = func() int64 { return 0 } // the capture's time is long ago
	l.Down = func(int, error) {}
	if l.Panic == nil {
		l.Panic = func(_ int, p sensor.Panicked) { t.Errorf("%v\n%s", p.Value, p.Stack) }
	}
	l.Alert = func(a *alert.Alert) {
		id := a.ID()
		switch before := states[id]; {
		case a.State == alert.Opened && before == "", a.State != alert.Opened && (before == "opened" || before == "updated"):
		default:
			t.Errorf("%s: %s after %q", id, a.State, before)
		}
		states[id] = a.State.String()
		if a.State == alert.Closed {
			lines = append(lines, string(enc.Line(a)))
		}
	}
	l.SetRules(rs)
	l.Start()
	l.Run(context.Background())
	if l.Lost() > 0 {
		t.Errorf("%d findings were lost", l.Lost())
	}
	slices.Sort(lines)
	return lines
}

func replayed(t *testing.T, path string, rs *detect.Ruleset) []string {
	t.Helper()
	files, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	cfg := small()
	enc := format.NewEVE(func(uint32) string { return path })
	var lines []string
	r := sensor.Replay{Config: &cfg, Rules: rs, Source: files, Alert: func(a *alert.Alert) { lines = append(lines, string(enc.Line(a))) }, Damage: func(error) {}, Tick: func() {}}
	if _, err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// One worker, two and five give the alerts of a replay. They run as they like, one
// long ahead of another; what DNS told one of them is then not known to the other in time, so
// that is left to TestWorkersInStep.
func TestWorkersAgree(t *testing.T) {
	rs := ruleset(t)
	paths, err := filepath.Glob("../pcaps/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	some := 0
	for _, path := range paths {
		if strings.HasSuffix(path, ".json") {
			continue
		}
		want := withoutDNSNames(replayed(t, path, rs))
		some += len(want)
		for _, n := range []int{1, 2, 5} {
			if got := withoutDNSNames(closed(t, &sensor.Live{Sources: shares(t, path, n)}, rs, path)); !slices.Equal(got, want) && !dependsOnDNS(path) {
				t.Errorf("%s, %d workers:\n%s\nwant\n%s", path, n, strings.Join(got, ""), strings.Join(want, ""))
			}
		}
	}
	if some < 50 {
		t.Errorf("only %d alerts were compared", some)
	}
}

// Rules that change in the middle of a capture begin no second alert and lose no
// frame.
func TestSetRules(t *testing.T) {
	const path = "../pcaps/many-tools-synthetic.pcap"
	want := replayed(t, path, ruleset(t))
	l := &sensor.Live{Sources: shares(t, path, 2)}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	sets := []*detect.Ruleset{ruleset(t), ruleset(t), ruleset(t)}
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				l.SetRules(sets[i%len(sets)])
				time.Sleep(10 * time.Microsecond)
			}
		}
	})
	got := closed(t, l, sets[0], path)
	close(stop)
	wg.Wait()
	if len(got) != len(want) {
		t.Errorf("%d alerts, want %d", len(got), len(want))
	}
	packets := uint64(0)
	for _, w := range l.Workers() {
		packets += w.Packets
	}
	if packets == 0 || fmt.Sprint(packets) != fmt.Sprint(countFrames(t, path)) {
		t.Errorf("%d packets", packets)
	}
}

func countFrames(t *testing.T, path string) (n int) {
	for _, s := range shares(t, path, 1) {
		n += len(s.(*share).frames)
	}
	return n
}
