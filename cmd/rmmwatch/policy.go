package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Explain what is sanctioned, check the entries that say so, propose some",
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.policyExplain(), a.policyCheck(), a.policySuggest())
	return cmd
}

// loadPolicy loads a configuration, its rules and its policy.
func loadPolicy(path string) (*config.Config, *detect.Ruleset, *policy.Policy, error) {
	if path == "" {
		return nil, nil, nil, usagef("--config FILE says what is sanctioned; see docs/policy.md")
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, nil, nil, usageError{err}
	}
	rules, err := loadRules(cfg.Rules)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := compilePolicy(&cfg, rules)
	return &cfg, rules, p, err
}

// compilePolicy makes the policy of a configuration for a set of rules.
func compilePolicy(cfg *config.Config, rules *detect.Ruleset) (*policy.Policy, error) {
	p, err := policy.Compile(cfg.Sanctioned, rules.Tools())
	if err != nil {
		return nil, usageError{err}
	}
	return p, nil
}

// moment reads the value of --at; now without it.
func moment(at word) (time.Time, error) {
	if at == "" {
		return time.Now(), nil
	}
	t, err := time.Parse(time.RFC3339, string(at))
	if err != nil {
		return t, usagef("--at %q is no time such as 2026-11-23T10:00:00Z or 2026-11-23T10:00:00+01:00 (RFC 3339)", at)
	}
	if t.Year() < 1970 || t.Year() > 2200 {
		return t, usagef("--at %q is outside the years 1970 to 2200", at)
	}
	return t, nil
}

func (a *app) policyCheck() *cobra.Command {
	var path, at word
	var strict bool
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Find entries that cannot apply, have ended or add nothing",
		Long: `Check reads the entries under sanctioned as the sensor would. Mistakes are errors.
Of entries without mistakes it shows, as file:line:column, those that can never
apply, those that have ended, those without which every verdict is the same, and
those that permit every customer of the vendor. These are warnings; with --strict
it exits with 1 when there is one.`,
		Example: "  rmmwatch policy check --config /etc/rmmwatch/rmmwatch.yaml",
		Args:    wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			now, err := moment(at)
			if err != nil {
				return err
			}
			cfg, rules, p, err := loadPolicy(string(path))
			if err != nil {
				return err
			}
			var warnings []detect.RuleError
			for _, w := range p.Check(rules.Tools(), cfg.Home, now.UnixNano()) {
				warnings = append(warnings, detect.RuleError{File: w.At.File, Line: w.At.Line, Col: w.At.Col, Msg: w.Msg, Hint: w.Hint})
			}
			explain(a.stderr, "warning", warnings)
			if strict && len(warnings) > 0 {
				return fmt.Errorf("%s, and --strict", count(len(warnings), "warning"))
			}
			entries, suspect := fmt.Sprintf("%d entries", p.Len()), ""
			if p.Len() == 1 {
				entries = "1 entry"
			}
			if len(warnings) > 0 {
				suspect = ", " + count(len(warnings), "warning")
			}
			_, err = fmt.Fprintf(a.stdout, "ok: %s%s\n", entries, suspect)
			return err
		},
	}
	fl := cmd.Flags()
	fl.Var(&path, "config", "configuration file")
	fl.Var(&at, "at", "judge as of this time, in RFC 3339 (default now)")
	fl.BoolVar(&strict, "strict", false, "exit with 1 for warnings")
	return cmd
}
