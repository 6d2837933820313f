package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

func (a *app) geoipCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "geoip",
		Short: "Make and ask databases of countries and autonomous systems",
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.geoipBuild(), a.geoipLookup())
	return cmd
}

// lookupFlags name the databases that are asked.
type lookupFlags struct{ config, country, asn word }

func (a *app) geoipLookup() *cobra.Command {
	var f lookupFlags
	cmd := &cobra.Command{
		Use:   "lookup ADDRESS...",
		Short: "Say what the databases know of addresses",
		Long: `Lookup says in which country an address is, and which autonomous system (AS)
announces it, as alerts and rules see it. A dash is what is not known: of private
and local addresses nothing is. The databases are told on standard error.`,
		Example: `  rmmwatch geoip lookup --config /etc/rmmwatch/rmmwatch.yaml 192.0.2.10
  rmmwatch geoip lookup --country country.mmdb --asn asn.mmdb 2001:db8::1`,
		Args: wantArgs(cobra.MinimumNArgs(1), "one address or more"),
		RunE: func(_ *cobra.Command, args []string) error { return a.lookup(args, f) },
	}
	fl := cmd.Flags()
	fl.Var(&f.config, "config", "configuration file whose `geoip` names the databases")
	fl.Var(&f.country, "country", "database of countries (.mmdb); before that of the configuration")
	fl.Var(&f.asn, "asn", "database of autonomous systems (.mmdb); before that of the configuration")
	return cmd
}

// databases are those that the flags name.
func (f *lookupFlags) databases() (c enrich.Config, err error) {
	if f.config != "" {
		cfg, err := config.Load(string(f.config))
		if err != nil {
			return c, usageError{err}
		}
		c = enrich.Config(cfg.GeoIP)
	}
	if f.country != "" {
		c.Country = string(f.country)
	}
	if f.asn != "" {
		c.ASN = string(f.asn)
	}
	switch {
	case c.Any():
		return c, nil
	case f.config != "":
		return c, usagef("%s names no database; add `geoip`, or give --country or --asn", f.config)
	}
	return c, usagef("no database; give --config, --country or --asn")
}

func (a *app) lookup(args []string, f lookupFlags) error {
	addrs := make([]netip.Addr, len(args))
	var errs []error
	for i, s := range args {
		var err error
		if addrs[i], err = netip.ParseAddr(s); err != nil {
			errs = append(errs, fmt.Errorf("%q is no address such as 192.0.2.10 or 2001:db8::1", s))
		}
	}
	if len(errs) > 0 {
		return usageError{errors.Join(errs...)}
	}
	c, err := f.databases()
	if err != nil {
		return err
	}
	db, err := enrich.Open(c)
	if err != nil {
		return err
	}
	for _, d := range db.Info() {
		fmt.Fprintln(a.stderr, printable.Line(fmt.Sprintf("%s: %s, %s, of %s", d.Use, d.Path, d.Type, d.Built.Format(time.DateOnly))))
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tCOUNTRY\tAS\tORGANISATION")
	for _, addr := range addrs {
		p := db.Lookup(addr)
		as := ""
		if p.ASN != 0 {
			as = strconv.FormatUint(uint64(p.ASN), 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable.Line(addr.String()), orDash(p.Country), orDash(as), orDash(p.Org))
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
