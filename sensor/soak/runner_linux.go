package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// runner is one run of the sensor.
type runner struct {
	o      options
	dir    string
	shunt  string
	frames [][]byte

	trouble
	samples []sample
	final   metrics
}

func (r *runner) run() (err error) {
	if r.hook, err = newWebhook(); err != nil {
		return err
	}
	defer r.hook.srv.Close()
	if r.sys, err = newSyslog(); err != nil {
		return err
	}
	defer r.sys.kill()
	if err := configure(r.dir, r.shunt, r.hook.addr, r.sys.addr); err != nil {
		return err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it does not outlive us
	if r.p, err = startProcess(r.o.binary, r.dir, attr); err != nil {
		return err
	}
	defer r.p.kill()
	r.trouble.dir = r.dir
	if r.last.arrived, err = arrived(); err != nil { // what the run before sent
		return err
	}
	if r.send, err = newSender(r.frames, r.o.rate); err != nil {
		return err
	}
	err = r.live()
	if err := errors.Join(err, r.send.close()); err != nil {
		return errors.Join(err, logClean(r.log(), 0))
	}
	if err := r.end(); err != nil {
		return err
	}
	return r.judge()
}

// live is the run until nothing more is sent.
func (r *runner) live() error {
	var sampling sync.WaitGroup
	stop := make(chan struct{})
	var failed error
	sampling.Go(func() { failed = r.watch(stop) })
	var err error
	for end := time.Now().Add(r.o.length / 2); err == nil && time.Now().Before(end); {
		err = r.round()
	}
	close(stop)
	sampling.Wait()
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	return r.settle(false)
}

// watch takes samples until stop is closed.
func (r *runner) watch(stop chan struct{}) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		m, err := scrape()
		if err != nil {
			return err
		}
		s, err := r.p.sample(m)
		if err != nil {
			return err
		}
		r.samples = append(r.samples, s)
	}
}

// end waits until the receivers have what waited for them, and ends the sensor:
// it delivers what is still open.
func (r *runner) end() error {
	if err := await("empty queues and as many alerts printed as the metrics have", r.settled); err != nil {
		return fmt.Errorf("%w: %.0f records wait, %d alerts by the metrics", err, r.final["rmmwatch_output_backlog_records"], r.final.opened())
	}
	if err := r.p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-r.p.exited:
	case <-time.After(waitFor):
		return fmt.Errorf("the sensor does not end within %v of SIGTERM", waitFor)
	}
	if r.p.err != nil {
		return fmt.Errorf("the sensor's end: %w\n%s", r.p.err, tail(r.log()))
	}
	return nil
}

// settled reports whether nothing waits any more. It is asked before the end,
// which may open more alerts: of flows whose first bytes were never whole.
func (r *runner) settled() bool {
	m, err := scrape()
	if err != nil {
		return false
	}
	r.final = m
	told, err := printed(filepath.Join(r.dir, "printed"))
	n := uint64(0)
	for _, t := range told {
		if t.State == "opened" {
			n++
		}
	}
	waiting, known := m["rmmwatch_output_backlog_records"]
	return err == nil && known && waiting == 0 && n == m.opened()
}

func (r *runner) log() []byte {
	raw, _ := os.ReadFile(r.p.logFile) // an empty log lacks refusals
	return raw
}

func tail(log []byte) []byte { return log[max(0, len(log)-4000):] }

// judge runs every check and says what was measured.
func (r *runner) judge() error {
	told, err := printed(filepath.Join(r.dir, "printed"))
	if err != nil {
		return err
	}
	file, files, err := written(filepath.Join(r.dir, "alerts"))
	if err != nil {
		return err
	}
	r.report(told, files)
	return errors.Join(
		memoryFlat(r.samples),
		countFlat("descriptors", r.samples, func(s sample) uint64 { return s.Files }, 2),
		countFlat("threads", r.samples, func(s sample) uint64 { return s.Threads }, 3),
		countFlat("goroutines", r.samples, func(s sample) uint64 { return s.Routines }, 4),
		accounted(r.segments),
		closed(told, 50),
		inFile(told, file),
		rotated(files),
		delivered("webhook", told, r.hook.got),
		delivered("syslog", told, r.sys.got),
		logClean(r.log(), r.refusals),
		healthy(r.final),
	)
}

// report prints what was measured.
func (r *runner) report(told []telling, files int) {
	var sum, lost segment
	flaps := 0
	for _, s := range r.segments {
		sum.Sent, sum.Arrived, sum.Processed = sum.Sent+s.Sent, sum.Arrived+s.Arrived, sum.Processed+s.Processed
		sum.Counted, sum.Dropped = sum.Counted+s.Counted, sum.Dropped+s.Dropped
		if s.Flap {
			flaps++
			lost.Sent += s.Sent - s.Arrived
			lost.Arrived += s.Arrived - s.Processed - s.Counted - s.Dropped
		}
	}
	fmt.Printf("shunt %s: %d packets sent in %d loops = %d processed + %d counted in the kernel + %d dropped + %d lost on the cable while down + %d before the sockets were up again; %d flaps\n",
		r.shunt, sum.Sent, r.send.loops, sum.Processed, sum.Counted, sum.Dropped, lost.Sent, lost.Arrived, flaps)
	fmt.Printf("  %d tellings in %d files, webhook %d, syslog %d; %d rounds, %d refused rule sets\n",
		len(told), files, len(r.hook.got), len(r.sys.got), r.rounds, r.refusals)
	middle, last := thirds(r.samples)
	for _, u := range []struct {
		name string
		of   func(sample) uint64
	}{
		{"RSS KiB", func(s sample) uint64 { return s.RSS >> 10 }},
		{"descriptors", func(s sample) uint64 { return s.Files }},
		{"threads", func(s sample) uint64 { return s.Threads }},
		{"goroutines", func(s sample) uint64 { return s.Routines }},
	} {
		fmt.Printf("  %-12s middle third %s, last third %s\n", u.name, spread(middle, u.of), spread(last, u.of))
	}
}

func spread(all []sample, of func(sample) uint64) string {
	var v []uint64
	for _, s := range all {
		v = append(v, of(s))
	}
	if len(v) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d to %d", slices.Min(v), slices.Max(v))
}
