package quic

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// Cut at any length, a good datagram is malformed: its header says how long the
// packet is.
func TestTruncated(t *testing.T) {
	packet := vector(t, "rfc9001-a2-client")
	o := new(Opener)
	for n := range packet {
		want := StatusMalformed
		if n < 7 {
			want = StatusNone
		}
		cut := bytes.Clone(packet[:n:n])
		if res := o.Client(cut, exampleCID); res.Status != want || res.DCID != nil || len(res.Crypto) != 0 {
			t.Fatalf("%d bytes: %+v", n, res)
		}
		if LooksLikeInitial(cut) {
			t.Fatalf("%d bytes look like an Initial", n)
		}
	}
	if o.Stats.Attempts != 0 {
		t.Errorf("%d attempts", o.Stats.Attempts)
	}
}

// An Initial that says it is shorter than what header protection samples, with
// and without something behind it.
func TestTooShort(t *testing.T) {
	for n := range minProtected {
		for _, more := range []int{0, 100} {
			short := longPacket(0, exampleCID, n)
			at := len(short) - n - 2
			short = append(append(bytes.Clone(short[:at]), 0), short[at:]...) // no token
			short = append(short, make([]byte, more)...)
			short = short[:len(short):len(short)]
			if res := new(Opener).Client(short, nil); res.Status != StatusMalformed || LooksLikeInitial(short) {
				t.Errorf("%d bytes, %d behind: %+v", n, more, res)
			}
		}
	}
}

// Every bit of an Initial is authenticated, also those of its connection IDs,
// which are not part of the key when the caller knows that.
func TestFlipped(t *testing.T) {
	for _, name := range []string{"rfc9001-a2-client", "rfc9369-a2-client"} {
		packet := vector(t, name)
		o := new(Opener)
		for i := range packet {
			for bit := range 8 {
				packet[i] ^= 1 << bit
				if res := o.Client(packet, exampleCID); res.Status >= StatusOpened || len(res.Crypto) != 0 {
					t.Fatalf("%s, byte %d, bit %d: %+v", name, i, bit, res)
				}
				packet[i] ^= 1 << bit
			}
		}
		if res := o.Client(packet, exampleCID); res.Status != StatusOpened {
			t.Fatalf("unchanged: %+v", res)
		}
	}
}

// longPacket is a Handshake (type 2) or 0-RTT (type 1) packet of version 1.
func longPacket(typ byte, dcid []byte, n int) []byte {
	b := []byte{0xc0 | typ<<4, 0, 0, 0, 1, byte(len(dcid))}
	b = append(append(b, dcid...), 0)
	return append(appendVarint(b, n), bytes.Repeat([]byte{0x55}, n)...)
}

func TestCoalesced(t *testing.T) {
	s := v1Sender()
	a := s.seal(t, cryptoFrame(0, []byte("first")))
	s.pn++
	b := s.seal(t, cryptoFrame(5, []byte("second")))
	other := s
	other.dcid = []byte("another one")
	c := other.seal(t, cryptoFrame(11, []byte("third")))
	bad := bytes.Clone(a)
	bad[len(bad)-1] ^= 1

	for _, tc := range []struct {
		name    string
		packets [][]byte
		crypto  int
		status  Status
		counts  [NumStatus]uint64
	}{
		{"two Initials", [][]byte{a, b}, 2, StatusOpened, [NumStatus]uint64{StatusOpened: 2}},
		{"0-RTT between", [][]byte{a, longPacket(1, exampleCID, 300), b}, 2, StatusOpened, [NumStatus]uint64{StatusOpened: 2, StatusOther: 1}},
		{"Handshake first", [][]byte{longPacket(2, exampleCID, 30), b}, 1, StatusOpened, [NumStatus]uint64{StatusOpened: 1, StatusOther: 1}},
		{"no Initial", [][]byte{longPacket(2, exampleCID, 30)}, 0, StatusOther, [NumStatus]uint64{StatusOther: 1}},
		{"empty packets", [][]byte{longPacket(2, exampleCID, 0), longPacket(1, exampleCID, 0), b}, 1, StatusOpened, [NumStatus]uint64{StatusOpened: 1, StatusOther: 2}},
		{"a bad one first", [][]byte{bad, b}, 1, StatusOpened, [NumStatus]uint64{StatusOpened: 1, StatusSealed: 1}},
		{"padding", [][]byte{a, make([]byte, 700)}, 1, StatusOpened, [NumStatus]uint64{StatusOpened: 1}},
		{"a short header", [][]byte{a, {0x40}, b}, 1, StatusOpened, [NumStatus]uint64{StatusOpened: 1}},
		{"another connection ID", [][]byte{a, c, b}, 1, StatusOpened, [NumStatus]uint64{StatusOpened: 1}},
		{"the second cut", [][]byte{a, b[:len(b)-1]}, 1, StatusOpened, [NumStatus]uint64{StatusOpened: 1, StatusMalformed: 1}},
	} {
		o := new(Opener)
		res := o.Client(bytes.Join(tc.packets, nil), nil)
		if res.Status != tc.status || len(res.Crypto) != tc.crypto || o.Stats.Packets != tc.counts {
			t.Errorf("%s: %+v, %+v", tc.name, res, o.Stats)
		}
	}
}

// A datagram makes the sensor do a bounded amount of work, whatever is in it.
func TestBounds(t *testing.T) {
	packet := v1Sender().seal(t, cryptoFrame(0, []byte("x")))
	bad := bytes.Clone(packet)
	bad[len(bad)-1] ^= 1

	o := new(Opener)
	o.Client(bytes.Repeat(packet, maxDatagram/len(packet)), nil)
	if o.Stats.Packets[StatusOpened] != maxPackets {
		t.Errorf("%+v", o.Stats)
	}
	o = new(Opener)
	res := o.Client(bytes.Repeat(bad, maxDatagram/len(bad)), []byte("not its own"))
	if o.Stats.Attempts != maxAttempts || o.Stats.Derived != 2 || o.Stats.Packets[StatusSealed] != maxPackets {
		t.Errorf("%+v", o.Stats)
	}
	if res.Status != StatusSealed {
		t.Errorf("%+v", res)
	}
	o = new(Opener)
	o.Client(bytes.Repeat(longPacket(2, nil, 0), maxDatagram/10), nil)
	if o.Stats.Packets[StatusOther] != maxPackets {
		t.Errorf("%+v", o.Stats)
	}
	if res := o.Client(append(packet, make([]byte, maxDatagram+1-len(packet))...), nil); res.Status != StatusNone {
		t.Errorf("a datagram that cannot be: %+v", res)
	}
	large := v1Sender()
	large.token = make([]byte, 40000)
	packet = large.seal(t, append(cryptoFrame(0, make([]byte, 20000)), make([]byte, 5400)...))
	if res := o.Client(packet, nil); res.Status != StatusOpened || len(res.Token) != 40000 || len(res.Crypto[0].Data) != 20000 {
		t.Errorf("%d bytes: %v", len(packet), res.Status)
	}
}

func TestFrames(t *testing.T) {
	const huge = "ffffffffffffffff" // the largest variable-length integer
	hello := cryptoFrame(0, []byte("hello"))
	for _, tc := range []struct {
		name   string
		frames []byte
		crypto int
		bad    bool
		closed bool
	}{
		{name: "nothing but padding", frames: make([]byte, 1000)},
		{name: "PING, ACK, ACK with ECN counts", frames: append(unhex(t, "01 02 05 00 02 01 0101 4001 80000002 01 03 05 00 00 00 01 02 03 000000"), hello...), crypto: 1},
		{name: "CONNECTION_CLOSE", frames: append(bytes.Clone(hello), unhex(t, "1c 0a 06 00 06")...), crypto: 1, closed: true},
		{name: "an empty CRYPTO frame", frames: append(cryptoFrame(9, nil), hello...), crypto: 1},
		{name: "up to 64 KiB", frames: cryptoFrame(1<<16-5, []byte("hello")), crypto: 1},
		{name: "beyond 64 KiB", frames: append(bytes.Clone(hello), cryptoFrame(1<<16-4, []byte("hello"))...), crypto: 1, bad: true},
		{name: "a huge offset", frames: unhex(t, "06"+huge+"01 00 00"), bad: true},
		{name: "a huge length", frames: unhex(t, "06 00"+huge+"00"), bad: true},
		{name: "a length beyond the packet", frames: unhex(t, "06 00 05 01020304"), bad: true},
		{name: "an offset cut short", frames: unhex(t, "0000 06 80 00"), bad: true},
		{name: "no length", frames: unhex(t, "000000 06 00"), bad: true},
		{name: "huge ACK ranges", frames: unhex(t, "02 00 00"+huge+"00 00"), bad: true},
		{name: "ACK ranges cut short", frames: unhex(t, "02 00 00 02 00 00 40"), bad: true},
		{name: "ECN counts cut short", frames: unhex(t, "03 00 00 00 00 01 02"), bad: true},
		{name: "a STREAM frame", frames: append(bytes.Clone(hello), 0x08, 0, 0), crypto: 1, bad: true},
		{name: "an application's CONNECTION_CLOSE", frames: unhex(t, "1d 00 00 00"), bad: true},
	} {
		o := new(Opener)
		res := o.Client(v1Sender().seal(t, tc.frames), nil)
		if res.Status != StatusOpened || len(res.Crypto) != tc.crypto || res.Closed != tc.closed || o.Stats.BadFrames != 0 != tc.bad {
			t.Errorf("%s: %+v, %+v", tc.name, res, o.Stats)
		}
	}

	var many []byte
	for i := range maxCrypto + 10 {
		many = append(many, cryptoFrame(i, []byte{byte(i)})...)
	}
	o := new(Opener)
	res := o.Client(v1Sender().seal(t, many), nil)
	if len(res.Crypto) != maxCrypto || o.Stats.Dropped != 10 || o.Stats.BadFrames != 0 {
		t.Errorf("%d CRYPTO frames, %+v", len(res.Crypto), o.Stats)
	}
}

// What an Opener says of a datagram does not depend on what it saw before.
func TestCacheIsNoMemory(t *testing.T) {
	shared := new(Opener)
	for round := range 3 {
		for i := range 4 * cacheSize {
			s := v1Sender()
			if i%2 == 1 {
				s = v2Sender()
			}
			s.dcid = binary.BigEndian.AppendUint64(nil, uint64(i/4)*0x9e3779b97f4a7c15)
			s.server = i%4 >= 2
			packet := s.seal(t, cryptoFrame(i, []byte("hello")))
			for _, server := range []bool{false, true} {
				want := StatusSealed
				if server == s.server {
					want = StatusOpened
				}
				if res := shared.open(packet, s.dcid, server); res.Status != want {
					t.Fatalf("round %d, packet %d: %+v", round, i, res)
				}
			}
		}
	}
}

// A caller may hand in any connection ID.
func TestConnectionIDs(t *testing.T) {
	s := v1Sender()
	s.keyCID = s.dcid
	s.dcid = []byte("chosen by the server")
	packet := s.seal(t, cryptoFrame(0, []byte("hello")))
	o := new(Opener)
	tries := uint64(300) // by the packet's own
	for n := range 300 {
		if res := o.Client(packet, make([]byte, n)); res.Status != StatusSealed {
			t.Fatalf("%d zeros: %+v", n, res)
		}
		if res := o.Server(packet, make([]byte, n)); res.Status != StatusSealed {
			t.Fatalf("%d zeros: %+v", n, res)
		}
		if n == 0 || n > maxCID {
			continue
		}
		tries += 2
	}
	if o.Stats.Attempts != tries {
		t.Errorf("%d attempts, want %d", o.Stats.Attempts, tries)
	}
	if res := o.Client(packet, s.keyCID); res.Status != StatusOpened || !bytes.Equal(res.DCID, s.keyCID) {
		t.Errorf("%+v", res)
	}
	for n := range 256 {
		want := StatusOpened
		if n > maxCID {
			want = StatusMalformed
		}
		s := v1Sender()
		s.scid = make([]byte, n)
		if res := o.Client(s.seal(t, make([]byte, 100)), nil); res.Status != want {
			t.Fatalf("a source connection ID of %d bytes: %+v", n, res)
		}
		if s.scid, s.dcid = nil, make([]byte, n); n == 0 {
			continue // no client begins so
		}
		if res := o.Client(s.seal(t, make([]byte, 100)), nil); res.Status != want {
			t.Fatalf("a destination connection ID of %d bytes: %+v", n, res)
		}
	}
}

func TestVersionNegotiation(t *testing.T) {
	o := new(Opener)
	packet := unhex(t, "ff 00000000 02 aabb 03 112233 00000001 6b3343cf")
	if res := o.Server(packet, exampleCID); res.Status != StatusNegotiation || !bytes.Equal(res.SCID, []byte{0x11, 0x22, 0x33}) {
		t.Errorf("%+v", res)
	}
	for n := 7; n < len(packet); n++ {
		want := StatusMalformed
		if n == len(packet)-4 {
			want = StatusNegotiation
		}
		if res := o.Server(packet[:n], exampleCID); res.Status != want {
			t.Errorf("%d bytes: %+v", n, res)
		}
	}
}
