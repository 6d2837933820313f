package decode

import (
	"encoding/binary"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// A capture is one file of the corpus, by its line in index.csv.
type capture struct {
	path, category string
	tags           []string
}

// captures lists the corpus.
func captures(t testing.TB) []capture {
	t.Helper()
	dir := testshared.Dir(t, "corpus")
	f, err := os.Open(filepath.Join(dir, "index.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	var all []capture
	for _, row := range rows[1:] {
		all = append(all, capture{
			path:     filepath.Join(dir, row[column["file"]]),
			category: row[column["category"]],
			tags:     strings.Fields(row[column["tags"]]),
		})
	}
	return all
}

// eachFrame calls f with every frame of a pcap or pcapng file, numbered from 1, up
// to the first thing that it does not understand. It is this test's own reader, to
// be independent of the one that the product uses.
func eachFrame(t testing.TB, path string, f func(number int, link uint32, data []byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 24 {
		return
	}
	switch order := binary.ByteOrder(binary.LittleEndian); binary.LittleEndian.Uint32(b) {
	case 0xd4c3b2a1, 0x4d3cb2a1:
		order = binary.BigEndian
		fallthrough
	case 0xa1b2c3d4, 0xa1b23c4d:
		eachPcap(b[24:], order, order.Uint32(b[20:])&0xffff, f)
	case 0x0a0d0d0a:
		eachPcapng(b, f)
	}
}

func eachPcap(b []byte, order binary.ByteOrder, link uint32, f func(int, uint32, []byte)) {
	for n := 1; len(b) >= 16; n++ {
		size := int(order.Uint32(b[8:]))
		if size > len(b)-16 {
			return
		}
		f(n, link, b[16:16+size])
		b = b[16+size:]
	}
}

func eachPcapng(b []byte, f func(int, uint32, []byte)) {
	var order binary.ByteOrder = binary.LittleEndian
	var links []uint32
	n := 0
	for len(b) >= 12 {
		kind := order.Uint32(b)
		if kind == 0x0a0d0d0a {
			if order = binary.LittleEndian; order.Uint32(b[8:]) != 0x1a2b3c4d {
				order = binary.BigEndian
			}
			links = nil
		}
		size := int(order.Uint32(b[4:]))
		if size < 12 || size > len(b) {
			return
		}
		body := b[8 : size-4]
		b = b[size:]
		var iface, captured, at int
		switch {
		case kind == 1 && len(body) >= 8:
			links = append(links, uint32(order.Uint16(body)))
			continue
		case kind == 6 && len(body) >= 20:
			iface, captured, at = int(order.Uint32(body)), int(order.Uint32(body[12:])), 20
		case kind == 2 && len(body) >= 20:
			iface, captured, at = int(order.Uint16(body)), int(order.Uint32(body[12:])), 20
		case kind == 3 && len(body) >= 4:
			captured, at = min(int(order.Uint32(body)), len(body)-4), 4
		default:
			continue
		}
		n++
		if iface < len(links) && captured <= len(body)-at {
			f(n, links[iface], body[at:at+captured])
		}
	}
}
