package quic

import (
	"bytes"
	"testing"
)

// check demands of a Result what its documentation promises.
func check(t *testing.T, o *Opener, res Result, datagram []byte) {
	t.Helper()
	if len(res.Crypto) > maxCrypto {
		t.Fatalf("%d CRYPTO frames", len(res.Crypto))
	}
	total := 0
	for _, c := range res.Crypto {
		if len(c.Data) == 0 || c.Offset+uint64(len(c.Data)) > maxOffset {
			t.Fatalf("CRYPTO frame at %d with %d bytes", c.Offset, len(c.Data))
		}
		total += len(c.Data)
	}
	if total > len(datagram) {
		t.Fatalf("%d CRYPTO bytes in a datagram of %d", total, len(datagram))
	}
	if res.Status != StatusOpened && (res.DCID != nil || len(res.Crypto) > 0 || res.Closed) {
		t.Fatalf("not opened, but %+v", res)
	}
	var packets uint64
	for _, n := range o.Stats.Packets {
		packets += n
	}
	if packets > maxPackets || o.Stats.Attempts > maxAttempts || o.Stats.Derived > o.Stats.Attempts {
		t.Fatalf("too much work: %+v", o.Stats)
	}
}

// FuzzOpen gives any bytes as a datagram.
func FuzzOpen(f *testing.F) {
	for _, name := range []string{"rfc9001-a2-client", "rfc9369-a2-client", "rfc9001-a3-server", "rfc9369-a3-server"} {
		f.Add(vector(f, name), exampleCID, false)
		f.Add(vector(f, name), exampleCID, true)
	}
	s := v1Sender()
	s.token, s.scid = []byte("token"), []byte("client")
	f.Add(append(s.seal(f, cryptoFrame(3, []byte("hello"))), longPacket(2, exampleCID, 40)...), []byte(nil), false)
	f.Add(append(longPacket(1, exampleCID, 0), s.seal(f, cryptoFrame(3, []byte("hello")))...), []byte("another"), false)
	f.Add([]byte("\xff\x00\x00\x00\x00\x02ab\x03cde\x00\x00\x00\x01"), exampleCID, true)
	f.Add([]byte("\xff\x00\x00\x00\x01\x00\x08ABCDEFGHtoken0123456789abcdef"), exampleCID, true)
	f.Fuzz(func(t *testing.T, datagram, odcid []byte, server bool) {
		before := bytes.Clone(datagram)
		o := new(Opener)
		res := o.open(datagram, odcid, server)
		check(t, o, res, datagram)
		if !bytes.Equal(before, datagram) {
			t.Fatal("the datagram was changed")
		}
		o.Stats = Stats{}
		again := o.open(datagram, odcid, server) // with cached keys
		check(t, o, again, datagram)
		if again.Status != res.Status || len(again.Crypto) != len(res.Crypto) || !bytes.Equal(again.DCID, res.DCID) {
			t.Fatalf("first %+v, then %+v", res, again)
		}
	})
}

// FuzzFrames seals any bytes as the frames of an Initial, which a hostile
// sender can do as well.
func FuzzFrames(f *testing.F) {
	f.Add(append([]byte("\x01\x02\x05\x00\x01\x01\x00\x00\x00"), cryptoFrame(0, []byte("hello"))...))
	f.Add(append(cryptoFrame(1200, []byte("world")), "\x03\x00\x00\x00\x00\x01\x02\x03\x1c\x0a\x06\x00"...))
	f.Add([]byte("\x06\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"))
	f.Add([]byte("\x02\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, frames []byte) {
		if len(frames) > 16000 {
			return
		}
		datagram := v1Sender().seal(t, frames)
		o := new(Opener)
		res := o.Client(datagram, nil)
		check(t, o, res, datagram)
		if res.Status != StatusOpened {
			t.Fatalf("%+v", res)
		}
		for _, c := range res.Crypto {
			if !bytes.Contains(frames, c.Data) {
				t.Fatalf("CRYPTO data %x is not in the frames", c.Data)
			}
		}
	})
}
