package dns

// Status is what Parse and TCP made of the bytes. Malformed input is a status
// to be counted, never an error.
type Status uint8

const (
	// NotDNS: the header is not one of DNS, or no question (in a response
	// without any: no record) is complete and of assigned type and class.
	NotDNS Status = iota
	// NeedMore is returned by TCP only: the stream must deliver more bytes.
	NeedMore
	// Malformed: the message begins like DNS and then breaks the format, be it
	// in the first name. What was read before the damage is in the Message,
	// and worth the same: servers answer much that is Malformed here.
	Malformed
	// Partial: the message ends before its counts do, after at least one
	// complete question or record, as under a short snap length. Whoever knows
	// that the datagram was captured whole should treat it as Malformed.
	Partial
	// Done: every record the counts announce was there and well formed.
	Done
)

// Limits of what a Message stores; what exceeds them is validated and counted.
const (
	MaxQuestions = 32 // unicast messages carry one; mDNS queries are batched, some twenty at a time
	MaxAnswers   = 32 // the largest address sets that resolvers hand out over UDP
)

// maxName is the most bytes that a name can need in our form: of the 255
// octets of RFC 1035 section 2.3.4 one ends the name and four, at least, are
// label lengths; the other 250 take four bytes each as \DDD; three dots.
const maxName = 250*4 + 3

// nameSpace bounds the bytes of all names of one message. Entries that might
// not fit any more are not stored. The longest questions leave room for two of
// the longest answers; ordinary names never fill it.
const nameSpace = 8 << 10

// Record types (IANA "Resource Record (RR) TYPEs") whose data is taken apart.
const (
	TypeA     = 1
	TypeNS    = 2
	TypeCNAME = 5
	TypePTR   = 12
	TypeMX    = 15
	TypeAAAA  = 28
	TypeSRV   = 33
	TypeDNAME = 39
	TypeOPT   = 41
	TypeSVCB  = 64
	TypeHTTPS = 65
)

// Classes that occur in messages (RFC 1035 section 3.2.4, RFC 2136 section 2.4).
const (
	ClassIN   = 1
	ClassCH   = 3
	ClassHS   = 4
	ClassNONE = 254
	ClassANY  = 255
)

// Header flags as they stand in Message.Flags.
const (
	FlagQR = 1 << 15 // response
	FlagAA = 1 << 10 // authoritative; in LLMNR: conflict
	FlagTC = 1 << 9  // truncated by the sender
	FlagRD = 1 << 8  // recursion desired; in LLMNR: tentative
	FlagRA = 1 << 7  // recursion available
	FlagAD = 1 << 5
	FlagCD = 1 << 4
)

// Opcodes that Plausible accepts.
const (
	OpcodeQuery  = 0
	OpcodeNotify = 4 // RFC 1996
	OpcodeUpdate = 5 // RFC 2136; the zone stands as the question
)

// Name refers to a name inside a Message; Message.Name gives its bytes.
type Name struct {
	off, len uint16
	at       uint16 // where the name starts in the wire message; 0: nowhere
}

// Question is one entry of the question section.
type Question struct {
	Name  Name
	Type  uint16
	Class uint16 // without the unicast-response bit of RFC 6762 section 5.4
}

// Answer is one record of the answer section. The slices alias the message
// given to Parse.
type Answer struct {
	Data []byte // RDATA as on the wire; for A and AAAA the address: 4 or 16 bytes, or none in a dynamic update

	// SVCB and HTTPS only (RFC 9460); nil when the parameter is absent.
	ALPN     []byte // the alpn list, read with NextALPN
	IPv4Hint []byte // addresses of 4 bytes each
	IPv6Hint []byte // addresses of 16 bytes each

	Owner  Name
	Target Name   // CNAME, DNAME, NS, PTR, MX, SRV, SVCB, HTTPS: the name they lead to
	TTL    uint32 // seconds
	Type   uint16
	Class  uint16 // without the cache-flush bit of RFC 6762 section 10.2

	Priority uint16 // MX preference; SRV, SVCB and HTTPS priority (0: alias mode)
	Port     uint16 // SRV, and SVCB and HTTPS when they name one; else 0
	ECH      bool   // SVCB and HTTPS: an ech parameter is present
}

// Message is a parsed DNS message. It belongs to the caller and is reused for
// message after message; Parse allocates nothing. Names stay valid until the
// next Parse into the same Message, slices as long as the bytes parsed. Which
// fields hold is said by the Status: Done all; Partial and Malformed the
// header, the first NumQuestions questions and the first NumAnswers answers;
// NotDNS none.
type Message struct {
	ID     uint16
	Flags  uint16 // Flag bits
	Opcode uint8
	EDNS   bool   // an OPT record is present (RFC 6891)
	RCode  uint16 // 12 bits with EDNS, else 4

	QDCount, ANCount, NSCount, ARCount uint16 // as the header says

	NumQuestions, NumAnswers int // how many of the entries below are stored
	Unstored                 int // questions and answers that were read but found no room below
	Trailing                 int // bytes behind the last record, see Parse

	Questions [MaxQuestions]Question
	Answers   [MaxAnswers]Answer

	used  int // bytes of names in use
	names [nameSpace]byte
}

// Response reports whether the message is a response.
func (m *Message) Response() bool { return m.Flags&FlagQR != 0 }

// Name returns the bytes of n: its labels in their original case, joined by
// dots, without the final one; the root is empty. As in zone files (RFC 1035
// section 5.1) a dot or backslash inside a label is \. or \\, and every byte
// but 0x21 to 0x7e is \DDD in decimal, so that different names stay different.
func (m *Message) Name(n Name) []byte {
	return m.names[n.off : n.off+n.len : n.off+n.len]
}

// NextALPN splits the first protocol identifier off the list of an Answer. The
// list ends when id is nil.
func NextALPN(list []byte) (id, rest []byte) {
	if len(list) == 0 || len(list)-1 < int(list[0]) {
		return nil, nil
	}
	n := 1 + int(list[0])
	return list[1:n:n], list[n:]
}

// Kind is the protocol that a message in DNS format belongs to.
type Kind uint8

const (
	KindNone  Kind = iota // NetBIOS name service: alike, but its names are encoded hosts of another namespace
	KindDNS               // unicast DNS, on any port
	KindMDNS              // RFC 6762
	KindLLMNR             // RFC 4795
)

// KindOf tells the protocol from the ports of either transport. Port 53 wins
// over the others: they lie in the range that clients take source ports from.
func KindOf(src, dst uint16) Kind {
	switch {
	case src == 53 || dst == 53:
		return KindDNS
	case src == 137 || dst == 137:
		return KindNone
	case src == 5353 || dst == 5353:
		return KindMDNS
	case src == 5355 || dst == 5355:
		return KindLLMNR
	}
	return KindDNS
}
