package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
	"github.com/rmmwatch/rmmwatch/sensor/workbench"
)

func (a *app) rulesLookalikes() *cobra.Command {
	var paths, files words
	var vectors word
	cmd := &cobra.Command{
		Use:   "lookalikes [--vectors FILE] [--file NAMES] [CAPTURE...]",
		Short: "Measure what the brands of the rules find, among imitations and honest names",
		Long: `Lookalikes shows how many of the names in --vectors, a JSON list of imitations,
would alert, and how many in ten thousand distinct names of --file, one a line, and of
captures would: honest names, where every alert is a false one. Names below the
vendors' own domains never alert.`,
		Example: `  rmmwatch rules lookalikes --file names.txt monday.pcapng
  rmmwatch rules lookalikes --rules my-rules/ --vectors lookalike-vectors.json`,
		Args: wantArgs(cobra.ArbitraryArgs, "captures"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if vectors == "" && len(files)+len(args) == 0 {
				return usagef("there is nothing to measure; give --vectors FILE, --file NAMES or captures")
			}
			rs, err := loadRules(orEmbedded(paths))
			if err != nil {
				return err
			}
			return a.lookalikes(cmd.Context(), rs, string(vectors), files, args)
		},
	}
	cmd.Flags().Var(&paths, "rules", `rule file or folder, or "embedded"; may be repeated (default embedded)`)
	cmd.Flags().Var(&files, "file", "file of honest names, one a line; may be repeated")
	cmd.Flags().Var(&vectors, "vectors", "JSON list of imitations: domain, technique, brand_intent (clear or uncertain)")
	return cmd
}

func (a *app) lookalikes(ctx context.Context, rs *detect.Ruleset, vectors string, files, captures []string) error {
	brands, tools := 0, 0
	for _, t := range rs.Tools() {
		if brands += len(t.Brands); len(t.Brands) > 0 {
			tools++
		}
	}
	fmt.Fprintf(a.stdout, "%s of %s\n", count(brands, "brand"), count(tools, "tool"))
	if vectors != "" {
		list, err := workbench.ReadVectors(vectors)
		if err != nil {
			return usageError{err}
		}
		if err := printVectors(a.stdout, workbench.Vectors(rs, list)); err != nil {
			return err
		}
	}
	r := rates{out: a.stdout, rules: rs}
	for _, f := range files {
		names, err := workbench.ReadNames(f)
		if err != nil {
			return usageError{err}
		}
		r.add(filepath.Base(f), names)
	}
	if len(captures) > 0 {
		damaged := 0
		names, err := workbench.CapturedNames(ctx, rs, captures, func(err error) {
			damaged++
			tell(a.stderr, err)
		})
		if err != nil {
			return err
		}
		if len(names) == 0 && damaged > 0 {
			return errors.New("the captures could not be read: there is nothing to measure")
		}
		what := "captures"
		if damaged > 0 {
			what += fmt.Sprintf(", %d damaged", damaged)
		}
		r.add(what, names)
	}
	return r.print()
}

// printVectors shows what was caught, by the technique that the file names.
func printVectors(out io.Writer, r *workbench.VectorReport) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nIMITATIONS\tCLEAR\tCAUGHT\t\tUNCERTAIN\tCAUGHT")
	row := func(name string, t *workbench.Tally) {
		share := "-"
		if t.Clear > 0 {
			share = fmt.Sprintf("%.1f %%", 100*float64(t.ClearCaught)/float64(t.Clear))
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%d\t%d\n", printable.Line(name), t.Clear, t.ClearCaught, share, t.Uncertain, t.UncertainCaught)
	}
	for _, name := range r.Techniques {
		row(name, r.Rows[name])
	}
	row("all", &r.Total)
	if err := w.Flush(); err != nil {
		return err
	}
	var as []string
	for _, how := range slices.Sorted(maps.Keys(r.As)) {
		as = append(as, fmt.Sprintf("%s %d", how, r.As[how]))
	}
	if len(as) > 0 {
		fmt.Fprintf(out, "caught as: %s\n", strings.Join(as, ", "))
	}
	for _, name := range r.Missed {
		fmt.Fprintf(out, "missed: %s\n", printable.Line(name))
	}
	return nil
}

// rates are of honest names that would alert.
type rates struct {
	out   io.Writer
	rules *detect.Ruleset
	rows  []string
	found []workbench.NameFinding
}

func (r *rates) add(what string, names workbench.Names) {
	list := workbench.Lookalikes(r.rules, names)
	r.rows = append(r.rows, fmt.Sprintf("%s\t%d\t%d\t%.2f", printable.Line(what), len(names), len(list), 10_000*float64(len(list))/float64(max(len(names), 1))))
	r.found = append(r.found, list...)
}

func (r *rates) print() error {
	if len(r.rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nHONEST NAMES\tDISTINCT\tALERTING\tIN 10,000\n%s\n", strings.Join(r.rows, "\n"))
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range r.found {
		fmt.Fprintf(r.out, "alerts: %s as %s of %s (%s)\n", printable.Line(f.Name), f.Technique, f.Brand, f.Tool)
	}
	return nil
}
