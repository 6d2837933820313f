package defrag_test

import (
	"encoding/csv"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/flow/defrag"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

var withTshark = flag.Bool("tshark", false, "compare what is reassembled with tshark")

// fragmented lists the captures that have IP fragments; overlap says that some overlap.
func fragmented(t *testing.T) (paths []string, overlap map[string]bool) {
	dir := testshared.Dir(t, "corpus")
	f, err := os.Open(filepath.Join(dir, "index.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	overlap = map[string]bool{}
	for _, row := range rows[1:] {
		if tags := row[10]; strings.Contains(tags, "ip-frag") {
			path := filepath.Join(dir, row[0])
			paths = append(paths, path)
			overlap[path] = strings.Contains(tags, "ip-frag-overlap")
		}
	}
	return paths, overlap
}

// reassemble returns the length of each datagram that was made whole, by the number
// of the frame that did it: the outermost where they nest.
func reassemble(t *testing.T, path string) (map[uint64]int, defrag.Stats) {
	files, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	whole := map[uint64]int{}
	table := defrag.New(defrag.Config{})
	var d decode.Decoder
	var p decode.Packet
	frames := make([]capture.Frame, 32)
	for {
		n, err := files.ReadBatch(frames)
		for _, f := range frames[:n] {
			d.Decode(f.Link, f.Data, &p)
			for p.Status == decode.StatusFragment {
				datagram, done := table.Add(&p, f.Time)
				if !done {
					break
				}
				if whole[f.Number] == 0 {
					whole[f.Number] = len(datagram)
				}
				d.Reassembled(&p, datagram)
			}
		}
		if damage := new(capture.DamageError); err != nil && !errors.As(err, &damage) {
			if err != io.EOF {
				t.Fatal(err)
			}
			return whole, table.Stats
		}
	}
}

// TestCorpus reassembles the fragments of others' captures. With -tshark, every
// datagram is compared with tshark's, but for those whose fragments overlap.
func TestCorpus(t *testing.T) {
	paths, overlap := fragmented(t)
	total := 0
	for _, path := range paths {
		ours, stats := reassemble(t, path)
		total += len(ours)
		if !*withTshark || overlap[path] {
			continue
		}
		theirs := tshark(t, path)
		for n, length := range theirs {
			if ours[n] != length {
				t.Errorf("%s frame %d: %d bytes, tshark has %d (%+v)", path, n, ours[n], length, stats)
			}
		}
		for n, length := range ours {
			if theirs[n] == 0 {
				t.Errorf("%s frame %d: %d bytes, tshark has none", path, n, length)
			}
		}
	}
	t.Logf("%d datagrams in %d captures", total, len(paths))
	if total < 100 {
		t.Errorf("only %d datagrams became whole", total)
	}
}

func tshark(t *testing.T, path string) map[uint64]int {
	out, err := exec.Command("tshark", "-n", "-r", path, "-T", "fields", "-E", "occurrence=f",
		"-e", "frame.protocols", "-e", "frame.number", "-e", "ip.reassembled.length", "-e", "ipv6.reassembled.length").Output()
	if err != nil {
		t.Logf("%s: %v", path, err)
	}
	whole := map[uint64]int{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.Contains(f[0], ":icmp:ip") || strings.Contains(f[0], ":icmpv6:ip") {
			continue // it also reassembles what errors quote
		}
		n, _ := strconv.ParseUint(f[1], 10, 64)
		for _, length := range f[2:] {
			if v, _ := strconv.Atoi(length); v > 0 && whole[n] == 0 {
				whole[n] = v
			}
		}
	}
	return whole
}
