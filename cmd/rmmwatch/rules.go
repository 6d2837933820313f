package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// embedded stands for the rules that the program brings along.
const embedded = "embedded"

// loadRules loads a set of rule files from paths, or from the program itself.
// A path that leads to no rule files is a mistake in the call or the
// configuration; what is wrong in the files is not.
func loadRules(paths []string) (*detect.Ruleset, error) {
	if err := distinctRules(paths); err != nil {
		return nil, err
	}
	var sources []detect.Source
	for _, p := range paths {
		if p == embedded {
			sources = append(sources, detect.FromFS(embedded, rules.FS))
		} else {
			sources = append(sources, detect.FromPath(p))
		}
	}
	rs, err := detect.Load(sources...)
	if err == nil {
		return rs, nil
	}
	var mistakes detect.RuleErrors
	if errors.As(err, &mistakes) {
		return nil, errors.Join(errors.New("the rules are not fit for use"), mistakes)
	}
	var source *detect.SourceError
	if errors.As(err, &source) {
		return nil, usageError{err}
	}
	return nil, err
}

// distinctRules refuses a file or folder that is named twice: each of its tools
// would be there twice.
func distinctRules(paths []string) error {
	infos := make([]os.FileInfo, len(paths))
	for i, p := range paths {
		if p != embedded {
			infos[i], _ = os.Stat(p) // what is wrong with it is found when it is read
		}
		for j, q := range paths[:i] {
			switch {
			case p == q:
				return usagef("the rules of %s are named twice; name them once", p)
			case infos[i] != nil && infos[j] != nil && os.SameFile(infos[i], infos[j]):
				return usagef("the rules of %s are named twice, also as %s; name them once", p, q)
			}
		}
	}
	return nil
}

func (a *app) rulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Check, test, compare, list, show, exchange and pack rule files",
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.rulesCheck(), a.rulesTest(), a.rulesList(), a.rulesShow(), a.rulesImport(), a.rulesExport(), a.rulesDiff(), a.rulesLookalikes(),
		a.rulesPack(), a.rulesVerify(), a.rulesInstall(), a.rulesRollback())
	return cmd
}

// orEmbedded is the paths given, or the embedded rules for none.
func orEmbedded(paths []string) []string {
	if len(paths) == 0 {
		return []string{embedded}
	}
	return paths
}

func (a *app) rulesShow() *cobra.Command {
	var paths words
	cmd := &cobra.Command{
		Use:     "show TOOL",
		Short:   "Show what the rules know about one tool",
		Example: "  rmmwatch rules show anydesk",
		Args:    wantArgs(cobra.ExactArgs(1), "one tool"),
		RunE: func(_ *cobra.Command, args []string) error {
			rs, err := loadRules(orEmbedded(paths))
			if err != nil {
				return err
			}
			t := rs.Tool(args[0])
			if t == nil {
				return noTool(rs, args[0])
			}
			return showTool(a.stdout, t)
		},
	}
	cmd.Flags().Var(&paths, "rules", `rule file or folder, or "embedded"; may be repeated (default embedded)`)
	return cmd
}

// noTool is the error for an id that no tool has. Who writes a vendor's name as
// the vendor does is shown the id.
func noTool(rs *detect.Ruleset, id string) error {
	for _, t := range rs.Tools() {
		if strings.EqualFold(t.ID, id) || strings.EqualFold(t.Name, id) || slices.Contains(t.Brands, strings.ToLower(id)) {
			return fmt.Errorf("there is no tool %q; did you mean %s?", id, t.ID)
		}
	}
	return fmt.Errorf("there is no tool %q; rmmwatch rules list names them all", id)
}

func showTool(out io.Writer, t *detect.Tool) error {
	var aligned strings.Builder
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	line := func(key string, values ...string) {
		if text := strings.Join(values, ", "); text != "" {
			fmt.Fprintf(w, "%s\t%s\n", key, text)
		}
	}
	line("tool", t.ID)
	line("name", t.Name)
	line("vendor", t.Vendor)
	line("class", t.Class)
	line("ATT&CK", t.Attack...)
	line("LOLRMM", t.LOLRMM)
	line("brands", t.Brands...)
	line("owned", t.Owned...)
	line("advisories", t.Advisories...)
	line("plain", t.Plain)
	line("guidance", t.Guidance)
	line("file", printable.Line(t.File))
	for _, in := range t.Indicators {
		fmt.Fprintf(w, "\t\n%s\t%s, confidence %s\n", in.ID, strings.TrimPrefix(in.Role+" by "+in.Need.String(), " "), in.Confidence)
		line("  domain", in.Domain...)
		for _, p := range in.Payload {
			line("  payload", p.String())
		}
		for _, p := range in.Port {
			line("  port", p.String())
		}
		line("  tls.alpn", in.TLS.ALPN...)
		line("  tls.ja3", in.TLS.JA3...)
		line("  tls.ja4", in.TLS.JA4...)
		line("  tls.subject", in.TLS.Subject...)
		line("  tls.issuer", in.TLS.Issuer...)
		line("  tls.san", in.TLS.SAN...)
		line("  http.method", in.HTTP.Method...)
		line("  http.host", in.HTTP.Host...)
		line("  http.path", in.HTTP.Path...)
		line("  http.agent", in.HTTP.Agent...)
		line("  http.upgrade", in.HTTP.Upgrade...)
		line("  http.websocket", in.HTTP.WebSocket...)
		for _, p := range in.IP {
			line("  ip", p.String())
		}
		for _, n := range in.ASN {
			line("  asn", strconv.FormatUint(uint64(n), 10))
		}
		line("  source", in.Source...)
		line("  note", in.Note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	// The writer fills the empty cells between the blocks with spaces.
	for text := range strings.Lines(aligned.String()) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(text, " \n")); err != nil {
			return err
		}
	}
	return nil
}
