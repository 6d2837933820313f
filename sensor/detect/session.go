package detect

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Session is what a tool's flows look like while somebody is in control, where
// that is not what the default says. Zero fields are the default.
type Session struct {
	Rate  uint32        // bytes a second that the driven side sends at least
	For   time.Duration // how long somebody must have been at it
	Quiet time.Duration // silence that ends the session
}

// MarshalJSON shows it as a rule file has it, but for the unit of the rate.
func (s *Session) MarshalJSON() ([]byte, error) {
	var out struct {
		Rate  string `json:"rate,omitempty"`
		For   string `json:"for,omitempty"`
		Quiet string `json:"quiet,omitempty"`
	}
	if s.Rate > 0 {
		out.Rate = strconv.FormatUint(uint64(s.Rate), 10) + "B/s"
	}
	if s.For > 0 {
		out.For = s.For.String()
	}
	if s.Quiet > 0 {
		out.Quiet = s.Quiet.String()
	}
	return json.Marshal(out)
}

// Bounds: a window of the meter is 6.4 s, and it counts 255 of them.
const (
	minFor, maxFor     = 7 * time.Second, time.Hour
	minQuiet, maxQuiet = 30 * time.Second, 20 * time.Minute
)

var rateRE = regexp.MustCompile(`^([1-9][0-9]{0,5})(B|KB|MB)/s$`)

// session reads when a tool's flow shows somebody in control.
func (r *fileReader) session(n *yaml.Node) *Session {
	s := new(Session)
	r.something(n, "session", []key{
		{"rate", false, func(n *yaml.Node) { s.Rate = r.rate(n) }},
		{"for", false, func(n *yaml.Node) { s.For = r.span(n, "for", minFor, maxFor) }},
		{"quiet", false, func(n *yaml.Node) { s.Quiet = r.span(n, "quiet", minQuiet, maxQuiet) }},
	})
	return s
}

// rate reads a number of bytes a second, 100 MB/s at most.
func (r *fileReader) rate(n *yaml.Node) uint32 {
	text := r.text(n, "rate")
	m := rateRE.FindStringSubmatch(text)
	if m == nil {
		if text != "" {
			r.fail(n, "expected a number with B/s, KB/s or MB/s, such as 20KB/s", "rate is %s", describe(n))
		}
		return 0
	}
	v, _ := strconv.ParseUint(m[1], 10, 64)
	if v *= map[string]uint64{"B": 1, "KB": 1000, "MB": 1000_000}[m[2]]; v > 100_000_000 {
		r.fail(n, "at most 100MB/s", "rate is %s", describe(n))
		return 0
	}
	return uint32(v)
}

// span reads a duration.
func (r *fileReader) span(n *yaml.Node, what string, least, most time.Duration) time.Duration {
	text := r.text(n, what)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		r.fail(n, "expected a time with its unit, such as 45s or 2m", "%s is %s", what, describe(n))
	case d < least || d > most:
		r.fail(n, "expected "+least.String()+" to "+most.String(), "%s is %s", what, describe(n))
	default:
		return d
	}
	return 0
}
