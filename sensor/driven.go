package sensor

import (
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/session"
)

// A flow that carries a tool's control or relayed session is metered from the hit
// on: session tells from its bytes in both directions when a person is driving.

// maxMetered is how many flows of a worker are metered at once.
const maxMetered = 4096

// meters are the metered flows of a worker.
type meters struct {
	table  *session.Table
	config map[uint64]*session.Config // by flow; its pointer must stay while the meter lives
}

func newMeters(sink Sink) meters {
	return meters{session.NewTable(maxMetered, sink.Session, sink.Session), make(map[uint64]*session.Config)}
}

// begin meters a flow from its next packet on. What a host only met, or an
// update, has nobody at the other end.
func (m *meters) begin(f *flow.Flow, in *detect.Indicator) {
	switch in.Role {
	case "download", "update", "portal", "marketing":
		return
	}
	if m.config[f.ID()] != nil || len(m.config) == maxMetered {
		return
	}
	c := &session.Default
	if s := in.Tool.Session; s != nil {
		c = &session.Config{Rate: c.Rate, For: c.For, Quiet: c.Quiet}
		if s.Rate > 0 {
			c.Rate = s.Rate
		}
		if s.For > 0 {
			c.For = int64(s.For)
		}
		if s.Quiet > 0 {
			c.Quiet = int64(s.Quiet)
		}
	}
	m.config[f.ID()] = c
}

// packet books a packet of a flow that was hit.
func (m *meters) packet(f *flow.Flow, dir flow.Dir, p *decode.Packet, now int64) {
	if c := m.config[f.ID()]; c != nil {
		m.table.Add(f.ID(), c, now, dir == f.ClientDir(), int(p.PayloadLen))
	}
}

// end closes what is open: the flow has ended.
func (m *meters) end(f *flow.Flow) {
	if m.config[f.ID()] != nil {
		m.table.End(f.ID())
		delete(m.config, f.ID())
	}
}

var _ Sink = (*alert.Collector)(nil)
