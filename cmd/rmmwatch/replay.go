package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/events"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	rules    words
	config   word
	format   word
	out      word
	events   word
	quiet    bool
	exitCode bool
}

func (a *app) replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay [flags] CAPTURE...",
		Short: "Find remote-access tools in capture files",
		Long: `Replay reads captures (pcap and pcapng, plain or packed with gzip, zstd or lz4,
folders of them, or - for standard input), finds remote-access tools by the
rules, and prints the hosts, the tools and the evidence.

Several captures are one stream in the order of their first packets: a session
that spans rotated files is one session. A capture that was cut short is read to
its last whole packet, with a warning.

Exit status: 0 when everything was read, 1 when something could not be, 2 for a
mistake in the call, and with --exit-code 3 when there are alerts.`,
		Example: `  rmmwatch replay incident.pcapng.zst
  rmmwatch replay --format eve --out alerts.json /var/captures/
  tcpdump -w - | rmmwatch replay -`,
		Args: wantArgs(cobra.MinimumNArgs(1), "at least one capture"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.replay(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.Var(&f.rules, "rules", `rule file or folder, or "embedded" for the rules brought along; may be repeated (default embedded)`)
	fl.Var(&f.config, "config", "configuration file")
	fl.Var(&f.format, "format", "table or eve (default table on a terminal, eve otherwise)")
	fl.Var(&f.out, "out", "write alerts to this file instead of standard output")
	fl.Var(&f.events, "events", "write every name seen to this file, as EVE dns, tls, quic and http events")
	fl.BoolVar(&f.quiet, "quiet", false, "no warnings and no progress line; errors are still told")
	fl.BoolVar(&f.exitCode, "exit-code", false, "exit with status 3 when there are alerts")
	return cmd
}

func (a *app) replay(ctx context.Context, f replayFlags, paths []string) (err error) {
	if err := a.settle(&f); err != nil {
		return err
	}
	cfg := config.Default()
	if f.config != "" {
		if cfg, err = config.Load(string(f.config)); err != nil {
			return usageError{err}
		}
	}
	if len(f.rules) > 0 {
		cfg.Rules = f.rules
	}
	rs, err := loadRules(cfg.Rules)
	if err != nil {
		return err
	}
	files, err := capture.Open(paths, capture.Options{Stdin: a.stdin})
	if err != nil {
		return err
	}
	defer files.Close()
	log := newLogger(a.stderr, f.quiet)
	tellSkipped(log, files.Skipped())
	outputs, err := a.openOutputs(f, files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, outputs.close()) }()
	results := a.results(f, files, outputs.alerts)
	r := sensor.Replay{Config: &cfg, Rules: rs, Source: files, Alert: results.alert}
	if outputs.events != nil {
		r.Events = events.New(outputs.events, files.Name)
	}
	failed := false
	bar := a.progress(files, f.quiet)
	r.Tick = bar.tick
	r.Damage = func(err error) {
		bar.clear()
		var d *capture.DamageError
		if errors.As(err, &d) && d.Truncated {
			log.Warn(printable.Line(err.Error()))
			return
		}
		failed = true
		log.Error(printable.Line(err.Error()))
	}

	// Everything but scratch memory is taken at the start: the collector would
	// only walk over it again and again.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	summary, err := r.Run(ctx)
	bar.clear()
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		failed = true
		log.Warn("interrupted: the report covers what was read")
	}
	if tellUnread(log, &summary) {
		failed = true
	}
	if err := results.finish(&summary); err != nil {
		return err
	}
	if r.Events != nil {
		if err := r.Events.Flush(); err != nil {
			return err
		}
	}
	switch {
	case failed:
		return statusError(exitFailed)
	case f.exitCode && results.count > 0:
		return statusError(exitAlerts)
	}
	return nil
}

// results takes alerts and writes them in the format wanted.
type results struct {
	out    *bufio.Writer
	eve    *format.EVE   // lines as they come, or
	table  *format.Table // everything at the end
	alerts []*alert.Alert
	count  int
	err    error
}

// tellSkipped says in one line what was left out of folders. Of the files that
// are named on the command line only those are that are named twice.
func tellSkipped(log *zap.Logger, skipped []capture.SkippedFile) {
	if len(skipped) == 1 {
		log.Warn("file skipped", zap.String("file", printable.Line(skipped[0].Name)), zap.String("reason", skipped[0].Reason))
		return
	}
	kinds := make(map[string]int)
	for _, s := range skipped {
		kinds[s.Kind()]++
	}
	var reasons []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		reasons = append(reasons, fmt.Sprintf("%s (%d)", kind, kinds[kind]))
	}
	if len(reasons) > 0 {
		log.Warn("files skipped", zap.Int("files", len(skipped)), zap.Strings("reasons", reasons))
	}
}

// tellUnread warns of link types that are not read. It reports whether there
// was nothing else: a capture of which no frame could be read is not a quiet
// network.
func tellUnread(log *zap.Logger, s *format.Summary) (nothing bool) {
	nothing = s.Packets > 0 && s.Unread == s.Packets
	level := zap.WarnLevel
	if nothing {
		level = zap.ErrorLevel
	}
	for _, l := range s.UnreadLinks {
		fields := []zap.Field{zap.Uint32("link_type", l.Number)}
		if l.Name != "" {
			fields = append(fields, zap.String("name", l.Name))
		}
		log.Log(level, "frames of a link type that is not read", append(fields, zap.Uint64("frames", l.Frames))...)
	}
	if nothing {
		log.Error("nothing was read: no frame is of a link type that is known")
	}
	return nothing
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
	if f.format != "eve" && f.format != "table" {
		return usagef("--format %q is unknown; use table or eve", f.format)
	}
	return nil
}

func (a *app) results(f replayFlags, files *capture.Files, w io.Writer) *results {
	r := &results{out: bufio.NewWriter(w)}
	if f.format == "eve" {
		r.eve = format.NewEVE(files.Name)
		return r
	}
	r.table = &format.Table{Files: files.Name, Many: files.Len() > 1}
	if f.out == "-" {
		r.table.Width = terminalWidth(a.stdout)
		r.table.Color = isTerminal(a.stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return r
}

func (r *results) alert(a *alert.Alert) {
	r.count++
	if r.table != nil {
		r.alerts = append(r.alerts, a)
		return
	}
	if _, err := r.out.Write(r.eve.Line(a)); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *results) finish(s *format.Summary) error {
	if r.table != nil {
		r.err = r.table.Write(r.out, s, r.alerts)
	}
	return errors.Join(r.err, r.out.Flush())
}
