package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/rmmwatch/rmmwatch/sensor"
)

// quarantine keeps frames that made the sensor panic, as captures of one packet
// that a replay reproduces the fault with.
type quarantine struct {
	folder string // "" for none
	kept   int
}

// maxKept bounds the captures of one run: the first ones tell enough.
const maxKept = 16

// keep writes the frame and returns the path, or why there is none.
func (q *quarantine) keep(p sensor.Panicked) string {
	if q.folder == "" {
		return "nowhere: the configuration has no state"
	}
	if q.kept++; q.kept > maxKept {
		return "nowhere: there are enough"
	}
	path := filepath.Join(q.folder, fmt.Sprintf("panic-%s-%02d.pcap", time.Now().UTC().Format("20060102T150405Z"), q.kept))
	if err := q.write(path, p); err != nil {
		return "nowhere: " + err.Error()
	}
	return path
}

func (q *quarantine) write(path string, p sensor.Panicked) (err error) {
	if err := os.MkdirAll(q.folder, 0o750); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := pcapgo.NewWriterNanos(f)
	err = w.WriteFileHeader(1<<18, layers.LinkType(p.Frame.Link))
	if err == nil {
		err = w.WritePacket(gopacket.CaptureInfo{
			Timestamp: time.Unix(0, p.Frame.Time), CaptureLength: len(p.Frame.Data), Length: max(int(p.Frame.WireLen), len(p.Frame.Data)),
		}, p.Frame.Data)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
