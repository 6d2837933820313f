//go:build linux

package afpacket

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// until calls ReadBatch of the rings in turn until done, and returns the errors and frames.
func until(t *testing.T, rings []*Ring, done func(downs []*DownError) bool) (downs []*DownError, frames [][]byte) {
	t.Helper()
	batch := make([]capture.Frame, 8)
	for end := time.Now().Add(patient); !done(downs); {
		for _, r := range rings {
			n, err := r.ReadBatch(batch)
			for _, f := range batch[:n] {
				frames = append(frames, bytes.Clone(f.Data))
			}
			if down := new(DownError); errors.As(err, &down) {
				downs = append(downs, down)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if time.Now().After(end) {
			t.Fatalf("in vain; errors: %v", downs)
		}
	}
	return downs, frames
}

func allUp(rings []*Ring) func([]*DownError) bool {
	return func([]*DownError) bool {
		for _, r := range rings {
			if !r.Up() {
				return false
			}
		}
		return true
	}
}

// An interface goes down, is removed, and comes back: each is said once by each
// ring, and frames are read again, under the same filter and without a gap in
// the numbers and counts.
func TestDownAndGone(t *testing.T) {
	for _, count := range []int{1, 2} {
		t.Run(fmt.Sprint(count, " rings"), func(t *testing.T) {
			namespace(t)
			var rings []*Ring
			for i := range count {
				rings = append(rings, open(t, Config{Rings: count, Index: i, Group: 3, Promiscuous: true, RingBytes: MinRing, Filter: onlyIPv4(t)}))
			}
			sent := 0
			check := func() {
				t.Helper()
				s := newSender(t, "peer", false)
				s.send(t, ethernet(nil, "dropped by the filter"))
				want := udp(1, 2, 1000, uint16(sent), "frame")
				s.send(t, want)
				sent++
				all := drainAll(t, rings, 1)
				if len(all) != 1 || !bytes.Equal(all[0].data, want) {
					t.Fatalf("%d frames", len(all))
				}
				if !promiscuous(t) {
					t.Error("not promiscuous")
				}
			}
			down := func(gone bool) {
				t.Helper()
				downs, _ := until(t, rings, func(d []*DownError) bool { return len(d) >= count })
				for _, r := range rings {
					if r.Up() {
						t.Error("a ring thinks that the interface is up")
					}
				}
				for _, d := range downs {
					if d.Gone != gone || d.Interface != "eth0" || !errors.Is(d, unix.ENETDOWN) {
						t.Errorf("%v, removed: %v", d, gone)
					}
				}
				if again, _ := until(t, rings, func([]*DownError) bool { sent++; return sent%4 == 0 }); len(again) != 0 {
					t.Errorf("said again: %v", again)
				}
			}
			check()
			run(t, "ip link set eth0 down")
			down(false)
			run(t, "ip link set eth0 up")
			until(t, rings, allUp(rings))
			check()
			for range 3 {
				run(t, "ip link del eth0")
				down(true)
				pair(t)
				until(t, rings, allUp(rings))
				check()
			}
			packets := uint64(0)
			numbers := uint64(0)
			for _, r := range rings {
				p, d, _ := r.Stats()
				packets += p
				numbers += r.lane.number
				if d != 0 {
					t.Errorf("%d drops", d)
				}
			}
			if packets != 5 || numbers != 5 {
				t.Errorf("%d packets counted and %d numbered over all, want 5", packets, numbers)
			}
		})
	}
}

// The same when the interface was removed and made again before anybody looked,
// even under the same index.
func TestGoneUnseen(t *testing.T) {
	namespace(t)
	r := open(t, Config{RingBytes: MinRing})
	run(t, "ip link del eth0")
	run(t, "ip link add dev eth0 index 777 mtu 9000 type veth peer name peer")
	run(t, "ip link set peer up")
	run(t, "ip link set eth0 up")
	until(t, []*Ring{r}, func(d []*DownError) bool { return len(d) == 1 && d[0].Gone && r.Up() })
	run(t, "ip link del eth0")
	run(t, "ip link add dev eth0 index 777 mtu 9000 type veth peer name peer")
	run(t, "ip link set peer up")
	run(t, "ip link set eth0 up")
	until(t, []*Ring{r}, func(d []*DownError) bool { return len(d) == 1 && d[0].Gone && r.Up() })
	f := ethernet(nil, "the third of its name")
	newSender(t, "peer", false).send(t, f)
	expect(t, r, [][]byte{f})
}

// Frames of before are delivered although the interface is away.
func TestLastFrames(t *testing.T) {
	for _, count := range []int{1, 2} {
		namespace(t)
		var rings []*Ring
		for i := range count {
			rings = append(rings, open(t, Config{Rings: count, Index: i, Group: 4, RingBytes: MinRing}))
		}
		s := newSender(t, "peer", false)
		const sent = 40
		for i := range sent {
			s.send(t, udp(1, 2, 1000, uint16(i), "last words"))
		}
		run(t, "ip link del eth0")
		got := 0
		var downs []*DownError
		for end := time.Now().Add(patient); got < sent || len(downs) < count; {
			d, frames := until(t, rings, func([]*DownError) bool { got++; return got%2 == 0 })
			got += len(frames) - 2
			downs = append(downs, d...)
			if time.Now().After(end) {
				t.Fatalf("%d rings: %d of %d frames, %v", count, got, sent, downs)
			}
		}
	}
}

// An interface that is down when a ring is opened is captured from once it is up.
func TestOpenDown(t *testing.T) {
	namespace(t)
	run(t, "ip link set eth0 down")
	r := open(t, Config{})
	until(t, []*Ring{r}, func(d []*DownError) bool { return len(d) == 1 && !d[0].Gone })
	run(t, "ip link set eth0 up")
	until(t, []*Ring{r}, func([]*DownError) bool { return r.Up() })
	f := ethernet(nil, "up")
	newSender(t, "peer", false).send(t, f)
	expect(t, r, [][]byte{f})
}

// An interface of the name that cannot be captured from is said, once, with the reason.
func TestBackOtherwise(t *testing.T) {
	namespace(t)
	r := open(t, Config{})
	run(t, "ip link del eth0")
	tun(t, "eth0", unix.ARPHRD_INFINIBAND)
	run(t, "ip link set eth0 up")
	downs, _ := until(t, []*Ring{r}, func(d []*DownError) bool { return len(d) == 2 })
	if err := downs[1]; !bytes.Contains([]byte(err.Error()), []byte("32 (InfiniBand)")) {
		t.Error(err)
	}
}
