package session_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/session"
)

// Everything in this file is synthetic: what is written here is what is known
// of heartbeats, downloads and hands, and nothing was recorded.

func inOrder(p []packet) []packet {
	slices.SortStableFunc(p, func(a, b packet) int { return int(a.at/1000 - b.at/1000) })
	return p
}

// person types and moves the mouse from the client's side; the server's screen answers.
func person(seed uint64, from, length int64) (out []packet) {
	r := rand.New(rand.NewPCG(seed, 1))
	between := func(lo, hi float64) int64 { return int64((lo + r.Float64()*(hi-lo)) * 1e9) }
	at := from + 1
	for at < from+length {
		for range 3 + r.IntN(12) { // keys
			out = append(out, packet{at, true, 40 + r.IntN(40)}, packet{at + between(0.005, 0.09), false, 100 + r.IntN(4000)})
			at += between(0.08, 0.6)
		}
		at += between(0.3, 2.5)
		for n := r.IntN(60); n > 0; n-- { // the mouse
			out = append(out, packet{at, true, 60})
			if n%5 == 0 {
				out = append(out, packet{at + between(0.005, 0.05), false, 300 + r.IntN(3000)})
			}
			at += between(0.015, 0.03)
		}
		at += between(0.2, 2)
	}
	return inOrder(out)
}

// heartbeat is one timer of an agent or its server.
func heartbeat(r *rand.Rand, up bool, period, jitter float64, size, answer int, length int64) (out []packet) {
	for at := 1e9 * r.Float64() * period; int64(at) < length; at += 1e9 * period {
		t := 1 + int64(at+1e9*period*jitter*(r.Float64()-0.5))
		out = append(out, packet{t, up, size})
		if answer > 0 {
			out = append(out, packet{t + 5e6 + r.Int64N(75e6), !up, answer})
		}
	}
	return out
}

// A timer, as fast or as slow as it likes, is nobody's hand. Nor are several
// that fire less than five times in 6.4 s together.
func TestHeartbeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		up := rapid.Bool().Draw(t, "up")
		size, answer := rapid.IntRange(1, 2000).Draw(t, "size"), rapid.IntRange(0, 4000).Draw(t, "answer")
		const length = 1200 * second
		var packets []packet
		if rapid.Bool().Draw(t, "one") {
			period := rapid.Float64Range(0.2, 120).Draw(t, "period")
			packets = heartbeat(r, up, period, rapid.Float64Range(0, 0.1).Draw(t, "jitter"), size, answer, length)
		} else {
			for i := range rapid.IntRange(2, 4).Draw(t, "timers") {
				period := rapid.Float64Range(6.5, 30).Draw(t, "period")
				packets = append(packets, heartbeat(r, up != (i == 1), period, 0, size, answer, length)...)
			}
		}
		if got := run(session.Default, inOrder(packets)); len(got) != 0 {
			t.Fatalf("%+v", got)
		}
	})
}

// A file, in one piece or in many with pauses, is nobody's hand, however its
// receiver acknowledges.
func TestBulk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		up := rapid.Bool().Draw(t, "up")
		rate := rapid.Float64Range(5e3, 5e6).Draw(t, "bytes a second")
		uneven := rapid.Float64Range(0, 0.9).Draw(t, "uneven")
		ackEach := rapid.Float64Range(4e3, 1e6).Draw(t, "acknowledged each")
		stall := rapid.SampledFrom([]float64{0, 0.05, 0.3}).Draw(t, "stalls a second")
		var packets []packet
		due := 0.0
		for at := int64(1); at < 180*second; at += 20e6 {
			if r.Float64() < stall*0.02 {
				at += r.Int64N(6 * second)
			}
			n := rate * 0.02 * (1 + uneven*(2*r.Float64()-1))
			packets = append(packets, packet{at, up, 1 + int(n)})
			for due += n; due >= ackEach; due -= ackEach {
				packets = append(packets, packet{at + r.Int64N(60e6), !up, 50})
			}
		}
		if got := run(session.Default, inOrder(packets)); len(got) != 0 {
			t.Fatalf("%+v", got)
		}
	})
}

// Files fetched one after another, each asked for as soon as the one before is there.
func TestFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 4))
		rate := rapid.Float64Range(1e5, 1e7).Draw(t, "bytes a second")
		largest := rapid.IntRange(10_000, 5_000_000).Draw(t, "largest")
		var packets []packet
		for at := int64(1); at < 180*second; {
			packets = append(packets, packet{at, true, 400 + r.IntN(300)})
			at += 1e6 + r.Int64N(60e6)
			for left := 1000 + r.IntN(largest); left > 0; left -= 20_000 {
				at += int64(min(float64(left), 20_000) / rate * 1e9)
				packets = append(packets, packet{at, false, min(left, 20_000)})
			}
			at += 1e6 + r.Int64N(150e6) // the round trip, where the sensor stands by the server
		}
		if got := run(session.Default, packets); len(got) != 0 {
			t.Fatalf("%+v", got)
		}
	})
}

// A job that an agent does now and then is no session, however much it looks like
// hands while it lasts. Nor is what is too much for hands.
func TestJobs(t *testing.T) {
	for name, every := range map[string]struct{ length, period int64 }{"long and rare": {9, 60}, "short and often": {2, 29}} { // any order
		var packets []packet
		for i := range int64(40) {
			packets = append(packets, person(uint64(i), i*every.period*second, every.length*second)...)
		}
		if got := run(session.Default, inOrder(packets)); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	packets := person(1, 0, 300*second)
	for i := range packets {
		packets[i].size *= 200
	}
	if got := run(session.Default, packets); len(got) != 0 {
		t.Errorf("two-way transfer: %+v", got)
	}
}

// Hands are seen, from whichever side they come, with an agent's job before and its heartbeat
// all the time.
func TestPerson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		r := rand.New(rand.NewPCG(seed, 5))
		agent := rapid.Bool().Draw(t, "agent")
		packets := append(person(seed+1, 100*second, 8*second), person(seed, 300*second, 120*second)...)
		want := session.Server
		if agent {
			want = session.Client
			for i := range packets {
				packets[i].up = !packets[i].up
			}
		}
		packets = inOrder(append(packets, heartbeat(r, true, 15, 0.1, 80, 120, 900*second)...))
		got := run(session.Default, packets)
		if len(got) != 1 || got[0].Driven != want || got[0].Start < 290*second || got[0].Start > 325*second ||
			got[0].End < 400*second || got[0].End > 440*second {
			t.Fatalf("%s: %+v", show(got, 0), got)
		}
	})
}

// How the bytes were cut into packets, and when it all was, changes nothing.
func TestCutAndShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		shift := rapid.Int64Range(0, 1<<61).Draw(t, "shift")
		packets := person(seed, 0, 90*second)
		want := run(session.Default, packets)
		var cut []packet
		r := rand.New(rand.NewPCG(seed, 6))
		for _, p := range packets {
			for left := p.size; left > 0; {
				n := 1 + r.IntN(left)
				cut = append(cut, packet{p.at + shift, p.up, n})
				left -= n
			}
		}
		got := run(session.Default, cut)
		for i := range got {
			got[i].Start -= shift
			got[i].End -= shift
		}
		if !slices.Equal(got, want) || len(want) != 1 {
			t.Fatalf("%+v\nwant %+v", got, want)
		}
	})
}
