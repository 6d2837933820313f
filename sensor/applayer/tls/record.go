package tls

// Record content types (RFC 8446 appendix B.1) and handshake message types
// (appendix B.3) that are told apart here.
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22

	msgHelloRequest     = 0
	msgClientHello      = 1
	msgServerHello      = 2
	msgCertificate      = 11
	msgSupplementalData = 23 // RFC 4680: may stand between ServerHello and Certificate
)

const (
	recordHeader  = 5
	messageHeader = 4

	// maxRecord is the longest record that TLS 1.2 allows: 2^14 bytes and 2,048
	// for compression and protection (RFC 5246 section 6.2.3).
	maxRecord = 1<<14 + 2048

	// maxMessage limits what is joined from several records. The field would
	// allow 16 MiB; crypto/tls refuses a hello above 64 KiB (maxHandshake), and of
	// a Certificate message only the leaf is wanted, which comes first. A message
	// that lies in one record needs no joining and is limited by maxRecord.
	maxMessage = 1 << 16

	// maxEmpty is how many records without a byte are tolerated in one flight.
	// RFC 8446 section 5.1 forbids them for handshakes; older stacks sent one.
	maxEmpty = 16
)

// event is what records.next found.
type event uint8

const (
	evMessage event = iota // a whole message
	evPart                 // a message that the head does not hold to its end: kind, length and the first bytes
	evFull                 // the same, and the rest would not fit the scratch
	evEnd                  // the head ends before the next message's header does
	evOther                // the next record is no handshake record: records.other
	evBroken               // no TLS record, or one of another type inside of a message (of which the first bytes are given)
)

// message is one handshake message. Its body aliases the head, or the scratch
// when the message was spread over records.
type message struct {
	kind   uint8
	length int    // of the whole body, as the header says
	body   []byte // the body, or its first bytes; nil as long as the header is not there
}

// records reads handshake messages out of a run of TLS records.
type records struct {
	head  []byte
	pos   int    // of the next unread byte of head
	left  int    // payload bytes of the current record that were not read yet; may reach past the head
	spill []byte // messages joined from several records, one after the other in the parser's scratch
	empty int    // records without payload so far
	other uint8  // type of the record that evOther stopped at
}

// next returns the next message, without a copy when one record holds it.
func (r *records) next() (message, event) {
	if ev := r.open(); ev != evMessage {
		return message{}, ev
	}
	if r.left < messageHeader {
		return r.join()
	}
	b := r.head[r.pos:]
	if len(b) < messageHeader {
		return message{}, evEnd
	}
	m := message{kind: b[0], length: be24(b[1:])}
	whole := messageHeader + m.length
	if whole > r.left {
		return r.join()
	}
	if whole > len(b) {
		m.body = b[messageHeader:]
		return m, evPart
	}
	m.body = b[messageHeader:whole:whole]
	r.pos += whole
	r.left -= whole
	return m, evMessage
}

// open moves on to the next handshake record when the current one is used up.
func (r *records) open() event {
	for r.left == 0 {
		b := r.head[r.pos:]
		if len(b) < recordHeader {
			return evEnd
		}
		n := be16(b[3:])
		if b[1] != 3 || b[2] > 4 || n > maxRecord {
			return evBroken
		}
		if b[0] != recordHandshake {
			r.other = b[0]
			return evOther
		}
		r.pos += recordHeader
		r.left = n
		if n == 0 {
			if r.empty++; r.empty > maxEmpty {
				return evBroken
			}
		}
	}
	return evMessage
}

// skip passes over the record that evOther stopped at. It reports whether the
// head holds all of it.
func (r *records) skip() bool {
	end := r.pos + recordHeader + be16(r.head[r.pos+3:])
	if end > len(r.head) {
		return false
	}
	r.pos = end
	return true
}

// join copies a message that spans records into the scratch.
func (r *records) join() (message, event) {
	var m message
	start, want := len(r.spill), messageHeader
	for {
		missing := want - (len(r.spill) - start)
		n := min(missing, r.left, len(r.head)-r.pos, cap(r.spill)-len(r.spill))
		r.spill = append(r.spill, r.head[r.pos:r.pos+n]...)
		r.pos += n
		r.left -= n
		got := r.spill[start:]
		if len(got) == messageHeader && want == messageHeader {
			m.kind, m.length = got[0], be24(got[1:])
			want += m.length
		}
		if len(got) >= messageHeader {
			m.body = got[messageHeader:len(got):len(got)]
		}
		switch {
		case len(got) == want:
			return m, evMessage
		case len(r.spill) == cap(r.spill):
			return m, evFull
		}
		ev := evPart
		if r.left == 0 {
			switch r.open() {
			case evMessage:
				continue
			case evOther, evBroken:
				return m, evBroken
			}
		} else if r.pos < len(r.head) {
			continue
		}
		if len(got) < messageHeader {
			ev = evEnd
		}
		return m, ev
	}
}

func be16(b []byte) int { return int(b[0])<<8 | int(b[1]) }

func be24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// u16 is be16 for values that are codes, not lengths.
func u16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }
