package decode

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Link types that are not decoded have the names that tcpdump shows.
func TestLinkNames(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("no tcpdump")
	}
	path := filepath.Join(t.TempDir(), "x.pcap")
	for n := range linkNames { // in any order
		head := binary.LittleEndian.AppendUint32([]byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00"), n)
		if err := os.WriteFile(path, head, 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := exec.Command(tcpdump, "-nr", path).CombinedOutput() // it may refuse to decode what it names
		if !strings.Contains(string(out), "link-type "+LinkName(n)+" ") && !strings.Contains(string(out), "link-type "+LinkName(n)+",") {
			t.Errorf("%d: %q, tcpdump says %s", n, LinkName(n), out)
		}
		var p Packet
		if new(Decoder).Decode(n, make([]byte, 64), &p); p.Status != StatusUnknownLink || p.TunnelID != n {
			t.Errorf("%d (%s) is decoded, status %d", n, LinkName(n), p.Status)
		}
	}
	if LinkName(1) != "" || LinkName(99999) != "" {
		t.Error("a name that is not known")
	}
}
