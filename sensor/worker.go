package sensor

import (
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/events"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/flow/defrag"
	"github.com/rmmwatch/rmmwatch/sensor/hostnames"
	"github.com/rmmwatch/rmmwatch/sensor/lookalike"
	"github.com/rmmwatch/rmmwatch/sensor/names"
	"github.com/rmmwatch/rmmwatch/sensor/session"
)

// BatchSize is how many frames a worker takes at once: enough that the cache
// misses of their flows overlap, few enough that frames and packets stay in
// the first-level cache.
const BatchSize = 128

// sweepPerBatch is how many flows are checked for their time-out after each
// batch. A full table is gone through every four million packets or so, which
// is seconds on a busy link; a flow that comes back after its time-out is known
// as a new one without it.
const sweepPerBatch = 6

// metersPerBatch is how many meters are looked at after each batch for sessions that
// have become silent.
const metersPerBatch = 8

// Sink takes what a worker found, in packet order. What it is given holds no
// reference to a packet.
type Sink interface {
	Add(*alert.Sighting)
	FlowEnded(id, up, down uint64, last int64)
	HostNamed(*hostnames.Sighting)
	// Session takes a session when it opens and when it closes, before the end of its
	// flow.
	Session(flow uint64, s session.Session)
}

// Worker takes frames through the whole pipeline. It owns its flows and all
// scratch memory; two workers share only the immutable rules and what DNS told.
type Worker struct {
	dec    decode.Decoder
	frags  *defrag.Table
	flows  *flow.Table
	rules  *detect.Ruleset
	sink   Sink
	events *events.Writer // nil when no events are wanted
	seen   seen
	// domains are the network's own, in lower case.
	domains []string
	parsers
	sight
	told   *names.Cache // what DNS answered: others may learn and ask too
	missed *missed      // nil when no others do

	meters      meters
	harmless    *lookalike.Seen // names that imitate nothing
	places      *enrich.Reader  // for rules that ask for an autonomous system; nil without databases
	shunt       Shunt           // nil for none
	shuntOffset func() int64    // from the shunt's clock to that of the frames, nanoseconds

	pkts [BatchSize]decode.Packet
	refs [BatchSize]flow.Ref
	at   [BatchSize]uint8 // refs[i] is the place of pkts[at[i]]

	frame   *capture.Frame // the frame being looked at
	doing   int            // its index in the batch
	booking bool           // the frames before it are done with; else they are only decoded
	Stats   Stats
}

// Batch takes frames, at most BatchSize of them, through decoding, flows,
// parsers and rules. It keeps no reference to them.
func (w *Worker) Batch(frames []capture.Frame) {
	n := 0
	w.booking = false
	for i := range frames {
		p := &w.pkts[i]
		w.doing = i
		w.dec.Decode(frames[i].Link, frames[i].Data, p)
		if p.Status == decode.StatusTransport {
			w.refs[n], w.at[n] = w.flows.Locate(p), uint8(i)
			n++
		}
	}
	w.Stats.warmed += w.flows.Warm(w.refs[:n])

	next := 0
	w.booking = true
	for i := range frames {
		fr, p := &frames[i], &w.pkts[i]
		w.doing = i
		w.Stats.Bytes += uint64(fr.WireLen)
		switch {
		case next < n && int(w.at[next]) == i:
			w.packet(fr, p, w.refs[next])
			next++
		case p.Status == decode.StatusFragment:
			w.fragment(fr, p)
		case p.Status == decode.StatusUnknownLink:
			w.seen.unreadLink(p.TunnelID)
		case p.Status == decode.StatusTruncated:
			w.seen.snapped(fr)
		}
	}
	if len(frames) > 0 {
		w.Stats.Packets += uint64(len(frames))
		now := frames[len(frames)-1].Time
		w.seen.time(frames[0].Time, now)
		w.flows.Sweep(sweepPerBatch, now)
		w.meters.table.Sweep(metersPerBatch, now)
	}
	w.retell()
}

// packet books one transport packet on its flow and looks at its payload until
// the direction is decided.
func (w *Worker) packet(fr *capture.Frame, p *decode.Packet, ref flow.Ref) {
	f, dir, copied := w.flows.Get(ref, p, fr.Time)
	if f.Mark&flow.MarkShunted != 0 && f.Mark&(flow.MarkFIN|flow.MarkFINHiLo|flow.MarkClosed) != 0 {
		w.unshunt(f) // it ends: what the kernel counted belongs to it
	}
	if f.Mark&flow.MarkHit != 0 && p.PayloadLen > 0 && !copied {
		w.meters.packet(f, dir, p, fr.Time)
	}
	if p.PayloadLen == 0 || f.Done(dir) || copied {
		return
	}
	w.frame = fr
	if f.Mark&flow.MarkPort == 0 {
		w.firstPayload(f, p)
	}
	switch {
	case len(p.Payload) == 0: // the capture kept nothing of it
	case p.Proto == decode.ProtoTCP:
		w.stream(f, dir, p)
	default:
		w.datagram(f, dir, p)
	}
	if len(p.Payload) < int(p.PayloadLen) {
		w.cut(f, dir)
	}
	if w.shunt != nil && f.Done(dir.Opposite()) {
		w.shunted(f)
	}
}

// fragment reassembles an IP datagram and takes it through the rest when it is
// whole. What was a tunnel may hold a fragment again; each round lies deeper,
// and the decoder bounds the depth.
func (w *Worker) fragment(fr *capture.Frame, p *decode.Packet) {
	for p.Status == decode.StatusFragment {
		datagram, done := w.frags.Add(p, fr.Time)
		if !done {
			return
		}
		w.dec.Reassembled(p, datagram)
	}
	if p.Status == decode.StatusTransport {
		w.packet(fr, p, w.flows.Locate(p))
	}
}

// ended reports a flow that the table forgets.
func (w *Worker) ended(f *flow.Flow) {
	if f.Mark&flow.MarkShunted != 0 {
		w.unshunt(f)
	}
	if f.Mark&flow.MarkHit != 0 {
		w.meters.end(f)
		up, down := f.Volume()
		w.sink.FlowEnded(f.ID(), up, down, f.Last())
	}
}

// setRules makes rules those of the next batch. What is known of flows stays;
// hits that wait for another message of their flow are of the old rules.
func (w *Worker) setRules(rules *detect.Ruleset) {
	w.rules = rules
	w.partial = partials{}
}

// Close reports the volume of every flow that was hit, as at the end of the
// last capture.
func (w *Worker) Close() {
	w.retell()
	w.flows.Close()
}
