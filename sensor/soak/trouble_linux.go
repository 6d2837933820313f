package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// trouble makes, step by step, what goes wrong in the life of a sensor.
type trouble struct {
	dir      string
	p        *process
	hook     *webhook
	sys      *syslogReceiver
	send     *sender
	last     totals
	segments []segment
	rounds   int
	refusals int // how often there was a bad rule
}

// totals are counters at a moment at which nothing was on the way.
type totals struct{ sent, arrived, processed, counted, dropped uint64 }

// step is the time between two steps.
const step = time.Second

// round goes through everything once.
func (t *trouble) round() error {
	n := t.rounds
	t.rounds++
	moods := []int32{failing, hangingUp, busy}
	for _, do := range []func() error{
		t.hup,
		func() error { t.hook.mood.Store(moods[n%len(moods)]); return nil },
		func() error { return goodRule(t.dir, n+1) }, // found without a signal
		func() error { t.sys.kill(); return nil },
		func() error { t.refusals++; return errors.Join(badRule(t.dir, n), t.hup()) },
		func() error { t.hook.mood.Store(well); return t.sys.start() },
		func() error { return errors.Join(mendRule(t.dir), t.hup()) },
		t.flap,
	} {
		if err := do(); err != nil {
			return err
		}
		time.Sleep(step)
		if t.p.gone() {
			return fmt.Errorf("the sensor ended by itself: %v", t.p.err)
		}
	}
	return nil
}

func (t *trouble) hup() error { return t.p.cmd.Process.Signal(syscall.SIGHUP) }

// flap sets the interface down and up while frames are sent to it.
func (t *trouble) flap() error {
	if err := t.settle(false); err != nil {
		return err
	}
	time.Sleep(step / 4)
	if err := ip("link set eth0 down"); err != nil {
		return err
	}
	time.Sleep(step / 2)
	if err := ip("link set eth0 up"); err != nil {
		return err
	}
	time.Sleep(step / 4)
	return t.settle(true)
}

// still is how many scrapes in a row must say the same when packets are missing.
const still = 8

// settle has the sender pause until the sensor has counted all that came, or
// counts no more, and ends a segment.
func (t *trouble) settle(flap bool) error {
	t.send.mu.Lock()
	defer t.send.mu.Unlock()
	var now totals
	same := 0
	err := await("the counters to stand still", func() bool {
		before := now
		if now = t.read(); now == before {
			same++
		} else {
			same = 0
		}
		time.Sleep(150 * time.Millisecond)
		all := now.arrived - t.last.arrived
		return same >= still || same > 0 && now.processed+now.counted+now.dropped-t.last.processed-t.last.counted-t.last.dropped == all
	})
	l := t.last
	t.segments = append(t.segments, segment{flap, now.sent - l.sent, now.arrived - l.arrived, now.processed - l.processed, now.counted - l.counted, now.dropped - l.dropped})
	t.last = now
	return err
}

// read reads the counters while the sender pauses; zero where they cannot be
// read, which no segment survives.
func (t *trouble) read() (v totals) {
	m, err := scrape()
	if err != nil {
		return v
	}
	v.arrived, err = arrived()
	if err != nil {
		return totals{}
	}
	v.sent = t.send.sent
	v.processed, v.dropped = uint64(m["rmmwatch_packets_total"]), uint64(m["rmmwatch_capture_drops_total"])
	v.counted = uint64(m["rmmwatch_shunt_packets_total counted"])
	return v
}

// ip runs ip(8).
func ip(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w\n%s", args, err, out)
	}
	return nil
}
