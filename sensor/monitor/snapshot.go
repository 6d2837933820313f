package monitor

import (
	"time"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
)

// Snapshot is what a sensor has counted since its start. Who takes it owns it;
// who reads it changes nothing in it.
type Snapshot struct {
	Version string // of the program
	Start   time.Time
	Workers []sensor.WorkerStats
	Rings   []Ring
	Lost    uint64 // findings given up because the collector was behind
	// CollectorTurns counts the turns of the collector's loop, which hangs when they
	// stand still; 0 where they are not counted.
	CollectorTurns uint64
	Collector      alert.Stats
	Told           map[alert.Kind]uint64 // alerts by kind, each counted once, when it was opened
	Outputs        []delivery.Status
	Rules          Rules
	Shunt          *Shunt // nil for none
	FlowsMax       int    // flows that the tables of all workers hold together
}

// Ring is one receive ring of the kernel. Its counters begin anew only with the
// ring.
type Ring struct {
	Interface string
	Index     int // of the ring among those of all interfaces
	// Packets passed the kernel's filter, those that were lost included, as
	// PACKET_STATISTICS counts.
	Packets uint64
	Drops   uint64 // those of Packets that were lost because the ring was full
	Freezes uint64 // how often it became full
	Up      bool   // the interface is up
}

// Rules is the rule set in use and how it came to be.
type Rules struct {
	Version           string
	Tools, Indicators int
	Loaded            time.Time
	Reloads           uint64 // rule sets taken after the first
	Refused           uint64 // rule sets refused; the one before stayed
}

// Shunt is what the kernel's filter of decided flows has counted.
type Shunt struct {
	Passed, PassedBytes   uint64 // packets handed to the rings, and their whole length
	Dropped, DroppedBytes uint64 // packets counted and kept in the kernel: seen, not lost
	Refused               uint64 // flows not added because the map was full
	Flows                 int    // flows in the map
}

// totals adds up what the workers counted. Last and Beats are not added.
func (s *Snapshot) totals() (t sensor.WorkerStats) {
	for i := range s.Workers {
		w := &s.Workers[i]
		t.Packets += w.Packets
		t.Bytes += w.Bytes
		t.Matches += w.Matches
		t.Midstream += w.Midstream
		t.HeadFull += w.HeadFull
		t.ECH += w.ECH
		t.Malformed.TLS += w.Malformed.TLS
		t.Malformed.QUIC += w.Malformed.QUIC
		t.Malformed.DNS += w.Malformed.DNS
		t.Malformed.HTTP += w.Malformed.HTTP
		for j, n := range w.Decode.Status {
			t.Decode.Status[j] += n
		}
		for j, n := range w.Decode.Tunnel {
			t.Decode.Tunnel[j] += n
		}
		t.Flows.Live += w.Flows.Live
		t.Flows.Created += w.Flows.Created
		t.Flows.Evicted += w.Flows.Evicted
		t.Flows.Expired += w.Flows.Expired
		t.Flows.Reused += w.Flows.Reused
		t.Flows.Mirrored += w.Flows.Mirrored
		t.Flows.HeadEvicted += w.Flows.HeadEvicted
		t.Flows.HeadFull += w.Flows.HeadFull
		t.Flows.Holes += w.Flows.Holes
		t.Flows.Unread += w.Flows.Unread
		t.Flows.Cut += w.Flows.Cut
		t.Panics += w.Panics
	}
	return t
}

// ringTotals adds up the rings.
func (s *Snapshot) ringTotals() (packets, drops, freezes uint64) {
	for i := range s.Rings {
		packets += s.Rings[i].Packets
		drops += s.Rings[i].Drops
		freezes += s.Rings[i].Freezes
	}
	return packets, drops, freezes
}

// statusNames are the names of decode's outcomes.
var statusNames = [decode.NumStatus]string{
	decode.StatusOther: "other", decode.StatusTransport: "transport", decode.StatusFragment: "fragment",
	decode.StatusTruncated: "truncated", decode.StatusMalformed: "malformed", decode.StatusTooDeep: "too_deep",
	decode.StatusUnknownLink: "unknown_link",
}
