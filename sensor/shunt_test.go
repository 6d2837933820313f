package sensor_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/capture/shunt"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// kernel is a shunt in user space, in front of a source: it keeps and counts what the
// program in the kernel would.
type kernel struct {
	mu    sync.Mutex
	flows map[shunt.Key]*shunt.Counts
	kept  int
}

func (k *kernel) Add(key shunt.Key) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flows[key] != nil {
		return errors.New("there already")
	}
	k.flows[key] = &shunt.Counts{}
	return nil
}

func (k *kernel) Take(key shunt.Key) (c shunt.Counts, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.flows[key]; f != nil {
		return *f, true
	}
	return c, false
}

func (k *kernel) Remove(key shunt.Key) (c shunt.Counts, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.flows[key]; f != nil {
		delete(k.flows, key)
		return *f, true
	}
	return c, false
}

// keeps reports whether a frame stays in the kernel. The times of the counts are off
// by a second, for which the offset makes up.
func (k *kernel) keeps(fr *capture.Frame) bool {
	var dec decode.Decoder
	var p decode.Packet
	dec.Decode(fr.Link, fr.Data, &p)
	if p.Status != decode.StatusTransport || p.Tunnel != 0 || p.Proto == decode.ProtoTCP && p.Flags&(decode.SYN|decode.FIN|decode.RST) != 0 {
		return false
	}
	if p.Proto == decode.ProtoUDP && (p.SrcPort == 53 || p.DstPort == 53 || len(p.Payload) > 0 && p.Payload[0]&0xc0 == 0xc0) {
		return false
	}
	key, hiLo := shunt.NewKey(shunt.Addr(p.Src), shunt.Addr(p.Dst), p.SrcPort, p.DstPort, p.Proto)
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.flows[key]
	if f == nil {
		return false
	}
	dir := 0
	if hiLo {
		dir = 1
	}
	f.Packets[dir]++
	f.Bytes[dir] += uint64(p.PayloadLen)
	f.Last = fr.Time - 1e9
	k.kept++
	return true
}

// behind is a source behind the shunt. It gives one frame at a time, so that a
// flow is in the kernel before its next packet comes.
type behind struct {
	capture.Source
	kernel *kernel
}

func (b behind) ReadBatch(frames []capture.Frame) (int, error) {
	for {
		n, err := b.Source.ReadBatch(frames[:1])
		if n == 0 || !b.kernel.keeps(&frames[0]) {
			return n, err
		}
	}
}

// With the shunt and without it, the alerts are the same: evidence, volume and end.
// The kernel does not know a frame that a switch mirrored twice, so flows with such
// stay up here.
func TestShuntChangesNothing(t *testing.T) {
	rs := ruleset(t)
	paths, err := filepath.Glob("../pcaps/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, path := range paths {
		if strings.HasSuffix(path, ".json") {
			continue
		}
		want := replayed(t, path, rs)
		k := &kernel{flows: map[shunt.Key]*shunt.Counts{}}
		sources := inStep(shares(t, path, 2))
		for i := range sources {
			sources[i] = behind{sources[i], k}
		}
		got := closed(t, &sensor.Live{Sources: sources, Shunt: k, ShuntOffset: func() int64 { return 1e9 }}, rs, path)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", path, strings.Join(got, ""), strings.Join(want, ""))
		}
		kept += k.kept
		if len(k.flows) > 0 {
			t.Errorf("%s: %d flows were left in the kernel", path, len(k.flows))
		}
	}
	if kept < 200 { // flows in which somebody may be in control stay up
		t.Errorf("only %d packets stayed in the kernel", kept)
	}
}
