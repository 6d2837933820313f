package rpz

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
)

func exported(t *testing.T) []byte {
	t.Helper()
	files, err := Export(exporttest.New(t, exporttest.Rules(t)))
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Data
}

// BIND's own judge of zone files.
func TestNamedCheckzone(t *testing.T) {
	binary, err := exec.LookPath("named-checkzone")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("named-checkzone is missing: install Debian's bind9-utils")
		}
		t.Skip("named-checkzone (Debian's bind9-utils) is the judge")
	}
	hostile, err := Export(exporttest.Hostile(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{exported(t), hostile[0].Data} {
		path := filepath.Join(t.TempDir(), "rmmwatch.rpz")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(binary, "-i", "local", "rpz.example", path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "OK") {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// The zone as miekg/dns reads it, asked as RFC 4592 says: the name itself, else
// the wildcard of its closest encloser.
func TestExport(t *testing.T) {
	const origin = "rpz.example."
	owners := make(map[string]string)
	exists := make(map[string]bool) // with the empty non-terminals
	p := dns.NewZoneParser(strings.NewReader(string(exported(t))), origin, "rmmwatch.rpz")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		cname, ok := rr.(*dns.CNAME)
		if !ok {
			continue
		}
		name := strings.TrimSuffix(rr.Header().Name, "."+origin)
		owners[name] = cname.Target
		for up := true; up; _, name, up = strings.Cut(name, ".") {
			exists[name] = true
		}
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	answer := func(name string) string {
		if exists[name] {
			return owners[name]
		}
		for rest := name; rest != ""; {
			_, rest, _ = strings.Cut(rest, ".")
			if exists[rest] {
				return owners["*."+rest]
			}
		}
		return ""
	}
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	if _, err := Export(e); err != nil {
		t.Fatal(err)
	}
	exporttest.Judge(t, rs, e, func(name string) []string {
		if answer(name) == deny {
			return []string{exporttest.Anybody}
		}
		return nil
	})
	if answer("www.teamviewer.com") != pass {
		t.Errorf("www.teamviewer.com: %q", answer("www.teamviewer.com"))
	}
}
