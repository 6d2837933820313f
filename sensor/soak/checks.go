package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// sample is what the process used at one moment. Goroutines is 0 where the
// metrics do not tell.
type sample struct {
	RSS                      uint64 // bytes
	Files, Threads, Routines uint64
}

// thirds returns the middle and the last third of the samples: the first is for
// warming up.
func thirds(all []sample) (middle, last []sample) {
	n := len(all)
	return all[n/3 : n*2/3], all[n*2/3:]
}

// memoryFlat holds the peak of the last third against that of the middle one. A
// quarter and 8 MiB are what the garbage collector may be late by.
func memoryFlat(all []sample) error {
	middle, last := thirds(all)
	if len(middle) < 5 {
		return fmt.Errorf("memory: only %d samples: run longer", len(all))
	}
	most := func(s []sample) (m uint64) {
		for _, v := range s {
			m = max(m, v.RSS)
		}
		return m
	}
	if m, l := most(middle), most(last); l > m+m/4+8<<20 {
		return fmt.Errorf("memory grows: at most %.1f MiB in the middle third, %.1f MiB in the last", mib(m), mib(l))
	}
	return nil
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }

// countFlat holds the least of the last third against the least of the middle
// one: what is taken for a while comes back, what leaks does not. slack is what may come
// to stay, such as a thread that the runtime needed once.
func countFlat(what string, all []sample, of func(sample) uint64, slack uint64) error {
	middle, last := thirds(all)
	if len(middle) < 5 {
		return fmt.Errorf("%s: only %d samples: run longer", what, len(all))
	}
	least := func(s []sample) uint64 {
		return of(slices.MinFunc(s, func(a, b sample) int { return int(of(a)) - int(of(b)) }))
	}
	if m, l := least(middle), least(last); l > m+slack {
		return fmt.Errorf("%s grow: never under %d in the middle third, never under %d in the last", what, m, l)
	}
	return nil
}

// segment is a stretch between two moments at which nothing was on the way.
type segment struct {
	Flap                        bool   // the interface went down and up in it
	Sent                        uint64 // frames that the sender gave to the cable
	Arrived                     uint64 // that the interface had, by the kernel's count
	Processed, Counted, Dropped uint64 // by the metrics: workers, shunt, full rings
}

// opened is how many alerts were opened, by the metrics; those about the sensor
// itself are not printed.
func (m metrics) opened() (n uint64) {
	for name, v := range m { // any order
		if strings.HasPrefix(name, "rmmwatch_alerts_total ") && name != "rmmwatch_alerts_total sensor-blind" {
			n += uint64(v)
		}
	}
	return n
}

// accounted checks that no packet is missing. Only while the interface is down
// packets may be lost, and those that come up with it before its sockets do.
func accounted(all []segment) error {
	for i, s := range all {
		seen := s.Processed + s.Counted + s.Dropped
		switch {
		case s.Flap && (seen > s.Arrived || s.Arrived > s.Sent):
			return fmt.Errorf("packets: segment %d: more seen than there were: %+v", i, s)
		case s.Flap && s.Arrived == s.Sent:
			return fmt.Errorf("packets: segment %d: the interface was down and nothing was lost: %+v", i, s)
		case s.Flap && s.Arrived-seen > s.Sent/10: // a socket is back some milliseconds after its interface
			return fmt.Errorf("packets: segment %d: the interface came back long before its sockets: %+v", i, s)
		case !s.Flap && (s.Arrived != s.Sent || seen != s.Sent):
			return fmt.Errorf("packets: segment %d: %d sent, %d arrived, %d accounted for: %+v", i, s.Sent, s.Arrived, seen, s)
		}
	}
	return nil
}

// telling is one telling of an alert, as the sensor printed it itself.
type telling struct{ Message, Alert, State string }

// delivered checks that a receiver has every telling: got has the ids of
// messages.
func delivered(receiver string, told []telling, got map[string]int) error {
	var missing []string
	for _, t := range told {
		if got[t.Message] == 0 {
			missing = append(missing, t.Message+" ("+t.State+")")
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: %d of %d tellings are missing, the first is %s", receiver, len(missing), len(told), missing[0])
	}
	return nil
}

// closed checks that what was opened was closed, once each.
func closed(told []telling, least int) error {
	states := map[string][]string{}
	opened := 0
	for _, t := range told {
		states[t.Alert] = append(states[t.Alert], t.State)
		if t.State == "opened" {
			opened++
		}
	}
	if opened < least {
		return fmt.Errorf("alerts: only %d were opened: this shows nothing", opened)
	}
	for id, s := range states {
		if s[0] != "opened" || s[len(s)-1] != "closed" || strings.Count(strings.Join(s, " "), "closed") != 1 {
			return fmt.Errorf("alert %s: its tellings are %q", id, s)
		}
	}
	return nil
}

// expected are the errors that the soak itself provokes, by the beginning of
// their message.
var expected = []string{"capture interrupted", "the rules are refused, the old ones stay", "output webhook: ", "output syslog: "}

// logClean checks the sensor's own log, and that it refused the bad rules.
func logClean(log []byte, refusals int) error {
	refused := 0
	for line := range strings.Lines(string(log)) {
		line = strings.TrimSpace(line)
		var l struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			return fmt.Errorf("log: no line of a log: %.300q", line) // a Go panic writes such lines
		}
		if strings.HasPrefix(l.Msg, "the rules are refused") {
			refused++
		}
		bad := l.Level != "debug" && l.Level != "info" && l.Level != "warn"
		if bad && !slices.ContainsFunc(expected, func(e string) bool { return strings.HasPrefix(l.Msg, e) }) {
			return fmt.Errorf("log: %.600s", line)
		}
	}
	if refused < refusals {
		return fmt.Errorf("log: bad rules were there %d times and refused %d times", refusals, refused)
	}
	return nil
}

// healthy checks what must never happen, by the last metrics. It insists on
// each of them: a metric with another name would be 0 for ever.
func healthy(m metrics) error {
	for _, name := range []string{"rmmwatch_worker_panics_total", "rmmwatch_findings_lost_total", "rmmwatch_output_given_up_records_total", "rmmwatch_output_refused_records_total"} {
		if v, ok := m[name]; !ok || v != 0 {
			return fmt.Errorf("metrics: %s is %v (there: %t)", name, v, ok)
		}
	}
	return nil
}

// rotated checks that the file output had reason to rotate.
func rotated(files int) error {
	if files < 2 {
		return fmt.Errorf("file: it never rotated")
	}
	return nil
}
