package monitor

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// point is what one ring of eth1 had counted at a second.
type point struct {
	second         int
	packets, drops uint64
}

// play feeds points and returns what was told, as "second cause [over] since".
func play(points []point) (told []string, events []BlindEvent) {
	var b Blind
	for _, p := range points {
		s := &Snapshot{Rings: []Ring{{Interface: "eth1", Packets: p.packets, Drops: p.drops, Up: true}}}
		for _, e := range b.Observe(s, noon.Add(time.Duration(p.second)*time.Second)) {
			events = append(events, e)
			over := ""
			if e.Over {
				over = " over"
			}
			told = append(told, fmt.Sprintf("%d %s%s since %d", p.second, e.Cause, over, int(e.Since.Sub(noon)/time.Second)))
		}
	}
	return told, events
}

// steady is a ring that counts per every 10 s, from second to second, on top of
// what the points before have.
func steady(points []point, until int, packets, drops uint64) []point {
	last := points[len(points)-1]
	for last.second+10 <= until {
		last = point{last.second + 10, last.packets + packets, last.drops + drops}
		points = append(points, last)
	}
	return points
}

func TestBlind(t *testing.T) {
	for name, c := range map[string]struct {
		points []point
		want   []string
	}{
		"nothing is lost": {steady([]point{{}}, 600, 1000, 0), nil},
		"exactly 1 %":     {steady([]point{{}}, 600, 1000, 10), nil},
		"just above 1 %": {
			steady(steady(steady([]point{{}}, 60, 10_000, 0), 120, 10_000, 101), 300, 10_000, 0),
			// The window is above 1 % only when all of it is of the lossy minute; it is at half when three tenths are.
			[]string{"120 loss since 60", "160 loss over since 60"},
		},
		"lost before the watch": {steady([]point{{0, 1000, 900}}, 600, 1000, 0), nil},
		"a short burst": {
			steady(append(steady([]point{{}}, 30, 1000, 0), point{40, 4000, 500}), 200, 1000, 0),
			[]string{"40 loss since 30", "100 loss over since 30"},
		},
		"about the limit it is told once": {
			steady(steady(steady(steady([]point{{}}, 60, 10_000, 150), 180, 10_000, 80), 300, 10_000, 150), 600, 10_000, 0),
			[]string{"10 loss since 0", "340 loss over since 0"},
		},
		"everything is lost": {steady([]point{{}}, 100, 100, 100), []string{"10 loss since 0"}},
		"reopened, no loss":  {steady(append(steady([]point{{0, 5000, 40}}, 60, 10_000, 0), point{70, 100, 0}), 400, 10_000, 0), nil},
		"reopened, with loss": {
			append(steady([]point{{0, 5000, 40}}, 60, 10, 0), point{70, 100, 30}),
			[]string{"70 loss since 60"},
		},
		"reopened, more packets than before": {
			append(steady([]point{{0, 5000, 4000}}, 60, 10, 0), point{70, 9000, 30}),
			nil,
		},
		"silent from the start": {
			steady(append(steady([]point{{}}, 900, 0, 0), point{910, 1, 0}), 1000, 10, 0),
			[]string{"300 silence since 0", "910 silence over since 0"},
		},
		"silent with old counts": {steady([]point{{0, 700, 7}}, 400, 0, 0), []string{"300 silence since 0"}},
		"falls silent twice": {
			steady(steady(steady([]point{{}}, 100, 5, 0), 500, 0, 0), 510, 5, 0),
			[]string{"400 silence since 100", "510 silence over since 100"},
		},
		"299 s are not five minutes":  {[]point{{0, 0, 0}, {299, 0, 0}, {300, 1, 0}, {599, 1, 0}}, nil},
		"looked at every ten minutes": {[]point{{0, 0, 0}, {600, 1000, 20}, {1200, 2000, 20}}, []string{"600 loss since 0", "1200 loss over since 0"}},
		"the clock goes back":         {[]point{{1000, 10, 0}, {0, 20, 0}, {900, 30, 0}, {1299, 30, 0}, {1300, 30, 0}}, []string{"1300 silence since 1000"}},
	} {
		if got, _ := play(c.points); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}

// Two rings of an interface are one loss; another interface is another.
func TestBlindInterfaces(t *testing.T) {
	var b Blind
	look := func(second int, shunt *Shunt, rings ...Ring) (told []string) {
		for _, e := range b.Observe(&Snapshot{Rings: rings, Shunt: shunt}, noon.Add(time.Duration(second)*time.Second)) {
			told = append(told, fmt.Sprint(e.Interface, " ", e.Cause, " ", e.Over, " ", e.Packets, " ", e.Drops))
		}
		return told
	}
	ring := func(name string, index int, packets, drops uint64) Ring {
		return Ring{Interface: name, Index: index, Packets: packets, Drops: drops, Up: true}
	}
	look(0, nil, ring("b\n", 0, 0, 0), ring("b\n", 1, 0, 0), ring("a", 2, 0, 0))
	got := look(10, nil, ring("b\n", 0, 900, 0), ring("b\n", 1, 100, 10), ring("a", 2, 0, 0))
	if got != nil { // a tenth of the second ring, and 1 % of the interface
		t.Errorf("%q", got)
	}
	got = look(20, nil, ring("b\n", 0, 900, 0), ring("b\n", 1, 100, 11), ring("a", 2, 5, 5))
	if want := []string{"a loss false 5 5", `b\x0a loss false 1000 11`}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// What the shunt counts in the kernel is traffic, where it is known whose.
func TestBlindShunt(t *testing.T) {
	for _, c := range []struct {
		rings []Ring
		grows uint64
		want  int
	}{
		{[]Ring{{Interface: "eth1", Up: true}}, 1, 0},
		{[]Ring{{Interface: "eth1", Up: true}}, 0, 1},
		{[]Ring{{Interface: "eth1", Up: true}, {Interface: "eth2", Up: true}}, 1, 2},
	} {
		var b Blind
		var events []BlindEvent
		for i := range 50 {
			s := &Snapshot{Rings: c.rings, Shunt: &Shunt{Dropped: uint64(i) * c.grows}}
			events = append(events, b.Observe(s, noon.Add(time.Duration(i)*10*time.Second))...)
		}
		if len(events) != c.want {
			t.Errorf("%v: %+v", c, events)
		}
	}
}

// The text names the numbers and what to do.
func TestBlindText(t *testing.T) {
	_, events := play([]point{{}, {10, 1_234_567, 45_678}})
	if len(events) != 1 || !strings.HasPrefix(events[0].Text, "eth1: 45,678 of 1,234,567 packets within a minute were lost") || events[0].At != noon.Add(10*time.Second) {
		t.Errorf("%+v", events)
	}
	b := Blind{Silence: time.Minute}
	s := &Snapshot{Rings: []Ring{{Interface: "eth1"}}}
	b.Observe(s, noon)
	down := b.Observe(s, noon.Add(time.Minute))
	if len(down) != 1 || down[0].Text != "eth1: no packet has come for 1m0s. The interface is down: set it up again, or look at the cable." {
		t.Errorf("%+v", down)
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1_000_000: "1,000,000"} {
		if group(n) != want {
			t.Errorf("%d: %s", n, group(n))
		}
	}
}

// The verdict agrees with one that keeps every packet of the last minute, over
// series that nobody chose, and the memory is bounded however often it looks.
func TestBlindModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var b Blind
		type count struct {
			second         int
			packets, drops uint64
		}
		var all []count
		var packets, drops uint64
		blind, changes := false, 0
		for second := 0; second < 600; second += 1 + rnd.IntN(3) {
			n := rnd.Uint64N(1000)
			d := rnd.Uint64N(1 + n*uint64(1+second/200%2)/60)
			if second == 0 {
				n, d = 0, 0
			}
			packets, drops = packets+n, drops+d
			all = append(all, count{second, n, d})
			base := 0 // the look before the window, or the first
			for i, c := range all {
				if c.second <= second-60 {
					base = i
				}
			}
			var offered, lost uint64
			for _, c := range all[base+1:] {
				offered, lost = offered+c.packets, lost+c.drops
			}
			want := blind
			switch {
			case float64(lost) > 0.01*float64(offered)+1e-9:
				want = true
			case float64(lost) <= 0.005*float64(offered)+1e-9:
				want = false
			}
			s := &Snapshot{Rings: []Ring{{Interface: "eth1", Packets: packets, Drops: drops, Up: true}}}
			events := b.Observe(s, noon.Add(time.Duration(second)*time.Second))
			if (want != blind) != (len(events) == 1) || len(events) == 1 && events[0].Over == want {
				t.Fatalf("second %d: %d of %d lost, %+v", second, lost, offered, events)
			}
			if want != blind {
				changes++
			}
			blind = want
		}
		if changes == 0 {
			t.Error("nothing happened")
		}
	}
	var b Blind
	for i := range 100_000 {
		b.Observe(&Snapshot{Rings: []Ring{{Interface: "eth1", Packets: uint64(i)}}}, noon.Add(time.Duration(i)*time.Millisecond))
	}
	if n := len(b.interfaces["eth1"].samples); n > lossSamples+2 {
		t.Errorf("%d samples are kept", n)
	}
}
