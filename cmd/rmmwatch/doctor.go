package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/doctor"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	interfaces words
	config     word
	format     word
}

func (a *app) doctorCommand() *cobra.Command {
	f := doctorFlags{format: "table"}
	cmd := &cobra.Command{
		Use:   "doctor [flags]",
		Short: "Check whether this machine is fit to watch",
		Long: `Doctor looks at all that a live sensor needs: rights, the interface and its
offloads, memory, kernel, BPF, clock, disk, rules and outputs. Each line is ok, a
warning or a failure, with what to do. It changes nothing and sends nothing.

It asks with the rights of whoever calls it: to see what the service would see, call
it as the service's user (docs/operations.md). The exit status is 1 when there is a
failure.`,
		Example: `  rmmwatch doctor -i eth1
  rmmwatch doctor --config /etc/rmmwatch/rmmwatch.yaml --format json`,
		Args: wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return a.doctor(f) },
	}
	fl := cmd.Flags()
	fl.VarP(&f.interfaces, "interface", "i", "interface to look at; may be repeated (default those of the configuration)")
	fl.Var(&f.config, "config", "configuration file")
	fl.Var(&f.format, "format", "table or json")
	return cmd
}

func (a *app) doctor(f doctorFlags) error {
	if f.format != "table" && f.format != "json" {
		return usagef("--format %q is unknown; use table or json", f.format)
	}
	for _, name := range f.interfaces {
		if err := config.CheckInterface(name); err != nil {
			return usageError{err}
		}
	}
	list := doctor.Run(doctorOptions(f))
	for i := range list {
		for _, text := range []*string{&list[i].Subject, &list[i].Found, &list[i].Do} {
			*text = printable.Line(*text)
		}
	}
	err := error(nil)
	if f.format == "json" {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(list)
	} else {
		_, err = io.WriteString(a.stdout, findingsText(list, terminalWidth(a.stdout), colours(a.stdout)))
	}
	if err == nil && doctor.Worst(list) == doctor.Failure {
		return statusError(exitFailed)
	}
	return err
}

// doctorOptions reads configuration and rules as watch does. What is wrong with
// them is a finding, and the rest is looked at all the same.
func doctorOptions(f doctorFlags) doctor.Options {
	o := doctor.Options{Path: string(f.config), Built: built()}
	cfg := config.Default()
	if f.config != "" {
		var read config.Config
		if read, o.Err = config.Load(o.Path); o.Err == nil {
			cfg = read
		}
	}
	if len(f.interfaces) > 0 {
		cfg.Capture.Interfaces = f.interfaces
	}
	o.Config = &cfg
	if o.Rules, o.RulesErr = loadRules(cfg.Rules); o.RulesErr == nil && o.Err == nil {
		o.Err = checkTools(&cfg, o.Rules)
		if o.Err == nil {
			_, o.Err = compilePolicy(&cfg, o.Rules)
		}
		if o.Err == nil {
			_, o.Err = openPlaces(&cfg, o.Rules, zap.NewNop())
		}
	}
	if o.Err == nil {
		_, o.Err = kernelFilter(&cfg.Capture)
	}
	return o
}

// firstBuild is a time before which no program was built, where the build does not
// tell its own.
var firstBuild = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// built is when the commit was made that the program is of.
func built() time.Time {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && t.After(firstBuild) {
				return t
			}
		}
	}
	return firstBuild
}

// colours reports whether w takes colours and the user wants them
// (https://no-color.org).
func colours(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// levelColours are SGR parameters: green, yellow, bold red.
var levelColours = [...]string{doctor.OK: "32", doctor.Warning: "33", doctor.Failure: "1;31"}

// minText is how many columns texts get at least, however narrow the terminal is.
const minText = 30

// findingsText aligns findings in columns, and breaks texts at width (0: nowhere).
// What to do stands below what was found.
func findingsText(list []doctor.Finding, width int, colour bool) string {
	subject, counts := 0, [3]int{}
	for _, f := range list {
		subject = max(subject, len(f.Subject))
		counts[f.Level]++
	}
	const level = len("warning  ")
	indent := strings.Repeat(" ", level+subject+2)
	room := 0
	if width > 0 {
		room = max(width-len(indent), minText)
	}
	var b strings.Builder
	for _, f := range list {
		word := f.Level.String()
		pad := strings.Repeat(" ", level-len(word))
		if colour {
			word = "\x1b[" + levelColours[f.Level] + "m" + word + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s%s%-*s  %s\n", word, pad, subject, f.Subject, strings.Join(wrap(f.Found, room), "\n"+indent))
		if f.Do != "" {
			fmt.Fprintf(&b, "%s%s\n", indent, strings.Join(wrap("-> "+f.Do, room), "\n"+indent+"   "))
		}
	}
	fmt.Fprintf(&b, "\n%s, %s, %d ok\n", count(counts[doctor.Failure], "failure"), count(counts[doctor.Warning], "warning"), counts[doctor.OK])
	return b.String()
}

// wrap breaks text between words into lines of about room columns, less those of
// an arrow; 0 is no bound. A word that is longer stays whole: it may be a path or
// part of a command.
func wrap(text string, room int) []string {
	if room == 0 {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		if line != "" && len(line)+1+len(word) > room-len("-> ") {
			lines = append(lines, line)
			line = ""
		} else if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
