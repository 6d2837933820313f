package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const pcapsDir = ".."

// indexed returns the lines of pcaps/README.md that stand for a capture, by file name.
func indexed(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pcapsDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+\\.pcap(?:ng)?)` \\|.*$").FindAllStringSubmatch(string(text), -1) {
		if rows[m[1]] != "" {
			t.Errorf("README.md lists %s twice", m[1])
		}
		rows[m[1]] = m[0]
	}
	return rows
}

// TestIndex holds the folder, the index and the list of cases together.
func TestIndex(t *testing.T) {
	rows := indexed(t)
	var files []string
	for _, pattern := range []string{"*.pcap", "*.pcapng"} {
		found, err := filepath.Glob(filepath.Join(pcapsDir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	present := make(map[string]bool)
	for _, path := range files {
		name := filepath.Base(path)
		present[name] = true
		if rows[name] == "" {
			t.Errorf("%s is not listed in README.md", name)
		}
		if info, err := os.Stat(path); err != nil || info.Size() > 1<<20 {
			t.Errorf("%s: %v, or over 1 MiB", name, err)
		}
	}
	synthetic := make(map[string]bool)
	for _, c := range allCases() {
		synthetic[c.fileName()] = true
		if rows[c.fileName()] != c.row() {
			t.Errorf("README.md needs this line (gen cases -rows prints it):\n%s", c.row())
		}
	}
	for name, row := range rows {
		if !present[name] {
			t.Errorf("README.md lists %s, which is not there", name)
		}
		if strings.Contains(name, "-synthetic.") != synthetic[name] {
			t.Errorf("%s: only what the generator makes is called synthetic, and all of it is", name)
		}
		if synthetic[name] {
			continue
		}
		script := regexp.MustCompile("`(record/[a-z-]+\\.sh)`").FindStringSubmatch(row)
		if script == nil {
			t.Errorf("README.md does not say which script recorded %s", name)
		} else if _, err := os.Stat(filepath.Join(pcapsDir, script[1])); err != nil {
			t.Error(err)
		}
	}
}

// TestCases makes every case again: the generator must still work, and must make what is kept in pcaps/. Another
// release of Go may shape a handshake differently, and quic-go draws fresh connection ids, so the packets are
// counted, not compared; the sensor's golden files compare what they say.
func TestCases(t *testing.T) {
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) {
			made, err := c.bytes()
			if err != nil {
				t.Fatal(err)
			}
			kept, err := os.ReadFile(filepath.Join(pcapsDir, c.fileName()))
			if err != nil {
				t.Fatal(err)
			}
			if c.record == nil || c.yields == "" || c.holds == "" {
				t.Error("a case needs a recording, what it holds and what it yields")
			}
			if usesQUICGo[c.name] || c.format != nil {
				return
			}
			if got, want := countPackets(made), countPackets(kept); got != want {
				t.Errorf("made %d packets, kept are %d: run go run ./pcaps/gen cases -o pcaps", got, want)
			}
			if again, err := c.bytes(); err != nil || !bytes.Equal(made, again) {
				t.Errorf("made twice, it differs (%v)", err)
			}
		})
	}
}

// usesQUICGo names the cases that quic-go has a part in: its acknowledgements depend on timing.
var usesQUICGo = map[string]bool{
	"quic-v1-synthetic": true, "quic-v2-synthetic": true, "quic-large-synthetic": true, "quic-retry-synthetic": true,
	"cloudflared-synthetic": true, "dns-encrypted-synthetic": true,
}

// countPackets counts the whole packets of a classic capture file.
func countPackets(file []byte) int {
	n := 0
	for at := 24; at+16 <= len(file); n++ {
		length := int(binary.LittleEndian.Uint32(file[at+8:]))
		if at += 16 + length; at > len(file) {
			break
		}
	}
	return n
}
