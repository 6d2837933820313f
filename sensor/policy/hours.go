package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the static binary runs where no zones are installed
)

const (
	minutesDay  = 24 * 60
	minutesWeek = 7 * minutesDay
)

var dayNames = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// Hours are times of the week by the clock on the wall of one time zone. Where
// that clock is put forward, the minutes that it leaves out are in no range; where
// it is put back, those that it shows twice are in or out both times.
type Hours struct {
	zone *time.Location
	text string
	week [(minutesWeek + 63) / 64]uint64 // a bit for each minute, from Monday 00:00
}

// ParseHours reads ranges and their time zone: "Mon-Thu 07:00-19:00, Fri
// 07:00-15:00 Europe/Berlin". Days are left out for every day. A range that does
// not end later than it begins goes on to the next day.
func ParseHours(s string) (*Hours, error) {
	fields := strings.Fields(s)
	if len(fields) < 2 || strings.ContainsAny(fields[len(fields)-1], ":,") {
		return nil, errors.New("want times and their time zone, such as Mon-Fri 07:00-19:00 Europe/Berlin")
	}
	zone, err := parseZone(fields[len(fields)-1])
	if err != nil {
		return nil, err
	}
	h := &Hours{zone: zone, text: strings.Join(fields, " ")}
	for part := range strings.SplitSeq(strings.Join(fields[:len(fields)-1], " "), ",") {
		if err := h.add(strings.TrimSpace(part)); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// add takes one range in.
func (h *Hours) add(part string) error {
	fields := strings.Fields(part)
	first, last := 0, len(dayNames)-1
	switch {
	case len(fields) == 2:
		from, to, ranged := strings.Cut(fields[0], "-")
		if !ranged {
			to = from
		}
		if first, last = day(from), day(to); first < 0 || last < 0 {
			return fmt.Errorf("%q are no days: write Mon, Tue, Wed, Thu, Fri, Sat, Sun, or Mon-Fri", fields[0])
		}
	case len(fields) == 1 && day(fields[0][:min(3, len(fields[0]))]) >= 0:
		return fmt.Errorf("%q has no times: write them for each of the ranges, %s 00:00-24:00 for whole days", part, part)
	case len(fields) != 1:
		return fmt.Errorf("%q is no range of times such as Mon-Fri 07:00-19:00", part)
	}
	from, to, ranged := strings.Cut(fields[len(fields)-1], "-")
	begin, ok1 := minute(from)
	end, ok2 := minute(to)
	switch {
	case !ranged || !ok1 || !ok2 || begin == minutesDay:
		return fmt.Errorf("%q are no times such as 07:00-19:00", fields[len(fields)-1])
	case begin == end:
		return fmt.Errorf("%s to %s is nothing, or everything: whole days are 00:00-24:00", from, to)
	case end < begin:
		end += minutesDay
	}
	for d := first; ; d = (d + 1) % 7 {
		for m := begin; m < end; m++ {
			i := (d*minutesDay + m) % minutesWeek
			h.week[i/64] |= 1 << (i % 64)
		}
		if d == last {
			return nil
		}
	}
}

// day is the number of a day, from Monday; -1 for none.
func day(s string) int {
	for i, name := range dayNames {
		if strings.EqualFold(s, name) {
			return i
		}
	}
	return -1
}

// minute reads 07:00 as the minute of the day; 24:00 is its end.
func minute(s string) (int, bool) {
	hh, mm, ok := strings.Cut(s, ":")
	if !ok || len(hh) != 2 || len(mm) != 2 {
		return 0, false
	}
	h, err1 := strconv.ParseUint(hh, 10, 8)
	m, err2 := strconv.ParseUint(mm, 10, 8)
	if err1 != nil || err2 != nil || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, false
	}
	return int(h*60 + m), true
}

// parseZone reads the name of a time zone. "Local" would be another one on
// each machine.
func parseZone(s string) (*time.Location, error) {
	zone, err := time.LoadLocation(s)
	if err != nil || s == "Local" || s == "" {
		return nil, fmt.Errorf("%q is no time zone of the IANA database, such as Europe/Berlin or UTC", s)
	}
	return zone, nil
}

// In reports whether a time is within the hours.
func (h *Hours) In(t time.Time) bool { return h.has(minuteOf(t, h.zone)) }

func (h *Hours) has(i int) bool { return h.week[i/64]>>(i%64)&1 != 0 }

// minuteOf is the minute of the week that a clock on the wall shows.
func minuteOf(t time.Time, zone *time.Location) int {
	t = t.In(zone)
	hour, minute, _ := t.Clock()
	return (int(t.Weekday())+6)%7*minutesDay + hour*60 + minute
}

// String is what ParseHours reads.
func (h *Hours) String() string { return h.text }

// Until is the last day of an entry, which belongs to it whole.
type Until struct {
	year  int
	month time.Month
	day   int
	zone  *time.Location // nil: not said
}

// ParseUntil reads a day, and where it ends: "2027-03-31 Europe/Berlin". Without
// the time zone it ends in that of the entry's hours, else in UTC.
func ParseUntil(s string) (*Until, error) {
	date, name, zoned := strings.Cut(strings.TrimSpace(s), " ")
	t, err := time.Parse("2006-01-02", date)
	if err != nil {
		return nil, fmt.Errorf("%q is no day such as 2027-03-31, with a time zone behind it where that matters", s)
	}
	u := &Until{year: t.Year(), month: t.Month(), day: t.Day()}
	if zoned {
		u.zone, err = parseZone(strings.TrimSpace(name))
	}
	return u, err
}

// in is the day in the time zone that holds for it.
func (u Until) in(h *Hours) *Until {
	if u.zone == nil {
		u.zone = time.UTC
		if h != nil {
			u.zone = h.zone
		}
	}
	return &u
}

// Passed reports whether the day is over where it ends.
func (u *Until) Passed(t time.Time) bool {
	y, m, d := t.In(u.zone).Date()
	if y != u.year {
		return y > u.year
	}
	if m != u.month {
		return m > u.month
	}
	return d > u.day
}

// String is the day, and its time zone when that is known.
func (u *Until) String() string {
	s := fmt.Sprintf("%04d-%02d-%02d", u.year, u.month, u.day)
	if u.zone != nil {
		s += " " + u.zone.String()
	}
	return s
}
