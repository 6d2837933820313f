package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHours(t *testing.T) {
	for _, c := range []struct {
		hours, at string
		in        bool
	}{
		{"Mon-Fri 07:00-19:00 Europe/Berlin", "2026-11-23T05:59:59Z", false},
		{"Mon-Fri 07:00-19:00 Europe/Berlin", "2026-11-23T06:00:00Z", true}, // winter: UTC+1
		{"Mon-Fri 07:00-19:00 Europe/Berlin", "2026-11-23T17:59:59Z", true},
		{"Mon-Fri 07:00-19:00 Europe/Berlin", "2026-11-23T18:00:00Z", false},
		{"Mon-Fri 07:00-19:00 Europe/Berlin", "2026-07-20T05:00:00Z", true}, // summer: UTC+2
		{"Mon-Fri 07:00-19:00 Europe/Berlin", "2026-11-22T10:00:00Z", false},
		{"07:00-19:00 UTC", "2026-11-22T10:00:00Z", true},
		{"Sat-Mon 00:00-24:00 UTC", "2026-11-23T23:59:59Z", true}, // round the end of the week
		{"Sat-Mon 00:00-24:00 UTC", "2026-11-24T00:00:00Z", false},
		{"Mon-Thu 07:00-19:00, Fri 07:00-15:00 UTC", "2026-11-27T15:00:00Z", false},
		{"Mon-Thu 07:00-19:00, Fri 07:00-15:00 UTC", "2026-11-27T14:59:59Z", true},
		// Across midnight: the night belongs to the day on which it begins.
		{"Mon-Fri 22:00-06:00 UTC", "2026-11-28T05:59:59Z", true},  // Saturday morning
		{"Mon-Fri 22:00-06:00 UTC", "2026-11-23T05:59:59Z", false}, // Monday morning
		{"Sun 22:00-06:00 UTC", "2026-11-23T05:59:59Z", true},
		{"Sun 22:00-00:00 UTC", "2026-11-23T00:00:00Z", false},
		// 2026-03-29 in Berlin: 02:00 is 03:00. A range within the gap has no time at all, one
		// that ends there ends with it.
		{"Sun 02:15-02:45 Europe/Berlin", "2026-03-29T00:59:59Z", false},
		{"Sun 02:15-02:45 Europe/Berlin", "2026-03-29T01:00:00Z", false},
		{"Sun 01:00-02:30 Europe/Berlin", "2026-03-29T00:59:59Z", true},
		{"Sun 01:00-02:30 Europe/Berlin", "2026-03-29T01:00:00Z", false},
		{"Sun 02:30-04:00 Europe/Berlin", "2026-03-29T01:00:00Z", true},
		// 2026-10-25 in Berlin: 03:00 is 02:00. What the clock shows twice is in twice.
		{"Sun 02:15-02:45 Europe/Berlin", "2026-10-25T00:30:00Z", true},
		{"Sun 02:15-02:45 Europe/Berlin", "2026-10-25T01:30:00Z", true},
		{"Sun 02:15-02:45 Europe/Berlin", "2026-10-25T01:00:00Z", false},
		{"Sun 00:00-02:30 Europe/Berlin", "2026-10-25T00:45:00Z", false},
		{"Sun 00:00-02:30 Europe/Berlin", "2026-10-25T01:15:00Z", true},
		{"mon 07:00-19:00 Asia/Kolkata", "2026-11-23T01:30:00Z", true}, // UTC+5:30
	} {
		h, err := ParseHours(c.hours)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if h.In(at) != c.in || h.String() != c.hours {
			t.Errorf("%s at %s (%s): %v", h, c.at, at.In(h.zone), h.In(at))
		}
	}
}

func TestHoursMistakes(t *testing.T) {
	for s, want := range map[string]string{
		"":                                       "want times and their time zone",
		"Mon-Fri 07:00-19:00":                    "their time zone",
		"Mon-Fri":                                "their time zone",
		"07:00-19:00 Europe/Berln":               `"Europe/Berln" is no time zone`,
		"07:00-19:00 Local":                      `"Local" is no time zone`,
		"07:00-19:00 ../../etc/passwd":           "is no time zone",
		"Mon,Wed 07:00-19:00 UTC":                `"Mon" has no times`,
		"Monday 07:00-19:00 UTC":                 `"Monday" are no days`,
		"Fr 07:00-19:00 UTC":                     `"Fr" are no days`,
		"7:00-19:00 UTC":                         `"7:00-19:00" are no times`,
		"07:00-19:60 UTC":                        "are no times",
		"07:00-25:00 UTC":                        "are no times",
		"24:00-07:00 UTC":                        "are no times",
		"07:00 UTC":                              "are no times",
		"07:00-07:00 UTC":                        "whole days are 00:00-24:00",
		"Mon-Fri 07:00 - 19:00 Europe/Berlin":    "no range of times",
		"Mon-Fri 07:00-19:00 Europe/Berlin, UTC": `"Mon-Fri 07:00-19:00 Europe/Berlin" is no range`,
		"Mon 07:00-19:00, UTC":                   `"" is no range`,
	} {
		if h, err := ParseHours(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", s, h, err, want)
		}
	}
}

// The oracle compares what the clock shows, as text; bits and minutes have no
// part in it.
func TestHoursOracle(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana"}
	rapid.Check(t, func(t *rapid.T) {
		first, last := rapid.IntRange(0, 6).Draw(t, "first"), rapid.IntRange(0, 6).Draw(t, "last")
		clock := rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "m"))
		})
		from, to := clock.Draw(t, "from"), clock.Draw(t, "to")
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		if from == to {
			return
		}
		h, err := ParseHours(fmt.Sprintf("%s-%s %s-%s %s", dayNames[first], dayNames[last], from, to, zone))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(1_000_000_000, 2_500_000_000).Draw(t, "at"), 0)
		loc, _ := time.LoadLocation(zone)
		shown := at.In(loc).Format("Mon 15:04")
		onDay := func(name string) bool {
			for d := first; ; d = (d + 1) % 7 {
				if dayNames[d] == name || d == last {
					return dayNames[d] == name
				}
			}
		}
		day, now := shown[:3], shown[4:]
		before := dayNames[(strings.Index("MonTueWedThuFriSatSun", day)/3+6)%7]
		want := onDay(day) && from <= now && now < to
		if to < from {
			want = onDay(day) && from <= now || onDay(before) && now < to
		}
		if h.In(at) != want {
			t.Fatalf("%s at %s: %v", h, shown, h.In(at))
		}
	})
}

func TestUntil(t *testing.T) {
	for s, want := range map[string]string{
		"2027-3-31":           "is no day",
		"2027-02-29":          "is no day",
		"31.03.2027":          "is no day",
		"2027-03-31T00:00:00": "is no day",
		"2027-03-31 Berlin":   "no time zone",
		"2027-03-31 ":         "",
	} {
		_, err := ParseUntil(s)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", s, err)
		}
	}
	// In Santiago 2026-09-06 begins at 01:00: the day before ends when it does.
	u, err := ParseUntil("2026-09-05 America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	u = u.in(nil)
	end := time.Date(2026, 9, 6, 4, 0, 0, 0, time.UTC)
	if u.Passed(end.Add(-time.Second)) || !u.Passed(end) {
		t.Error(end.Add(-time.Second).In(u.zone), end.In(u.zone))
	}
}

func FuzzParseHours(f *testing.F) {
	for _, s := range []string{"Mon-Fri 07:00-19:00 Europe/Berlin", "Sun 22:00-06:00, 00:00-24:00 UTC", ", UTC", "é:- x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHours(s)
		if err != nil {
			return
		}
		again, err := ParseHours(h.String())
		if err != nil || again.week != h.week {
			t.Errorf("%q is read as %q, and that as %v, %v", s, h, again, err)
		}
	})
}

func FuzzParseRelay(f *testing.F) {
	for _, s := range []string{"help.corp.example", "*.corp.example", "192.0.2.0/28", "::ffff:192.0.2.1", "fe80::1%eth0", "a:1", "1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRelay(s)
		if err != nil {
			return
		}
		if again, err := ParseRelay(r.String()); err != nil || again != r {
			t.Errorf("%q is read as %q, and that as %v, %v", s, r, again, err)
		}
	})
}
