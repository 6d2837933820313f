package enrich

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// database writes one of a given type: records by network.
func database(t testing.TB, kind string, version int, records map[string]mmdbtype.DataType) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IPVersion: version, BuildEpoch: 1767225600, RecordSize: 24})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(n, record); err != nil {
			t.Fatal(network, err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func text(s string) mmdbtype.String { return mmdbtype.String(s) }

// iso is a record as MaxMind's databases of countries and cities have it.
func iso(code string) mmdbtype.Map {
	return mmdbtype.Map{
		"country":            mmdbtype.Map{"iso_code": text(code), "geoname_id": mmdbtype.Uint32(7), "names": mmdbtype.Map{"en": text("X"), "de": text("Y")}},
		"registered_country": mmdbtype.Map{"iso_code": text("QQ")},
	}
}

// as is a record as MaxMind's databases of autonomous systems have it.
func as(n uint32, org string) mmdbtype.Map {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n), "autonomous_system_organization": text(org)}
}

// file writes data where a test can open it.
func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, c Config) *DB {
	t.Helper()
	db, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// Each form that databases have, MaxMind's own and those that geoip2 refuses.
func TestForms(t *testing.T) {
	const four, six = "81.2.0.0/16", "2a02:0::/29"
	both := func(r mmdbtype.DataType) map[string]mmdbtype.DataType {
		return map[string]mmdbtype.DataType{four: r, six: r}
	}
	for _, c := range []struct {
		kind    string
		record  mmdbtype.DataType
		country bool
		want    string
	}{
		{"GeoLite2-Country", iso("GB"), true, "GB"},
		{"GeoLite2-City", mmdbtype.Map{"country": iso("GB")["country"], "city": mmdbtype.Map{"names": mmdbtype.Map{"en": text("Ely")}}}, true, "GB"},
		{"GeoIP2-Enterprise", iso("gb"), true, "GB"},
		{"DBIP-Country-Lite", iso("GB"), true, "GB"},
		{"country ipvAll", mmdbtype.Map{"country_code": text("GB")}, true, "GB"}, // @ip-location-db
		{"ipinfo generic_country.mmdb", mmdbtype.Map{"country": text("GB"), "asn": text("AS64496")}, true, "GB"},
		{"rmmwatch-Country", iso("GB"), true, "GB"},
		{"GeoLite2-ASN", as(64496, "Example Ltd"), false, "AS64496 Example Ltd"},
		{"GeoIP2-ISP", as(64496, "Example Ltd"), false, "AS64496 Example Ltd"},
		{"asn ipvAll", as(4199999999, "Telefônica"), false, `AS4199999999 Telef\xc3\xb4nica`},
		{"ipinfo generic_asn.mmdb", mmdbtype.Map{"asn": text("AS64496"), "as_name": text("Example")}, false, "AS64496 Example"},
		{"GeoIP2-Enterprise", mmdbtype.Map{"traits": as(64496, "Example")}, false, "AS64496 Example"},
		{"asn ipvAll", as(64496, "a\x1b[31m\n"+strings.Repeat("x", 500)), false, `AS64496 a\x1b[31m\x0a` + strings.Repeat("x", 128-7)},
	} {
		path := write(t, "x.mmdb", database(t, c.kind, 6, both(c.record)))
		config := Config{ASN: path}
		if c.country {
			config = Config{Country: path}
		}
		db, err := Open(config)
		if err != nil {
			t.Errorf("%s: %v", c.kind, err)
			continue
		}
		r := db.NewReader()
		for a, want := range map[string]string{
			"81.2.69.142": c.want, "::ffff:81.2.69.142": c.want, "2a02::1": c.want, "2a02::1%eth0": c.want,
			"81.3.0.0": "", "2a03::": "", "10.1.2.3": "", "fe80::1": "", "ff02::1": "", "127.0.0.1": "", "::": "", "255.255.255.255": "",
		} {
			if got := db.Lookup(addr(a)).String(); got != want {
				t.Errorf("%s: %s is %q, want %q", c.kind, a, got, want)
			}
			if got := r.Lookup(addr(a)).String(); got != want {
				t.Errorf("%s: a reader says that %s is %q, want %q", c.kind, a, got, want)
			}
		}
		if p := db.Lookup(netip.Addr{}); p != (Place{}) || db.Damaged() != 0 {
			t.Errorf("%s: no address is %+v, %d damaged", c.kind, p, db.Damaged())
		}
	}
}

// A database of IPv4 alone knows no address of IPv6, and that is no damage.
func TestVersion4(t *testing.T) {
	db := open(t, Config{Country: write(t, "4.mmdb", database(t, "country ipv4", 4, map[string]mmdbtype.DataType{"81.2.0.0/16": mmdbtype.Map{"country_code": text("GB")}}))})
	if db.Lookup(addr("81.2.0.1")).Country != "GB" || db.Lookup(addr("2a02::1")) != (Place{}) || db.Damaged() != 0 {
		t.Error(db.Lookup(addr("81.2.0.1")), db.Lookup(addr("2a02::1")), db.Damaged())
	}
}

// What cannot be used is said, with the file and what to do.
func TestRefused(t *testing.T) {
	country := database(t, "GeoLite2-Country", 6, map[string]mmdbtype.DataType{"81.2.0.0/16": iso("GB")})
	asn := database(t, "GeoLite2-ASN", 6, map[string]mmdbtype.DataType{"81.2.0.0/16": as(64496, "X")})
	for _, c := range []struct {
		what string
		data []byte
		use  func(string) Config
		want string
	}{
		{"cut short", country[:len(country)-200], func(p string) Config { return Config{Country: p} }, "no MaxMind DB, or one that was cut short"},
		{"empty", nil, func(p string) Config { return Config{Country: p} }, "the file is empty"},
		{"text", []byte("start,end,DE\n"), func(p string) Config { return Config{ASN: p} }, "geoip asn: "},
		{"countries for asn", country, func(p string) Config { return Config{ASN: p} }, `a database of type "GeoLite2-Country", which has no numbers of autonomous systems; give one such as GeoLite2-ASN`},
		{"asn for countries", asn, func(p string) Config { return Config{Country: p} }, `a database of type "GeoLite2-ASN", which has no countries; give one such as GeoLite2-Country`},
		{"others", database(t, "GeoIP2-Domain\x1b[31m", 6, map[string]mmdbtype.DataType{"81.2.0.0/16": mmdbtype.Map{"domain": text("x.example")}}),
			func(p string) Config { return Config{Country: p} }, `a database of type "GeoIP2-Domain\x1b[31m", which has no countries`},
		{"a folder", nil, func(p string) Config { return Config{Country: filepath.Dir(p)} }, "is no file"},
		{"missing", nil, func(p string) Config { return Config{Country: p + "x"} }, "no such file"},
	} {
		path := write(t, "x.mmdb", c.data)
		_, err := Open(c.use(path))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Dir(path)) {
			t.Errorf("%s: %v, want %q and the path", c.what, err, c.want)
		}
	}
	path := write(t, "x.mmdb", nil)
	if _, err := Open(Config{path, path}); err == nil || strings.Count(err.Error(), "the file is empty") != 2 {
		t.Errorf("two bad files: %v", err)
	}
}

// many is a database with a country for each /16 of some, and one system for
// several of them.
func many(t testing.TB, shift int) (country, asn []byte) {
	c, a := map[string]mmdbtype.DataType{}, map[string]mmdbtype.DataType{}
	for i := range 200 {
		network := fmt.Sprintf("%d.%d.0.0/16", 20+i%4, i)
		c[network] = iso(string([]byte{'A' + byte((i+shift)%26), 'A' + byte(i%7)}))
		if i%3 > 0 {
			a[network] = as(uint32(64496+(i+shift)%10), fmt.Sprintf("System %d", (i+shift)%10))
		}
	}
	return database(t, "GeoLite2-Country", 6, c), database(t, "asn ipvAll", 6, a)
}

// What a Reader remembers changes no answer, and costs nothing.
func TestReader(t *testing.T) {
	country, asn := many(t, 0)
	db := open(t, Config{write(t, "c.mmdb", country), write(t, "a.mmdb", asn)})
	r := db.NewReader()
	chance := rand.New(rand.NewPCG(1, 2))
	addrs := make([]netip.Addr, 5000) // some times what is remembered
	found := 0
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{byte(20 + chance.IntN(5)), byte(chance.IntN(256)), byte(chance.IntN(4)), byte(chance.IntN(4))})
	}
	for i := range 4 * len(addrs) {
		a := addrs[chance.IntN(len(addrs))]
		want := db.Lookup(a)
		if want.Country != "" && want.ASN != 0 {
			found++
		}
		if i%2 == 0 && r.ASN(a) != want.ASN {
			t.Fatalf("%s: AS%d, want %+v", a, r.ASN(a), want)
		}
		if got := r.Lookup(a); got != want {
			t.Fatalf("%s: %+v, want %+v", a, got, want)
		}
	}
	if found < 1000 {
		t.Errorf("only %d look-ups found something", found)
	}
	if n := testing.AllocsPerRun(5, func() {
		for _, a := range addrs {
			r.Lookup(a)
			r.ASN(a)
		}
	}); n > 0 {
		t.Errorf("%v allocations for records that are known", n)
	}
}

// replace puts data in the place of path, as operators should.
func replace(t testing.TB, path string, data []byte) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	gb := database(t, "country", 6, map[string]mmdbtype.DataType{"81.2.0.0/16": mmdbtype.Map{"country_code": text("GB")}})
	de := database(t, "country", 6, map[string]mmdbtype.DataType{"81.2.0.0/16": mmdbtype.Map{"country_code": text("DE")}})
	c, a := write(t, "c.mmdb", gb), write(t, "a.mmdb", database(t, "GeoLite2-ASN", 6, map[string]mmdbtype.DataType{"81.2.0.0/16": as(64496, "X")}))
	db := open(t, Config{c, a})
	r := db.NewReader()
	if got := db.Paths(); len(got) != 2 || got[0] != c || got[1] != a {
		t.Errorf("paths %q", got)
	}
	step := func(what, country string, replaced int, fails string) {
		t.Helper()
		paths, err := db.Reload()
		if len(paths) != replaced || fails == "" && err != nil || fails != "" && (err == nil || !strings.Contains(err.Error(), fails)) {
			t.Errorf("%s: %q, %v", what, paths, err)
		}
		for range 2 {
			if p := r.Lookup(addr("81.2.0.1")); p.Country != country || p.ASN != 64496 {
				t.Errorf("%s: %+v, want %s", what, p, country)
			}
		}
	}
	step("nothing happened", "GB", 0, "")
	replace(t, c, de)
	step("replaced", "DE", 1, "")
	step("nothing more", "DE", 0, "")
	replace(t, c, gb[:len(gb)-100])
	step("a bad one", "DE", 0, "cut short")
	step("told once", "DE", 0, "")
	if err := os.Remove(c); err != nil {
		t.Fatal(err)
	}
	step("gone", "DE", 0, "no such file")
	step("still gone", "DE", 0, "")
	replace(t, c, gb)
	step("back", "GB", 1, "")
	if err := os.WriteFile(c, append([]byte(nil), de...), 0o600); err != nil { // of the same size, in the same place
		t.Fatal(err)
	}
	if err := os.Chtimes(c, time.Time{}, time.Unix(1767225601, 0)); err != nil {
		t.Fatal(err)
	}
	step("overwritten", "DE", 1, "")
	info := db.Info()
	if len(info) != 2 || info[0].Use != "country" || info[1].Type != "GeoLite2-ASN" || info[0].Built.Unix() != 1767225600 || info[0].Bytes != int64(len(de)) {
		t.Errorf("%+v", info)
	}
}

// Look-ups go on while databases are replaced, and see one or the other whole.
func TestReloadMeanwhile(t *testing.T) {
	country, asn := many(t, 0)
	country2, asn2 := many(t, 5)
	old, fresh := open(t, Config{write(t, "c", country), write(t, "a", asn)}), open(t, Config{write(t, "c", country2), write(t, "a", asn2)})
	c, a := write(t, "c.mmdb", country), write(t, "a.mmdb", asn)
	db := open(t, Config{c, a})
	done := make(chan struct{})
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			r := db.NewReader()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				ip := netip.AddrFrom4([4]byte{20, byte(i), 0, 1})
				got, was, is := r.Lookup(ip), old.Lookup(ip), fresh.Lookup(ip)
				if got.Country != was.Country && got.Country != is.Country || got.ASN != was.ASN && got.ASN != is.ASN {
					t.Errorf("%s: %+v is neither %+v nor %+v", ip, got, was, is)
					return
				}
			}
		})
	}
	for i := range 20 {
		if i%2 == 0 {
			replace(t, c, country2)
			replace(t, a, asn2)
		} else {
			replace(t, c, country)
			replace(t, a, asn)
		}
		if paths, err := db.Reload(); err != nil || len(paths) != 2 {
			t.Error(paths, err)
		}
	}
	close(done)
	wait.Wait()
}

// FuzzDamaged cuts a database and turns its bits: it is refused, or read without
// harm.
func FuzzDamaged(f *testing.F) {
	country, asn := many(f, 0)
	for i := range 24 {
		f.Add(uint8(i%2), uint16(i*997), uint16(i), uint64(i)*0x123456789)
	}
	whole := [...][]byte{country, asn}
	f.Fuzz(func(t *testing.T, which uint8, at, cut uint16, flips uint64) {
		data := append([]byte(nil), whole[which%2]...)
		for i := range 8 {
			// two bytes of flips each: where, from at on, and which bit
			n := uint16(flips >> (i * 8))
			data[(int(at)+int(n)*int(n)*7)%len(data)] ^= 1 << (n % 8)
		}
		data = data[:len(data)-int(cut)%len(data)]
		for what := range purposeNames {
			db := &DB{}
			one := &file{what: purpose(what), info: absent{}}
			if one.load(data) != nil {
				continue
			}
			var s set
			s[what] = one
			db.now.Store(&s)
			r := db.NewReader()
			for i := range 256 {
				ip := netip.AddrFrom4([4]byte{byte(20 + i%4), byte(i), 0, 1})
				if got, want := r.Lookup(ip), db.Lookup(ip); got != want {
					t.Errorf("%s: %+v, then %+v", ip, got, want)
				}
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	country, asn := many(b, 0)
	r := open(b, Config{write(b, "c.mmdb", country), write(b, "a.mmdb", asn)}).NewReader()
	for _, c := range []struct {
		name string
		n    int
	}{{"remembered", 100}, {"scan", 1 << 16}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				n := i % c.n
				r.Lookup(netip.AddrFrom4([4]byte{20, byte(n), byte(n >> 8), 1}))
			}
		})
	}
}
