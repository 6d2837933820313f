package sensor_test

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/hostnames"
	"github.com/rmmwatch/rmmwatch/sensor/session"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// namedCaptures are the captures of the corpus in which hosts tell their names.
var namedCaptures = []string{
	"*/*dhcp*", "*/*nbns*", "*/*krb*", "*/*kerb*", "*/*netbios*", "*/*mdns*", "OISF+suricata-verify/dcerpc__dcerpc-ctxids__input.pcap",
	"OISF+suricata-verify/bug-2158__public-ex1*", "stratosphereips+*/dataset__test7-malicious.pcap", "ntop+nDPI/1kxun.pcap",
}

// nameSink takes names and nothing else.
type nameSink struct{ seen []hostnames.Sighting }

func (s *nameSink) Add(*alert.Sighting)                     {}
func (s *nameSink) FlowEnded(uint64, uint64, uint64, int64) {}
func (*nameSink) Session(uint64, session.Session)           {}
func (s *nameSink) HostNamed(h *hostnames.Sighting)         { s.seen = append(s.seen, *h) }

// What is told of a capture is what tshark reads in it: no other name, and of the
// requests of DHCP and Kerberos every one.
func TestHostNamesOfTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	dir := filepath.Join(testshared.Dir(t, "corpus"), "files")
	told := map[hostnames.Source]int{}
	for _, glob := range namedCaptures {
		paths, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			names, must := tsharkNames(t, path)
			seen := namesOf(t, path)
			for _, s := range seen {
				if s.Name == "" {
					continue
				}
				told[s.Source]++
				if !slices.Contains(names[s.Source], s.Name) {
					t.Errorf("%s: %s tells %q of %v, tshark reads %q", path, s.Source, s.Name, s.Addr, names[s.Source])
				}
			}
			for source, list := range must { // in any order
				for _, name := range list {
					if !slices.ContainsFunc(seen, func(s hostnames.Sighting) bool { return s.Source == source && s.Name == name }) {
						t.Errorf("%s: tshark reads %q in %s, we do not", path, name, source)
					}
				}
			}
		}
	}
	for source, least := range map[hostnames.Source]int{hostnames.DHCP: 20, hostnames.Kerberos: 4, hostnames.MDNS: 2, hostnames.NetBIOS: 5} { // in any order
		if told[source] < least {
			t.Errorf("%s tells %d names", source, told[source])
		}
	}
	t.Log(told)
}

// namesOf are the sightings of a capture.
func namesOf(t *testing.T, path string) []hostnames.Sighting {
	t.Helper()
	files, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	var s nameSink
	cfg := small()
	w := sensor.NewWorker(&cfg, ruleset(t), &s, nil, [2]uint64{1, 2})
	frames := make([]capture.Frame, sensor.BatchSize)
	for {
		n, err := files.ReadBatch(frames)
		if errors.Is(err, io.EOF) {
			return s.seen
		}
		w.Batch(frames[:n])
	}
}

// tsharkNames are the names of each source that tshark reads in a capture, and those
// of requests that must be told.
func tsharkNames(t *testing.T, path string) (names, must map[hostnames.Source][]string) {
	t.Helper()
	fields := []string{"dhcp.option.dhcp", "dhcp.option.hostname", "dhcp.fqdn.name", "nbns.name", "nbns.netbios_name", "kerberos.msg_type", "kerberos.CNameString", "kerberos.addr_nb", "dns.resp.name"}
	args := []string{"-n", "-r", path, "-Y", "dhcp || nbns || kerberos || mdns", "-T", "fields", "-E", "aggregator=|"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, _ := exec.Command("tshark", args...).Output() // it fails where a capture is cut, and says what it read all the same
	names, must = map[hostnames.Source][]string{}, map[hostnames.Source][]string{}
	for line := range strings.Lines(string(out)) {
		c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(c) < len(fields) {
			continue
		}
		add := func(source hostnames.Source, column string, sure bool) {
			for _, name := range strings.Split(column, "|") {
				name, _, _ = strings.Cut(name, "<") // the suffix of NetBIOS
				clean := hostnames.Clean([]byte(strings.TrimSuffix(name, "$")))
				if source == hostnames.MDNS {
					clean = hostnames.CleanZone([]byte(name))
				}
				if names[source] = append(names[source], clean); sure && clean != "" {
					must[source] = append(must[source], clean)
				}
			}
		}
		request := c[0] == "1" || c[0] == "3" || c[0] == "8"
		add(hostnames.DHCP, c[1], request && c[2] == "")
		add(hostnames.DHCP, c[2], request)
		add(hostnames.NetBIOS, c[3], false)
		add(hostnames.NetBIOS, c[4], false)
		add(hostnames.Kerberos, c[6], c[5] == "10" && strings.HasSuffix(c[6], "$"))
		add(hostnames.Kerberos, c[7], c[5] == "10" && !strings.HasSuffix(c[6], "$"))
		add(hostnames.MDNS, c[8], false)
	}
	return names, must
}
