package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

func (a *app) rulesCheck() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "check [PATH...]",
		Short: "Check rule files: every mistake with its file, line and column",
		Long: `Check reads rule files (the embedded ones when no path is given) as the sensor
would, runs their tests, and shows every mistake as file:line:column with the line
and what to do. It exits with 1 when there is one.

Of a set without mistakes it shows what is suspect: indicators that can never match
or add nothing, names that two tools claim, patterns that no test hits, tools
without guidance. These are warnings; with --strict they are mistakes.`,
		Example: "  rmmwatch rules check my-rules/",
		Args:    wantArgs(cobra.ArbitraryArgs, "rule files and folders"),
		RunE: func(_ *cobra.Command, args []string) error {
			rs, err := loadRules(orEmbedded(args))
			var mistakes detect.RuleErrors
			if errors.As(err, &mistakes) {
				explain(a.stderr, "error", mistakes)
				return fmt.Errorf("%s; the rules are not fit for use", count(len(mistakes), "mistake"))
			}
			if err != nil {
				return err
			}
			warnings := rs.Lint()
			explain(a.stderr, "warning", warnings)
			if strict && len(warnings) > 0 {
				return fmt.Errorf("%s, and --strict", count(len(warnings), "warning"))
			}
			indicators := 0
			for _, t := range rs.Tools() {
				indicators += len(t.Indicators)
			}
			suspect := ""
			if len(warnings) > 0 {
				suspect = ", " + count(len(warnings), "warning")
			}
			_, err = fmt.Fprintf(a.stdout, "ok: %s, %s, %s%s, rule set %s\n", count(len(rs.Tools()), "tool"),
				count(indicators, "indicator"), count(rs.Tests(), "test"), suspect, rs.Version())
			return err
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 1 for warnings too")
	return cmd
}

// explain prints problems, each with the line that it is in and a mark below
// its column.
func explain(out io.Writer, kind string, problems []detect.RuleError) {
	var file string
	var lines [][]byte
	for _, p := range problems {
		if p.File != file {
			file, lines = p.File, linesOf(p.File)
		}
		fmt.Fprintf(out, "%s: %s: %s\n", printable.Line(p.Where()), kind, printable.Line(p.Msg))
		if p.Line > 0 && p.Line <= len(lines) {
			text, mark := excerpt(lines[p.Line-1], p.Col)
			fmt.Fprintf(out, "%6d | %s\n       | %s^\n", p.Line, text, mark)
		}
		if p.Hint != "" {
			fmt.Fprintf(out, "       = %s\n", printable.Line(p.Hint))
		}
	}
}

// linesOf reads a rule file again to show lines of it; none when it is gone.
func linesOf(file string) [][]byte {
	var data []byte
	if name, ok := strings.CutPrefix(file, embedded+":"); ok {
		data, _ = fs.ReadFile(rules.FS, name)
	} else {
		data, _ = os.ReadFile(file)
	}
	return bytes.Split(data, []byte("\n"))
}

// excerptWidth is how many bytes of a line are shown.
const excerptWidth = 100

// excerpt is the part of a line around a column, 1-based, as it may be printed,
// and the blanks in front of the mark below it.
func excerpt(line []byte, col int) (text, blanks string) {
	col = min(max(col, 1), len(line)+1)
	from := 0
	if col > excerptWidth*3/4 {
		from = col - excerptWidth/2
	}
	to := min(from+excerptWidth, len(line))
	before := printable.Line(strings.ReplaceAll(string(line[from:col-1]), "\t", " "))
	after := printable.Line(strings.TrimRight(strings.ReplaceAll(string(line[col-1:to]), "\t", " "), " \r"))
	return before + after, strings.Repeat(" ", len(before))
}
