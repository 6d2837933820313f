package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
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
	template word
	state    word
	send     bool
	sendWait time.Duration
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

Alerts are printed. With --send they are also delivered to the outputs of the
configuration; what a receiver does not take in time waits for the next --send.

Exit status: 0 when everything was read and delivered, 1 when something could not
be, 2 for a mistake in the call, and with --exit-code 3 when there are alerts.`,
		Example: `  rmmwatch replay incident.pcapng.zst
  rmmwatch replay --format eve --out alerts.json /var/captures/
  tcpdump -w - | rmmwatch replay -
  rmmwatch replay --config rmmwatch.yaml --send incident.pcapng`,
		Args: wantArgs(cobra.MinimumNArgs(1), "at least one capture"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.replay(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.Var(&f.rules, "rules", `rule file or folder, or "embedded" for the rules brought along; may be repeated (default embedded)`)
	fl.Var(&f.config, "config", "configuration file")
	fl.Var(&f.format, "format", "table, eve, ecs, ocsf, cef, leef or template (default table on a terminal, eve otherwise)")
	fl.Var(&f.template, "template", "file with a Go template, for --format template")
	fl.Var(&f.out, "out", "write alerts to this file instead of standard output")
	fl.Var(&f.events, "events", "write every name seen to this file, as EVE dns, tls, quic and http events")
	fl.Var(&f.state, "state", "folder of the ledger, which knows from one replay to the next which host used which tool; made if missing")
	fl.BoolVar(&f.send, "send", false, "deliver the alerts to the outputs of the configuration too, and wait until they have them")
	fl.DurationVar(&f.sendWait, "send-wait", time.Minute, "how long --send waits while nothing is delivered")
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
	sanctioned, err := compilePolicy(&cfg, rs)
	if err != nil {
		return err
	}
	files, err := capture.Open(paths, capture.Options{Stdin: a.stdin})
	if err != nil {
		return err
	}
	defer files.Close()
	screen := a.screen(f.quiet)
	log := newLogger(screen, isTerminal(a.stderr), f.quiet)
	tellSkipped(log, files.Skipped())
	outputs, err := a.openOutputs(f, files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, outputs.close()) }()
	results, err := a.results(f, files, outputs.alerts)
	if err != nil {
		return err
	}
	r := sensor.Replay{Config: &cfg, Rules: rs, Source: files, Alert: results.alert, Recorded: results.recorded, Policy: sanctioned}
	r.Storm = func(s alert.Storm) { results.alert(delivery.StormAlert(s)) }
	if r.Places, err = openPlaces(&cfg, rs, log); err != nil {
		return err
	}
	if f.state != "" {
		m, err := openMemory(string(f.state), &cfg.Ledger, log)
		if err != nil {
			return fmt.Errorf("state: %w", err)
		}
		defer func() { err = errors.Join(err, m.Close()) }()
		r.Memory = m
	}
	if f.send {
		if f.out == "-" && cfg.Stdout() {
			return usagef("an output writes to standard output, as do the alerts; give --out a file")
		}
		if results.send, err = a.newSender(ctx, &cfg, rs, files.Name, log, screen, f.sendWait); err != nil {
			return err
		}
		defer results.send.close()
	}
	if outputs.events != nil {
		r.Events = events.New(outputs.events, files.Name)
	}
	failed := false
	r.Tick = func() { screen.line(func() string { return reading(files) }) }
	r.Damage = func(err error) {
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
	screen.clear()
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
	if f.send {
		if err := results.send.finish(); err != nil {
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
