// Package importtest holds what the importers' tests have in common. Only
// tests import it.
package importtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// Outcomes holds what became of entries against want: a line for each, with
// its line in the source, outcome and reason, what is looked for, and the text
// of the entry. Lines of want are trimmed.
func Outcomes(t *testing.T, entries []intel.Entry, want string) *intel.Pack {
	t.Helper()
	pack, err := intel.Build(entries, intel.Options{Format: "test", Confidence: detect.Medium})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, r := range pack.Rows {
		s := fmt.Sprintf("%d %s", r.Line, r.Outcome)
		if r.Reason != "" {
			s += " " + string(r.Reason)
		} else {
			s += " " + looked(&entries[i].Match)
		}
		got = append(got, s+": "+intel.Clean(r.Text, 100))
	}
	var lines []string
	for l := range strings.Lines(want) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	if !slices.Equal(got, lines) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
		for _, r := range pack.Rows {
			if r.Detail != "" {
				t.Logf("%d %s", r.Line, r.Detail)
			}
		}
	}
	return pack
}

// looked is what an indicator looks for, in short.
func looked(in *detect.Indicator) string {
	var parts []string
	add := func(key string, values ...string) {
		if len(values) > 0 {
			parts = append(parts, key+"="+strings.Join(values, "|"))
		}
	}
	add("domain", in.Domain...)
	add("host", in.HTTP.Host...)
	add("method", in.HTTP.Method...)
	add("path", in.HTTP.Path...)
	add("agent", in.HTTP.Agent...)
	add("ja3", in.TLS.JA3...)
	add("ja4", in.TLS.JA4...)
	add("subject", in.TLS.Subject...)
	for _, p := range in.Payload {
		s := fmt.Sprintf("%s %s %d %s%s", p.Proto, p.From, p.At, p.Hex, p.Text)
		if p.Size > 0 {
			s += fmt.Sprintf(" size %d", p.Size)
		}
		add("payload", s)
	}
	for _, p := range in.IP {
		add("ip", p.String())
	}
	for _, p := range in.Port {
		add("port", p.String())
	}
	return strings.Join(parts, " ")
}

// Fuzz feeds an importer anything: it must say something, each entry must have
// an outcome, and what is made of them must pass the gate.
func Fuzz(f *testing.F, parse func(file string, data []byte) []intel.Entry, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 8192 {
			return
		}
		entries := parse("x", data)
		if len(entries) == 0 {
			t.Fatal("nothing is said of the file")
		}
		pack, err := intel.Build(entries, intel.Options{Format: "test", Confidence: detect.Low})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range pack.Rows {
			if r.Outcome == "" || r.Line < 1 || r.Outcome == intel.Quarantined && (r.Reason == "" || r.Detail == "") {
				t.Fatalf("%+v", r)
			}
		}
	})
}
