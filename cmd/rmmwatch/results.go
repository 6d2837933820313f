package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
)

// results takes alerts and writes them in the format wanted.
type results struct {
	out    *bufio.Writer
	lines  format.Encoder // records as they come, or
	table  *format.Table  // everything at the end
	send   *sender        // nil for none
	alerts []*alert.Alert
	count  int
	err    error
}

// settle checks the flags against each other and fills their defaults in.
func (a *app) settle(f *replayFlags) error {
	if f.out == "" {
		f.out = "-"
	}
	if f.events == "-" && f.out == "-" {
		return usagef("--events - and the alerts would be mixed on standard output; give --out a file")
	}
	if f.format == "" {
		f.format = "eve"
		if f.out == "-" && isTerminal(a.stdout) {
			f.format = "table"
		}
	}
	if known := append([]string{"table", config.FormatTemplate}, format.Names...); !slices.Contains(known, string(f.format)) {
		return usagef("--format %q is unknown; use table, %s or template", f.format, strings.Join(format.Names, ", "))
	}
	if (f.format == config.FormatTemplate) != (f.template != "") {
		return usagef("--format template and --template FILE belong together")
	}
	return nil
}

func (a *app) results(f replayFlags, files *capture.Files, w io.Writer) (r *results, err error) {
	r = &results{out: bufio.NewWriter(w)}
	if f.format != "table" {
		if r.lines, err = delivery.Encoder(string(f.format), string(f.template), files.Name); err != nil {
			return nil, usageError{err}
		}
		return r, nil
	}
	r.table = &format.Table{Files: files.Name, Many: files.Len() > 1}
	if f.out == "-" {
		r.table.Width = terminalWidth(a.stdout)
		r.table.Color = isTerminal(a.stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return r, nil
}

func (r *results) alert(a *alert.Alert) {
	r.count++
	if r.send != nil {
		r.send.alert(a)
	}
	if r.table != nil {
		r.alerts = append(r.alerts, a)
		return
	}
	if _, err := r.out.Write(r.lines.Line(a)); err != nil && r.err == nil {
		r.err = err
	}
}

// recorded takes a use that the policy permits: only the report names it.
func (r *results) recorded(a *alert.Alert) {
	if r.table != nil {
		r.table.Sanctioned = append(r.table.Sanctioned, a)
	}
}

func (r *results) finish(s *format.Summary) error {
	if r.table != nil {
		r.err = r.table.Write(r.out, s, r.alerts)
	}
	return errors.Join(r.err, r.out.Flush())
}
