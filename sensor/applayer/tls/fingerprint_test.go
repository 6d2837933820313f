package tls

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// specSuites and specExts are the example of FoxIO's JA4 specification, which
// calls for t13d1516h2_8daaf6152771_e5627efa2ab1; GREASE is added as Chromium does.
var (
	specSuites = []uint16{0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035}
	specExts   = []uint16{0x9a9a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0xeaea}
	specAlgs   = []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}
)

// chromium is a hello of Chromium's shape in one record, with an
// X25519MLKEM768 key share and ECH filler.
func chromium() []byte {
	c := testHello{version: 0x0303, suites: specSuites}
	for _, typ := range append(slices.Clone(specExts), extECH) {
		c.exts = append(c.exts, testExt{typ, chromiumBody(typ)})
	}
	m := c.message()
	return append([]byte{22, 3, 1, byte(len(m) >> 8), byte(len(m))}, m...)
}

func chromiumBody(typ uint16) []byte {
	switch typ {
	case 0:
		return []byte("\x00\x12\x00\x00\x0fwww.example.com")
	case 10:
		return codes16(0x2a2a, 0x11ec, 0x001d, 0x0017, 0x0018)
	case 11:
		return []byte{1, 0}
	case 13:
		return codes16(specAlgs...)
	case 16:
		return []byte("\x00\x0c\x02h2\x08http/1.1")
	case 43:
		return []byte{6, 0xba, 0xba, 3, 4, 3, 3}
	case 51:
		return make([]byte, 1263)
	case extECH:
		return echOuter(32, 208)
	}
	return nil
}

func TestJA4Specification(t *testing.T) {
	c := testHello{version: 0x0303, suites: specSuites}
	for _, typ := range specExts {
		c.exts = append(c.exts, testExt{typ, chromiumBody(typ)})
	}
	h := c.parse(t, Done)
	if got := string(h.AppendJA4([]byte("JA4="), OverTCP)); got != "JA4=t13d1516h2_8daaf6152771_e5627efa2ab1" {
		t.Error(got)
	}
	if got := h.JA4a(OverQUIC); string(got[:]) != "q13d1516h2" {
		t.Errorf("%s", got)
	}
	// Without signature algorithms, the specification's other hash.
	c.exts = slices.DeleteFunc(c.exts, func(e testExt) bool { return e.typ == 13 })
	c.exts = append(c.exts, testExt{13, nil})
	if got := string(c.parse(t, Done).AppendJA4(nil, OverTCP)); got != "t13d1516h2_8daaf6152771_6d807ffa2a79" {
		t.Error(got)
	}
}

func TestJA4ALPN(t *testing.T) {
	for name, want := range map[string]string{
		"": "00", "h2": "h2", "http/1.1": "h1", "x": "xx", "\xab": "ab", "\xab\xcd": "ad", "0\xab": "3b", "01\xab\xcd": "3d", "0\xab\xcd1": "01", "a/": "6f",
	} {
		body := append([]byte{0, byte(len(name) + 1), byte(len(name))}, name...)
		h := testHello{version: 0x0303, exts: []testExt{{16, body}}}.parse(t, Done)
		if a := h.JA4a(OverTCP); string(a[8:]) != want {
			t.Errorf("%q: %s, want %s", name, a[8:], want)
		}
	}
	h := testHello{version: 0x0303, exts: []testExt{{16, []byte{0, 0}}}}.parse(t, Done)
	if a := h.JA4a(OverDTLS); string(a[:]) != "d12i000100" {
		t.Errorf("no protocols: %s", a)
	}
	if got := string(h.AppendJA4(nil, OverTCP)); got != "t12i000100_000000000000_000000000000" {
		t.Errorf("nothing to hash: %s", got)
	}
}

// slowJA4 and slowJA3 say the same in the words of the specifications.
func slowJA4(h *ClientHello, suites, exts, algs []uint16) string {
	word := func(list []uint16, sorted bool, drop ...uint16) string {
		var words []string
		for _, v := range list {
			if v&0x0f0f != 0x0a0a || v>>8 != v&255 {
				if !slices.Contains(drop, v) {
					words = append(words, fmt.Sprintf("%04x", v))
				}
			}
		}
		if sorted {
			slices.Sort(words)
		}
		return strings.Join(words, ",")
	}
	hash := func(s string) string {
		if s == "" {
			return "000000000000"
		}
		return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))[:12]
	}
	count := func(s string) int {
		if s == "" {
			return 0
		}
		return min(99, strings.Count(s, ",")+1)
	}
	c := word(exts, true, 0, 16)
	if s := word(algs, false); c != "" && s != "" {
		c += "_" + s
	}
	a := h.JA4a(OverTCP)
	return fmt.Sprintf("%s%02d%02d%s_%s_%s", a[:4], count(word(suites, false)), count(word(exts, false)), a[8:], hash(word(suites, true)), hash(c))
}

func slowJA3(version uint16, suites, exts, groups []uint16, points []byte) string {
	join := func(list []uint16) string {
		list = slices.DeleteFunc(slices.Clone(list), func(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&255 })
		return strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", "-")
	}
	return fmt.Sprintf("%d,%s,%s,%s,%s", version, join(suites), join(exts), join(groups), strings.ReplaceAll(strings.Trim(fmt.Sprint(points), "[]"), " ", "-"))
}

func TestFingerprintsAgainstSlow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	codes := func(most int) []uint16 {
		list := make([]uint16, rnd.IntN(most+1))
		for i := range list {
			list[i] = uint16(rnd.Uint32())
			switch rnd.IntN(4) {
			case 0:
				list[i] = 0x0a0a * uint16(1+rnd.IntN(3)) // some of them GREASE
			case 1:
				list[i] = uint16(rnd.IntN(50))
			}
		}
		return list
	}
	for range 2000 {
		suites, groups, algs, points := codes(maxValues), codes(maxValues), codes(maxValues), make([]byte, rnd.IntN(256))
		exts := slices.DeleteFunc(codes(maxValues-3), func(v uint16) bool { return v == 10 || v == 11 || v == 13 })
		c := testHello{version: uint16(rnd.Uint32()), suites: suites}
		for _, typ := range exts {
			c.exts = append(c.exts, testExt{typ, nil})
		}
		c.exts = append(c.exts, testExt{10, codes16(groups...)}, testExt{11, append([]byte{byte(len(points))}, points...)}, testExt{13, codes16(algs...)})
		exts = append(exts, 10, 11, 13)
		h := c.parse(t, Done)
		if got, want := string(h.AppendJA4(nil, OverTCP)), slowJA4(h, suites, exts, algs); got != want {
			t.Fatalf("JA4 %s, want %s", got, want)
		}
		text := slowJA3(c.version, suites, exts, groups, points)
		if got := string(h.AppendJA3(nil)); got != text {
			t.Fatalf("JA3\n%s, want\n%s", got, text)
		}
		if got, want := string(h.JA3([]byte("x"))), fmt.Sprintf("x%x", md5.Sum([]byte(text))); got != want {
			t.Fatalf("JA3 %s, want %s", got, want)
		}
	}
}

// TestFingerprintLimits: the longest lists fit the fixed buffers; one more code
// and there is no fingerprint.
func TestFingerprintLimits(t *testing.T) {
	codes := make([]uint16, maxValues+1)
	for i := range codes {
		codes[i] = 0xfff0 // five digits each
	}
	build := func(suites, groups, algs, exts int) *ClientHello {
		c := testHello{version: 0xffff, suites: codes[:suites], exts: []testExt{{10, codes16(codes[:groups]...)}, {13, codes16(codes[:algs]...)}, {11, append([]byte{255}, strings.Repeat("\xff", 255)...)}}}
		for range exts - 3 {
			c.exts = append(c.exts, testExt{0xfff0, nil})
		}
		return c.parse(t, Done)
	}
	full := build(maxValues, maxValues, maxValues, maxValues)
	if text := full.AppendJA3(nil); len(text) == 0 || len(text) > maxJA3 {
		t.Errorf("%d bytes of JA3 text, room for %d", len(text), maxJA3)
	}
	if n := testing.AllocsPerRun(10, func() {
		var buf [64]byte
		full.JA3(buf[:0])
		full.AppendJA4(buf[:0], OverTCP)
	}); n != 0 {
		t.Errorf("%v allocations with full lists", n)
	}
	if a := full.JA4a(OverTCP); string(a[4:8]) != "9999" {
		t.Errorf("counts above 99: %s", a)
	}
	for _, h := range []*ClientHello{build(maxValues+1, 1, 1, 3), build(1, maxValues+1, 1, 3), build(1, 1, maxValues+1, 3), build(1, 1, 1, maxValues+1)} {
		if len(h.AppendJA3(nil)) != 0 || len(h.JA3(nil)) != 0 || len(h.AppendJA4(nil, OverTCP)) != 0 {
			t.Error("a fingerprint beyond the limit")
		}
	}
}
