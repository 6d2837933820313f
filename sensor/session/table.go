package session

// ways is how many meters a flow may stand in.
const ways = 8

// Table has the meters of a worker's flows that a rule hit, by flow. Its memory is
// taken when it is made: where more flows are hit than it holds, it gives up the
// meter without an open session that heard nothing for longest. It is not safe for
// concurrent use.
type Table struct {
	slots []entry
	hand  int // of Sweep
	ended func(id uint64, s Session)
	begun func(id uint64, s Session)
	Lost  uint64 // meters given up
}

type entry struct {
	id    uint64 // 0 is free
	cfg   *Config
	last  int64
	meter Meter
}

// NewTable makes a table for n flows, rounded up. opened is called when a session
// opens, closed when it closes: on the caller's goroutine, in Add, Credit, End,
// Sweep and Close. A flow's calls are in order: opened, closed, and so on.
func NewTable(n int, opened, closed func(id uint64, s Session)) *Table {
	size := ways
	for size < n {
		size *= 2
	}
	return &Table{slots: make([]entry, size), begun: opened, ended: closed}
}

// set are the entries that a flow may have.
func (t *Table) set(id uint64) []entry {
	i := int(id*0x9e3779b97f4a7c15>>32) & (len(t.slots) - 1) &^ (ways - 1)
	return t.slots[i : i+ways]
}

func (t *Table) find(id uint64) *entry {
	set := t.set(id)
	for i := range set {
		if set[i].id == id {
			return &set[i]
		}
	}
	return nil
}

// Add books a packet of flow id, which is not 0. c is that of the flow's tool; it
// counts from the first packet on.
func (t *Table) Add(id uint64, c *Config, now int64, up bool, payload int) {
	e := t.find(id)
	if e == nil {
		e = t.take(id)
		*e = entry{id: id, cfg: c}
	}
	e.last = max(e.last, now)
	if ch := e.meter.Add(e.cfg, now, up, payload); ch != 0 {
		t.tell(e, ch)
	}
}

// Credit books bytes of a flow that somebody else counted; see Meter.Credit.
func (t *Table) Credit(id, up, down uint64) {
	if e := t.find(id); e != nil {
		e.meter.Credit(up, down)
	}
}

// End forgets a flow.
func (t *Table) End(id uint64) {
	if e := t.find(id); e != nil {
		t.end(e)
	}
}

func (t *Table) end(e *entry) {
	t.tell(e, e.meter.End(e.cfg))
	*e = entry{}
}

// Sweep looks at n entries whether their sessions have fallen silent.
func (t *Table) Sweep(n int, now int64) {
	for range min(n, len(t.slots)) {
		e := &t.slots[t.hand]
		t.hand = (t.hand + 1) & (len(t.slots) - 1)
		if e.id != 0 {
			if ch := e.meter.Tick(e.cfg, now); ch != 0 {
				t.tell(e, ch)
			}
		}
	}
}

// Close ends every flow.
func (t *Table) Close() {
	for i := range t.slots {
		if t.slots[i].id != 0 {
			t.end(&t.slots[i])
		}
	}
}

// take makes an entry free.
func (t *Table) take(id uint64) *entry {
	set := t.set(id)
	worst := &set[0]
	for i := range set {
		e := &set[i]
		if e.id == 0 {
			return e
		}
		if we, ee := worst.meter.isOpen(), e.meter.isOpen(); we && !ee || we == ee && e.last < worst.last {
			worst = e
		}
	}
	t.Lost++
	t.end(worst)
	return worst
}

// tell calls those who want to know. A session that opened and closed in one
// step was open in between.
func (t *Table) tell(e *entry, ch Change) {
	s, _ := e.meter.Session()
	if ch&Opened != 0 {
		was := s
		was.Open = true
		t.begun(e.id, was)
	}
	if ch&Closed != 0 {
		t.ended(e.id, s)
	}
}
