package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Level is how bad a Finding is.
type Level uint8

// The levels: a sensor runs with warnings, and does not, or not well enough to be
// relied on, with a failure.
const (
	OK Level = iota
	Warning
	Failure
)

func (l Level) String() string { return [...]string{"ok", "warning", "failure"}[l] }

// MarshalText is the level in JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is one thing that was looked at. Its texts may hold names that are not
// ours: they are to be made printable.
type Finding struct {
	Level   Level  `json:"level"`
	Subject string `json:"subject"` // what was looked at
	Found   string `json:"found"`
	Do      string `json:"do,omitempty"` // what to do about it; "" for nothing
}

// Options is what the caller knows already.
type Options struct {
	Config   *config.Config // in force; the default where the file is bad
	Path     string         // of the configuration; "" for none
	Err      error          // what is wrong with the configuration
	Rules    *detect.Ruleset
	RulesErr error     // why there are no Rules
	Built    time.Time // when the program was built, roughly: no clock is right before
}

// Run looks at everything and returns what it found, in the order of reading.
func Run(o Options) []Finding {
	c := o.Config
	out := checkConfig(o)
	out = append(out, checkRules(o)...)
	if !live {
		return append(append(out, notLive(c)...), checkStorage(c)...)
	}
	h := readHost(c.Capture.Shunt)
	out = append(out, checkHost(h, c, o.Built)...)
	for _, name := range c.Capture.Interfaces {
		out = append(out, checkLink(readLink(name, c), c)...)
	}
	if len(c.Capture.Interfaces) == 0 {
		out = append(out, Finding{OK, "interface", "none is named, so none was looked at", "-i eth1, or capture.interfaces in the configuration"})
	}
	return append(out, checkStorage(c)...)
}

// notLive is what is said where no live sensor runs.
func notLive(c *config.Config) []Finding {
	level, do := Warning, "replay works here; live capture needs Linux"
	if len(c.Capture.Interfaces) > 0 {
		level = Failure
	}
	return []Finding{{level, "system", "rights, interfaces, offloads, ring memory, kernel, BPF, Landlock, clock and free space cannot be looked at: this is not Linux", do}}
}

// Worst is the worst level among findings.
func Worst(list []Finding) Level {
	worst := OK
	for _, f := range list {
		worst = max(worst, f.Level)
	}
	return worst
}

// count is n things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// lines makes each error that err lists a finding.
func lines(level Level, subject string, err error, do string) (out []Finding) {
	for text := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		out = append(out, Finding{level, subject, text, do})
	}
	return out
}
