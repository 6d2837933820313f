package enrich

import (
	"slices"
	"strings"
	"testing"
)

// handmade is a database of IPv4 whose tree is made by hand: node i is a pair of
// records of 24 bits; record len(nodes)+16 is its only data.
func handmade(nodes [][2]uint32) []byte {
	var b []byte
	for _, n := range nodes {
		for _, r := range n {
			b = append(b, byte(r>>16), byte(r>>8), byte(r))
		}
	}
	b = append(b, make([]byte, 16)...)
	str := func(s string) []byte { return append([]byte{0x40 | byte(len(s))}, s...) }
	b = append(b, 0xe1)
	b = slices.Concat(b, str("country_code"), str("GB"), []byte("\xab\xcd\xefMaxMind.com"), []byte{0xe8})
	for _, m := range []struct {
		key   string
		value []byte
	}{
		{"node_count", []byte{0xc2, byte(len(nodes) >> 8), byte(len(nodes))}},
		{"record_size", []byte{0xa1, 24}},
		{"ip_version", []byte{0xa1, 4}},
		{"database_type", str("country")},
		{"binary_format_major_version", []byte{0xa1, 2}},
		{"binary_format_minor_version", []byte{0xa0}},
		{"build_epoch", []byte{0x01, 0x02, 1}}, // an extended type: uint64
		{"description", []byte{0xe0}},
	} {
		b = slices.Concat(b, str(m.key), m.value)
	}
	return b
}

// A tree whose branches meet again has more leaves than anybody can visit: two
// to the power of 32 here. Such a file can be written by hand alone, and opening it
// must not hang the sensor.
func TestCircles(t *testing.T) {
	good := write(t, "good.mmdb", handmade([][2]uint32{{1, 2 + 16}, {2, 2 + 16}})) // 0/2 has none, 64/2 and 128/1 have data
	if db := open(t, Config{Country: good}); db.Lookup(addr("64.0.0.1")).Country != "GB" || db.Lookup(addr("1.1.1.1")) != (Place{}) {
		t.Fatal("the handmade database cannot be read: the test says nothing")
	}
	var nodes [][2]uint32
	for i := range uint32(31) {
		nodes = append(nodes, [2]uint32{i + 1, i + 1})
	}
	nodes = append(nodes, [2]uint32{32 + 16, 32 + 16})
	if _, err := Open(Config{Country: write(t, "x.mmdb", handmade(nodes))}); err == nil || !strings.Contains(err.Error(), "its tree runs in circles") {
		t.Errorf("%v", err)
	}
	if _, err := Open(Config{Country: write(t, "x.mmdb", handmade([][2]uint32{{0, 0}}))}); err == nil || !strings.Contains(err.Error(), "the database is damaged") {
		t.Errorf("a node that is its own child: %v", err)
	}
}
