package session

import "math"

// A window is 64 slots, a bit each: whether a direction carried payload then.
// A slot is about the shortest time in which a person does something twice.
const (
	slot   = int64(100e6)
	slots  = 64
	Window = slots * slot // nanoseconds; the grain of a session's start and end
)

// Config is what makes a session of a tool. Times are nanoseconds of packet
// time. It is read with every packet and must not change while a Meter lives.
type Config struct {
	Rate  uint32 // bytes a second that the driven side sends while somebody works: below it nothing is shown
	For   int64  // how long somebody must have been at it, in all, with shorter pauses between
	Quiet int64  // silence after which a session has ended
}

// Default is for tools whose rule file says nothing. A terminal gives back some
// fifty bytes a second while somebody types slowly; half a minute keeps out what an
// agent does on its own; people read and think for a minute or two.
var Default = Config{Rate: 50, For: 30e9, Quiet: 120e9}

// pause is how long somebody may do nothing before the session is sure. Jobs of
// agents come a minute apart or more, and must not add up to a session.
const pause = 5 // windows: 32 s

// Change says what a call brought: nothing, a session opened, one closed, or
// both.
type Change uint8

const (
	Opened Change = 1 << iota
	Closed
)

// Side is an end of a flow.
type Side uint8

const (
	Server Side = iota // a service is driven by its client: RDP, VNC, SSH
	Client             // an agent that dialled out is driven from its server
)

// String is client or server.
func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "server"
}

// Session is a stretch of time in which somebody drove one end of a flow.
type Session struct {
	Start, End int64  // packet time, nanoseconds; while it is open, End is that of the latest input seen
	Active     int64  // nanoseconds between them with input, in whole windows
	Up, Down   uint64 // payload bytes from the client and from the server, from Start until it was closed
	Driven     Side
	Open       bool
}

// Meter is the state of one flow. The zero value is ready. Copies are
// independent.
type Meter struct {
	win     int64     // start of the window, 0 before the first packet
	busy    [2]uint64 // slots of the window in which the client, the server sent
	bytes   [2]uint32 // in the window, saturated
	volume  [2]uint64 // since begin
	begin   int64     // start of the first window with input
	windows uint16    // since begin, saturated
	active  uint16    // of these, those with input, saturated
	silent  uint8     // windows since the latest with input, saturated
	lead    int8      // active windows with the client's input minus those with the server's, saturated
	fresh   uint8     // how often in the window the client (low half), the server (high half) broke a silence, saturated
	flags   uint8
}

const (
	started = 1 << iota // begin counts: somebody may be at it
	open                // Opened was said
	closed              // Closed was said, and Session is that one
	tail                // somebody sent in the last slot before the window
	tail2               // or in the one before that
	settled             // a window is over: the first is that of handshakes and logins
)

// Add books a packet's payload on the wire. up says that the client sent it.
func (m *Meter) Add(c *Config, now int64, up bool, payload int) Change {
	if payload <= 0 {
		return 0
	}
	ch := m.Tick(c, now)
	if m.win == 0 {
		m.win = now
	}
	d, n := 1, uint64(payload)
	if up {
		d = 0
	}
	m.mark(d, now)
	m.bytes[d] = uint32(min(uint64(m.bytes[d])+n, math.MaxUint32))
	if m.flags&started != 0 {
		m.volume[d] += n
	}
	return ch
}

// mark notes that a side sent, and whether it broke a silence of both: by the
// order of packets, since what answers within the slot broke none.
func (m *Meter) mark(d int, now int64) {
	at := uint(max(0, now-m.win) / slot) // files with several interfaces go back in time a little
	any := m.busy[0] | m.busy[1]
	near := false
	switch at {
	case 0:
		near = (any&1)|uint64(m.flags&(tail|tail2)) != 0
	case 1:
		near = (any&3)|uint64(m.flags&tail) != 0
	default:
		near = any>>(at-2)&7 != 0
	}
	if shift := 4 * d; !near && m.fresh>>shift&15 < 15 {
		m.fresh += 1 << shift
	}
	m.busy[d] |= 1 << at
}

// Credit books payload bytes that somebody else counted without saying when. They
// belong to the volume of the session and are no sign of anybody: a flow of which
// only sums are known shows no session.
func (m *Meter) Credit(up, down uint64) {
	if m.flags&started != 0 {
		m.volume[0] += up
		m.volume[1] += down
	}
}

// Tick says that time has come to now without a packet.
func (m *Meter) Tick(c *Config, now int64) (ch Change) {
	if m.win == 0 || now-m.win < Window {
		return 0
	}
	ch = m.roll(c)
	if n := (now - m.win) / Window; n > 0 { // windows without a packet
		m.flags &^= tail | tail2
		m.win += n * Window
		ch |= m.pass(c, n)
	}
	return ch
}

// End closes what is open: the flow has ended.
func (m *Meter) End(c *Config) Change {
	ch := Change(0)
	if m.win != 0 {
		ch = m.roll(c)
	}
	return ch | m.close()
}

// Session is the one that is open, or the one that was closed last. ok is false
// when there is none.
func (m *Meter) Session() (s Session, ok bool) {
	s = Session{
		Start: m.begin, End: m.begin + (int64(m.windows)-int64(m.silent))*Window, Active: int64(m.active) * Window,
		Up: m.volume[0], Down: m.volume[1], Open: m.flags&open != 0,
	}
	if m.lead < 0 {
		s.Driven = Client
	}
	return s, m.flags&(open|closed) != 0
}

// roll judges the window that is over and begins the next.
func (m *Meter) roll(c *Config) Change {
	up, driven := judge(c, m.busy, m.bytes, m.fresh)
	driven = driven && m.flags&settled != 0
	began := m.flags&started == 0 && driven
	if began {
		*m = Meter{win: m.win, busy: m.busy, bytes: m.bytes, begin: m.win, flags: started | settled}
		m.volume = [2]uint64{uint64(m.bytes[0]), uint64(m.bytes[1])}
	}
	m.flags = m.flags&^(tail|tail2) | settled
	switch any := m.busy[0] | m.busy[1]; any >> (slots - 2) {
	case 1:
		m.flags |= tail2
	case 2, 3:
		m.flags |= tail
	}
	m.win += Window
	m.busy, m.bytes, m.fresh = [2]uint64{}, [2]uint32{}, 0
	if !driven {
		return m.pass(c, 1)
	}
	m.silent = 0
	m.windows = uint16(min(int(m.windows)+1, math.MaxUint16))
	m.active = min(m.active, math.MaxUint16-1) + 1
	if up {
		m.lead = min(m.lead, math.MaxInt8-1) + 1
	} else {
		m.lead = max(m.lead, math.MinInt8+1) - 1
	}
	if m.flags&open == 0 && int64(m.active)*Window >= c.For && 2*int(m.active) >= int(m.windows) {
		m.flags |= open
		return Opened
	}
	return 0
}

// pass lets n windows without input go by.
func (m *Meter) pass(c *Config, n int64) Change {
	if m.flags&started == 0 {
		return 0
	}
	n = min(n, int64(math.MaxUint8-m.silent)) // End is their difference
	m.silent += uint8(n)
	m.windows = uint16(min(int64(m.windows)+n, math.MaxUint16))
	if m.flags&open == 0 {
		if m.silent >= pause {
			m.flags &^= started
		}
		return 0
	}
	if int64(m.silent)*Window >= c.Quiet {
		return m.close()
	}
	return 0
}

func (m *Meter) isOpen() bool { return m.flags&open != 0 }

func (m *Meter) close() Change {
	was := m.flags & open
	m.flags &^= started | open
	if was == 0 {
		return 0
	}
	m.flags |= closed
	return Closed
}
