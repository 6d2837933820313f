package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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

// TestTsharkCorpus reads every capture of the corpus and compares each frame
// with tshark's.
func TestTsharkCorpus(t *testing.T) {
	dir := testshared.Dir(t, "corpus")
	needTshark(t)
	checked := 0
	err := filepath.WalkDir(filepath.Join(dir, "files"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		checked++
		compareWithTshark(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 2000 {
		t.Errorf("only %d captures were checked", checked)
	}
}

// pseudoHeader is how many bytes in front of a frame tshark takes off for
// itself, by link type; -1 where that differs from frame to frame.
func pseudoHeader(link uint32) int {
	switch link {
	case 189: // LINKTYPE_USB_LINUX
		return 0
	}
	return 0
}

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
		if got := epoch(f.Time); got != want.time && want.time != "" {
			t.Errorf("%s: frame %d at %s, tshark says %s", path, f.Number, got, want.time)
			return
		}
		less := pseudoHeader(f.Link)
		if len(f.Data)-less != want.length || int(f.WireLen)-less != want.wire {
			t.Errorf("%s: frame %d has %d of %d bytes (link type %d), tshark says %d of %d", path, f.Number, len(f.Data), f.WireLen, f.Link, want.length, want.wire)
			return
		}
	}
	for _, f := range theirs {
		if _, left := byNumber[f.number]; left {
			t.Errorf("%s: tshark's frame %d (%s) is missing", path, f.number, f.protocols)
			return
		}
	}
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
	frames := make([]Frame, 256)
	for {
		n, err := f.ReadBatch(frames)
		for _, fr := range frames[:n] {
			fr.Data = bytes.Clone(fr.Data)
			all = append(all, fr)
		}
		switch {
		case err == io.EOF:
			return all, damage
		case errors.As(err, &damage):
		case err != nil:
			t.Fatalf("%s: ReadBatch returned %v", path, err)
		case n == 0:
			t.Fatalf("%s: ReadBatch returned nothing and no error", path)
		}
	}
}
