package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/ledger"
)

// ledgerFlags say where the ledger is.
type ledgerFlags struct{ config, state word }

func (f *ledgerFlags) add(cmd *cobra.Command) {
	cmd.Flags().Var(&f.config, "config", "configuration file, whose state folder has the ledger")
	cmd.Flags().Var(&f.state, "state", "the state folder itself")
}

// read reads the ledger. It is there as soon as a sensor or a replay had the folder
// for its state.
func (f *ledgerFlags) read(cmd *cobra.Command) (ledger.Content, error) {
	state := string(f.state)
	switch {
	case f.config != "" && f.state != "":
		return ledger.Content{}, usagef("--config and --state name two ledgers; give one of them")
	case f.config != "":
		cfg, err := config.Load(string(f.config))
		if err != nil {
			return ledger.Content{}, usageError{err}
		}
		if state = cfg.State; state == "" {
			return ledger.Content{}, usagef("%s has no `state`, the folder where the ledger is kept; see docs/ledger.md", f.config)
		}
	case f.state == "":
		return ledger.Content{}, usagef("%s needs --config FILE or --state DIR; see %s --help", cmd.CommandPath(), cmd.CommandPath())
	}
	path := ledger.Path(state)
	content, err := ledger.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat(state); e != nil {
			return content, fmt.Errorf("state folder: %w", e)
		}
		return content, fmt.Errorf("there is no ledger at %s yet: nothing has run with this state folder", path)
	}
	return content, err
}

// hostFilter says which entries are listed. Of each list one value is enough.
type hostFilter struct {
	tools, hosts, verdicts words
	since                  word
}

func (a *app) hostsCommand() *cobra.Command {
	form := word("table")
	var where ledgerFlags
	var f hostFilter
	cmd := &cobra.Command{
		Use:   "hosts (--config FILE | --state DIR)",
		Short: "List which host used which tool, since when and how much",
		Long: `Hosts lists the ledger: a line for each host and tool, with the first and the
latest use, the days of use (UTC), the volume, how it was judged, and with whom.
It can be asked while a sensor runs, and shows what that knew a second ago.
Times are packet times, in UTC.`,
		Example: `  rmmwatch hosts --config /etc/rmmwatch/rmmwatch.yaml
  rmmwatch hosts --state /var/lib/rmmwatch --host 10.1.0.0/16 --verdict unsanctioned --since 7d
  rmmwatch hosts --state /var/lib/rmmwatch --tool anydesk --format csv`,
		Args: wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, ok := map[word]func(*app, []ledger.Entry) error{"table": (*app).hostsTable, "json": (*app).hostsJSON, "csv": (*app).hostsCSV}[form]
			if !ok {
				return usagef("--format %q is unknown; use table, json or csv", form)
			}
			passes, err := f.compile(time.Now())
			if err != nil {
				return err
			}
			content, err := where.read(cmd)
			if err != nil {
				return err
			}
			if content.Damaged > 0 {
				tell(a.stderr, fmt.Errorf("%s in the ledger cannot be read; the sensor mends it at its next start", count(int(content.Damaged), "record")))
			}
			return write(a, slices.DeleteFunc(content.Entries, func(e ledger.Entry) bool { return !passes(&e) }))
		},
	}
	where.add(cmd)
	fl := cmd.Flags()
	fl.Var(&form, "format", "table, json or csv")
	fl.Var(&f.tools, "tool", "only this tool, by its id; may be repeated")
	fl.Var(&f.hosts, "host", "only this address, or hosts of this network; may be repeated")
	fl.Var(&f.verdicts, "verdict", "only where a use was judged so, such as unsanctioned; may be repeated")
	fl.Var(&f.since, "since", "only what was used since: 2026-03-01, 2026-03-01T08:00:00Z, or so long ago: 12h, 30d")
	return cmd
}

// compile returns what tells whether an entry is listed.
func (f *hostFilter) compile(now time.Time) (func(*ledger.Entry) bool, error) {
	var nets []netip.Prefix
	for _, h := range f.hosts {
		p, err := netip.ParsePrefix(h)
		if a, e := netip.ParseAddr(h); e == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, usagef("--host %q is neither an address nor a network (10.1.0.0/16)", h)
		}
		nets = append(nets, p.Masked())
	}
	since, err := ago(string(f.since), now)
	if err != nil {
		return nil, err
	}
	return func(e *ledger.Entry) bool {
		return (len(f.tools) == 0 || slices.Contains(f.tools, e.Tool)) &&
			(len(nets) == 0 || slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(e.Host.Addr) })) &&
			(since.IsZero() || e.Last >= since.UnixNano()) &&
			(len(f.verdicts) == 0 || slices.ContainsFunc(e.Verdicts.Items, func(v ledger.Seen) bool {
				return slices.Contains(f.verdicts, v.Value) && (since.IsZero() || v.Last >= since.UnixNano())
			}))
	}, nil
}

var daysAgo = regexp.MustCompile(`^([0-9]{1,5})d$`)

// ago reads a time or how long ago it was; zero for no text.
func ago(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() <= 2200 {
			return t, nil
		}
	}
	if m := daysAgo.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		return now.AddDate(0, 0, -n), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usagef("--since %q is neither a date (2026-03-01), a time (2026-03-01T08:00:00Z), nor so long ago (90m, 12h, 30d)", s)
}

// values lists the values of what was seen.
func values(list []ledger.Seen) []string {
	out := make([]string, 0, len(list)) // never null in JSON
	for _, s := range list {
		out = append(out, s.Value)
	}
	return out
}
