package magic

// Side is who sends the bytes.
type Side uint8

const (
	FromClient Side = iota // the side that opened the flow
	FromServer
	FromAny
)

// MaxDepth is where a pattern must end at the latest, in bytes from the start:
// what shows a protocol stands in its first message's header, and every byte
// of depth is one that a flow without any hit must be remembered for.
const MaxDepth = 254

// MaxMessage is the longest message of a TCP direction, in bytes, whose end a
// pattern with a length can wait for: what a flow that hits nothing else may
// have to be remembered for.
const MaxMessage = 4 << 10

// Protocols a pattern can be for, as IP numbers them.
const (
	tcp = 6
	udp = 17
)

// Pattern is bytes that must stand at one offset of a message, and what else
// must hold for that message. A UDP message is a datagram. A TCP message is
// what a side has sent so far whenever one of its segments ends: one with a
// Size or Length is recognised where it ends with a segment, as messages do
// that their sender waits after.
type Pattern struct {
	ID     uint32 // what Match reports; any number
	Proto  uint8  // 6 for TCP, 17 for UDP
	From   Side
	At     uint16 // offset from the first byte of the direction, or of the datagram
	Value  []byte
	Mask   []byte // as long as Value: the bits that count; nil for all
	Size   uint32 // the exact length of the message, 0 for any
	Length Field  // a field of the message that must tell its length; of no bytes for none
	First  bool   // TCP only: the other side has not sent anything yet
	Token  Token
}

// Field is a number within a message, and what has to be done to it to make it
// the length of the message: (value >> Shift) + Add.
type Field struct {
	At           uint16
	Bytes        uint8 // 1 to 4; 0 for no field
	LittleEndian bool
	Shift        uint8
	Add          int32
}

// Token is four bytes of a message that its hit reports, so that they can be
// compared with those of another message.
type Token struct {
	At  uint16
	Has bool
}

// Message is what is compared with the patterns.
type Message struct {
	Proto uint8
	From  Side   // FromClient or FromServer
	Head  []byte // the first bytes; for TCP all of them that this side has sent, when a segment has ended
	Size  uint32 // UDP: the length of the datagram's payload on the wire, of which Head may be a part
	First bool   // TCP: the whole connection was seen, and the other side has not sent anything
}

// Hit is a pattern that holds.
type Hit struct {
	ID    uint32
	Token uint32 // the pattern's token, 0 where it has none
}

// Matcher is a compiled set of patterns. It is immutable; any number of
// goroutines may use it.
type Matcher struct {
	tables [2][2]table // by protocol (TCP, UDP) and side (client, server)
	ends   map[uint32]end
}

// end is where the last pattern of an id ends, and whether one of them is
// about a whole message.
type end struct {
	at    int
	whole bool
}

// table holds the patterns for one protocol and side. Each pattern has an
// anchor, a byte of it that says most; a payload costs one look-up for each
// offset at which some pattern has its anchor, and these are few.
type table []group

type group struct {
	at    int         // offset of the anchors
	by    [256]uint16 // by the byte there: an index in lists, 0 for no pattern
	lists [][]*compiled
	all   []*compiled
}

// End is where the last pattern of this id ends, in bytes from the start.
func (m *Matcher) End(id uint32) int { return m.ends[id].at }

// Fresh reports whether a hit of this id is new when the first done bytes of
// the direction have been matched before. A message that ends now did not end
// before.
func (m *Matcher) Fresh(id uint32, done int) bool {
	e := m.ends[id]
	return e.whole || e.at > done
}

// Match appends the patterns that hold for the message to dst. needMore says
// that a pattern agrees with all of the head and wants more of it (TCP only).
func (m *Matcher) Match(msg *Message, dst []Hit) (hits []Hit, needMore bool) {
	if len(msg.Head) == 0 || msg.From > FromServer {
		return dst, false
	}
	i := 0
	if msg.Proto == udp {
		i = 1
	}
	t := m.tables[i][msg.From]
	for i := range t {
		g := &t[i]
		var list []*compiled
		switch {
		case g.at < len(msg.Head):
			n := g.by[msg.Head[g.at]]
			if n == 0 {
				continue
			}
			list = g.lists[n]
		case msg.Proto == tcp:
			list = g.all
		}
		for _, c := range list {
			switch c.compare(msg) {
			case holds:
				dst = append(dst, Hit{c.id, c.tokenOf(msg.Head)})
			case open:
				needMore = true
			}
		}
	}
	return dst, needMore
}

// outcome is what a pattern makes of a message.
type outcome uint8

const (
	fails outcome = iota
	holds
	open // nothing contradicts it, but more bytes are needed
)

func (c *compiled) compare(msg *Message) outcome {
	size := msg.Size
	if msg.Proto == tcp {
		size = uint32(len(msg.Head))
		if c.size != 0 && size > c.size {
			return fails
		}
	} else if c.size != 0 && c.size != size {
		return fails
	}
	head := msg.Head[:min(len(msg.Head), c.end)]
	switch {
	case c.first && !msg.First, !c.agrees(head):
		return fails
	case len(head) < c.end:
		return more(msg.Proto)
	}
	want := int64(c.size)
	if c.length.Bytes != 0 {
		want = c.length.of(head)
	}
	switch {
	case want == int64(size), c.size == 0 && c.length.Bytes == 0:
		return holds
	case want > int64(size) && want <= MaxMessage:
		return more(msg.Proto)
	}
	return fails
}

// more is what becomes of a message that is too short so far: a datagram is
// all that there is.
func more(proto uint8) outcome {
	if proto == tcp {
		return open
	}
	return fails
}

// agrees reports whether no byte of head contradicts the pattern. head does
// not go beyond the pattern's end.
func (c *compiled) agrees(head []byte) bool {
	if len(head) <= c.at {
		return true
	}
	head = head[c.at:]
	for i, b := range head[:min(len(head), len(c.value))] {
		if b&c.mask[i] != c.value[i] {
			return false
		}
	}
	return true
}

// tokenOf reads the pattern's token.
func (c *compiled) tokenOf(head []byte) uint32 {
	if !c.token.Has {
		return 0
	}
	return number(head[c.token.At:c.token.At+4], false)
}

// of is the length that the field of head tells.
func (f *Field) of(head []byte) int64 {
	b := head[f.At : f.At+uint16(f.Bytes)]
	return int64(number(b, f.LittleEndian)>>f.Shift) + int64(f.Add)
}

// number is the unsigned number of at most four bytes.
func number(b []byte, littleEndian bool) (v uint32) {
	for i := range b {
		if littleEndian {
			v |= uint32(b[i]) << (8 * i)
		} else {
			v = v<<8 | uint32(b[i])
		}
	}
	return v
}
