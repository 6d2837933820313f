package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/list"
	"github.com/rmmwatch/rmmwatch/sensor/intel/lolrmm"
	"github.com/rmmwatch/rmmwatch/sensor/intel/misp"
	"github.com/rmmwatch/rmmwatch/sensor/intel/sigma"
	"github.com/rmmwatch/rmmwatch/sensor/intel/stix"
	"github.com/rmmwatch/rmmwatch/sensor/intel/suricata"
	"github.com/rmmwatch/rmmwatch/sensor/intel/zeek"
)

// importer is a format that rules can be made of.
type importer struct {
	name    string
	endings []string // of the files in a folder
	parse   func(file string, data []byte) []intel.Entry
	trust   detect.Confidence // of entries that do not say
}

// importers in the order of the help. Nobody signs a bare list: it must be
// trusted by whoever takes it.
var importers = []importer{
	{"lolrmm", []string{".yaml", ".yml"}, lolrmm.Import, detect.Medium},
	{"sigma", []string{".yml", ".yaml"}, sigma.Import, detect.Medium},
	{"suricata", []string{".rules"}, suricata.Import, detect.Medium},
	{"zeek", []string{".intel", ".dat", ".txt", ".tsv"}, zeek.Import, detect.Medium},
	{"stix", []string{".json"}, stix.Import, detect.Medium},
	{"misp", []string{".json"}, misp.Import, detect.Medium},
	{"csv", []string{".csv", ".tsv"}, list.ImportCSV, detect.Low},
	{"list", []string{".txt", ".list", ".lst", ".hosts"}, list.Import, detect.Low},
}

// importFlags are what `rules import` is told beside its arguments.
type importFlags struct {
	out, report, tool, title, class, role, confidence word
	beside                                            words
}

func (a *app) rulesImport() *cobra.Command {
	var f importFlags
	var names []string
	for _, i := range importers {
		names = append(names, i.name)
	}
	cmd := &cobra.Command{
		Use:   "import SOURCE PATH --out DIR",
		Short: "Make rule files of other tools' indicators",
		Long: `Import reads a file, or the files of a folder, in the form of SOURCE (` + strings.Join(names, ", ") + `)
and writes rule files into DIR. Each entry is imported, merged into what is known, or
quarantined with a reason; a table on standard error, or --report FILE, accounts for
every one. What is written has generated tests and has passed the same gate as rules
written by hand. It exits with 1 when there was nothing to import.`,
		Example: `  rmmwatch rules import lolrmm LOLRMM/yaml --out imported/
  rmmwatch rules import list feed.txt --tool badrat --class rat --confidence medium --out imported/
  rmmwatch replay --rules embedded --rules imported/ capture.pcap`,
		Args: wantArgs(cobra.ExactArgs(2), "a source and a path"),
		RunE: func(_ *cobra.Command, args []string) error { return a.importRules(args[0], args[1], &f) },
	}
	flags := cmd.Flags()
	flags.Var(&f.out, "out", "folder for the rule files (required)")
	flags.Var(&f.report, "report", "write what became of each entry to this .csv or .json file")
	flags.Var(&f.tool, "tool", "id of the tool that all entries belong to")
	flags.Var(&f.title, "name", "its name")
	flags.Var(&f.class, "class", "its class: "+strings.Join(detect.Classes, ", "))
	flags.Var(&f.role, "role", "role of entries that say none (default control)")
	flags.Var(&f.confidence, "confidence", "low or medium: at most this (default medium; low for csv and list)")
	flags.Var(&f.beside, "beside", `rules that are loaded, too, and need no second copy: file, folder, "embedded" or "none"; may be repeated (default embedded)`)
	return cmd
}

var toolRE = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

// importOptions judges the flags.
func (f *importFlags) options(imp *importer) (intel.Options, error) {
	opt := intel.Options{Format: imp.name, Role: string(f.role), Confidence: imp.trust,
		Tool: intel.Tool{ID: string(f.tool), Name: string(f.title), Class: string(f.class)}}
	switch {
	case f.out == "":
		return opt, usagef("--out is missing; name a folder for the rule files")
	case f.tool != "" && (len(f.tool) > 48 || !toolRE.MatchString(string(f.tool))):
		return opt, usagef("--tool %q is no id; use lower-case letters, digits and single hyphens", f.tool)
	case f.class != "" && !slices.Contains(detect.Classes, string(f.class)):
		return opt, usagef("--class %q is unknown; use %s", f.class, strings.Join(detect.Classes, ", "))
	case f.role != "" && !slices.Contains(detect.Roles, string(f.role)):
		return opt, usagef("--role %q is unknown; use %s", f.role, strings.Join(detect.Roles, ", "))
	case f.confidence != "" && f.confidence != "low" && f.confidence != "medium":
		return opt, usagef("--confidence %q: what is imported is low or medium; high is for rules that somebody has seen at work", f.confidence)
	case f.report != "" && filepath.Ext(string(f.report)) != ".csv" && filepath.Ext(string(f.report)) != ".json":
		return opt, usagef("--report %q: name a .csv or .json file", f.report)
	}
	if f.confidence != "" {
		opt.Confidence, _ = detect.ParseConfidence(string(f.confidence))
	}
	if slices.Contains(f.beside, "none") {
		return opt, nil
	}
	var err error
	opt.Beside, err = loadRules(orEmbedded(f.beside))
	return opt, err
}

func (a *app) importRules(source, path string, f *importFlags) error {
	i := slices.IndexFunc(importers, func(i importer) bool { return i.name == source })
	if i < 0 {
		return usagef("there is no source %q; rmmwatch rules import --help names them", source)
	}
	imp := &importers[i]
	opt, err := f.options(imp)
	if err != nil {
		return err
	}
	entries, skipped, err := intel.Read(path, imp.endings, imp.parse)
	if err != nil {
		return err
	}
	pack, err := intel.Build(entries, opt)
	if err != nil {
		return err
	}
	stale, err := pack.Write(string(f.out))
	if err != nil {
		return err
	}
	if f.report != "" {
		err = writeReport(string(f.report), pack)
	} else {
		err = pack.Table(a.stderr)
	}
	if err != nil {
		return err
	}
	for _, line := range pack.Summary() {
		fmt.Fprintln(a.stderr, line)
	}
	if opt.Confidence == detect.Low && f.confidence == "" && pack.Count(intel.Imported) > 0 {
		fmt.Fprintf(a.stderr, "what %s says has low confidence, below the min_confidence that alerts by default; --confidence medium if you trust the source\n", source)
	}
	if skipped > 0 {
		fmt.Fprintf(a.stderr, "%s of the folder left out: no plain file with a name that ends in %s\n", count(skipped, "file"), strings.Join(imp.endings, ", "))
	}
	for _, s := range stale {
		tell(a.stderr, fmt.Errorf("%s was there before and is not of this import", s))
	}
	if pack.Count(intel.Quarantined) == len(pack.Rows) {
		return errors.New("nothing could be imported")
	}
	_, err = fmt.Fprintf(a.stdout, "%s in %s\n", count(len(pack.Files), "rule file"), string(f.out))
	return err
}

func writeReport(path string, pack *intel.Pack) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	write := pack.CSV
	if filepath.Ext(path) == ".json" {
		write = pack.JSON
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
