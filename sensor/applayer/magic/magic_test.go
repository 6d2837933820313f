package magic

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func hexPattern(t testing.TB, id uint32, proto uint8, from Side, at uint16, s string) Pattern {
	t.Helper()
	v, m, err := ParseHex(s)
	if err != nil {
		t.Fatal(err)
	}
	return Pattern{ID: id, Proto: proto, From: from, At: at, Value: v, Mask: m}
}

// Real first bytes, as captures of these tools show them.
var real = []struct {
	name  string
	proto uint8
	from  Side
	head  string
}{
	{"radmin", tcp, FromClient, "01000000010000000808"},
	{"rfb", tcp, FromServer, "524642203030332e3030380a"},
	{"screenconnect", tcp, FromClient, "87151000000000000000000000000000000001aa"},
	{"teamviewer", tcp, FromClient, "17240a20000000000000000000480080000100000014"},
	{"rdp", tcp, FromClient, "030000130ee000000000000100080003000000"},
	{"tailscale disco", udp, FromAny, "5453f09f92ac00112233"},
}

func matcher(t testing.TB) *Matcher {
	wireguard := hexPattern(t, 6, udp, FromClient, 0, "01 00 00 00")
	wireguard.Size = 148
	m, err := Compile([]Pattern{
		hexPattern(t, 0, tcp, FromClient, 0, "01 00 00 00 01 00 00 00 08 08"),
		hexPattern(t, 1, tcp, FromServer, 0, "52 46 42 20 30 30 3?"),
		hexPattern(t, 2, tcp, FromClient, 0, "87 ?? 10 00000000000000000000000000"),
		hexPattern(t, 3, tcp, FromAny, 0, "17240a20"),
		hexPattern(t, 4, tcp, FromClient, 5, "e0 00 00 00 00 00 01 ?? 08 00"),
		hexPattern(t, 5, udp, FromAny, 0, "54 53 f0 9f 92 ac"),
		wireguard,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Each is found when the last byte of its pattern is there, wants more before,
// and is not found on the other side or in the other transport.
func TestRealBytesCutEverywhere(t *testing.T) {
	m := matcher(t)
	for id, r := range real {
		head, err := hex.DecodeString(r.head)
		if err != nil {
			t.Fatal(err)
		}
		side := r.from
		if side == FromAny {
			side = FromClient
		}
		for n := 1; n <= len(head); n++ {
			hits, more := m.Match(r.proto, side, head[:n], uint32(n), nil)
			if found := slices.Contains(hits, uint32(id)); found != (n >= m.End(uint32(id))) {
				t.Errorf("%s, %d bytes: found %v", r.name, n, found)
			}
			if n < m.End(uint32(id)) && more != (r.proto == tcp) {
				t.Errorf("%s, %d bytes: wants more: %v", r.name, n, more)
			}
		}
		if hits, _ := m.Match(r.proto^tcp^udp, side, head, 0, nil); len(hits) > 0 {
			t.Errorf("%s in the other transport: %v", r.name, hits)
		}
		if r.from != FromAny && id != 3 {
			if hits, _ := m.Match(r.proto, FromServer-side, head, 0, nil); len(hits) > 0 {
				t.Errorf("%s from the other side: %v", r.name, hits)
			}
		}
	}
}

func TestSize(t *testing.T) {
	m := matcher(t)
	head := append([]byte{1, 0, 0, 0}, make([]byte, 144)...)
	if hits, _ := m.Match(udp, FromClient, head, 148, nil); !slices.Equal(hits, []uint32{6}) {
		t.Errorf("148 bytes: %v", hits)
	}
	if hits, _ := m.Match(udp, FromClient, head[:20], 148, nil); !slices.Equal(hits, []uint32{6}) {
		t.Errorf("148 bytes on the wire, 20 captured: %v", hits)
	}
	if hits, _ := m.Match(udp, FromClient, head[:147], 147, nil); len(hits) > 0 {
		t.Errorf("147 bytes: %v", hits)
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, p := range []Pattern{
		{Proto: 1, Value: []byte("abcd")},
		{Proto: tcp, From: 3, Value: []byte("abcd")},
		{Proto: tcp, Value: []byte("abcd"), Mask: []byte{0xff}},
		{Proto: tcp, Value: []byte("abcd"), At: MaxDepth - 3},
		{Proto: tcp, Value: []byte("a")},
		{Proto: tcp, Value: []byte("abcd"), Mask: []byte{0xf, 0, 0, 0}},
		{Proto: tcp, Value: []byte("abcd"), Size: 10},
		{Proto: udp, Value: []byte("abcd"), Size: 3},
	} {
		if _, err := Compile([]Pattern{p}); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}

// naive is Match without any of its shortcuts.
func naive(patterns []Pattern, proto uint8, from Side, head []byte, size uint32) (hits []uint32, more bool) {
	for _, p := range patterns {
		if p.Proto != proto || p.From != FromAny && p.From != from || p.Size != 0 && p.Size != size {
			continue
		}
		ok := true
		for i := range p.Value {
			at := int(p.At) + i
			ok = ok && (at >= len(head) || head[at]&p.Mask[i] == p.Value[i]&p.Mask[i])
		}
		switch {
		case !ok:
		case len(head) >= int(p.At)+len(p.Value):
			hits = append(hits, p.ID)
		case proto == tcp:
			more = true
		}
	}
	return hits, more
}

func TestAgainstNaive(t *testing.T) {
	few := rapid.SampledFrom([]byte{0, 1, 0x80, 0xff}) // so that patterns agree often
	rapid.Check(t, func(t *rapid.T) {
		var patterns []Pattern
		for i := range rapid.IntRange(1, 12).Draw(t, "patterns") {
			n := rapid.IntRange(2, 5).Draw(t, "len")
			p := Pattern{
				ID: uint32(i), Proto: rapid.SampledFrom([]uint8{tcp, udp}).Draw(t, "proto"),
				From:  rapid.SampledFrom([]Side{FromClient, FromServer, FromAny}).Draw(t, "from"),
				At:    uint16(rapid.IntRange(0, 3).Draw(t, "at")),
				Value: rapid.SliceOfN(few, n, n).Draw(t, "value"),
				Mask:  rapid.SliceOfN(rapid.SampledFrom([]byte{0xff, 0xf0, 0x0f, 0}), n, n).Draw(t, "mask"),
			}
			if p.Proto == udp && rapid.Bool().Draw(t, "sized") {
				p.Size = uint32(int(p.At) + n + rapid.IntRange(0, 2).Draw(t, "size"))
			}
			if _, err := Compile([]Pattern{p}); err == nil {
				patterns = append(patterns, p)
			}
		}
		m, err := Compile(patterns)
		if err != nil {
			t.Fatal(err)
		}
		head := rapid.SliceOfN(few, 0, 10).Draw(t, "head")
		proto := rapid.SampledFrom([]uint8{tcp, udp}).Draw(t, "of")
		from := rapid.SampledFrom([]Side{FromClient, FromServer}).Draw(t, "by")
		size := uint32(len(head) + rapid.IntRange(0, 1).Draw(t, "cut"))
		got, more := m.Match(proto, from, head, size, nil)
		want, wantMore := naive(patterns, proto, from, head, size)
		if len(head) == 0 {
			want, wantMore = nil, false
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || more != wantMore {
			t.Fatalf("got %v %v, want %v %v", got, more, want, wantMore)
		}
	})
}

func FuzzParseHex(f *testing.F) {
	f.Add("87 ?? 10 0? 00")
	f.Add("8")
	f.Add("zz")
	f.Fuzz(func(t *testing.T, s string) {
		v, m, err := ParseHex(s)
		if err != nil {
			return
		}
		var again bytes.Buffer
		for i := range v {
			for _, half := range []struct{ v, m byte }{{v[i] >> 4, m[i] >> 4}, {v[i] & 15, m[i] & 15}} {
				if half.m == 0 {
					again.WriteByte('?')
				} else {
					fmt.Fprintf(&again, "%x", half.v)
				}
			}
		}
		v2, m2, err := ParseHex(again.String())
		if err != nil || !bytes.Equal(v, v2) || !bytes.Equal(m, m2) {
			t.Fatalf("%q became %q: %x %x, %v", s, again.String(), v2, m2, err)
		}
	})
}

func FuzzMatch(f *testing.F) {
	m := matcher(f)
	for _, r := range real {
		b, _ := hex.DecodeString(r.head)
		f.Add(b, r.proto == udp, r.from == FromServer)
	}
	f.Fuzz(func(t *testing.T, head []byte, isUDP, server bool) {
		proto, from := uint8(tcp), FromClient
		if isUDP {
			proto = udp
		}
		if server {
			from = FromServer
		}
		hits, _ := m.Match(proto, from, head, uint32(len(head)), nil)
		for _, id := range hits {
			if m.End(id) > len(head) {
				t.Fatalf("pattern %d ends beyond %d bytes", id, len(head))
			}
		}
	})
}

func TestMatchDoesNotAllocate(t *testing.T) {
	m := matcher(t)
	head, _ := hex.DecodeString(real[2].head)
	dst := make([]uint32, 0, 8)
	if n := testing.AllocsPerRun(100, func() { dst, _ = m.Match(tcp, FromClient, head, 0, dst[:0]) }); n != 0 || len(dst) != 1 {
		t.Errorf("%v allocations, %d hits", n, len(dst))
	}
}

func BenchmarkMiss(b *testing.B) {
	var patterns []Pattern
	for i := range 500 {
		patterns = append(patterns, Pattern{ID: uint32(i), Proto: tcp, Value: []byte{byte(i % 200), byte(i / 200), 1, 2}})
	}
	m, err := Compile(patterns)
	if err != nil {
		b.Fatal(err)
	}
	head := []byte("\xfe\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	b.ReportAllocs()
	for b.Loop() {
		m.Match(tcp, FromClient, head, 0, nil)
	}
}
