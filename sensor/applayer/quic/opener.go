package quic

import "bytes"

const (
	// maxDatagram is the largest UDP payload (RFC 768: a 16-bit length).
	maxDatagram = 1<<16 - 1

	// maxPackets is how many coalesced packets of a datagram are looked at. A
	// client sends an Initial, 0-RTT and a Handshake packet at most.
	maxPackets = 8

	// maxAttempts is how many times a datagram makes the sensor try to open a
	// packet, and so how many keys it can make it derive: two for each of the
	// client's packets, with room for packets that only pretend.
	maxAttempts = 8

	// cacheSize is for how many connection IDs each side's keys are kept: the
	// datagrams of a handshake come within a round trip of each other.
	cacheSize = 64
)

// Status is what became of a datagram or a packet, in rising order of what is
// known about it.
type Status uint8

const (
	StatusNone        Status = iota // no long header: not QUIC, or past the handshake
	StatusMalformed                 // a length reaches beyond the datagram, or cannot be; also a datagram cut by the capture
	StatusUnknown                   // a version whose Initials cannot be opened
	StatusOther                     // 0-RTT or Handshake
	StatusSealed                    // an Initial that did not authenticate, or was not tried any more
	StatusNegotiation               // Version Negotiation: the client will come again with another version
	StatusRetry                     // Retry: the client will come again with Result.SCID as its Destination Connection ID
	StatusOpened                    // an Initial that authenticated
	NumStatus
)

// Crypto is the payload of a CRYPTO frame. Data aliases the Opener's memory:
// it is valid until the Opener's next call.
type Crypto struct {
	Offset uint64 // in the CRYPTO stream of Initial packets; Offset+len(Data) <= 64 KiB
	Data   []byte // never empty
}

// Result is what a datagram said. Crypto and what it holds alias the Opener's
// memory and are valid until its next call; the other slices alias the datagram
// or the caller's connection ID.
type Result struct {
	Status  Status // the highest of the datagram's packets
	Version uint32 // of the first packet; 0 in a Version Negotiation packet
	SCID    []byte // Source Connection ID of the first packet, if that was well-formed
	Token   []byte // of the first packet: the client's, or the one a Retry gives it

	// StatusOpened
	DCID   []byte   // the connection ID whose keys opened: the server's packets take the same
	Crypto []Crypto // in the order of the packets, not of their offsets; may overlap, repeat or be empty
	Closed bool     // the sender gave up (CONNECTION_CLOSE)
}

// Stats counts what an Opener did.
type Stats struct {
	Packets   [NumStatus]uint64 // by what became of them
	Attempts  uint64            // at opening an Initial
	Derived   uint64            // keys that the cache did not have
	BadFrames uint64            // opened packets with a frame that an Initial cannot carry
	Dropped   uint64            // CRYPTO frames beyond the most that are kept of a datagram
}

// Opener opens Initial packets. The zero value is ready. It belongs to one
// worker, and takes at most 330 KiB with all that it ever allocates.
type Opener struct {
	Stats Stats

	version  uint32 // of the last packet that was opened
	attempts int    // left for this datagram
	crypto   [maxCrypto]Crypto
	cache    [2][cacheSize]keys // the clients' and the servers'
	mask     [16]byte
	nonce    [12]byte
	plain    [maxDatagram]byte // mirrors the datagram, its Initials opened
}

// Client opens the Initial packets of a datagram that a client sent. odcid is
// the DCID of an earlier Result of the same connection, or empty. Packets that
// do not open with it are tried with the Destination Connection ID they carry:
// that of a first flight, of one after a Retry, or of a new connection on the
// same ports.
//
// A datagram is a bounded amount of work: 8 packets, 8 attempts, and a cost
// linear in its length. With the keys of its connection in the cache, nothing
// is allocated.
func (o *Opener) Client(datagram, odcid []byte) Result {
	return o.open(datagram, odcid, false)
}

// Server opens the Initial packets of a datagram that a server sent. odcid is
// the DCID of the Result that opened the client's last Initial: without it
// nothing can be opened.
func (o *Opener) Server(datagram, odcid []byte) Result {
	return o.open(datagram, odcid, true)
}

// Version returns the name (VersionName) of the QUIC version of the last
// packet that was opened.
func (o *Opener) Version() string { return VersionName(o.version) }

func (o *Opener) open(datagram, odcid []byte, server bool) Result {
	res := Result{Crypto: o.crypto[:0]}
	if len(datagram) > maxDatagram {
		return res
	}
	o.attempts = maxAttempts
	var first []byte
	for n, at := 0, 0; n < maxPackets; n++ {
		h := parseHeader(datagram[at:])
		if n == 0 {
			first = h.dcid
			res.Version, res.SCID, res.Token = h.version, h.scid, h.token
		} else if h.kind == kindNone || !bytes.Equal(h.dcid, first) {
			break // a 1-RTT packet, padding, or what RFC 9000 section 12.2 tells receivers to ignore
		}
		status := h.kind.status()
		if h.kind == kindInitial {
			status = o.initial(&h, datagram, at, odcid, server, &res)
		}
		o.Stats.Packets[status]++
		res.Status = max(res.Status, status)
		if at += h.end; at == len(datagram) {
			break
		}
	}
	return res
}

// status is what a packet of kind k can at most say, an Initial as long as it
// was not opened.
func (k kind) status() Status {
	switch k {
	case kindInitial:
		return StatusSealed
	case kind0RTT, kindHandshake:
		return StatusOther
	case kindRetry:
		return StatusRetry
	case kindNegotiation:
		return StatusNegotiation
	case kindUnknown:
		return StatusUnknown
	case kindMalformed:
		return StatusMalformed
	}
	return StatusNone
}

// initial opens the Initial packet at datagram[at:] and reads its frames.
func (o *Opener) initial(h *header, datagram []byte, at int, odcid []byte, server bool, res *Result) Status {
	packet, plain := datagram[at:at+h.end], o.plain[at:at+h.end]
	var payload []byte
	cid, ok := odcid, false
	if len(odcid) > 0 && len(odcid) <= maxCID {
		payload, ok = o.try(h, packet, plain, cid, server)
	}
	if !ok && !server && !bytes.Equal(odcid, h.dcid) {
		cid = h.dcid
		payload, ok = o.try(h, packet, plain, cid, false)
	}
	if !ok {
		return StatusSealed
	}
	o.version, res.DCID = h.version, cid
	if !o.frames(h.family, payload, res) {
		o.Stats.BadFrames++
	}
	return StatusOpened
}

// try opens a packet with the keys of a connection ID, while attempts are left.
func (o *Opener) try(h *header, packet, plain, cid []byte, server bool) (payload []byte, ok bool) {
	if o.attempts == 0 {
		return nil, false
	}
	o.attempts--
	k := o.keys(h.family, cid, server)
	if k == nil {
		return nil, false
	}
	return o.unseal(k, packet, plain, h.pn)
}

// keys returns the keys of a connection ID, or nil if they cannot be made.
// What a hostile sender can do to the cache is make others be derived again.
func (o *Opener) keys(f *family, cid []byte, server bool) *keys {
	slot := uint32(2166136261) // FNV-1a
	for _, b := range cid {
		slot = (slot ^ uint32(b)) * 16777619
	}
	side := 0
	if server {
		side = 1
	}
	k := &o.cache[side][slot%cacheSize]
	if !k.match(f, cid) {
		o.Stats.Derived++
		if !k.derive(f, cid, server) {
			return nil
		}
	}
	return k
}

// unseal takes off the header protection (RFC 9001 section 5.4) and the packet
// protection (section 5.3) of a packet whose packet number begins at pn. The
// opened packet goes to plain, of the same length; packet stays as it is.
//
// A packet number is taken as it stands. It is whole as long as its receiver
// has acknowledged nothing (RFC 9000 section 17.1), which covers a first flight.
func (o *Opener) unseal(k *keys, packet, plain []byte, pn int) (payload []byte, ok bool) {
	o.Stats.Attempts++
	k.hp.Encrypt(o.mask[:], packet[pn+4:pn+minProtected])
	copy(plain, packet[:pn+4])
	plain[0] ^= o.mask[0] & 0x0f
	n := int(plain[0]&3) + 1
	o.nonce = k.iv
	for i := range n {
		plain[pn+i] ^= o.mask[1+i]
		o.nonce[len(o.nonce)-n+i] ^= plain[pn+i]
	}
	body := pn + n
	payload, err := k.aead.Open(plain[body:body], o.nonce[:], packet[body:], plain[:body])
	return payload, err == nil
}
