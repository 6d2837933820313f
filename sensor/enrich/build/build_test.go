package build_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/enrich/build"
)

const built = 1767225600

// files are lists in the form of npm's @ip-location-db, with addresses and numbers
// that documents may use.
func files(t testing.TB, names ...string) (out []build.Source) {
	t.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, build.Source{Name: name, Rows: bytes.NewReader(data)})
	}
	return out
}

func rows(lines ...string) build.Source {
	return build.Source{Name: "list.csv", Rows: strings.NewReader(strings.Join(lines, "\n"))}
}

func make1(t testing.TB, kind build.Kind, sources ...build.Source) ([]byte, build.Report) {
	t.Helper()
	var b bytes.Buffer
	r, err := build.Build(&b, kind, built, sources...)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), r
}

// open reads databases as the sensor does.
func open(t testing.TB, country, asn []byte) *enrich.DB {
	t.Helper()
	var c enrich.Config
	for path, data := range map[*string][]byte{&c.Country: country, &c.ASN: asn} {
		if data == nil {
			continue
		}
		f, err := os.CreateTemp(t.TempDir(), "*.mmdb")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
		f.Close()
		*path = f.Name()
	}
	db, err := enrich.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// The form of the lists, addresses and numbers, to the last address of each range.
func TestForms(t *testing.T) {
	country, report := make1(t, build.Country, files(t, "country-ipv4.csv", "country-ipv6.csv")...)
	numbers, _ := make1(t, build.Country, files(t, "country-ipv4-num.csv", "country-ipv6-num.csv")...)
	if !bytes.Equal(country, numbers) {
		t.Error("addresses and numbers make different databases")
	}
	if report.Rows != 6 || report.Ranges != 6 || report.Bad+report.Unknown+report.Overlaps != 0 {
		t.Errorf("%+v", report)
	}
	asn, report := make1(t, build.ASN, files(t, "asn-ipv4.csv", "asn-ipv6.csv")...)
	if report.Rows != 4 || report.Ranges != 4 {
		t.Errorf("%+v", report)
	}
	db := open(t, country, asn)
	for addr, want := range map[string]string{
		"191.255.255.255": "", "192.0.0.0": "AU", "192.0.1.255": "AU", "192.0.2.0": `CN AS64496 Example, Inc. "North"`,
		"192.0.2.127": `CN AS64496 Example, Inc. "North"`, "192.0.2.128": `DE AS64496 Example, Inc. "North"`, "192.0.2.129": `AS64496 Example, Inc. "North"`,
		"198.51.101.6": "SG AS64497 Example Pty Ltd", "198.51.101.7": "",
		"2001:db8::": `JP AS64511 Beispiel f\xc3\xbcr \xc3\x96ffentliche Netze`, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": "JP",
		"2001:db9:1b9:ffff::": "FR", "2001:db9:1ba::": "",
	} {
		if got := db.Lookup(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	for _, data := range [][]byte{country, asn} {
		r, err := maxminddb.OpenBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(); err != nil {
			t.Error(err)
		}
		if r.Metadata.BuildEpoch != built {
			t.Errorf("built %d", r.Metadata.BuildEpoch)
		}
	}
}

// What cannot be read is left out, and told with its line.
func TestProblems(t *testing.T) {
	data, report := make1(t, build.Country, rows("\ufeffip_range_start,ip_range_end,country", "# a comment", "",
		"192.0.2.0,192.0.2.255,DE", "192.0.2.0,192.0.2.255", "192.0.2.9,192.0.2.1,DE", "192.0.2.1,2001:db8::,DE", "192.0.2.1,192.0.2.2,13335",
		"198.51.100.0,198.51.100.255,ZZ", `"203.0.113.0","203.0.113.255","fr"`, "fe80::1%eth0,fe80::2%eth0,DE", "340282366920938463463374607431768211456,1,DE",
		"192.0.2.128,198.51.100.7,FR"))
	var got []string
	for _, p := range report.Problems {
		got = append(got, p.String())
	}
	want := []string{
		`list.csv:1: "ip_range_start" is no address`,
		"list.csv:5: want start,end,country",
		`list.csv:6: "192.0.2.9" is behind "192.0.2.1"`,
		`list.csv:7: "192.0.2.1" to "2001:db8::": one is IPv4, the other IPv6`,
		`list.csv:8: "13335" is no country code such as DE`,
		`list.csv:11: "fe80::1%eth0" is no address`,
		`list.csv:12: "340282366920938463463374607431768211456" is no address`,
		"list.csv:13: 192.0.2.128 to 198.51.100.7 overlaps list.csv:4, which counts",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if report.Rows != 11 || report.Bad != 7 || report.Unknown != 1 || report.Ranges != 3 || report.Overlaps != 1 {
		t.Errorf("%+v", report)
	}
	db := open(t, data, nil)
	for addr, want := range map[string]string{"192.0.2.200": "DE", "192.0.3.0": "FR", "198.51.100.7": "FR", "198.51.100.8": "", "203.0.113.9": "FR"} {
		if got := db.Lookup(netip.MustParseAddr(addr)).Country; got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for what, c := range map[string]struct {
		kind build.Kind
		rows build.Source
		want string
	}{
		"nothing":    {build.Country, rows(), "no row says anything; want rows start,end,country"},
		"other list": {build.Country, rows("192.0.2.0,192.0.2.255,64496,X"), `no row could be read; the first: list.csv:1: "64496" is no country code`},
		"countries":  {build.ASN, rows("192.0.2.0,192.0.2.255,DE"), `list.csv:1: "DE" is no number of an autonomous system`},
		"long":       {build.ASN, rows("", strings.Repeat("x", 70_000)), "list.csv: line 2 is longer than 64 KiB"},
	} {
		var b bytes.Buffer
		if _, err := build.Build(&b, c.kind, built, c.rows); err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("%s: %v (%d bytes), want %q", what, err, b.Len(), c.want)
		}
	}
}

// Ranges of any kind against a search through the rows: the first one that has an
// address says where it is. The same rows give the same bytes.
func TestAgainstRows(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	type span struct {
		first, last uint32
		asn         int
	}
	var spans []span
	var lines []string
	ip := func(n uint32) netip.Addr { return netip.AddrFrom4([4]byte{20, byte(n >> 16), byte(n >> 8), byte(n)}) }
	for range 300 {
		first := chance.Uint32N(1 << 16)
		s := span{first, first + chance.Uint32N(1<<(1+chance.IntN(12))), 64496 + chance.IntN(16)}
		spans = append(spans, s)
		lines = append(lines, fmt.Sprintf("%s,%s,%d,System %d", ip(s.first), ip(s.last), s.asn, s.asn))
	}
	data, report := make1(t, build.ASN, rows(lines[:100]...), rows(lines[100:]...))
	again, _ := make1(t, build.ASN, rows(lines...))
	if !bytes.Equal(data, again) {
		t.Error("the same rows give other bytes")
	}
	if report.Overlaps < 100 || len(report.Problems) != 20 {
		t.Errorf("%d overlaps, %d told", report.Overlaps, len(report.Problems))
	}
	r := open(t, nil, data).NewReader()
	known := 0
	for n := range uint32(1<<16 + 1<<12) {
		want := uint32(0)
		for _, s := range spans {
			if s.first <= n && n <= s.last {
				want = uint32(s.asn)
				known++
				break
			}
		}
		if got := r.Lookup(ip(n)).ASN; got != want {
			t.Fatalf("%s: AS%d, want AS%d", ip(n), got, want)
		}
	}
	if known < 10_000 {
		t.Errorf("only %d addresses are somewhere", known)
	}
}

// FuzzRows: any list gives a database that can be opened, or an error.
func FuzzRows(f *testing.F) {
	for _, name := range []string{"country-ipv4.csv", "country-ipv6-num.csv", "asn-ipv4.csv", "asn-ipv6.csv"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, strings.HasPrefix(name, "asn"))
	}
	f.Add([]byte("::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,DE\n0,340282366920938463463374607431768211455,FR\n"), false)
	f.Add([]byte("::ffff:1.2.3.4,::ffff:1.2.3.9,1,\"\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, asn bool) {
		kind := build.Country
		if asn {
			kind = build.ASN
		}
		var b bytes.Buffer
		report, err := build.Build(&b, kind, built, build.Source{Name: "x", Rows: bytes.NewReader(data)})
		if err != nil {
			return
		}
		if report.Rows != report.Ranges+report.Unknown+report.Bad {
			t.Errorf("%+v", report)
		}
		r, err := maxminddb.OpenBytes(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(); err != nil {
			t.Error(err)
		}
	})
}
