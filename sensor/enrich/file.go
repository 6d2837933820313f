package enrich

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"
)

// maxFile bounds a database, in bytes: GeoLite2-City has some 60 MiB, the largest
// ones of vendors a few hundred.
const maxFile = 1 << 30

// what a database is opened for.
type purpose uint8

const (
	forCountry purpose = iota
	forASN
)

var purposeNames = [...]string{"country", "asn"}

// file is a database, read whole: a mapped file that somebody cuts short would end
// the process. It is never written to after it was opened.
type file struct {
	path string
	what purpose
	info fs.FileInfo
	raw  *maxminddb.Reader
	geo  *geoip2.Reader // nil for a type that only maxminddb reads
	keys keys           // where the values are, when geo is nil
}

// openFile reads and checks the database at path.
func openFile(path string, what purpose) (*file, error) {
	data, info, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("geoip %s: %w", purposeNames[what], err)
	}
	f := &file{path: path, what: what, info: info}
	if err := f.load(data); err != nil {
		return nil, fmt.Errorf("geoip %s: %s: %w", purposeNames[what], path, err)
	}
	return f, nil
}

// readFile returns the content of path, and what the file was before it was
// read: one that is written meanwhile looks changed afterwards.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no file; name a database (.mmdb)", path)
	}
	if info.Size() > maxFile {
		return nil, nil, fmt.Errorf("%s is larger than 1 GiB: no database of this kind is", path)
	}
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(f, maxFile)); err != nil {
		return nil, nil, err
	}
	return b.Bytes(), info, nil
}

// errShape is what reading a damaged database is said to be.
var errShape = errors.New("the database is damaged, or it was being written; copy it beside, then rename it over the old one")

// load makes f the database in data, whose memory it keeps.
func (f *file) load(data []byte) (err error) {
	defer func() {
		if recover() != nil { // the libraries promise not to; the data are not ours
			err = errShape
		}
	}()
	if len(data) == 0 {
		return errors.New("the file is empty")
	}
	if f.raw, err = maxminddb.OpenBytes(data); err != nil {
		return fmt.Errorf("no MaxMind DB, or one that was cut short (%w)", err)
	}
	geo, err := geoip2.OpenBytes(data)
	switch {
	case err == nil:
		f.geo = geo
		if _, err := f.ask(netip.IPv4Unspecified()); errors.As(err, new(geoip2.InvalidMethodError)) {
			f.geo = nil // a type that has it elsewhere, or not at all
		}
	case !errors.As(err, new(geoip2.UnknownDatabaseTypeError)):
		return err
	}
	return f.check()
}

// maxChecked is how many networks are looked at when a database is opened, which
// takes a second at most: all of a database of countries or autonomous systems.
const maxChecked = 1 << 20

// check walks the database, so that damage is found before it is used. It finds
// where values are, too.
func (f *file) check() error {
	read := make(map[uintptr]bool)
	known := 0
	leaves := uint(0)
	for r := range f.raw.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if err := r.Err(); err != nil {
			return fmt.Errorf("%w (%w)", errShape, err)
		}
		if leaves++; leaves > maxChecked {
			break
		} else if leaves > 4*f.raw.Metadata.NodeCount+4 { // a tree has one leaf more than it has nodes
			return fmt.Errorf("%w (its tree runs in circles)", errShape)
		}
		if !r.Found() || read[r.Offset()] {
			continue
		}
		read[r.Offset()] = true
		if f.geo == nil && f.keys.none() {
			if f.keys = findKeys(r, f.what); f.keys.none() && len(read) < maxProbes {
				continue
			}
			if f.keys.none() {
				break
			}
		}
		p, err := f.decode(r, r.Prefix().Addr())
		if err != nil {
			return fmt.Errorf("%w (%w)", errShape, err)
		}
		if p.has(f.what) {
			known++
		}
	}
	if known == 0 {
		return f.unfit()
	}
	return nil
}

// maxProbes is how many records may be without the value that a database is opened
// for, before it is taken for one of another kind.
const maxProbes = 1000

// has reports whether the place has what a database of this purpose tells.
func (p *Place) has(what purpose) bool {
	if what == forCountry {
		return p.Country != ""
	}
	return p.ASN != 0
}

// unfit says that the database is one of something else.
func (f *file) unfit() error {
	want := "countries; give one such as GeoLite2-Country, or one that rmmwatch geoip build made"
	if f.what == forASN {
		want = "numbers of autonomous systems; give one such as GeoLite2-ASN, or one that rmmwatch geoip build made"
	}
	return fmt.Errorf("a database of type %s, which has no %s", quoted(f.raw.Metadata.DatabaseType), want)
}

// look returns the data of addr; ok is false where there are none. It allocates
// nothing.
func (f *file) look(addr netip.Addr) (r maxminddb.Result, ok bool, err error) {
	if f.raw.Metadata.IPVersion == 4 && addr.Is6() {
		return r, false, nil
	}
	r = f.raw.Lookup(addr)
	return r, r.Found(), r.Err()
}

// decode reads the record r, which is that of addr.
func (f *file) decode(r maxminddb.Result, addr netip.Addr) (Place, error) {
	if f.geo != nil {
		return f.ask(addr)
	}
	return f.keys.read(r)
}

// ask looks addr up through geoip2.
func (f *file) ask(addr netip.Addr) (p Place, err error) {
	if f.what == forASN {
		r, err := f.geo.ASN(addr)
		if err != nil {
			return p, err
		}
		return Place{ASN: number(uint64(r.AutonomousSystemNumber)), Org: org(r.AutonomousSystemOrganization)}, nil
	}
	r, err := f.geo.Country(addr)
	if err != nil {
		return p, err
	}
	return Place{Country: country(r.Country.ISOCode)}, nil
}
