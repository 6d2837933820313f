package enrich

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Config names the databases; "" is none.
type Config struct {
	Country string // one with countries: Country, City, Enterprise, or a form of others
	ASN     string // one with autonomous systems
}

// Any reports whether a database is named.
func (c Config) Any() bool { return c != Config{} }

// DB is the databases in use. All its methods may be called at any time by any
// goroutine; what looks up often has a Reader of its own.
type DB struct {
	config  Config
	reload  sync.Mutex
	refused [2]fs.FileInfo // the file that was refused last, by purpose
	now     atomic.Pointer[set]
	damaged atomic.Uint64
}

// set is the open databases, by purpose; nil where none is named.
type set [2]*file

// Open reads the databases that c names. The error names the file, what is wrong
// with it and what to do; with several, all are told.
func Open(c Config) (*DB, error) {
	db := &DB{config: c}
	var s set
	var errs []error
	for what, path := range db.paths() {
		if path == "" {
			continue
		}
		f, err := openFile(path, purpose(what))
		s[what], errs = f, append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	db.now.Store(&s)
	return db, nil
}

func (db *DB) paths() [2]string {
	return [...]string{forCountry: db.config.Country, forASN: db.config.ASN}
}

// Paths are the files that are read, for whoever gives up rights. To read one that
// was replaced by renaming, their folders must stay readable.
func (db *DB) Paths() (out []string) {
	for _, p := range db.paths() {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

// Reload reads the databases whose files were replaced since they were last read, and
// returns the paths of those now in use. A bad one is refused and the old one
// stays; the error tells it once for each version of a file. Calling it every few
// seconds costs a stat of each file.
func (db *DB) Reload() (replaced []string, err error) {
	db.reload.Lock()
	defer db.reload.Unlock()
	s := *db.now.Load()
	var errs []error
	for what, path := range db.paths() {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		if info != nil && same(info, s[what].info) {
			db.refused[what] = nil
			continue
		}
		if db.refused[what] != nil && same(info, db.refused[what]) {
			continue
		}
		db.refused[what] = absent{}
		if info != nil {
			db.refused[what] = info
		}
		f, err := openFile(path, purpose(what))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		db.refused[what] = nil
		s[what] = f
		replaced = append(replaced, path)
	}
	if len(replaced) > 0 {
		db.now.Store(&s)
	}
	return replaced, errors.Join(errs...)
}

// absent stands for a file that is not there.
type absent struct{ fs.FileInfo }

// same reports whether a path has the same version of a file as before. nil is no
// file.
func same(a, b fs.FileInfo) bool {
	if _, gone := b.(absent); gone || a == nil {
		return gone && a == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// Info is what a database says of itself.
type Info struct {
	Path  string
	Use   string    // country or asn
	Type  string    // as the database calls it; made by others, so not for a terminal as it is
	Built time.Time // by its own word
	Bytes int64
}

// Info describes the databases in use: the country's first.
func (db *DB) Info() (out []Info) {
	for _, f := range db.now.Load() {
		if f != nil {
			out = append(out, Info{f.path, purposeNames[f.what], f.raw.Metadata.DatabaseType, f.raw.Metadata.BuildTime().UTC(), f.info.Size()})
		}
	}
	return out
}

// Damaged is how many lookups met a damaged record.
func (db *DB) Damaged() uint64 { return db.damaged.Load() }

// Lookup returns what is known of addr.
func (db *DB) Lookup(addr netip.Addr) (p Place) {
	addr, ok := global(addr)
	if !ok {
		return p
	}
	for _, f := range db.now.Load() {
		if f != nil {
			p.add(db.find(f, addr, nil))
		}
	}
	return p
}

// add takes over what the database of another purpose told.
func (p *Place) add(o Place) {
	if o.Country != "" {
		p.Country = o.Country
	}
	if o.ASN != 0 {
		p.ASN, p.Org = o.ASN, o.Org
	}
}

// global returns addr as databases have it, and false for addresses that none
// can know: private and local ones, groups, none at all.
func global(addr netip.Addr) (netip.Addr, bool) {
	addr = addr.Unmap().WithZone("")
	return addr, addr.IsGlobalUnicast() && !addr.IsPrivate()
}

// find looks addr up in f, where records may be remembered.
func (db *DB) find(f *file, addr netip.Addr, known records) (p Place) {
	defer func() {
		if recover() != nil { // every record was read when f was opened: a mistake of a library
			db.damaged.Add(1)
			p = Place{}
		}
	}()
	r, ok, err := f.look(addr)
	if ok {
		if known != nil {
			if p, ok := known[r.Offset()]; ok {
				return p
			}
		}
		if p, err = f.decode(r, addr); err == nil && known != nil {
			known.add(r.Offset(), p)
		}
	}
	if err != nil {
		db.damaged.Add(1)
		return Place{}
	}
	return p
}
