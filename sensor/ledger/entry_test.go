package ledger

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Days are those that a set of days has, in whatever order captures come, as
// long as they lie within 64 days.
func TestDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(-20_000, 20_000).Draw(t, "base")
		var s Span
		seen := map[int64]bool{}
		first, last := int64(1<<62), int64(-1<<62)
		for range rapid.IntRange(1, 30).Draw(t, "uses") {
			from := (base+rapid.Int64Range(0, 60).Draw(t, "day"))*day + rapid.Int64Range(0, day-1).Draw(t, "time")
			to := min(from+rapid.Int64Range(0, 3*day).Draw(t, "length"), (base+63)*day+day-1)
			s.add(from, to)
			first, last = min(first, from), max(last, to)
			for at := from; at < to; at += 3600e9 {
				seen[utcDay(at)] = true
			}
			seen[utcDay(to)] = true
		}
		if int(s.Days) != len(seen) || s.First != first || s.Last != last || !s.valid() {
			t.Fatalf("%+v, want %d days, %d to %d", s, len(seen), first, last)
		}
	})
}

// utcDay is the calendar's day, as the standard library counts.
func utcDay(ns int64) int64 { return time.Unix(0, ns).UTC().Truncate(24*time.Hour).Unix() / 86400 }

func TestDaysFarApart(t *testing.T) {
	var s Span
	s.add(100*day, 100*day)
	s.add(300*day, 300*day) // forgets which days before 237 there were
	s.add(100*day, 100*day) // again: not counted
	s.add(50*day, 50*day)   // before the first
	if s.Days != 3 {
		t.Errorf("%d days", s.Days)
	}
	s = Span{}
	s.add(0, 1000*day) // one use of that length: the first and the latest 64
	if s.Days != 65 || s.First != 0 {
		t.Errorf("%+v", s)
	}
}

// A flood of made-up names drives out nothing that was seen on many days.
func TestListIsBounded(t *testing.T) {
	var l List
	for d := range int64(5) {
		l.add("ours", d*day, d*day, 16)
	}
	for n := range 1000 {
		l.add(fmt.Sprint("flood", n), 6*day+int64(n), 6*day+int64(n), 16)
	}
	if len(l.Items) != 16 || l.More != 985 || l.Items[0].Value != "ours" || l.ByUse()[0].Value != "ours" || l.ByUse()[1].Value != "flood999" {
		t.Errorf("%+v", l)
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"relay.example":           "relay.example",
		`a\x1b`:                   `a\x1b`, // was escaped before
		"\x1b[31m":                `\x1b[31m`,
		"=1+1":                    "=1+1", // for spreadsheets the command escapes
		strings.Repeat("a", 300):  strings.Repeat("a", 255),
		strings.Repeat("\n", 300): strings.Repeat(`\x0a`, 64)[:255],
	} {
		if got := text(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestHostString(t *testing.T) {
	for want, h := range map[string]Host{
		"10.1.2.3":            {Addr: netip.MustParseAddr("::ffff:10.1.2.3")},
		"fe80::1 vlan 20":     {Addr: netip.MustParseAddr("fe80::1%eth0"), VLAN: 20},
		"10.1.2.3 vxlan 7":    {Addr: netip.MustParseAddr("10.1.2.3"), Tunnel: "vxlan", TunnelID: 7},
		"10.1.2.3 gre\\x0a 0": {Addr: netip.MustParseAddr("10.1.2.3"), Tunnel: "gre\n"},
	} {
		if got := h.clean().String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
