package session_test

import (
	"encoding/binary"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/session"
)

// FuzzMeter: times are a capture's, and may be anything; sessions still come
// one after another and add up.
func FuzzMeter(f *testing.F) {
	var seed []byte
	for _, p := range person(1, 0, 40*second) {
		seed = binary.LittleEndian.AppendUint64(seed, uint64(p.at))
		seed = binary.LittleEndian.AppendUint16(seed, uint16(p.size))
	}
	f.Add(seed, uint8(30))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x00\x00\x00\x00\x00\x00\x00\x00\x80\x02\x00"), uint8(1)) // the ends of time
	f.Fuzz(func(t *testing.T, data []byte, seconds uint8) {
		c := session.Config{Rate: 50, For: int64(seconds) * second, Quiet: 60 * second}
		var m session.Meter
		open := false
		check := func(ch session.Change) {
			if opened := ch&session.Opened != 0; opened == open && ch != 0 && ch != session.Closed {
				t.Fatalf("%v while open is %v", ch, open)
			}
			if ch == session.Closed && !open {
				t.Fatal("closed what was not open")
			}
			open = ch&session.Opened != 0 || open
			if ch&session.Closed != 0 {
				open = false
			}
			s, ok := m.Session()
			if s.Open != open || open && !ok {
				t.Fatalf("open is %v: %+v %v", open, s, ok)
			}
			if ok && (s.End < s.Start && s.Start < 1<<62 || s.Active <= 0 || s.Active > s.End-s.Start && s.End > s.Start) {
				t.Fatalf("%+v", s)
			}
		}
		for ; len(data) >= 10; data = data[10:] {
			size := binary.LittleEndian.Uint16(data[8:])
			check(m.Add(&c, int64(binary.LittleEndian.Uint64(data)), size&1 == 0, int(size)))
		}
		check(m.End(&c))
		if open {
			t.Fatal("open after the end")
		}
	})
}

func BenchmarkTable(b *testing.B) {
	table := session.NewTable(1<<14, func(uint64, session.Session) {}, func(uint64, session.Session) {})
	c := session.Default
	b.ReportAllocs()
	for i := range b.N {
		table.Add(uint64(i%8000)*0x9e3779b97f4a7c15|1, &c, 1+int64(i)*1000, i&3 == 0, 100)
	}
}
