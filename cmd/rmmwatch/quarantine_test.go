package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket/pcapgo"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// A frame that made the sensor panic is kept as a capture of one packet, and only
// so many of them.
func TestQuarantine(t *testing.T) {
	q := quarantine{folder: filepath.Join(t.TempDir(), "quarantine")}
	p := sensor.Panicked{Frame: capture.Frame{Link: 1, Data: []byte("a frame of some bytes"), Time: 1772632931073270123, WireLen: 1500}}
	path := q.keep(p)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, info, err := r.ReadPacketData()
	if err != nil || !bytes.Equal(data, p.Frame.Data) || info.Length != 1500 || info.Timestamp.UnixNano() != p.Frame.Time {
		t.Errorf("%q, %+v, %v", data, info, err)
	}
	for range maxKept {
		path = q.keep(p)
	}
	kept, err := os.ReadDir(q.folder)
	if err != nil || len(kept) != maxKept || !strings.HasPrefix(path, "nowhere") {
		t.Errorf("%d files, then %q, %v", len(kept), path, err)
	}
	if got := (&quarantine{}).keep(p); !strings.Contains(got, "no state") {
		t.Error(got)
	}
}
