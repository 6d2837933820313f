package quic

import (
	"encoding/binary"
	"testing"
)

// known returns an Opener with the keys of the RFC's client, and its datagram.
func known(t testing.TB) (*Opener, []byte) {
	o, packet := new(Opener), vector(t, "rfc9001-a2-client")
	if res := o.Client(packet, nil); res.Status != StatusOpened {
		t.Fatalf("%+v", res)
	}
	return o, packet
}

// fresh gives an otherwise good datagram the i-th connection ID. It will not
// authenticate; the work is the same.
func fresh(packet []byte, i uint64) { binary.BigEndian.PutUint64(packet[6:], i) }

func TestAllocs(t *testing.T) {
	o, packet := known(t)
	if n := testing.AllocsPerRun(100, func() { o.Client(packet, exampleCID) }); n != 0 {
		t.Errorf("known connection: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { LooksLikeInitial(packet) }); n != 0 {
		t.Errorf("LooksLikeInitial: %v allocations", n)
	}
	i := uint64(0)
	if n := testing.AllocsPerRun(100, func() { i++; fresh(packet, i); o.Client(packet, nil) }); n > 3 {
		t.Errorf("new connection: %v allocations", n)
	}
	if o.Stats.Derived < 100 {
		t.Errorf("%+v: the keys were not new", o.Stats)
	}
}

func BenchmarkKnownConnection(b *testing.B) {
	o, packet := known(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(packet)))
	for b.Loop() {
		o.Client(packet, exampleCID)
	}
}

func BenchmarkNewConnection(b *testing.B) {
	o, packet := known(b)
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		i++
		fresh(packet, i)
		o.Client(packet, nil)
	}
}

// BenchmarkHostile is the dearest datagram: as many packets as are looked at,
// each tried with two keys until the attempts are used up.
func BenchmarkHostile(b *testing.B) {
	o := new(Opener)
	var datagram []byte
	for range maxPackets {
		datagram = append(datagram, v1Sender().seal(b, make([]byte, 8000))...)
		datagram[len(datagram)-1] ^= 1
	}
	var odcid [8]byte
	i := uint64(0)
	b.ReportAllocs()
	b.SetBytes(int64(len(datagram)))
	for b.Loop() {
		i++
		binary.BigEndian.PutUint64(odcid[:], i)
		o.Client(datagram, odcid[:])
	}
}

func BenchmarkLooksLikeInitial(b *testing.B) {
	_, packet := known(b)
	b.Run("Initial", func(b *testing.B) {
		for b.Loop() {
			LooksLikeInitial(packet)
		}
	})
	packet[0] = 0x16
	b.Run("other", func(b *testing.B) {
		for b.Loop() {
			LooksLikeInitial(packet)
		}
	})
}
