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

// match is Match of one message, as ids.
func match(m *Matcher, msg Message) (ids []uint32, more bool) {
	hits, more := m.Match(&msg, nil)
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids, more
}

func matcher(t testing.TB) *Matcher {
	wireguard := hexPattern(t, 6, udp, FromClient, 0, "01 00 00 00")
	wireguard.Size = 148
	rustdesk := hexPattern(t, 7, udp, FromClient, 0, "32 ?? 0a")
	rustdesk.Length = Field{At: 1, Bytes: 1, Add: 2}
	hamachi := hexPattern(t, 8, tcp, FromClient, 12, "7b 7a 0d ad")
	hamachi.Length = Field{Bytes: 4, Add: 4}
	m, err := Compile([]Pattern{
		rustdesk,
		hamachi,
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
			hits, more := match(m, Message{Proto: r.proto, From: side, Head: head[:n], Size: uint32(n)})
			if found := slices.Contains(hits, uint32(id)); found != (n >= m.End(uint32(id))) {
				t.Errorf("%s, %d bytes: found %v", r.name, n, found)
			}
			if n < m.End(uint32(id)) && more != (r.proto == tcp) {
				t.Errorf("%s, %d bytes: wants more: %v", r.name, n, more)
			}
		}
		if hits, _ := match(m, Message{Proto: r.proto ^ tcp ^ udp, From: side, Head: head}); len(hits) > 0 {
			t.Errorf("%s in the other transport: %v", r.name, hits)
		}
		if r.from != FromAny && id != 3 {
			if hits, _ := match(m, Message{Proto: r.proto, From: FromServer - side, Head: head}); len(hits) > 0 {
				t.Errorf("%s from the other side: %v", r.name, hits)
			}
		}
	}
}

func TestSize(t *testing.T) {
	m := matcher(t)
	head := append([]byte{1, 0, 0, 0}, make([]byte, 144)...)
	if hits, _ := match(m, Message{Proto: udp, Head: head, Size: 148}); !slices.Equal(hits, []uint32{6}) {
		t.Errorf("148 bytes: %v", hits)
	}
	if hits, _ := match(m, Message{Proto: udp, Head: head[:20], Size: 148}); !slices.Equal(hits, []uint32{6}) {
		t.Errorf("148 bytes on the wire, 20 captured: %v", hits)
	}
	if hits, _ := match(m, Message{Proto: udp, Head: head[:147], Size: 147}); len(hits) > 0 {
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
		{Proto: tcp, Value: []byte("abcd"), Size: 3},
		{Proto: tcp, Value: []byte("abcd"), Size: MaxMessage + 1},
		{Proto: tcp, Value: []byte("abcd"), Size: 9, Length: Field{Bytes: 1}},
		{Proto: tcp, Value: []byte("abcd"), Length: Field{Bytes: 5}},
		{Proto: tcp, Value: []byte("abcd"), Length: Field{Bytes: 1, Shift: 8}},
		{Proto: tcp, Value: []byte("abcd"), Length: Field{At: MaxDepth, Bytes: 1}},
		{Proto: tcp, Value: []byte("abcd"), Token: Token{At: MaxDepth - 3, Has: true}},
		{Proto: udp, Value: []byte("abcd"), Size: 7, Token: Token{At: 4, Has: true}},
		{Proto: udp, Value: []byte("abcd"), First: true},
		{Proto: udp, Value: []byte("abcd"), Size: 3},
	} {
		if _, err := Compile([]Pattern{p}); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}

func TestTCPSize(t *testing.T) {
	p := hexPattern(t, 1, tcp, FromClient, 0, "20 00 c8 00")
	p.Size = 6
	m, err := Compile([]Pattern{p})
	if err != nil {
		t.Fatal(err)
	}
	head := []byte("\x20\x00\xc8\x00\x01\x02\x03")
	for n := 1; n <= len(head); n++ {
		ids, more := match(m, Message{Proto: tcp, Head: head[:n]})
		if (len(ids) == 1) != (n == 6) || more != (n < 6) {
			t.Errorf("%d bytes: %v, more %v", n, ids, more)
		}
	}
	if !m.Fresh(1, 200) {
		t.Error("a message that ends now was taken for one matched before")
	}
}

// A field tells the length: of a datagram at once, of a TCP message when it has
// come whole.
func TestLength(t *testing.T) {
	m := matcher(t)
	peer := []byte("\x32\x0b\x0a\x09123456789")
	for _, size := range []uint32{12, 13, 14} {
		ids, more := match(m, Message{Proto: udp, Head: peer, Size: size})
		if (len(ids) == 1) != (size == 13) || more {
			t.Errorf("datagram of %d bytes: %v, more %v", size, ids, more)
		}
	}
	hamachi := append([]byte("\x00\x00\x01\x80\x00\x01\x00\x00\x00\x00\x00\x00\x7b\x7a\x0d\xad"), make([]byte, 400)...)
	for n := 1; n < len(hamachi); n++ {
		ids, more := match(m, Message{Proto: tcp, Head: hamachi[:n]})
		if slices.Contains(ids, 8) != (n == 0x184) || more != (n < 0x184) {
			t.Errorf("%d bytes: %v, more %v", n, ids, more)
		}
	}
	copy(hamachi, "\x00\x00\x10\x00") // nobody waits for that much
	if ids, more := match(m, Message{Proto: tcp, Head: hamachi[:16]}); len(ids) > 0 || more {
		t.Errorf("a length of 4,100: %v, more %v", ids, more)
	}
	copy(hamachi, "\x00\x00\x00\x03") // it ends before the pattern does
	if ids, more := match(m, Message{Proto: tcp, Head: hamachi[:16]}); len(ids) > 0 || more {
		t.Errorf("a length of 7: %v, more %v", ids, more)
	}
	f := Field{At: 1, Bytes: 2, LittleEndian: true, Shift: 2, Add: 2}
	if got := f.of([]byte{0, 0x61, 0x01}); got != 0x161>>2+2 {
		t.Errorf("length %d", got)
	}
}

func TestFirst(t *testing.T) {
	p := hexPattern(t, 1, tcp, FromAny, 0, "52 46 42 20")
	p.First = true
	m, err := Compile([]Pattern{p})
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []bool{true, false} {
		for n := 1; n <= 5; n++ {
			ids, more := match(m, Message{Proto: tcp, Head: []byte("RFB 0")[:n], First: first})
			if (len(ids) == 1) != (first && n >= 4) || more != (first && n < 4) {
				t.Errorf("first %v, %d bytes: %v, more %v", first, n, ids, more)
			}
		}
	}
}

func TestToken(t *testing.T) {
	p := hexPattern(t, 1, udp, FromClient, 0, "01 00 00 00")
	p.Token = Token{At: 4, Has: true}
	m, err := Compile([]Pattern{p, hexPattern(t, 2, udp, FromClient, 0, "01 00 00 00")})
	if err != nil {
		t.Fatal(err)
	}
	head := []byte("\x01\x00\x00\x00\xd8\x37\xd0\x30")
	got, _ := m.Match(&Message{Proto: udp, Head: head, Size: 148}, nil)
	if !slices.Equal(got, []Hit{{1, 0xd837d030}, {2, 0}}) {
		t.Errorf("hits %x", got)
	}
	if got, _ := m.Match(&Message{Proto: udp, Head: head[:7], Size: 7}, nil); !slices.Equal(got, []Hit{{2, 0}}) {
		t.Errorf("cut in the token: %x", got)
	}
}

// naive is Match without any of its shortcuts.
func naive(patterns []Pattern, msg Message) (hits []Hit, more bool) {
	at := func(i int) (byte, bool) {
		if i < len(msg.Head) {
			return msg.Head[i], true
		}
		return 0, false
	}
	for _, p := range patterns {
		if p.Proto != msg.Proto || p.From != FromAny && p.From != msg.From || p.First && !msg.First {
			continue
		}
		ok, whole := true, true
		for i := range p.Value {
			b, there := at(int(p.At) + i)
			ok = ok && (!there || b&p.Mask[i] == p.Value[i]&p.Mask[i])
			whole = whole && there
		}
		size, want, token := int64(len(msg.Head)), int64(p.Size), uint32(0)
		if p.Proto == udp {
			size = int64(msg.Size)
		}
		if p.Length.Bytes > 0 {
			var v uint64
			for i := range int(p.Length.Bytes) {
				b, there := at(int(p.Length.At) + i)
				whole = whole && there
				if p.Length.LittleEndian {
					v += uint64(b) << (8 * i)
				} else {
					v = v*256 + uint64(b)
				}
			}
			want = int64(v>>p.Length.Shift) + int64(p.Length.Add)
		}
		if p.Token.Has {
			for i := range 4 {
				b, there := at(int(p.Token.At) + i)
				whole = whole && there
				token = token<<8 | uint32(b)
			}
		}
		switch {
		case !ok, p.Size > 0 && size > want, p.Size > 0 && p.Proto == udp && size != want:
		case whole && (p.Size == 0 && p.Length.Bytes == 0 || want == size):
			hits = append(hits, Hit{p.ID, token})
		case p.Proto == tcp && (!whole || want > size && want <= MaxMessage):
			more = true
		}
	}
	return hits, more
}

// draw is any pattern of few different bytes, so that patterns agree often.
func draw(t *rapid.T, id int, few *rapid.Generator[byte]) Pattern {
	n := rapid.IntRange(2, 5).Draw(t, "len")
	p := Pattern{
		ID: uint32(id), Proto: rapid.SampledFrom([]uint8{tcp, udp}).Draw(t, "proto"),
		From:  rapid.SampledFrom([]Side{FromClient, FromServer, FromAny}).Draw(t, "from"),
		At:    uint16(rapid.IntRange(0, 3).Draw(t, "at")),
		Value: rapid.SliceOfN(few, n, n).Draw(t, "value"),
		Mask:  rapid.SliceOfN(rapid.SampledFrom([]byte{0xff, 0xf0, 0x0f, 0}), n, n).Draw(t, "mask"),
		First: rapid.Bool().Draw(t, "first"),
	}
	switch rapid.IntRange(0, 3).Draw(t, "size") {
	case 0:
		p.Size = uint32(int(p.At) + n + rapid.IntRange(0, 3).Draw(t, "size"))
	case 1:
		p.Length = Field{
			At: uint16(rapid.IntRange(0, 4).Draw(t, "length at")), Bytes: uint8(rapid.IntRange(1, 4).Draw(t, "bytes")),
			LittleEndian: rapid.Bool().Draw(t, "little"), Shift: uint8(rapid.SampledFrom([]int{0, 2, 7}).Draw(t, "shift")),
			Add: int32(rapid.IntRange(-2, 9).Draw(t, "add")),
		}
	}
	if rapid.Bool().Draw(t, "has token") {
		p.Token = Token{At: uint16(rapid.IntRange(0, 6).Draw(t, "token at")), Has: true}
	}
	return p
}

func TestAgainstNaive(t *testing.T) {
	few := rapid.SampledFrom([]byte{0, 1, 0x80, 0xff})
	rapid.Check(t, func(t *rapid.T) {
		var patterns []Pattern
		for i := range rapid.IntRange(1, 12).Draw(t, "patterns") {
			p := draw(t, i, few)
			if _, err := Compile([]Pattern{p}); err == nil {
				patterns = append(patterns, p)
			}
		}
		m, err := Compile(patterns)
		if err != nil {
			t.Fatal(err)
		}
		head := rapid.SliceOfN(few, 0, 12).Draw(t, "head")
		msg := Message{
			Proto: rapid.SampledFrom([]uint8{tcp, udp}).Draw(t, "of"),
			From:  rapid.SampledFrom([]Side{FromClient, FromServer}).Draw(t, "by"),
			Head:  head, Size: uint32(len(head) + rapid.IntRange(0, 1).Draw(t, "cut")),
			First: rapid.Bool().Draw(t, "speaks first"),
		}
		got, more := m.Match(&msg, nil)
		want, wantMore := naive(patterns, msg)
		if len(head) == 0 {
			want, wantMore = nil, false
		}
		slices.SortFunc(got, func(a, b Hit) int { return int(a.ID) - int(b.ID) })
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
		ids, _ := match(m, Message{Proto: proto, From: from, Head: head, Size: uint32(len(head)), First: true})
		for _, id := range ids {
			if m.End(id) > len(head) {
				t.Fatalf("pattern %d ends beyond %d bytes", id, len(head))
			}
		}
	})
}

func TestMatchDoesNotAllocate(t *testing.T) {
	m := matcher(t)
	head, _ := hex.DecodeString(real[2].head)
	dst := make([]Hit, 0, 8)
	if n := testing.AllocsPerRun(100, func() { dst, _ = m.Match(&Message{Proto: tcp, Head: head}, dst[:0]) }); n != 0 || len(dst) != 1 {
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
		m.Match(&Message{Proto: tcp, Head: head}, nil)
	}
}

// As BenchmarkMiss, with patterns at the offsets that the rules have.
func BenchmarkMissAtOffsets(b *testing.B) {
	var patterns []Pattern
	for i := range 500 {
		p := Pattern{ID: uint32(i), Proto: tcp, Value: []byte{byte(i % 200), byte(i / 200), 1, 2}}
		if i%10 == 0 {
			p.At = []uint16{1, 2, 4, 12, 27}[i/10%5]
		}
		patterns = append(patterns, p)
	}
	m, err := Compile(patterns)
	if err != nil {
		b.Fatal(err)
	}
	head := bytes.Repeat([]byte{0xfe}, 64)
	b.ReportAllocs()
	for b.Loop() {
		m.Match(&Message{Proto: tcp, Head: head}, nil)
	}
}
