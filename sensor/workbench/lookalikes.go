package workbench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/events"
)

// Vector is a name that was used in attacks.
type Vector struct {
	Domain    string `json:"domain"`
	Technique string `json:"technique"`    // as whoever collected it calls it
	Intent    string `json:"brand_intent"` // clear, or uncertain where the name may have the brand by chance
}

// maxVectors bounds a file of vectors, in bytes.
const maxVectors = 64 << 20

// ReadVectors reads a JSON list of vectors.
func ReadVectors(path string) (list []Vector, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxVectors)).Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: %w; expected a list of {domain, technique, brand_intent}", path, err)
	}
	for i, v := range list {
		if v.Domain == "" || v.Intent != "clear" && v.Intent != "uncertain" {
			return nil, fmt.Errorf("%s: entry %d has no domain, or a brand_intent other than clear and uncertain", path, i+1)
		}
	}
	return list, nil
}

// Tally is how many vectors of one sort there are, and how many were caught.
type Tally struct{ Clear, ClearCaught, Uncertain, UncertainCaught int }

func (t *Tally) add(v *Vector, caught bool) {
	n, c := &t.Clear, &t.ClearCaught
	if v.Intent != "clear" {
		n, c = &t.Uncertain, &t.UncertainCaught
	}
	*n++
	if caught {
		*c++
	}
}

// VectorReport is what a set of rules makes of vectors.
type VectorReport struct {
	Techniques []string // of the vectors, sorted
	Rows       map[string]*Tally
	Total      Tally
	Missed     []string       // domains of clear intent
	As         map[string]int // caught ones by the technique that the alert would name
}

// Vectors says which of the vectors would alert.
func Vectors(rs *detect.Ruleset, list []Vector) *VectorReport {
	r := &VectorReport{Rows: map[string]*Tally{}, As: map[string]int{}}
	for i := range list {
		v := &list[i]
		im, caught := rs.Imitation([]byte(v.Domain), nil)
		row := r.Rows[v.Technique]
		if row == nil {
			row = new(Tally)
			r.Rows[v.Technique] = row
			r.Techniques = append(r.Techniques, v.Technique)
		}
		row.add(v, caught)
		r.Total.add(v, caught)
		if caught {
			r.As[im.Indicator.ID]++
		} else if v.Intent == "clear" {
			r.Missed = append(r.Missed, v.Domain)
		}
	}
	slices.Sort(r.Techniques)
	return r
}

// Names is a set of names, in lower case.
type Names map[string]struct{}

func (n Names) add(name string) {
	if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
		n[name] = struct{}{}
	}
}

// ReadNames reads a file of names, one a line; what follows a # is a comment.
func ReadNames(path string) (Names, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names := Names{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		names.add(line)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return names, nil
}

// CapturedNames are the names in captures: of DNS questions, TLS, QUIC and HTTP.
// What cannot be read is left out, and damage is told of it.
func CapturedNames(ctx context.Context, rules *detect.Ruleset, captures []string, damage func(error)) (Names, error) {
	files, err := capture.Open(captures, capture.Options{})
	if err != nil {
		return nil, err
	}
	defer files.Close()
	cfg := config.Default()
	seen := &eventNames{names: Names{}}
	r := sensor.Replay{
		Config: &cfg, Rules: rules, Source: files, Events: events.New(seen, files.Name),
		Alert:  func(*alert.Alert) {},
		Damage: damage,
		Tick:   func() {},
	}
	_, err = r.Run(ctx)
	if err = errors.Join(err, r.Events.Flush(), ctx.Err()); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return seen.names, nil
}

// eventNames takes EVE events and keeps the names that they show.
type eventNames struct {
	names Names
	rest  []byte // of a line that is not whole
}

// Write takes the next bytes of the stream of events.
func (e *eventNames) Write(b []byte) (int, error) {
	e.rest = append(e.rest, b...)
	for {
		line, rest, whole := bytes.Cut(e.rest, []byte("\n"))
		if !whole {
			e.rest = append(e.rest[:0], e.rest...)
			return len(b), nil
		}
		if err := e.line(line); err != nil {
			return 0, err
		}
		e.rest = rest
	}
}

func (e *eventNames) line(line []byte) error {
	var ev struct {
		App string `json:"app_proto"`
		DNS struct {
			Name string `json:"rrname"`
		} `json:"dns"`
		TLS, QUIC struct{ SNI string }
		HTTP      struct{ Hostname string }
	}
	if err := json.Unmarshal(line, &ev); err != nil {
		return fmt.Errorf("event %q: %w", line, err)
	}
	if ev.App == "dns" || ev.DNS.Name == "" { // mDNS and LLMNR are matched against nothing
		for _, name := range []string{ev.DNS.Name, ev.TLS.SNI, ev.QUIC.SNI, ev.HTTP.Hostname} {
			e.names.add(name)
		}
	}
	return nil
}

// NameFinding is a name that would alert.
type NameFinding struct{ Name, Tool, Brand, Technique string }

// Lookalikes lists which of the names would alert, sorted.
func Lookalikes(rs *detect.Ruleset, names Names) (list []NameFinding) {
	for name := range names { // any order: the list is sorted
		if im, ok := rs.Imitation([]byte(name), nil); ok {
			list = append(list, NameFinding{name, im.Indicator.Tool.ID, im.Brand, im.Indicator.ID})
		}
	}
	slices.SortFunc(list, func(a, b NameFinding) int { return strings.Compare(a.Name, b.Name) })
	return list
}
