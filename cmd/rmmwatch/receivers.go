package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

func (a *app) outputsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "outputs",
		Short: "Test the outputs of a configuration, and see how they do",
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.outputsTestCommand(), a.outputsStatusCommand())
	return cmd
}

// loadOutputs loads the configuration of a command that needs outputs.
func loadOutputs(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, usageError{err}
	}
	if len(cfg.Outputs) == 0 {
		return nil, usagef("%s has no outputs; see docs/configuration.md", path)
	}
	rules, err := loadRules(cfg.Rules)
	if err != nil {
		return nil, err
	}
	if err := checkTools(&cfg, rules); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// checkTools refuses filters by tools that no rule has.
func checkTools(cfg *config.Config, rules *detect.Ruleset) error {
	if err := cfg.CheckTools(func(id string) bool { return rules.Tool(id) != nil }); err != nil {
		return usageError{err}
	}
	return nil
}

func (a *app) outputsTestCommand() *cobra.Command {
	var path string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "test --config FILE [OUTPUT...]",
		Short: "Send a test alert through every output",
		Long: `Test sends one alert, marked as a test, through every output of the
configuration, or through those named, and says what happened. It goes past
filters and queues, so that it also works beside a running sensor.

Exit status: 0 when every receiver has taken it, 1 when not.`,
		Example: `  rmmwatch outputs test --config /etc/rmmwatch/rmmwatch.yaml
  rmmwatch outputs test --config rmmwatch.yaml webhook`,
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.outputsTest(cmd.Context(), path, names, timeout)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (required)")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long each receiver may take")
	needs(cmd, "config")
	return cmd
}

func (a *app) outputsTest(ctx context.Context, path string, names []string, timeout time.Duration) error {
	cfg, err := loadOutputs(path)
	if err != nil {
		return err
	}
	if err := cfg.KeepOutputs(names); err != nil {
		return usageError{err}
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OUTPUT\tRESULT\tTOOK\tRECEIVER")
	var errs []error
	var notes []string
	for _, r := range delivery.Test(ctx, cfg, a.stdout, timeout) {
		result := "ok"
		if r.Err != nil {
			result = "failed"
			errs = append(errs, fmt.Errorf("output %s: %w", r.Name, r.Err))
		}
		if r.Note != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", r.Name, shown(r.Note)))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, result, r.Took.Round(time.Millisecond), shown(r.Receiver))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range notes {
		fmt.Fprintf(a.stdout, "\n%s\n", n)
	}
	return errors.Join(errs...)
}

// shown is text from outside as a terminal may see it.
func shown(s string) string { return printable.Line(s) }

func (a *app) outputsStatusCommand() *cobra.Command {
	var path, format string
	cmd := &cobra.Command{
		Use:   "status --config FILE",
		Short: "Show backlog, last success and last error of each output",
		Long: `Status shows how each output does: from the process that delivers, a second old
at most, or from the queues on disk when none does.

Exit status: 0 when all is well, 1 when an output fails or has given up alerts.`,
		Args: wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return a.outputsStatus(path, format) },
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (required)")
	cmd.Flags().StringVar(&format, "format", "table", "table or json")
	needs(cmd, "config")
	return cmd
}

func (a *app) outputsStatus(path, format string) error {
	if format != "table" && format != "json" {
		return usagef("--format %q is unknown; use table or json", format)
	}
	cfg, err := loadOutputs(path)
	if err != nil {
		return err
	}
	list := delivery.Read(cfg)
	write := writeStatus
	if format == "json" {
		write = func(w io.Writer, list []delivery.Status, _ time.Time) error { return json.NewEncoder(w).Encode(list) }
	}
	if err := write(a.stdout, list, time.Now()); err != nil {
		return err
	}
	for _, s := range list {
		if !s.Well() {
			return statusError(exitFailed)
		}
	}
	return nil
}

func writeStatus(out io.Writer, list []delivery.Status, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OUTPUT\tSTATE\tWAITING\tOLDEST\tDELIVERED\tGIVEN UP\tLAST SUCCESS\tRECEIVER")
	for _, s := range list {
		state := string(s.State)
		if !s.Running {
			state = "not running"
			if s.State != output.Working && s.State != "" {
				state += ", was " + string(s.State)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\n", s.Name, state, s.Backlog.Records, since(s.Backlog.Oldest, now),
			s.Total.Delivered, s.Total.GivenUp, since(s.LastSuccess, now), shown(s.Receiver))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range list {
		if s.LastErrorAt.After(s.LastSuccess) {
			fmt.Fprintf(out, "\n%s, %s: %s\n", s.Name, since(s.LastErrorAt, now), shown(s.LastError))
		}
		if s.Problem != "" {
			fmt.Fprintf(out, "\n%s: %s; the next start moves it aside and begins a new one\n", s.Name, shown(s.Problem))
		}
		if s.Backlog.Failing != "" {
			fmt.Fprintf(out, "\n%s: the queue cannot be written: %s\n", s.Name, shown(s.Backlog.Failing))
		}
	}
	return nil
}

// since is how long ago t was, in two figures at most.
func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(0, now.Sub(t))
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s ago"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m ago"
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm ago", d/time.Hour, d%time.Hour/time.Minute)
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + "d ago"
}

// needs makes a flag required, with a message of ours.
func needs(cmd *cobra.Command, flag string) {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed(flag) {
			return usagef("%s needs --%s; see %s --help", cmd.CommandPath(), flag, cmd.CommandPath())
		}
		return run(cmd, args)
	}
}
