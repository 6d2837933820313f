package main

import (
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/ledger"
)

func (a *app) policySuggest() *cobra.Command {
	var where ledgerFlags
	var tools words
	minDays, minHosts := 2, 1
	cmd := &cobra.Command{
		Use:   "suggest (--config FILE | --state DIR)",
		Short: "Propose entries for sanctioned from what the ledger has seen",
		Long: `Suggest writes entries for sanctioned as YAML: tenants and relays that many hosts
used on many days first, narrowed to those hosts, with the counts as comments.
What was seen is not what is right. An intruder who stays for a month is seen for
a month, so keep only what somebody answers for.

Tools of class rat, what was seen once and what was judged foreign-tenant are never
proposed; they stand at the end, with the reason.`,
		Example: `  rmmwatch policy suggest --config /etc/rmmwatch/rmmwatch.yaml
  rmmwatch policy suggest --state /var/lib/rmmwatch --tool screenconnect --min-days 5`,
		Args: wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if minDays < 1 || minHosts < 1 {
				return usagef("--min-days and --min-hosts are at least 1")
			}
			sources := []string{embedded}
			if where.config != "" {
				cfg, err := config.Load(string(where.config))
				if err != nil {
					return usageError{err}
				}
				sources = cfg.Rules
			}
			rules, err := loadRules(sources)
			if err != nil {
				return err
			}
			for _, id := range tools {
				if rules.Tool(id) == nil {
					return usagef("--tool %q is no tool of the rules; rmmwatch rules list shows them", id)
				}
			}
			content, err := where.read(cmd)
			if err != nil {
				return err
			}
			entries := slices.DeleteFunc(content.Entries, func(e ledger.Entry) bool { return len(tools) > 0 && !slices.Contains(tools, e.Tool) })
			proposed, rest := ledger.Suggest(entries, ledger.SuggestConfig{MinDays: minDays, MinHosts: minHosts, Tool: func(id string) (string, []string, bool) {
				t := rules.Tool(id)
				if t == nil {
					return "", nil, false
				}
				return t.Class, t.Owned, true
			}})
			_, err = io.WriteString(a.stdout, ledger.WriteSuggestion(proposed, rest))
			return err
		},
	}
	where.add(cmd)
	fl := cmd.Flags()
	fl.Var(&tools, "tool", "only this tool, by its id; may be repeated")
	fl.IntVar(&minDays, "min-days", minDays, "how many days (UTC) a proposal needs")
	fl.IntVar(&minHosts, "min-hosts", minHosts, "how many hosts a proposal needs")
	return cmd
}
