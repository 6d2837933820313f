package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
	"github.com/rmmwatch/rmmwatch/sensor/workbench"
)

func (a *app) rulesTest() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "test [PATH...]",
		Short: "Run the tests in rule files, and their capture cases",
		Long: `Test runs the tests in rule files (the embedded ones when no path is given) and the
capture cases beside them: anydesk_test.yaml beside anydesk.yaml says which alerts
AnyDesk must raise for a capture. It exits with 1 when one fails.`,
		Example: "  rmmwatch rules test --verbose rules/tools/anydesk.yaml",
		Args:    wantArgs(cobra.ArbitraryArgs, "rule files and folders"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rs, err := loadRules(orEmbedded(args))
			if err != nil {
				return err // a failing test is one of the mistakes
			}
			passed := 0
			for _, r := range detect.RunTests(rs) {
				passed++
				if verbose {
					what := "no match"
					if r.Match {
						what = "matches " + r.Indicator
					}
					fmt.Fprintf(a.stdout, "ok  %s:%d:%d: %s\n", printable.Line(r.Tool.File), r.Line, r.Col, what)
				}
			}
			good, failed, err := a.runCases(cmd.Context(), rs, args, verbose)
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintf(a.stdout, "%d passed, %d failed\n", passed+good, failed); err != nil {
				return err
			}
			if failed > 0 {
				return statusError(exitFailed)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&verbose, "verbose", false, "name each test")
	return cmd
}

// runCases runs the capture cases beside the rule files of paths.
func (a *app) runCases(ctx context.Context, rs *detect.Ruleset, paths []string, verbose bool) (passed, failed int, err error) {
	var files []string
	for _, p := range paths {
		if p != embedded {
			files = append(files, p)
		}
	}
	cases, err := detect.LoadCases(rs, files...)
	if err != nil {
		return 0, 0, err
	}
	for _, c := range cases {
		problems := workbench.RunCase(ctx, rs, c)
		if len(problems) > 0 {
			failed++
			explain(a.stderr, "failed", problems)
			continue
		}
		passed++
		if verbose {
			fmt.Fprintf(a.stdout, "ok  %s:%d:%d: %s\n", printable.Line(c.File), c.Line, c.Col, count(len(c.Alerts), "alert"))
		}
	}
	return passed, failed, nil
}
