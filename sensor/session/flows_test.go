package session_test

import (
	"errors"
	"io"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// packet is one with payload.
type packet struct {
	at   int64 // nanoseconds
	up   bool
	size int
}

// flows reads the packets with payload of each flow of a capture, in the order
// of the flows' first packets. What is damaged of it is left out.
func flows(t testing.TB, path string) (tuples []flow.Tuple, all [][]packet) {
	t.Helper()
	src, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	table := flow.New(flow.Config{Flows: 4096}, func(*flow.Flow) {})
	known := make(map[uint64]int)
	var dec decode.Decoder
	var p decode.Packet
	frames := make([]capture.Frame, 64)
	for {
		n, err := src.ReadBatch(frames)
		if errors.Is(err, io.EOF) {
			return tuples, all
		}
		if damage := new(*capture.DamageError); errors.As(err, damage) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, fr := range frames[:n] {
			dec.Decode(fr.Link, fr.Data, &p)
			if p.Status != decode.StatusTransport {
				continue
			}
			f, dir, copied := table.Get(table.Locate(&p), &p, fr.Time)
			if copied || p.PayloadLen == 0 {
				continue
			}
			i, ok := known[f.ID()]
			if !ok {
				i = len(all)
				known[f.ID()] = i
				all, tuples = append(all, nil), append(tuples, f.Tuple())
			}
			all[i] = append(all[i], packet{fr.Time, dir == f.ClientDir(), int(p.PayloadLen)})
		}
	}
}
