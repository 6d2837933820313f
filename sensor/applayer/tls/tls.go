package tls

// Status is what a head turned out to be. Malformed input is a status, never
// an error.
type Status uint8

const (
	// NotTLS: these bytes do not start a handshake of this direction. The
	// caller tries other protocols and does not ask again.
	NotTLS Status = iota
	// NeedMore: right so far, but not all there. The caller asks again when the
	// head has grown; when the flow ends or its budget is used up it takes what
	// ServerFlight.HelloDone says is there.
	NeedMore
	// Done: everything that can be learned has been. The caller uses the fields
	// and does not ask again.
	Done
	// Malformed: TLS records whose content contradicts itself. The caller counts
	// it and does not ask again. What was read before the defect is set and may
	// serve as weak evidence: a peer that refuses the hello was still named in it.
	Malformed
)

// Parser reads heads. It owns the memory for messages that are spread over
// records and belongs to one worker: its methods must not run concurrently.
// Views that it returns live until its next call.
type Parser struct {
	scratch []byte // maxMessage bytes
	text    []byte // certificate strings that had to be converted to UTF-8, maxText bytes
}

// NewParser allocates all the memory that a Parser will ever use, 66 KiB.
func NewParser() *Parser {
	return &Parser{scratch: make([]byte, maxMessage), text: make([]byte, 0, maxText)}
}

// LooksLikeClientHello says from as little as one byte whether b can be the
// start of a client's direction: Done when its record and message type are
// right (six bytes, as a rule), NotTLS, or NeedMore. It admits what Client
// admits, SSLv2-compatible hellos included.
func LooksLikeClientHello(b []byte) Status {
	if len(b) > 0 && b[0] >= 0x80 {
		return looksLikeSSLv2(b)
	}
	return looksLike(b, 1<<msgClientHello)
}

// LooksLikeServerFlight does the same for the server's direction, which starts
// with a ServerHello, a HelloRequest, or an alert that refuses the hello.
func LooksLikeServerFlight(b []byte) Status {
	if len(b) > 0 && b[0] == recordAlert {
		return looksLikeAlert(b)
	}
	return looksLike(b, 1<<msgServerHello|1<<msgHelloRequest)
}

// looksLike checks for handshake records and, as soon as one has a payload,
// that its first message is of one of the kinds, a set of bits.
func looksLike(b []byte, kinds uint) Status {
	for range maxEmpty + 1 {
		switch {
		case len(b) > 0 && b[0] != recordHandshake,
			len(b) > 1 && b[1] != 3,
			len(b) > 2 && b[2] > 4:
			return NotTLS
		case len(b) < recordHeader:
			return NeedMore
		}
		n := be16(b[3:])
		if n > maxRecord {
			return NotTLS
		}
		b = b[recordHeader:]
		if n == 0 {
			continue
		}
		switch {
		case len(b) == 0:
			return NeedMore
		case b[0] < 32 && kinds>>b[0]&1 != 0:
			return Done
		}
		return NotTLS
	}
	return NotTLS
}

// looksLikeAlert checks for a plaintext alert record: two bytes, a level of
// warning or fatal (RFC 8446 section 6).
func looksLikeAlert(b []byte) Status {
	switch {
	case len(b) > 1 && b[1] != 3,
		len(b) > 2 && b[2] > 4,
		len(b) > 3 && b[3] != 0,
		len(b) > 4 && b[4] != 2,
		len(b) > 5 && b[5] != 1 && b[5] != 2:
		return NotTLS
	case len(b) < recordHeader+2:
		return NeedMore
	}
	return Done
}
