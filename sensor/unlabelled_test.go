package sensor_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// byBytes is what captures of the corpus show without a name, beyond what their
// labels ask for: the indicators that must be among the evidence.
var byBytes = map[string][]string{
	"OISF+suricata-verify/dns__dns-udp-null__input.pcap": {"iodine/version", "iodine/version-answer"},
	"ntop+nDPI/dns-tunnel-iodine.pcap":                   {"iodine/version", "iodine/version-answer", "iodine/login"},
	"nfstream+nfstream/zabbix.pcap":                      {"zabbix-agent/request", "zabbix-agent/answer"},
	"ntop+nDPI/zabbix.pcap":                              {"zabbix-agent/request", "zabbix-agent/answer"},
	"ntop+nDPI/nomachine.pcapng":                         {"nomachine/client-greeting", "nomachine/server-greeting", "nomachine/datagrams"},
	"ntop+nDPI/rdp2.pcap":                                {"rdp/udp-request", "rdp/udp-handshake"},
	"ntop+nDPI/teamviewer.pcap":                          {"teamviewer/hello", "teamviewer/frame", "teamviewer/frames", "teamviewer/answer-frame", "teamviewer/peer-hello", "teamviewer/peer-frames", "teamviewer/peer-stream"},
	"ntop+nDPI/radmin3.pcapng":                           {"radmin/hello", "radmin/greeting", "radmin/sign-in", "radmin/sign-in-answer"},
	"ntop+nDPI/citrix.pcap":                              {"citrix-ica/greeting", "citrix-ica/echo"},
	"ntop+nDPI/vnc.pcap":                                 {"vnc/server-version", "vnc/client-version"},
}

// genuineHere are alerts that a capture without such a label deserves.
var genuineHere = map[string]map[string]string{
	"OISF+suricata-verify/dns__dns-udp-null__input.pcap": {"iodine": "the handshake of a tunnel, as a test of NULL records"},
	"ntop+nDPI/dns-tunnel-iodine.pcap":                   {"iodine": "the tunnel itself; its label is of DNS"},
	"nfstream+nfstream/zabbix.pcap":                      {"zabbix-agent": "a server asks an agent"},
	"ntop+nDPI/zabbix.pcap":                              {"zabbix-agent": "a server asks an agent, and a proxy its server"},
	"ntop+nDPI/tls_port_80.pcapng":                       {"anydesk": "the relay's certificate on port 80"},
}

// labels are the tools that each capture is labelled with, as the rules name
// them.
func labels(t *testing.T, dir string) map[string][]string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "labels", "*.yaml"))
	if err != nil || len(list) < 50 {
		t.Fatalf("%d labels, %v", len(list), err)
	}
	out := make(map[string][]string)
	for _, name := range list {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var label struct {
			File  string
			Tools []struct{ Tool string }
		}
		if err := yaml.Unmarshal(raw, &label); err != nil {
			t.Fatal(err)
		}
		for _, tool := range label.Tools {
			out[label.File] = append(out[label.File], labelled[tool.Tool])
		}
	}
	return out
}

// A capture that nobody labelled as remote access raises no alert of medium
// confidence, but for those that were looked at; and what can be known by its
// bytes alone is.
func TestUnlabelled(t *testing.T) {
	dir, files := corpus(t)
	known := labels(t, testshared.Dir(t, "corpus"))
	met, shown := 0, make(map[string]bool)
	replayCorpus(t, dir, files, func(file string, r result) {
		for _, a := range r.alerts {
			for _, e := range a.Evidence {
				shown[file+" "+a.Tool.ID+"/"+e.Indicator.ID] = true
			}
			if a.Confidence < detect.Medium || slices.Contains(known["files/"+file], a.Tool.ID) {
				continue
			}
			if genuineHere[file][a.Tool.ID] == "" {
				t.Errorf("%s: %s on %s by %s %q", file, a.Tool.ID, a.Host, a.Best().Indicator.ID, a.Best().Value)
			}
			met++
		}
	})
	for file, want := range byBytes {
		for _, name := range want {
			if !shown[file+" "+name] {
				t.Errorf("%s does not show %s", file, name)
			}
		}
	}
	if met < len(genuineHere) {
		t.Errorf("%d alerts were expected without a label, %d came", len(genuineHere), met)
	}
}
