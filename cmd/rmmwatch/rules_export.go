package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/list"
	"github.com/rmmwatch/rmmwatch/sensor/intel/lolrmm"
	"github.com/rmmwatch/rmmwatch/sensor/intel/misp"
	"github.com/rmmwatch/rmmwatch/sensor/intel/rpz"
	"github.com/rmmwatch/rmmwatch/sensor/intel/sigma"
	"github.com/rmmwatch/rmmwatch/sensor/intel/stix"
	"github.com/rmmwatch/rmmwatch/sensor/intel/suricata"
	"github.com/rmmwatch/rmmwatch/sensor/intel/zeek"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// exporters are the formats of rules export, in the order of the help.
var exporters = []struct {
	name, what string
	folder     bool // many files, which need a folder
	export     func(*intel.Export) ([]intel.ExportFile, error)
}{
	{"suricata", "rules for Suricata 7 and later", false, suricata.Export},
	{"zeek", "a table for Zeek's intelligence framework", false, zeek.Export},
	{"sigma", "Sigma rules, for the logs of resolvers, proxies and firewalls; a folder", true, sigma.Export},
	{"stix", "a STIX 2.1 bundle", false, stix.Export},
	{"misp", "a MISP event", false, misp.Export},
	{"rpz", "a DNS response policy zone that answers that the names do not exist", false, rpz.Export},
	{"csv", "a table with a line for each value", false, list.Export},
	{"lolrmm", "LOLRMM's YAML, a file for each tool; a folder", true, lolrmm.Export},
}

// exportFlags are the flags of rules export as given.
type exportFlags struct {
	rules, tools, classes, roles words
	out, confidence, date        word
	verbose                      bool
}

func (a *app) rulesExport() *cobra.Command {
	var f exportFlags
	var formats strings.Builder
	for _, e := range exporters {
		fmt.Fprintf(&formats, "  %-9s %s\n", e.name, e.what)
	}
	cmd := &cobra.Command{
		Use:   "export FORMAT",
		Short: "Write the rules for other tools: Suricata, Zeek, Sigma, STIX, MISP, RPZ, CSV, LOLRMM",
		Long: `Export writes rules in the format of another tool:

` + formats.String() + `
What a format cannot say is left out, never said wrongly: standard error counts
it by reason, and --verbose names each. Names of role marketing are known so
that they do not alert; they are exported only with --role marketing. The same
rules give the same bytes.`,
		Example: "  rmmwatch rules export suricata --out rmmwatch.rules\n  rmmwatch rules export sigma --min-confidence medium --out sigma/",
		Args:    wantArgs(cobra.ExactArgs(1), "one format"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.export(args[0], f) },
	}
	cmd.Flags().Var(&f.rules, "rules", `rule file or folder, or "embedded"; may be repeated (default embedded)`)
	cmd.Flags().Var(&f.out, "out", "file, or folder for formats of many files (default standard output)")
	cmd.Flags().Var(&f.tools, "tool", "only this tool; may be repeated")
	cmd.Flags().Var(&f.classes, "class", "only tools of this class; may be repeated")
	cmd.Flags().Var(&f.roles, "role", "only indicators of this role; may be repeated (default all but marketing)")
	cmd.Flags().Var(&f.confidence, "min-confidence", "only indicators of at least this confidence: low, medium or high (default low)")
	cmd.Flags().Var(&f.date, "date", "the date that formats with dates are told, as 2026-03-31 (default that of the program's source)")
	cmd.Flags().BoolVar(&f.verbose, "verbose", false, "name everything that the format cannot say")
	return cmd
}

func (a *app) export(name string, f exportFlags) error {
	at := -1
	var names []string
	for i, e := range exporters {
		names = append(names, e.name)
		if e.name == name {
			at = i
		}
	}
	if at < 0 {
		return usagef("the format %q is unknown; the choice is %s", name, strings.Join(names, ", "))
	}
	s := intel.Selection{Tools: f.tools, Classes: f.classes, Roles: f.roles}
	if f.confidence != "" {
		var ok bool
		if s.MinConfidence, ok = detect.ParseConfidence(string(f.confidence)); !ok {
			return usagef("--min-confidence %q is unknown; use low, medium or high", f.confidence)
		}
	}
	date, err := exportDate(string(f.date))
	if err != nil {
		return err
	}
	rs, err := loadRules(orEmbedded(f.rules))
	if err != nil {
		return err
	}
	e, err := intel.NewExport(rs, s, date)
	if err != nil {
		return usageError{err}
	}
	files, err := exporters[at].export(e)
	if err != nil {
		return err
	}
	if err := a.writeExport(files, string(f.out), exporters[at].folder); err != nil {
		return err
	}
	a.tellOmissions(e, f.verbose)
	return nil
}

// tellOmissions says on standard error what the format could not say.
func (a *app) tellOmissions(e *intel.Export, verbose bool) {
	fmt.Fprintf(a.stderr, "rmmwatch: %s of %s exported", count(e.Indicators(), "indicator"), count(len(e.Tools), "tool"))
	if len(e.Omissions()) == 0 {
		fmt.Fprintln(a.stderr)
		return
	}
	fmt.Fprintln(a.stderr, ", except:")
	for _, line := range e.Summary() {
		fmt.Fprintln(a.stderr, "  "+line)
	}
	if !verbose {
		return
	}
	for _, o := range e.Omissions() {
		what := ""
		if o.What != "" {
			what = " " + printable.Line(o.What)
		}
		fmt.Fprintf(a.stderr, "    %s %s%s: %s\n", o.Tool, o.Indicator, what, o.Reason)
	}
}

// exportDate is the date given, else that of the commit that the program was
// built from, else one that never changes: never today's, so that the same
// rules give the same files.
func exportDate(given string) (time.Time, error) {
	if given != "" {
		d, err := time.Parse(time.DateOnly, given)
		if err != nil {
			return d, usagef("--date %q is no date; write it as 2026-03-31", given)
		}
		return d, nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if d, err := time.Parse(time.RFC3339, s.Value); err == nil {
					return d, nil
				}
			}
		}
	}
	return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC), nil
}

// writeExport writes the files to out: standard output for none, one file, or
// a folder.
func (a *app) writeExport(files []intel.ExportFile, out string, folder bool) error {
	switch {
	case out == "" || out == "-":
		for i, f := range files {
			if folder && i > 0 {
				if _, err := io.WriteString(a.stdout, "---\n"); err != nil {
					return err
				}
			}
			if _, err := a.stdout.Write(f.Data); err != nil {
				return err
			}
		}
		return nil
	case !folder:
		if info, err := os.Stat(out); err == nil && info.IsDir() {
			out = filepath.Join(out, files[0].Name)
		}
		return replaceFile(out, files[0].Data)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := replaceFile(filepath.Join(out, f.Name), f.Data); err != nil {
			return err
		}
	}
	return nil
}

// replaceFile writes a file beside the path and then moves it there, so that
// whoever reads the path sees the old rules or the new ones.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return fmt.Errorf("--out %s: %w", path, e.Err) // not the name that nobody gave
	} else if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
