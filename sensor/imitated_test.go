package sensor_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
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
