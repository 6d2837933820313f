package sensor

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"io"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/events"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/hostnames"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
	"github.com/rmmwatch/rmmwatch/sensor/session"
)

// Live is the pipeline on live sources: a worker for each, and one collector
// that takes what they found in packet order. It differs from Replay in what
// time is while nothing comes, and in that a full ring loses and counts instead
// of waiting.
type Live struct {
	Config *config.Config
	// Sources are read by one goroutine each. ReadBatch returns within a fraction
	// of a second, with no frames and no error where none came.
	Sources []capture.Source
	Events  []*events.Writer // one for each source; nil for none
	// Shunt keeps the bulk of decided flows away from the sources; nil for none.
	// ShuntOffset is what makes its times those of the frames, nanoseconds; it changes
	// when the wall clock is set.
	Shunt       Shunt
	ShuntOffset func() int64
	Seed        [2]uint64 // keys the hash of the flow tables: random, so that nobody can aim at a bucket
	// Now is the wall clock in nanoseconds, on which the frames' times are too. It is asked
	// only while nothing comes.
	Now   func() int64
	Alert func(*alert.Alert)           // called by the collector with each telling of an alert
	Down  func(source int, err error)  // called when a source fails; it is read again
	Panic func(source int, p Panicked) // called when a frame made the worker panic; the worker goes on

	Recorded func(*alert.Alert) // called by the collector with each sanctioned use that has ended; nil for nobody
	Memory   alert.Memory       // told of every use, by the collector; nil for none
	Storm    func(alert.Storm)  // called by the collector with what a minute has beyond the budget
	Places   *enrich.DB         // where addresses are; nil for nowhere
	Turn     func(now int64)    // called by the collector after each turn, with the packet time that it has reached; nil for nobody

	rules   atomic.Pointer[detect.Ruleset]
	policy  atomic.Pointer[policy.Policy]
	workers []*liveWorker
	wake    chan struct{}
	lost    atomic.Uint64
	turns   atomic.Uint64
	pending atomic.Bool // the collector has findings that wait for a worker to reach their time
	collect atomic.Pointer[alert.Stats]
}

// Panicked is a frame that found a fault in this program. Data is a copy.
type Panicked struct {
	Frame capture.Frame
	Value any
	Stack []byte
}

// ringSize is how many findings may wait for the collector, for each worker.
const ringSize = 8192

// maxWaiting is how many findings wait for a worker that lags before order gives
// way.
const maxWaiting = 8 * ringSize

// settled is how much later than a frame's time it may reach its worker, in
// nanoseconds: the kernel hands a block out when it is full or 100 ms old.
const settled = 250e6

// finding is what a worker tells the collector: a sighting, a name of a host, or that a flow that
// was hit has ended.
type finding struct {
	time     int64 // when the worker knew it, packet time
	worker   int
	seq      uint64 // counts the worker's findings
	sighting *alert.Sighting
	host     *hostnames.Sighting
	flow     uint64
	up, down uint64
	last     int64
	session  *session.Session // of flow, opened or closed; it has not ended then
}

// liveWorker is a worker with its source. It is the Sink of its worker.
type liveWorker struct {
	live   *Live
	index  int
	source capture.Source
	worker *Worker
	ring   chan finding
	seq    uint64
	now    int64        // packet time of the batch, or the wall clock's while none comes
	mark   atomic.Int64 // everything up to this time has been told
	beat   atomic.Uint64
	panics uint64
	rest   [BatchSize]capture.Frame

	mu    sync.Mutex
	stats WorkerStats
}

// WorkerStats is what a worker counted. All values but Live only grow.
type WorkerStats struct {
	Stats
	Decode decode.Stats
	Flows  flow.Stats
	Panics uint64
	Last   int64  // packet time of the latest frame, nanoseconds; 0 before the first
	Beats  uint64 // turns of its loop: it hangs when these stand still
}

// SetRules makes rules those of all workers, from their next batch on. It must be
// called before Run.
func (l *Live) SetRules(rules *detect.Ruleset) { l.rules.Store(rules) }

// SetPolicy makes p what judges each use, from the collector's next turn on. It is
// compiled for the tools of the rules, so both are set together, the rules first.
func (l *Live) SetPolicy(p *policy.Policy) { l.policy.Store(p) }

// Rules returns the rules in use.
func (l *Live) Rules() *detect.Ruleset { return l.rules.Load() }

// Start readies what Run and Snapshot need.
func (l *Live) Start() {
	cfg := *l.Config
	if n := len(l.Sources); n > 1 {
		cfg.Memory.Flows = flowsOf(l.Config, n)
		cfg.Memory.Heads = max(cfg.Memory.Heads/n*5/4, 64)
	}
	l.wake = make(chan struct{}, 1)
	for i, src := range l.Sources {
		lw := &liveWorker{live: l, index: i, source: src, ring: make(chan finding, ringSize)}
		var ev *events.Writer
		if l.Events != nil {
			ev = l.Events[i]
		}
		lw.worker = NewWorker(&cfg, l.rules.Load(), lw, ev, l.Seed)
		lw.worker.shunt, lw.worker.shuntOffset = l.Shunt, l.ShuntOffset
		if l.Places != nil {
			lw.worker.places = l.Places.NewReader()
		}
		l.workers = append(l.workers, lw)
	}
	l.shareNames()
}

// Run reads until ctx is done, takes what the sources still have, and closes
// every open alert. Start comes first.
func (l *Live) Run(ctx context.Context) {
	minimum, _ := detect.ParseConfidence(l.Config.Alerts.MinConfidence)
	collecting := alert.Config{
		Home: l.Config.Home, MinConfidence: minimum, Idle: l.Config.Alerts.Idle, Living: true,
		Policy: l.policy.Load(), Recorded: l.Recorded, Memory: l.Memory,
		Kinds: l.Config.Alerts.Kinds, Budget: l.Config.Alerts.Budget, Storm: l.Storm,
	}
	if l.Places != nil {
		collecting.Places = l.Places.NewReader()
	}
	c := alert.NewCollector(collecting, l.Alert)
	var workers, collector sync.WaitGroup
	done := make(chan struct{})
	collector.Go(func() { l.gather(c, done) })
	for _, lw := range l.workers {
		workers.Go(func() { lw.run(ctx) })
	}
	workers.Wait()
	close(done)
	collector.Wait()
}

// Lost is how many findings were given up because the collector was behind.
func (l *Live) Lost() uint64 { return l.lost.Load() }

// Turns counts the turns of the collector's loop; it hangs when they stand still.
func (l *Live) Turns() uint64 { return l.turns.Load() }

// MaxFlows is how many flows the tables of all workers hold together.
func (l *Live) MaxFlows() int { return flowsOf(l.Config, len(l.Sources)) * len(l.Sources) }

// flowsOf is how many flows one of n workers holds: they spread unevenly.
func flowsOf(cfg *config.Config, n int) int {
	if n < 2 {
		return cfg.Memory.Flows
	}
	return cfg.Memory.Flows / n * 5 / 4
}

// Alerts is what the collector counted.
func (l *Live) Alerts() (s alert.Stats) {
	if p := l.collect.Load(); p != nil {
		s = *p
	}
	return s
}

// Workers returns what each worker counted, a fraction of a second old.
func (l *Live) Workers() []WorkerStats {
	var out []WorkerStats
	for _, lw := range l.workers {
		lw.mu.Lock()
		s := lw.stats
		lw.mu.Unlock()
		s.Beats = lw.beat.Load()
		out = append(out, s)
	}
	return out
}

// statsEvery is how many batches lie between two copies of the counters.
const statsEvery = 64

// run reads the source until ctx is done, and then what was there by that time.
func (lw *liveWorker) run(ctx context.Context) {
	frames := make([]capture.Frame, BatchSize)
	until := int64(math.MaxInt64)
	told := uint64(0) // findings that the collector was woken for: to wake it costs more than a batch
	for i := 0; ; i++ {
		lw.beat.Add(1)
		if ctx.Err() != nil && until == math.MaxInt64 {
			until = lw.live.Now()
		}
		if rules := lw.live.rules.Load(); rules != lw.worker.rules {
			lw.worker.setRules(rules)
		}
		n, err := lw.source.ReadBatch(frames)
		if err != nil {
			lw.live.Down(lw.index, err)
			if errors.Is(err, io.EOF) {
				break
			}
		}
		if n > 0 {
			lw.now = frames[n-1].Time
			lw.batch(frames[:n])
			lw.mark.Store(lw.now)
		} else {
			lw.idle()
		}
		if often := n == 0 || i%statsEvery == 0; often || lw.seq != told || lw.live.pending.Load() {
			told = lw.seq
			lw.signal()
			if often {
				lw.publish()
			}
		}
		if n == 0 && until < math.MaxInt64 && lw.live.Now()-until > settled || n > 0 && lw.now > until {
			break
		}
	}
	lw.worker.Close()
	if lw.worker.events != nil {
		lw.worker.events.Flush()
	}
	lw.publish()
	lw.mark.Store(math.MaxInt64)
	lw.signal()
}

// idle is a turn in which nothing came: time goes on all the same.
func (lw *liveWorker) idle() {
	lw.now = max(lw.now, lw.live.Now()-settled)
	lw.worker.flows.Sweep(BatchSize*sweepPerBatch, lw.now)
	lw.worker.retell()
	if lw.worker.events != nil {
		lw.worker.events.Flush()
	}
	lw.mark.Store(lw.now)
}

// publish copies the counters for others to read.
func (lw *liveWorker) publish() {
	w := lw.worker
	lw.mu.Lock()
	defer lw.mu.Unlock()
	lw.stats = WorkerStats{Stats: w.Stats, Decode: w.dec.Stats, Flows: w.flows.Stats, Panics: lw.panics, Last: w.seen.last}
}

func (lw *liveWorker) signal() {
	select {
	case lw.live.wake <- struct{}{}:
	default:
	}
}

// batch takes frames through the worker. One that makes it panic is put aside
// and the others follow.
func (lw *liveWorker) batch(frames []capture.Frame) {
	for len(frames) > 0 {
		bad, booked := lw.try(frames)
		if bad < 0 {
			return
		}
		if booked { // those before it are done
			frames = frames[bad+1:]
			continue
		}
		n := copy(lw.rest[:], frames[:bad])
		n += copy(lw.rest[n:], frames[bad+1:])
		frames = lw.rest[:n]
	}
}

// try returns the index of the frame that made the worker panic, and whether
// those before it are done with; -1 for none.
func (lw *liveWorker) try(frames []capture.Frame) (bad int, booked bool) {
	defer func() {
		if p := recover(); p != nil {
			bad, booked = lw.worker.doing, lw.worker.booking
			lw.panics++
			frame := frames[bad]
			frame.Data = copyOf(frame.Data)
			lw.live.Panic(lw.index, Panicked{Frame: frame, Value: p, Stack: debug.Stack()})
		}
	}()
	lw.worker.Batch(frames)
	return -1, true
}

// copyOf copies what may be the very memory that cannot be read.
func copyOf(data []byte) (out []byte) {
	defer func() {
		if recover() != nil {
			out = nil
		}
	}()
	return bytes.Clone(data)
}

// Add takes a sighting for the collector.
func (lw *liveWorker) Add(s *alert.Sighting) { lw.put(finding{time: s.Time, sighting: s}) }

// HostNamed takes a host's name for the collector, unless that is behind: anybody
// can tell names without end, and they must not take the place of sightings.
func (lw *liveWorker) HostNamed(s *hostnames.Sighting) {
	if len(lw.ring) < ringSize/2 {
		lw.put(finding{time: s.Time, host: s})
	} else {
		lw.live.lost.Add(1)
	}
}

// FlowEnded takes a flow's volume for the collector.
func (lw *liveWorker) FlowEnded(id, up, down uint64, last int64) {
	lw.put(finding{time: lw.now, flow: id, up: up, down: down, last: last})
}

// Session takes a session for the collector.
func (lw *liveWorker) Session(flow uint64, s session.Session) {
	lw.put(finding{time: lw.now, flow: flow, session: &s})
}

func (lw *liveWorker) put(f finding) {
	lw.seq++
	f.worker, f.seq = lw.index, lw.seq
	select {
	case lw.ring <- f:
	default:
		lw.live.lost.Add(1)
	}
}

// findings is a heap, the earliest first.
type findings []finding

func (h findings) Len() int      { return len(h) }
func (h findings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *findings) Push(x any)   { *h = append(*h, x.(finding)) }
func (h *findings) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (h findings) Less(i, j int) bool {
	switch a, b := &h[i], &h[j]; {
	case a.time != b.time:
		return a.time < b.time
	case a.worker != b.worker:
		return a.worker < b.worker
	default:
		return a.seq < b.seq
	}
}

// gather gives the collector what the workers found, in packet order: what is
// no later than the time that every worker has reached.
func (l *Live) gather(c *alert.Collector, done <-chan struct{}) {
	var waiting findings
	for end := false; !end; {
		select {
		case <-l.wake:
		case <-done:
			end = true
		}
		if p := l.policy.Load(); p != nil {
			c.SetPolicy(p)
		}
		low := int64(math.MaxInt64)
		for _, lw := range l.workers { // before the rings: what comes later is later
			low = min(low, lw.mark.Load())
		}
		for _, lw := range l.workers {
			for more := true; more; {
				select {
				case f := <-lw.ring:
					heap.Push(&waiting, f)
				default:
					more = false
				}
			}
		}
		for len(waiting) > 0 && (waiting[0].time <= low || len(waiting) > maxWaiting) {
			f := heap.Pop(&waiting).(finding)
			switch {
			case f.sighting != nil:
				c.Add(f.sighting)
			case f.host != nil:
				c.HostNamed(f.host)
			case f.session != nil:
				c.Session(f.flow, *f.session)
			default:
				c.FlowEnded(f.flow, f.up, f.down, f.last)
			}
		}
		l.pending.Store(len(waiting) > 0)
		if low < math.MaxInt64 {
			c.Advance(low)
			if l.Turn != nil {
				l.Turn(low)
			}
		}
		stats := c.Stats
		l.collect.Store(&stats)
		l.turns.Add(1)
	}
	c.Close()
}
