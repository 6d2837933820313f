package intel_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/list"
)

// build is Build with what is common to tests.
func build(t testing.TB, entries []intel.Entry, opt intel.Options) *intel.Pack {
	t.Helper()
	if opt.Confidence == 0 {
		opt.Confidence = detect.Medium
	}
	if opt.Format == "" {
		opt.Format = "list"
	}
	p, err := intel.Build(entries, opt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// load loads the files of a pack as the sensor would.
func load(t testing.TB, p *intel.Pack) *detect.Ruleset {
	t.Helper()
	var sources []detect.Source
	for _, f := range p.Files {
		sources = append(sources, detect.FromBytes(f.Name, f.Data))
	}
	rs, err := detect.Load(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// hit returns the tools whose indicators a name meets.
func hit(rs *detect.Ruleset, name string) (tools []string) {
	for _, h := range rs.Match(&detect.Fields{Kind: detect.KindSNI, Names: [][]byte{[]byte(name)}}, nil) {
		if h.Complete() {
			tools = append(tools, h.Indicator.Tool.ID)
		}
	}
	return tools
}

// Every line that is no comment is accounted for, and what the report says is
// true of the files: checked against a model that knows only which lines are
// good names.
func TestAccounts(t *testing.T) {
	word := rapid.SampledFrom([]string{"alpha", "beta", "gamma", "delta", "epsilon"}) // few, so that they meet
	good := rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", "", "*.", "relay.", "."}).Draw(t, "front") + word.Draw(t, "name") + rapid.SampledFrom([]string{".com", ".net", ".co.uk"}).Draw(t, "tld")
	})
	bad := rapid.SampledFrom([]string{"user_managed", "insight", "*.local", "a..com", "relay-[a-f0-9]{8}.net.anydesk.com:443", "*.co.uk", "*.github.io",
		"d41d8cd98f00b204e9800998ecf8427e", "-x.example.com", "two words.com", "10.0.0.1", "https://x.com/y", "\xff.com", "a.*"})
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.OneOf(good, good, bad, rapid.String()), 1, 60).Draw(t, "lines")
		text := strings.Join(lines, "\n")
		entries := list.Import("feed.txt", []byte(text))
		p, err := intel.Build(entries, intel.Options{Format: "list", Confidence: detect.Low})
		if err != nil {
			t.Fatal(err)
		}
		if n := p.Count(intel.Imported) + p.Count(intel.Merged) + p.Count(intel.Quarantined); n != len(p.Rows) || n != len(entries) {
			t.Fatalf("%d rows of %d entries, %d of them with an outcome", len(p.Rows), len(entries), n)
		}
		var sources []detect.Source
		for _, f := range p.Files {
			sources = append(sources, detect.FromBytes(f.Name, f.Data))
		}
		rs, err := detect.Load(sources...)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Rows {
			if r.Text == "*.github.io" && r.Reason != intel.Shared || r.Text == "*.co.uk" && r.Reason != intel.Shared {
				t.Fatalf("%+v", r)
			}
			if (r.Outcome == intel.Quarantined) != (r.Reason != "") || r.Reason != "" && r.Detail == "" {
				t.Fatalf("%+v", r)
			}
			if r.Outcome == intel.Quarantined || strings.ContainsAny(r.Text, "*?:/|# \t{}[](),;^\\") || strings.Trim(r.Text, "abcdefghijklmnopqrstuvwxyz.") != "" {
				continue
			}
			if name := strings.Trim(r.Text, "."); len(hit(rs, name)) == 0 {
				t.Fatalf("%q was %s, but nothing hits %q", r.Text, r.Outcome, name)
			}
		}
	})
}

// The same entries give the same bytes, and a second import of what is known
// gives nothing.
func TestRepeats(t *testing.T) {
	text := "relay.alpha.com\n*.beta.net\nx.beta.net\nRELAY.alpha.com\n203.0.113.7\n198.51.100.0/24\n"
	first := build(t, list.Import("feed.txt", []byte(text)), intel.Options{})
	again := build(t, list.Import("feed.txt", []byte(text)), intel.Options{})
	if len(first.Files) != 1 || !bytes.Equal(first.Files[0].Data, again.Files[0].Data) || !slices.Equal(first.Rows, again.Rows) {
		t.Fatal("two imports of the same differ")
	}
	if d := first.Rows[2].Detail; d != "below *.beta.net of feed.txt:2" {
		t.Error(d)
	}
	if got := first.Summary()[0]; got != "6 entries: 4 imported, 2 merged, 0 quarantined" {
		t.Error(got)
	}
	beside := build(t, list.Import("feed.txt", []byte(text)), intel.Options{Beside: load(t, first)})
	// A network is not compared with what is there: it may be wider.
	if got := beside.Summary()[0]; got != "6 entries: 1 imported, 5 merged, 0 quarantined" {
		t.Error(got)
	}
	if beside.Files[0].Name == first.Files[0].Name {
		t.Error("both have the tool", first.Files[0].Name)
	}
}

// What the rules beside know stays theirs, and names of other tools are not taken.
func TestBeside(t *testing.T) {
	rs, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	p := build(t, list.Import("anydesk.txt", []byte("relay-1.net.anydesk.com\nnew-tool-7.com\n")), intel.Options{Beside: rs})
	if p.Rows[0].Outcome != intel.Merged || p.Rows[0].Tool != "anydesk" || p.Rows[1].Outcome != intel.Imported || p.Rows[1].Tool != "list-anydesk" {
		t.Errorf("%+v", p.Rows)
	}
	sources := []detect.Source{detect.FromFS("embedded", rules.FS)}
	for _, f := range p.Files {
		sources = append(sources, detect.FromBytes(f.Name, f.Data))
	}
	if _, err := detect.Load(sources...); err != nil {
		t.Error("the import does not load beside the embedded rules:", err)
	}
}

// An import never says high, and low of what changes hands.
func TestTrust(t *testing.T) {
	entries := list.ImportCSV("feed.csv", []byte("value,type,confidence,role\na.alpha.com,domain,high,relay\nb.alpha.com,domain,low,\n203.0.113.7,ip,high,\n"+
		"e7d705a3286e19ea42f587b344ee6865,ja3,high,\n"))
	rs := load(t, build(t, entries, intel.Options{}))
	got := ""
	for _, in := range rs.Tools()[0].Indicators {
		got += fmt.Sprintln(in.ID, in.Role, in.Confidence)
	}
	if want := "names-relay relay medium\nnames control low\naddresses control low\nja3 control low\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A folder is replaced where an import wrote it, and nowhere else.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "imported")
	p := build(t, list.Import("feed.txt", []byte("relay.alpha.com\n")), intel.Options{})
	for range 2 {
		if stale, err := p.Write(dir); err != nil || stale != nil {
			t.Fatal(stale, err)
		}
	}
	if _, err := detect.LoadPath(dir); err != nil {
		t.Error(err)
	}
	own := filepath.Join(dir, "feed.yaml")
	if err := os.WriteFile(own, []byte("tool: feed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(dir); err == nil || !strings.Contains(err.Error(), "not written by an import") {
		t.Error(err)
	}
	if err := os.Rename(own, filepath.Join(dir, "old.yaml")); err != nil {
		t.Fatal(err)
	}
	if stale, err := p.Write(dir); err != nil || len(stale) != 1 || !strings.HasSuffix(stale[0], "old.yaml") {
		t.Error(stale, err)
	}
}

// A large list is split so that each file passes the gate.
func TestLarge(t *testing.T) {
	var b strings.Builder
	for i := range 11_000 {
		fmt.Fprintf(&b, "host%d.alpha%d.com\n", i, i%977)
	}
	p := build(t, list.Import("feed.txt", []byte(b.String())), intel.Options{})
	if len(p.Files) != 3 || p.Count(intel.Imported) != 11_000 {
		t.Fatal(len(p.Files), p.Summary())
	}
	rs := load(t, p)
	if rs.Tool("feed") == nil || rs.Tool("feed-2") == nil || rs.Tool("feed-3") == nil || len(hit(rs, "host10999.alpha252.com")) != 1 {
		t.Error("a tool is missing")
	}
}

// Reports hold every row, and nothing of the source can break out of them.
func TestReport(t *testing.T) {
	p := build(t, list.Import("feed.txt", []byte("relay.alpha.com\n=cmd|calc\n\x1b[31mred\n")), intel.Options{})
	var c, j, table bytes.Buffer
	for _, err := range []error{p.CSV(&c), p.JSON(&j), p.Table(&table)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(c.String(), "\n") != 4 || !strings.Contains(c.String(), "\n'=cmd") {
		t.Errorf("%q", c.String())
	}
	if !strings.Contains(j.String(), `"entries": 3`) || !strings.Contains(table.String(), "feed.txt:2") {
		t.Errorf("%s\n%s", j.String(), table.String())
	}
	for _, s := range []string{c.String(), j.String(), table.String()} {
		if strings.Contains(s, "\x1b") {
			t.Errorf("%q", s)
		}
	}
}
