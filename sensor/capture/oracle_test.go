package capture

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// tsharkVersion is the major version whose numbering of frames Number follows.
const tsharkVersion = "4."

// needTshark skips the test where there is no tshark, and fails it in CI.
func needTshark(t *testing.T) {
	t.Helper()
	out, err := exec.Command("tshark", "--version").Output()
	if err == nil && strings.Contains(string(out), "Wireshark) "+tsharkVersion) {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("tshark %sx is missing (%v): CI needs it as the oracle of frame numbers", tsharkVersion, err)
	}
	t.Skipf("tshark %sx is not installed (%v): it is the oracle of frame numbers", tsharkVersion, err)
}

// tsharkFrame is what tshark says of one frame.
type tsharkFrame struct {
	number       uint64
	time         string // seconds with nine digits; "" for none
	length, wire int
	protocols    string
}

// tsharkFrames reads a capture with tshark; complaint is what it wrote about damage.
func tsharkFrames(t *testing.T, path string) (frames []tsharkFrame, complaint string) {
	t.Helper()
	cmd := exec.Command("tshark", "-n", "-r", path, "-T", "fields",
		"-e", "frame.number", "-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len", "-e", "frame.protocols")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, _ := cmd.Output() // damage makes it exit with 2
	for line := range strings.Lines(string(out)) {
		v := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(v) != 5 {
			t.Fatalf("%s: tshark printed %q", path, line)
		}
		number, _ := strconv.ParseUint(v[0], 10, 64)
		length, _ := strconv.Atoi(v[2])
		wire, _ := strconv.Atoi(v[3])
		frames = append(frames, tsharkFrame{number, v[1], length, wire, v[4]})
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.HasPrefix(line, "tshark:") {
			complaint = strings.TrimSpace(line)
		}
	}
	return frames, complaint
}

// TestTsharkCorpus compares each frame of a part of the corpus with tshark's:
// all captures in a rare format, and some of the common ones. Over all 2,253
// the differences are these: tshark computes 1,000,000 microseconds and more
// in 32 bits (of damaged pcap files, mostly), takes Sun ATM's four bytes off
// the frame, and refuses four link types that it does not know.
func TestTsharkCorpus(t *testing.T) {
	dir := testshared.Dir(t, "corpus")
	needTshark(t)
	common, checked := 0, 0
	for _, row := range corpus(t, dir) {
		if row.format == "pcap-le-us" || strings.HasPrefix(row.format, "pcapng") {
			common++
			if common%60 != 0 {
				continue
			}
		}
		checked++
		compareWithTshark(t, filepath.Join(dir, row.file))
	}
	if checked < 40 {
		t.Errorf("only %d captures were checked", checked)
	}
}

// TestCorpusCounts reads every capture of the corpus and compares the number
// of frames with the corpus's index.
func TestCorpusCounts(t *testing.T) {
	dir := testshared.Dir(t, "corpus")
	rows := corpus(t, dir)
	for _, row := range rows {
		frames, _ := readAll(t, filepath.Join(dir, row.file))
		last := uint64(0)
		if len(frames) > 0 {
			last = frames[len(frames)-1].Number
		}
		if tshark, ok := indexed[row.file]; ok {
			row.packets = tshark
		}
		if last != row.packets {
			t.Errorf("%s: the last frame is %d, the index says %d", row.file, last, row.packets)
		}
	}
	if len(rows) < 2000 {
		t.Errorf("only %d captures were read", len(rows))
	}
}

// indexed are the captures whose count in the index is not tshark's, with
// tshark's: files whose damaged part another tool had counted on.
var indexed = map[string]uint64{
	"files/OISF+suricata-verify/bug-1450-04__tls_DER-incomplete-header.pcap":      6,   // then a packet of 4 MB
	"files/OISF+suricata-verify/bug-1450-05__tls_DER-incomplete-content.pcap":     6,   // likewise
	"files/gopacket+gopacket/pcapgo__tests__le__test901.pcapng":                   1,   // then a section of version 2.0
	"files/the-tcpdump-group+libpcap/shb-option-too-long.pcapng":                  0,   // see pcapng.section: we read the packet's block, which says two lengths
	"files/seladb+PcapPlusPlus/Tests__ExamplesTest__pcap_examples__solaris.snoop": 250, // not counted by the index
}

// corpusRow is a line of the corpus's index.
type corpusRow struct {
	file, format string
	packets      uint64
}

func corpus(t *testing.T, dir string) (rows []corpusRow) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "index.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range lines[0] {
		column[name] = i
	}
	for _, line := range lines[1:] {
		packets, err := strconv.ParseUint(line[column["packets"]], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, corpusRow{line[column["file"]], line[column["format"]], packets})
	}
	return rows
}

// TestTsharkNumbers: blocks that are no packets have numbers too.
func TestTsharkNumbers(t *testing.T) {
	needTshark(t)
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, allBlocks(littleEndian, bigEndian).data, 0o600); err != nil {
		t.Fatal(err)
	}
	compareWithTshark(t, path)
}

// compareWithTshark reads a capture both ways.
func compareWithTshark(t *testing.T, path string) {
	t.Helper()
	ours, damage := readAll(t, path)
	theirs, complaint := tsharkFrames(t, path)
	byNumber := make(map[uint64]tsharkFrame, len(theirs))
	for _, f := range theirs {
		byNumber[f.number] = f
	}
	if (damage != nil) != (complaint != "") {
		t.Errorf("%s: we say %v, tshark says %q", path, damage, complaint)
	}
	for _, f := range ours {
		want, ok := byNumber[f.Number]
		if !ok {
			t.Errorf("%s: frame %d is not tshark's", path, f.Number)
			return
		}
		delete(byNumber, f.Number)
		if got := epoch(f.Time); got != want.time && sane(want.time) && f.Time != math.MaxInt64 {
			t.Errorf("%s: frame %d at %s, tshark says %s", path, f.Number, got, want.time)
			return
		}
		if len(f.Data) != want.length || int(f.WireLen) != want.wire {
			t.Errorf("%s: frame %d has %d of %d bytes (link type %d), tshark says %d of %d", path, f.Number, len(f.Data), f.WireLen, f.Link, want.length, want.wire)
			return
		}
	}
	for _, f := range theirs {
		if _, left := byNumber[f.number]; left && !slices.Contains(notPackets, f.protocols) {
			t.Errorf("%s: tshark's frame %d (%s) is missing", path, f.number, f.protocols)
			return
		}
	}
}

// notPackets is what tshark says of blocks that it numbers and that are none.
var notPackets = []string{"", "data", "systemd_journal", "sysdig"}

// sane reports whether tshark printed a time that it computed without
// overflow: it takes 1,000,000 microseconds and more as they are, and has none
// for simple packets.
func sane(epoch string) bool {
	sec, frac, ok := strings.Cut(epoch, ".")
	return ok && len(frac) == 9 && !strings.HasPrefix(sec, "-")
}

// epoch is a time as tshark prints frame.time_epoch.
func epoch(ns int64) string {
	return fmt.Sprintf("%d.%09d", ns/1e9, ns%1e9)
}

// readAll reads one capture to its end, copying the frames.
func readAll(t testing.TB, path string) (all []Frame, damage *DamageError) {
	t.Helper()
	f, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return drain(t, f, 256)
}
