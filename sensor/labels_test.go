package sensor_test

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// labelled are the labels' names of tools that we have rules for.
var labelled = map[string]string{
	"AnyDesk": "anydesk", "TeamViewer": "teamviewer", "ScreenConnect": "screenconnect", "Radmin": "radmin", "RDP": "rdp", "VNC": "vnc",
	"NoMachine": "nomachine", "Citrix ICA": "citrix-ica", "WireGuard": "wireguard", "SSH": "ssh",
}

// genuine is remote access that a decoy holds beside what it is a decoy for.
var genuine = map[string]string{
	"files/arkime+arkime/arkime_synthetic.pcap": "rdp", // a connection request with a mstshash cookie
}

// What others labelled as remote access is found, on the right host, where the
// evidence is more than a port.
func TestLabels(t *testing.T) {
	dir := testshared.Dir(t, "corpus")
	list, err := filepath.Glob(filepath.Join(dir, "labels", "*.yaml"))
	if err != nil || len(list) < 50 {
		t.Fatalf("%d labels, %v", len(list), err)
	}
	checked := 0
	for _, name := range list {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var label struct {
			File  string
			Tools []struct {
				Tool, Confidence string
				ClientHosts      []string `yaml:"client_hosts"`
			}
		}
		if err := yaml.Unmarshal(raw, &label); err != nil {
			t.Fatal(err)
		}
		for _, tool := range label.Tools {
			id, known := labelled[tool.Tool]
			if !known || tool.Confidence != "confirmed" && tool.Confidence != "probable" {
				continue
			}
			checked++
			hosts := toolHosts(t, filepath.Join(dir, label.File), id)
			found := slices.ContainsFunc(tool.ClientHosts, func(h string) bool { return slices.Contains(hosts, h) })
			if !found {
				t.Errorf("%s: %s (%s) of %v: seen on %v", label.File, tool.Tool, tool.Confidence, tool.ClientHosts, hosts)
			}
		}
	}
	if checked < 25 {
		t.Errorf("only %d labels were checked", checked)
	}
}

// toolHosts are the hosts on either side of the flows that show a tool, at any
// confidence: whose the alert is depends on the home networks.
func toolHosts(t *testing.T, path, id string) (hosts []string) {
	f, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cfg := small()
	cfg.Alerts.MinConfidence = "low"
	for _, a := range replaySource(t, cfg, f, f.Name).alerts {
		if a.Tool.ID == id {
			for _, e := range a.Evidence {
				hosts = append(hosts, e.Flow.Client.String(), e.Flow.Server.String())
			}
		}
	}
	return hosts
}

// What only looks like remote access raises no alert of medium confidence.
func TestDecoys(t *testing.T) {
	dir := testshared.Dir(t, "corpus")
	f, err := os.Open(filepath.Join(dir, "decoys.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		file, why, _ := strings.Cut(s.Text(), "\t")
		if file == "file" {
			continue
		}
		n++
		for _, a := range replay(t, filepath.Join(dir, file)).alerts {
			if a.Confidence >= detect.Medium && genuine[file] != a.Tool.ID {
				t.Errorf("%s: %s on %s by %s; it is %s", file, a.Tool.ID, a.Host, a.Best().Value, why)
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d decoys", n)
	}
}
