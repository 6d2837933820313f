package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	geo "github.com/rmmwatch/rmmwatch/sensor/enrich/build"
)

// buildFlags say of which lists which databases are made.
type buildFlags struct {
	lists [2]words // by kind
	out   word
	date  word
}

func (a *app) geoipBuild() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build --country-csv FILE --asn-csv FILE --out DIR",
		Short: "Make databases of lists of address ranges",
		Long: `Build makes country.mmdb and asn.mmdb of lists of address ranges, as the
project ip-location-db publishes them, for those who have no key for MaxMind's
databases. A row is start,end,country or start,end,number,organisation; addresses may
be written as numbers; IPv4 and IPv6 may be in files of their own. Of addresses that
two rows have, the row that comes first counts. Rows that cannot be read are left
out and told. The same lists and date give the same bytes.`,
		Example: `  rmmwatch geoip build --country-csv asn-country-ipv4.csv --country-csv asn-country-ipv6.csv \
    --asn-csv asn-ipv4.csv --asn-csv asn-ipv6.csv --out /var/lib/GeoIP`,
		Args: wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return a.buildDatabases(&f) },
	}
	fl := cmd.Flags()
	fl.Var(&f.lists[geo.Country], "country-csv", "list of countries; may be repeated")
	fl.Var(&f.lists[geo.ASN], "asn-csv", "list of autonomous systems; may be repeated")
	fl.Var(&f.out, "out", "folder for the databases (required)")
	fl.Var(&f.date, "date", "date of the databases, such as 2026-06-17 (default: when the newest list was changed)")
	return cmd
}

func (a *app) buildDatabases(f *buildFlags) error {
	switch {
	case f.out == "":
		return usagef("--out is missing; name a folder for the databases")
	case len(f.lists[geo.Country])+len(f.lists[geo.ASN]) == 0:
		return usagef("no list; give --country-csv or --asn-csv")
	}
	var date time.Time
	if f.date != "" {
		var err error
		if date, err = time.Parse(time.DateOnly, string(f.date)); err != nil || date.Unix() <= 0 {
			return usagef("--date %q is no date such as 2026-06-17", f.date)
		}
	}
	if err := os.MkdirAll(string(f.out), 0o755); err != nil {
		return err
	}
	for kind, paths := range f.lists {
		if len(paths) == 0 {
			continue
		}
		path := filepath.Join(string(f.out), geo.Kind(kind).String()+".mmdb")
		if err := a.buildDatabase(geo.Kind(kind), paths, path, date); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if _, err := fmt.Fprintln(a.stdout, path); err != nil {
			return err
		}
	}
	return nil
}

// buildDatabase makes the database at path. It is there as a whole or not at all: a
// sensor may read it at any time.
func (a *app) buildDatabase(kind geo.Kind, lists []string, path string, date time.Time) error {
	var sources []geo.Source
	var newest time.Time
	old, _ := os.Stat(path)
	for _, list := range lists {
		in, err := os.Open(list)
		if err != nil {
			return err
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		if old != nil && os.SameFile(info, old) {
			return usagef("%s is one of the lists: it would be overwritten", path)
		}
		if newest.Before(info.ModTime()) {
			newest = info.ModTime()
		}
		sources = append(sources, geo.Source{Name: list, Rows: in})
	}
	if date.IsZero() {
		date = newest
	}
	report, err := writeWhole(path, func(w *bufio.Writer) (geo.Report, error) {
		return geo.Build(w, kind, max(date.Unix(), 1), sources...)
	})
	for _, p := range report.Problems {
		tell(a.stderr, errors.New(p.String()))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stderr, "%s: %s of %s; %d bad, %d that say nothing, %s\n", kind, count(report.Ranges, "range"), count(report.Rows, "row"),
		report.Bad, report.Unknown, count(report.Overlaps, "overlap"))
	return err
}

// writeWhole writes a file beside path and then puts it there.
func writeWhole(path string, write func(*bufio.Writer) (geo.Report, error)) (report geo.Report, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return report, err
	}
	defer os.Remove(f.Name()) // nothing is left of it after the renaming
	w := bufio.NewWriterSize(f, 1<<20)
	report, err = write(w)
	for _, end := range []func() error{w.Flush, func() error { return f.Chmod(0o644) }, f.Sync} {
		if err == nil {
			err = end()
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return report, err
}
