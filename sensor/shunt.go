package sensor

import (
	"github.com/rmmwatch/rmmwatch/sensor/capture/shunt"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

// Shunt keeps the packets of flows in the kernel and counts them there. It is
// called by all workers.
type Shunt interface {
	Add(shunt.Key) error
	Take(shunt.Key) (shunt.Counts, bool)
	Remove(shunt.Key) (shunt.Counts, bool)
}

// A flow is shunted when nothing more is to be learned from its bytes. What the
// kernel counted comes back into the flow when it closes, when its five-tuple
// begins anew, and when the table would forget it: a flow whose packets are kept
// away is not silent.

// shunted adds a flow that has been decided in both directions.
func (w *Worker) shunted(f *flow.Flow) {
	if f.Mark&(flow.MarkShunted|flow.MarkCopied) != 0 || !f.Done(flow.LoHi) || !f.Done(flow.HiLo) {
		return // copies would be counted twice
	}
	if f.Tunnel != 0 {
		return // the kernel sees the outside
	}
	if w.meters.config[f.ID()] != nil {
		return // a session shows in when bytes came, not in how many
	}
	if w.shunt.Add(shuntKey(f)) == nil {
		f.Mark |= flow.MarkShunted
	}
}

// unshunt takes a flow back and books what the kernel counted of it.
func (w *Worker) unshunt(f *flow.Flow) {
	f.Mark &^= flow.MarkShunted
	if c, ok := w.shunt.Remove(shuntKey(f)); ok {
		f.Credit(c.Bytes, w.shuntTime(c))
	}
}

// refresh reports whether the kernel saw a packet of a flow that seems silent
// since the time-out began, and books when.
func (w *Worker) refresh(f *flow.Flow, since int64) bool {
	c, ok := w.shunt.Take(shuntKey(f))
	if !ok || c.Closed || w.shuntTime(c) <= since {
		return false
	}
	f.Credit([2]uint64{}, w.shuntTime(c))
	return true
}

// shuntTime is when the kernel counted last, on the clock of the frames.
func (w *Worker) shuntTime(c shunt.Counts) int64 { return c.Last + w.shuntOffset() }

func shuntKey(f *flow.Flow) shunt.Key {
	lo, hi := f.Addrs()
	k := shunt.Key{Lo: shunt.Addr(lo), Hi: shunt.Addr(hi), Proto: f.Proto()}
	k.LoPort, k.HiPort = f.Ports()
	return k
}
