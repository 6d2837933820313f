package main

import (
	"fmt"
	"strings"
	"testing"
)

// samples makes n samples of which f changes what it wants to.
func samples(n int, f func(i int, s *sample)) []sample {
	all := make([]sample, n)
	for i := range all {
		all[i] = sample{RSS: 150 << 20, Files: 40, Threads: 13, Routines: 25}
		f(i, &all[i])
	}
	return all
}

func flat(all []sample) string {
	for _, err := range []error{
		memoryFlat(all),
		countFlat("descriptors", all, func(s sample) uint64 { return s.Files }, 2),
		countFlat("goroutines", all, func(s sample) uint64 { return s.Routines }, 4),
	} {
		if err != nil {
			return err.Error()
		}
	}
	return ""
}

// What warms up, rises for a while and is a little late with its garbage is
// flat; what leaks is not, and a handful of samples shows nothing.
func TestFlat(t *testing.T) {
	for _, c := range []struct {
		name, want string
		all        []sample
	}{
		{"flat", "", samples(90, func(int, *sample) {})},
		{"warms up", "", samples(90, func(i int, s *sample) { s.RSS = 50<<20 + uint64(min(i, 30))<<20 })},
		{"connections come and go", "", samples(90, func(i int, s *sample) { s.Files += uint64(i % 20); s.Routines += uint64(i % 30) })},
		{"the collector of garbage is late", "", samples(90, func(i int, s *sample) { s.RSS += uint64(i) << 18 })},
		{"memory leaks", "memory grows", samples(90, func(i int, s *sample) { s.RSS += uint64(i) << 23 })},
		{"a descriptor leaks with each reload", "descriptors grow", samples(90, func(i int, s *sample) { s.Files += uint64(i / 6) })},
		{"a goroutine leaks with each reload", "goroutines grow", samples(90, func(i int, s *sample) { s.Routines += uint64(i / 6) })},
		{"too short", "run longer", samples(12, func(int, *sample) {})},
	} {
		if got := flat(c.all); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q instead of %q", c.name, got, c.want)
		}
	}
}

func TestAccounted(t *testing.T) {
	for _, c := range []struct {
		name string
		s    segment
		good bool
	}{
		{"all there", segment{false, 100, 100, 70, 25, 5}, true},
		{"one missing", segment{false, 100, 100, 70, 25, 4}, false},
		{"one twice", segment{false, 100, 100, 71, 25, 5}, false},
		{"one lost on the cable", segment{false, 100, 99, 70, 25, 4}, false},
		{"one from nowhere", segment{false, 100, 101, 70, 25, 5}, false},
		{"lost while down", segment{true, 100, 50, 40, 8, 1}, true},
		{"not down at all", segment{true, 100, 100, 100, 0, 0}, false},
		{"down, and more seen than came", segment{true, 100, 50, 51, 0, 0}, false},
		{"down, and most of what came is missing", segment{true, 100, 50, 20, 0, 0}, false},
	} {
		if err := accounted([]segment{{false, 1, 1, 1, 0, 0}, c.s}); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestDelivered(t *testing.T) {
	told := []telling{{"a", "a", "opened"}, {"b", "b", "opened"}, {"a-1", "a", "updated"}, {"a-2", "a", "closed"}, {"b-1", "b", "closed"}}
	got, file := map[string]int{}, map[string]int{}
	for _, x := range told {
		got[x.Message] += 2 // at least once
		file[x.Alert+" "+x.State]++
	}
	if err := delivered("webhook", told, got); err != nil {
		t.Error(err)
	}
	if err := inFile(told, file); err != nil {
		t.Error(err)
	}
	if err := closed(told, 2); err != nil {
		t.Error(err)
	}
	delete(got, "a-1")
	file["a updated"]--
	if delivered("webhook", told, got) == nil || inFile(told, file) == nil {
		t.Error("a telling is missing and nobody sees it")
	}
	if closed(told, 3) == nil || closed(told[:4], 2) == nil || closed(told[1:], 1) == nil {
		t.Error("an alert that was never opened or closed, or too few, and nobody sees it")
	}
}

func TestLogClean(t *testing.T) {
	log := `{"level":"info","msg":"watching"}
{"level":"warn","msg":"output failing","output":"webhook"}
{"level":"error","msg":"capture interrupted","worker":0}
{"level":"error","msg":"the rules are refused, the old ones stay"}
`
	for _, c := range []struct {
		more string
		good bool
	}{
		{"", true},
		{`{"level":"error","msg":"a packet made the sensor panic; it goes on"}`, false},
		{`{"level":"fatal","msg":"anything"}`, false},
		{"panic: runtime error: index out of range", false},
		{"goroutine 1 [running]:", false},
	} {
		if err := logClean([]byte(log+c.more), 1); (err == nil) != c.good {
			t.Errorf("%s: %v", c.more, err)
		}
	}
	if logClean([]byte(log), 2) == nil {
		t.Error("a bad rule that nobody refused passes")
	}
}

func TestHealthy(t *testing.T) {
	const text = `# HELP rmmwatch_worker_panics_total x
rmmwatch_worker_panics_total{worker="0"} 0
rmmwatch_worker_panics_total{worker="1"} %d
rmmwatch_findings_lost_total 0
rmmwatch_output_refused_records_total{output="file"} 0
rmmwatch_output_given_up_records_total{output="file",reason="full"} 0
rmmwatch_alerts_total{kind="exposed-service"} 3
rmmwatch_alerts_total{kind="sensor-blind"} 9
rmmwatch_shunt_packets_total{action="counted"} 1e+06
rmmwatch_shunt_packets_total{action="passed"} 2
`
	for panics := range 2 {
		m, err := parseMetrics(strings.NewReader(fmt.Sprintf(text, panics)))
		if err != nil {
			t.Fatal(err)
		}
		if err := healthy(m); (err == nil) != (panics == 0) {
			t.Errorf("%d panics: %v", panics, err)
		}
		if m.opened() != 3 || m["rmmwatch_shunt_packets_total counted"] != 1e6 {
			t.Error(m)
		}
	}
	if healthy(metrics{}) == nil {
		t.Error("metrics that are not there pass")
	}
}

// A killed receiver has nothing of what it was reading, and everything again once
// it is back at the same address.
func TestSyslogReceiver(t *testing.T) {
	const message = `<130>1 - - rmmwatch - x [rmmwatch@32473 id="%d" tool="t"] {}`
	frame := func(n int) string {
		m := fmt.Sprintf(message, n)
		return fmt.Sprintf("%d %s", len(m), m)
	}
	if list, err := readSyslog(strings.NewReader(frame(1) + frame(2))); err != nil || fmt.Sprint(list) != "[1 2]" {
		t.Error(list, err)
	}
	for _, bad := range []string{frame(1)[:20], "x " + frame(1), "5 hello", "99999999 x"} {
		if list, err := readSyslog(strings.NewReader(frame(1) + bad)); err == nil {
			t.Errorf("%q: %v", bad, list)
		}
	}
	s, err := newSyslog()
	if err != nil {
		t.Fatal(err)
	}
	before := s.addr
	s.kill()
	s.kill()
	if err := s.start(); err != nil || s.addr != before {
		t.Error(s.addr, before, err)
	}
	s.kill()
	if s.distinct() != 0 {
		t.Error(s.got)
	}
}
