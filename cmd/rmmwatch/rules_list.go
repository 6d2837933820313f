package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// listFilter says which tools a list has. Of each list one value is enough.
type listFilter struct {
	class, role, technique words
	confidence             word
}

func (a *app) rulesList() *cobra.Command {
	form := word("table")
	var paths words
	var f listFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tools that the rules know",
		Example: `  rmmwatch rules list --format csv
  rmmwatch rules list --class tunnel --confidence high`,
		Args: wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if err := f.check(); err != nil {
				return err
			}
			rs, err := loadRules(orEmbedded(paths))
			if err != nil {
				return err
			}
			tools := f.tools(rs)
			switch form {
			case "json":
				enc := json.NewEncoder(a.stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(tools)
			case "csv":
				return listCSV(a.stdout, tools)
			case "table":
				return listTable(a.stdout, tools)
			}
			return usagef("--format %q is unknown; use table, json or csv", form)
		},
	}
	fl := cmd.Flags()
	fl.Var(&form, "format", "table, json or csv (csv has a line for each indicator)")
	fl.Var(&paths, "rules", `rule file or folder, or "embedded"; may be repeated (default embedded)`)
	fl.Var(&f.class, "class", "only tools of this class: "+strings.Join(detect.Classes, ", ")+"; may be repeated")
	fl.Var(&f.role, "role", "only indicators of this role: "+strings.Join(detect.Roles, ", ")+"; may be repeated")
	fl.Var(&f.confidence, "confidence", "only indicators of at least this confidence: low, medium or high")
	fl.Var(&f.technique, "technique", "only tools of this ATT&CK technique, or of one below it (T1219); may be repeated")
	return cmd
}

func (f *listFilter) check() error {
	for _, c := range f.class {
		if !slices.Contains(detect.Classes, c) {
			return usagef("--class %q is unknown; use %s", c, strings.Join(detect.Classes, ", "))
		}
	}
	for _, r := range f.role {
		if !slices.Contains(detect.Roles, r) {
			return usagef("--role %q is unknown; use %s", r, strings.Join(detect.Roles, ", "))
		}
	}
	if _, ok := detect.ParseConfidence(string(f.confidence)); !ok && f.confidence != "" {
		return usagef("--confidence %q is unknown; use low, medium or high", f.confidence)
	}
	for _, t := range f.technique {
		if !techniqueRE.MatchString(t) {
			return usagef("--technique %q is no ATT&CK technique; write it as T1219 or T1219.002", t)
		}
	}
	return nil
}

var techniqueRE = regexp.MustCompile(`^(?i:T)[0-9]{4}(\.[0-9]{3})?$`)

// tools are the tools that pass, each with the indicators that do. A tool
// without any is left out.
func (f *listFilter) tools(rs *detect.Ruleset) []*detect.Tool {
	least, _ := detect.ParseConfidence(string(f.confidence))
	out := []*detect.Tool{}
	for _, t := range rs.Tools() {
		if len(f.class) > 0 && !slices.Contains(f.class, t.Class) || len(f.technique) > 0 && !slices.ContainsFunc(t.Attack, f.technical) {
			continue
		}
		c := *t
		c.Indicators = slices.DeleteFunc(slices.Clone(t.Indicators), func(in *detect.Indicator) bool {
			return in.Confidence < least || len(f.role) > 0 && !slices.Contains(f.role, in.Role)
		})
		if len(c.Indicators) > 0 {
			out = append(out, &c)
		}
	}
	return out
}

func (f *listFilter) technical(id string) bool {
	return slices.ContainsFunc(f.technique, func(want string) bool {
		return strings.EqualFold(id, want) || strings.HasPrefix(strings.ToUpper(id), strings.ToUpper(want)+".")
	})
}

func listTable(out io.Writer, tools []*detect.Tool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOOL\tNAME\tCLASS\tINDICATORS\tBEST\tSEEN BY")
	for _, t := range tools {
		best := detect.Low
		var by []string
		for _, in := range t.Indicators {
			if in.Role != "marketing" {
				best = max(best, in.Confidence)
			}
			for m := range strings.SplitSeq(in.Need.String(), "+") {
				if !slices.Contains(by, m) {
					by = append(by, m)
				}
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", t.ID, t.Name, t.Class, len(t.Indicators), best, strings.Join(by, " "))
	}
	return w.Flush()
}

// listCSV has a line for each indicator. Lists are joined by blanks where their
// values have none, by semicolons elsewhere. What a spreadsheet would run as a
// formula gets an apostrophe in front: rules of others are listed, too.
func listCSV(out io.Writer, tools []*detect.Tool) error {
	w := csv.NewWriter(out)
	w.Write([]string{"tool", "name", "vendor", "class", "attack", "indicator", "role", "confidence", "matchers", "domains", "ports", "sources"})
	for _, t := range tools {
		for _, in := range t.Indicators {
			ports := make([]string, len(in.Port))
			for i, p := range in.Port {
				ports[i] = p.String()
			}
			cells := []string{t.ID, t.Name, t.Vendor, t.Class, strings.Join(t.Attack, " "), in.ID, in.Role, in.Confidence.String(),
				in.Need.String(), strings.Join(in.Domain, " "), strings.Join(ports, " "), strings.Join(in.Source, "; ")}
			for i, s := range cells {
				if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
					cells[i] = "'" + s
				}
			}
			w.Write(cells)
		}
	}
	w.Flush()
	return w.Error()
}
