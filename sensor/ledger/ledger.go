package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config bounds a ledger, and says what is news. Zero values are the defaults.
type Config struct {
	Retention time.Duration // entries that were silent for longer are forgotten; 400 days
	MaxMiB    int           // of memory, and of the file; 32, some 40,000 entries
	// SecondWithin is how long after the last use of one tool another one on the
	// same host is a second tool; 30 days.
	SecondWithin time.Duration
	// DormantAfter is the silence after which a tool returns; 60 days.
	DormantAfter time.Duration
	// Log is told of what was damaged and put aside, from where Open or Write is
	// called. Nil is silent.
	Log func(text string, err error)
}

func (c *Config) defaults() {
	c.Retention = cmp.Or(c.Retention, 400*24*time.Hour)
	c.MaxMiB = cmp.Or(c.MaxMiB, 32)
	c.SecondWithin = cmp.Or(c.SecondWithin, 30*24*time.Hour)
	c.DormantAfter = cmp.Or(c.DormantAfter, 60*24*time.Hour)
	if c.Log == nil {
		c.Log = func(string, error) {}
	}
}

// Path is where the ledger is, in a folder of state.
func Path(state string) string { return filepath.Join(state, "ledger.db") }

// Use is what came to be known of a tool's use since the last time.
type Use struct {
	Host        Host
	Tool, Class string // of the rules
	Tenant      string // from the wire; empty for none
	Relay       string // name or address of the other side, from the wire; empty for none
	Verdict     string // of the policy; empty for none
	First, Last int64  // packet times, nanoseconds
	Up, Down    uint64 // transport payload bytes that no earlier Use counted
}

// News is what a use tells that only a memory knows. Each is told once: by the
// use that makes or revives the entry.
type News struct {
	FirstOnHost    bool
	FirstInNetwork bool // no host used the tool as far as the ledger goes back
	// SecondTool lists the ids of other tools that the host used a short while
	// before, sorted, the first few of them. Class protocol is no second tool.
	SecondTool []string
	Silent     time.Duration // how long a tool was dormant that returns; else 0
}

// maxSecond bounds News.SecondTool.
const maxSecond = 8

// Stats counts what a ledger did since it was opened.
type Stats struct {
	Entries int
	Bytes   int64  // of memory, as accounted
	Evicted uint64 // the longest silent, to make room
	Expired uint64 // silent for longer than Retention
	Damaged uint64 // unreadable on disk
}

// Ledger is the memory of one network. It is not safe for concurrent use, but
// for Write, which may run beside the rest.
type Ledger struct {
	cfg   Config
	hosts map[Host][]*Entry
	tools map[string]int    // entries of each tool
	names map[string]string // one copy of each id, class and verdict
	limit int64             // of stats.Bytes

	clock int64 // packet time that counts for Retention
	ahead int64 // a time far ahead of clock that nothing has confirmed, or 0

	dirty   []*Entry // not on disk as they are
	forget  [][]byte // keys to be removed from disk
	stats   Stats
	store   *store
	release func() // lets go of the lock
}

// ErrInUse is the ledger of another process.
var ErrInUse = errors.New("another rmmwatch writes this ledger")

// Open opens or creates the ledger at path, and reads it. A file that cannot be
// read is put aside beside it and told to cfg.Log. The ledger is locked
// against other writers until Close.
func Open(path string, cfg Config) (*Ledger, error) {
	cfg.defaults()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, ledgerError(path, err)
	}
	release, err := lock(path + ".lock")
	if err != nil {
		return nil, ledgerError(path, err)
	}
	maxBytes := int64(cfg.MaxMiB) << 20
	l := &Ledger{
		cfg: cfg, hosts: map[Host][]*Entry{}, tools: map[string]int{}, names: map[string]string{},
		limit: maxBytes, store: &store{path: path, maxBytes: maxBytes, log: cfg.Log}, release: release,
	}
	if err := l.load(); err != nil {
		release()
		return nil, ledgerError(path, err)
	}
	return l, nil
}

// load fills memory from the disk.
func (l *Ledger) load() error {
	content, err := l.store.open()
	if err != nil {
		return err
	}
	l.clock, l.stats.Damaged = content.clock, content.damaged
	for _, e := range content.entries {
		l.insert(e)
		e.saved = true
		l.resize(e)
	}
	if content.why != nil {
		l.store.broken.Store(&content.why)
	}
	l.expire()
	l.evict()
	if content.why != nil {
		return l.Flush()
	}
	return nil
}

// Observe books a use and returns what is new about it. A use of no address or
// no tool is none.
func (l *Ledger) Observe(u Use) News {
	u.Host = u.Host.clean()
	if !u.Host.Addr.IsValid() || u.Tool == "" {
		return News{}
	}
	u.Last, u.Tool = max(u.First, u.Last), l.name(u.Tool)
	l.advance(u.Last)
	e := l.find(u.Host, u.Tool)
	var news News
	switch {
	case e == nil:
		e = &Entry{Host: u.Host, Tool: u.Tool}
		news = News{FirstOnHost: true, FirstInNetwork: l.tools[e.Tool] == 0, SecondTool: l.others(&u)}
		l.insert(e)
	case u.First-e.Last > int64(l.cfg.DormantAfter):
		news = News{Silent: time.Duration(u.First - e.Last), SecondTool: l.others(&u)}
	}
	e.Class = l.name(u.Class)
	e.Span.add(u.First, u.Last)
	e.Up, e.Down = sum(e.Up, u.Up), sum(e.Down, u.Down)
	e.Verdicts.add(l.name(u.Verdict), u.First, u.Last, maxVerdicts)
	e.Tenants.add(text(u.Tenant), u.First, u.Last, maxTenants)
	e.Relays.add(text(u.Relay), u.First, u.Last, maxRelays)
	if !e.dirty {
		e.dirty = true
		l.dirty = append(l.dirty, e)
	}
	l.resize(e)
	l.evict()
	return news
}

// Advance tells the packet time, for hours in which nobody uses anything. It is
// cheap to call after every batch.
func (l *Ledger) Advance(now int64) { l.advance(now) }

// Flush writes what changed, in one transaction: Stage and Write. After an error
// nothing is lost; the next Flush tries again.
func (l *Ledger) Flush() error { return l.flush(noWait) }

// flush may need three turns: what an earlier one left, which may find that the
// file is damaged; then all of it anew; then what changed.
func (l *Ledger) flush(wait time.Duration) (err error) {
	for range 3 {
		l.Stage()
		if err = l.store.write(wait); err != nil && l.store.broken.Load() == nil {
			break
		}
	}
	if err != nil {
		return ledgerError(l.store.path, err)
	}
	return nil
}

// Stage takes a copy of what changed for Write. It costs no disk access. While
// what was staged before is not written it does nothing.
func (l *Ledger) Stage() {
	broken := l.store.broken.Load()
	if l.store.pending.Load() != nil || len(l.dirty)+len(l.forget) == 0 && broken == nil {
		return
	}
	b := &batch{known: true, forget: l.forget, clock: l.clock, count: l.stats.Entries}
	changed := l.dirty
	if broken != nil {
		b.known, b.forget, b.broken, changed = false, nil, *broken, l.all()
		l.store.broken.Store(nil)
	}
	for _, e := range changed {
		if e.gone {
			continue
		}
		e.dirty, e.saved = false, true
		key, value := encode(e)
		b.puts = append(b.puts, record{key, value})
	}
	l.dirty, l.forget = nil, nil
	slices.SortFunc(b.puts, func(a, b record) int { return bytes.Compare(a.key, b.key) })
	l.store.pending.Store(b)
}

// Write writes what was staged. It may take as long as the disk does, and may be
// called from another goroutine than everything else. It does not wait for a
// process that reads the file; the error is ErrBusy then.
func (l *Ledger) Write() error {
	if err := l.store.write(noWait); err != nil {
		return ledgerError(l.store.path, err)
	}
	return nil
}

// Close writes what changed, and lets go of the ledger, which is not used
// afterwards.
func (l *Ledger) Close() error {
	defer l.release()
	return l.flush(lockWait)
}

// Stats returns the counters.
func (l *Ledger) Stats() Stats { return l.stats }

// Clock is the packet time up to which the ledger has come, in nanoseconds.
func (l *Ledger) Clock() int64 { return l.clock }

// Entries lists copies of all entries, by host and tool.
func (l *Ledger) Entries() []Entry {
	out := make([]Entry, 0, l.stats.Entries)
	for _, list := range l.hosts { // any order: sorted below
		for _, e := range list {
			out = append(out, e.copy())
		}
	}
	sortEntries(out)
	return out
}

func sortEntries(list []Entry) {
	slices.SortFunc(list, func(a, b Entry) int { return compare(&a, &b) })
}

// copy is e for the outside world.
func (e *Entry) copy() Entry {
	c := Entry{Host: e.Host, Tool: e.Tool, Class: e.Class, Span: e.Span, Up: e.Up, Down: e.Down, Verdicts: e.Verdicts, Tenants: e.Tenants, Relays: e.Relays}
	for _, l := range []*List{&c.Verdicts, &c.Tenants, &c.Relays} {
		l.Items = slices.Clone(l.Items)
	}
	return c
}

// others are the tools that the host of u used a short while before it.
func (l *Ledger) others(u *Use) (out []string) {
	if u.Class == "protocol" {
		return nil
	}
	for _, e := range l.hosts[u.Host] {
		before := e.First <= u.Last && e.Last >= u.First-int64(l.cfg.SecondWithin)
		if before && e.Tool != u.Tool && e.Class != "protocol" {
			out = append(out, e.Tool)
		}
	}
	slices.Sort(out)
	return out[:min(len(out), maxSecond)]
}

func (l *Ledger) find(h Host, tool string) *Entry {
	for _, e := range l.hosts[h] {
		if e.Tool == tool {
			return e
		}
	}
	return nil
}

func (l *Ledger) insert(e *Entry) {
	e.Host.Tunnel, e.Tool, e.Class = l.name(e.Host.Tunnel), l.name(e.Tool), l.name(e.Class)
	l.hosts[e.Host] = append(l.hosts[e.Host], e)
	l.tools[e.Tool]++
	l.stats.Entries++
}

// name is the ledger's own copy of a short text: of those there are few.
func (l *Ledger) name(s string) string {
	s = text(s)
	own, ok := l.names[s]
	if !ok {
		own = strings.Clone(s) // rules that were replaced must not stay for a name
		l.names[own] = own
	}
	return own
}

// sum adds without starting anew at 0.
func sum(a, b uint64) uint64 {
	if a+b < a {
		return ^uint64(0)
	}
	return a + b
}
