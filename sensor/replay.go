package sensor

import (
	"context"
	"errors"
	"io"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/tls"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/events"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/flow/defrag"
	"github.com/rmmwatch/rmmwatch/sensor/lookalike"
	"github.com/rmmwatch/rmmwatch/sensor/names"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

// NewWorker makes a worker with the budget of cfg. seed makes the hash of its
// flow table; ev may be nil.
func NewWorker(cfg *config.Config, rules *detect.Ruleset, sink Sink, ev *events.Writer, seed [2]uint64) *Worker {
	w := &Worker{harmless: lookalike.NewSeen(), meters: newMeters(sink), rules: rules, sink: sink, events: ev, seen: newSeen(cfg.Home), domains: cfg.HomeDomains}
	w.told = names.New(namesOf(cfg), seed)
	w.tls = tls.NewParser()
	w.frags = defrag.New(defrag.Config{MaxDatagrams: cfg.Memory.Fragments})
	w.flows = flow.New(flow.Config{
		Flows: cfg.Memory.Flows, SmallHeads: cfg.Memory.Heads, LargeHeads: cfg.Memory.Heads / 12, Seed: seed, Refresh: w.refresh,
	}, w.ended)
	return w
}

// namesOf is how many addresses that DNS named are remembered: one for six flows,
// at the default 32,768 of which each takes some 100 bytes, and at most 700 where names are
// as long as they may be.
func namesOf(cfg *config.Config) int { return min(cfg.Memory.Flows/6, 1<<15) }

// Replay is one run over capture files.
type Replay struct {
	Config *config.Config
	Rules  *detect.Ruleset
	Source capture.Source
	Events *events.Writer     // nil for none
	Alert  func(*alert.Alert) // called with each alert when it is closed, in packet time
	// Recorded is called with each use that Policy sanctions, when it has ended; nil
	// for nobody. A nil Policy sanctions nothing.
	Recorded func(*alert.Alert)
	Policy   *policy.Policy
	Storm    func(alert.Storm) // called with what a minute has beyond the budget; nil for nobody
	Places   *enrich.DB        // where addresses are; nil for nowhere
	Memory   alert.Memory      // told of every use; nil for none
	Damage   func(error)       // called with each file, or part of one, that could not be read
	Tick     func()            // called every few thousand packets, for progress
}

// tickEvery is how many batches lie between two calls of Tick.
const tickEvery = 1024

// Run reads the source to its end, or until ctx is done, which is no error:
// what was read is reported. The error is that of a source that cannot go on.
func (r *Replay) Run(ctx context.Context) (format.Summary, error) {
	minimum, _ := detect.ParseConfidence(r.Config.Alerts.MinConfidence)
	collecting := alert.Config{
		Home: r.Config.Home, MinConfidence: minimum, Idle: r.Config.Alerts.Idle,
		Policy: r.Policy, Recorded: r.Recorded, Memory: r.Memory,
		Kinds: r.Config.Alerts.Kinds, Budget: r.Config.Alerts.Budget, Storm: r.Storm,
	}
	if r.Places != nil {
		collecting.Places = r.Places.NewReader()
	}
	collector := alert.NewCollector(collecting, r.Alert)
	w := NewWorker(r.Config, r.Rules, collector, r.Events, replaySeed)
	if r.Places != nil {
		w.places = r.Places.NewReader()
	}
	err := r.read(ctx, w, collector)
	w.Close()
	collector.Close()
	return w.summary(), err
}

// replaySeed keys the flow table of a replay. It is fixed, so that two replays
// of one capture are equal to the byte even where a full table gives up flows.
var replaySeed = [2]uint64{0x243f6a8885a308d3, 0x13198a2e03707344}

func (r *Replay) read(ctx context.Context, w *Worker, c *alert.Collector) error {
	frames := make([]capture.Frame, BatchSize)
	for i := 1; ; i++ {
		n, err := r.Source.ReadBatch(frames)
		var damage *capture.DamageError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &damage):
			r.Damage(err)
			continue
		default:
			return err
		}
		w.Batch(frames[:n])
		if n > 0 {
			c.Advance(frames[n-1].Time)
		}
		if i%tickEvery == 0 {
			r.Tick()
			if ctx.Err() != nil {
				return nil
			}
		}
	}
}

// summary is what the worker saw.
func (w *Worker) summary() format.Summary {
	d := &w.dec.Stats
	return format.Summary{
		Packets: w.Stats.Packets, Bytes: w.Stats.Bytes, First: w.seen.first, Last: w.seen.last,
		Hosts: w.seen.hosts.count(), HostsMore: w.seen.hosts.full, Resolvers: w.seen.resolving.count(),
		ECH: w.Stats.ECH, Midstream: w.Stats.Midstream,
		Unread:     d.Status[decode.StatusUnknownLink],
		Malformed:  d.Status[decode.StatusMalformed] + d.Status[decode.StatusTooDeep],
		Handshakes: w.flows.Stats.Unread, Cut: w.flows.Stats.Cut, UnreadLinks: w.seen.links,
		Headless: d.Status[decode.StatusTruncated], Snaplen: w.seen.snap,
	}
}
