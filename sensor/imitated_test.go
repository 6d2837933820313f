package sensor_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// Each host of the capture has its alert, with the technique that the index
// of pcaps says, and nobody else has.
func TestImitations(t *testing.T) {
	want := map[string]string{
		"10.1.3.1": "wrong-tld", "10.1.3.2": "joined", "10.1.3.3": "confusable", "10.1.3.4": "confusable", "10.1.3.5": "edited", "10.1.3.6": "inside",
		"10.1.3.7": "label", "10.1.3.8": "joined", "10.1.3.9": "joined", "10.1.3.10": "joined", "10.1.3.11": "joined", "10.1.3.12": "joined", "10.1.3.13": "label",
	}
	kinds := map[string]string{"10.1.3.10": "[dns]", "10.1.3.11": "[http]", "10.1.3.12": "[connect tls]", "10.1.3.13": "[quic]"}
	for _, a := range replay(t, "../pcaps/lookalike-domains-synthetic.pcap").alerts {
		host := a.Host.String()
		if how := a.Indicators(); a.Kind() != alert.LookalikeDomain || len(how) != 1 || how[0] != want[host] {
			t.Errorf("%s: %s by %v, want %q", host, a.Kind(), how, want[host])
		}
		var seen []string
		for i := range a.Evidence {
			seen = append(seen, a.Evidence[i].Kind.String())
		}
		if kinds[host] == "" {
			kinds[host] = "[dns tls]"
		}
		if fmt.Sprint(seen) != kinds[host] {
			t.Errorf("%s: seen in %v, want %s", host, seen, kinds[host])
		}
		delete(want, host)
	}
	if len(want) > 0 {
		t.Errorf("no alert of %v", want)
	}
}

// Names below the network's own domains imitate nobody, whatever case and
// ports they come with.
func TestHomeDomains(t *testing.T) {
	const path = "../pcaps/lookalike-domains-synthetic.pcap"
	cfg := small()
	cfg.HomeDomains = []string{"splashtop.asia", "access.com", "online", "loginto.me", "ultraviewer-en.com"}
	f, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var hosts []string
	for _, a := range replaySource(t, cfg, f, f.Name).alerts {
		hosts = append(hosts, a.Host.String())
	}
	slices.Sort(hosts)
	if want := []string{"10.1.3.10", "10.1.3.11", "10.1.3.13", "10.1.3.2", "10.1.3.3", "10.1.3.4", "10.1.3.6"}; !slices.Equal(hosts, want) {
		t.Errorf("%v, want %v", hosts, want)
	}
}

// slip is a name in the facts that is a mistake of their source: com.eu is
// somebody else's.
const slip = "desktopcentral.manageengine.com.eu"

// genuineNames are the vendors' own: every name and suffix of the collected
// facts, and their alternates that look like slips.
func genuineNames(t *testing.T) (names []string) {
	t.Helper()
	dir := testshared.Dir(t, "facts")
	raw, err := os.ReadFile(filepath.Join(dir, "tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tools []struct {
		Homepage   string
		Indicators struct {
			Domains []struct{ Pattern, Match string }
		}
	}
	if err := json.Unmarshal(raw, &tools); err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools {
		if host, _, _ := strings.Cut(tool.Homepage, "/"); host != "" {
			names = append(names, host)
		}
		for _, d := range tool.Indicators.Domains {
			if d.Match != "regex" && d.Pattern != slip {
				names = append(names, strings.TrimPrefix(strings.ReplaceAll(strings.TrimPrefix(d.Pattern, "*."), "*", "x1"), "."))
			}
		}
	}
	if raw, err = os.ReadFile(filepath.Join(dir, "lookalikes.md")); err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(raw), "**Must-not-alert list")
	list, _, _ = strings.Cut(list, "\n")
	for _, m := range regexp.MustCompile("`([a-z0-9.-]+)[^`]*`").FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	return names
}

// No name of a vendor imitates another's, or its own.
func TestGenuineNames(t *testing.T) {
	names := genuineNames(t)
	if len(names) < 600 || !slices.Contains(names, "setme.net") {
		t.Fatalf("only %d names", len(names))
	}
	rs, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, name := range []string{name, "www." + name, "a-1.b." + name} {
			if im, ok := rs.Imitation([]byte(name), nil); ok {
				t.Errorf("%s is taken for a look-alike of %s (%s)", name, im.Brand, im.Indicator.ID)
			}
		}
	}
}
