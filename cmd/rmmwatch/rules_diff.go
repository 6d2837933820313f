package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
	"github.com/rmmwatch/rmmwatch/sensor/workbench"
)

// diffReport is what rules diff says, as its JSON.
type diffReport struct {
	Rules  []workbench.Change      `json:"rules"`
	Alerts []workbench.AlertChange `json:"alerts,omitempty"`
}

func (a *app) rulesDiff() *cobra.Command {
	form := word("table")
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW [CAPTURE...]",
		Short: "Show what changes between two sets of rules, and in their alerts for captures",
		Long: `Diff compares two rule files or folders ("embedded" is the set brought along):
tools and indicators that were added, removed or changed. With captures, which are
one stream as for replay, it replays them with both sets and shows the alerts
gained, lost and changed.`,
		Example: `  rmmwatch rules diff embedded my-rules/
  rmmwatch rules diff rules-v1/ rules-v2/ monday.pcapng`,
		Args: wantArgs(cobra.MinimumNArgs(2), "two sets of rules"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if form != "table" && form != "json" {
				return usagef("--format %q is unknown; use table or json", form)
			}
			old, err := loadRules(args[:1])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			fresh, err := loadRules(args[1:2])
			if err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			report := diffReport{Rules: workbench.Diff(old, fresh)}
			if captures := args[2:]; len(captures) > 0 {
				if report.Alerts, err = workbench.DiffAlerts(cmd.Context(), old, fresh, captures, func(err error) { tell(a.stderr, err) }); err != nil {
					return err
				}
			}
			if err := printDiff(a.stdout, &report, form == "json", len(args) > 2); err != nil {
				return err
			}
			if exitCode && len(report.Rules)+len(report.Alerts) > 0 {
				return statusError(exitAlerts)
			}
			return nil
		},
	}
	cmd.Flags().Var(&form, "format", "table or json")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with status 3 when something changes")
	return cmd
}

func printDiff(out io.Writer, r *diffReport, asJSON, replayed bool) error {
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if r.Rules == nil {
			r.Rules = []workbench.Change{}
		}
		return enc.Encode(r)
	}
	tally := map[string]int{}
	for _, c := range r.Rules {
		name := c.Tool
		if c.Indicator != "" {
			name += " " + c.Indicator
			tally[c.Op]++
		} else {
			tally[c.Op+" tool"]++
		}
		diffBlock(out, c.Op, name, c.Fields)
	}
	for _, c := range r.Alerts {
		diffBlock(out, c.Op+" alert", c.Host+" "+c.Tool, c.Fields)
		tally[c.Op+" alert"]++
	}
	line := fmt.Sprintf("tools: %d added, %d removed; indicators of tools that both have: %d added, %d removed, %d changed",
		tally["added tool"], tally["removed tool"], tally["added"], tally["removed"], tally["changed"])
	if replayed {
		line += fmt.Sprintf("; alerts: %d gained, %d lost, %d changed", tally["gained alert"], tally["lost alert"], tally["changed alert"])
	}
	_, err := fmt.Fprintln(out, line)
	return err
}

func diffBlock(out io.Writer, op, name string, fields []string) {
	fmt.Fprintf(out, "%-8s %s\n", op, printable.Line(name))
	for _, f := range fields {
		fmt.Fprintf(out, "         %s\n", printable.Line(f))
	}
}
