package capture

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestHugeClaims: a length field of 2 GB and more costs no memory, whether it
// is damage, a frame of a link type that may have it, or a block to pass over.
func TestHugeClaims(t *testing.T) {
	ng := func(link uint16, kind uint32, body ...any) []byte {
		c := &capfile{}
		c.section(littleEndian)
		c.iface(link, 0)
		c.u32(kind, 0xfffffff0)
		c.data = append(c.data, c.body(body...)...)
		return c.data
	}
	pcap := func(link uint32, captured uint32) []byte {
		c := pcapFile(littleEndian, magicMicro, 4, 0, link)
		c.u32(1, 0, captured, captured)
		return c.data
	}
	snoop := &capfile{order: bigEndian, data: []byte(snoopMagic)}
	snoop.u32(2, 4, 0x7fffffff, 100, 0x7fffffff, 0, 1, 0)
	for name, head := range map[string][]byte{
		"pcap":             pcap(1, 1<<31),
		"pcap negative":    pcap(1, 1<<32-1),
		"pcap of dbus":     pcap(231, 100<<20),
		"enhanced packet":  ng(1, blockEnhancedPacket, uint32(0), uint64(0), uint32(1<<31), uint32(1<<31)),
		"enhanced options": ng(1, blockEnhancedPacket, uint32(0), uint64(0), uint32(60), uint32(60)),
		"enhanced of dbus": ng(231, blockEnhancedPacket, uint32(0), uint64(0), uint32(100<<20), uint32(100<<20)),
		"simple packet":    ng(1, blockSimplePacket, uint32(1<<31)),
		"packet":           ng(1, blockPacket, uint32(0), uint64(0), uint32(1<<31), uint32(1<<31)),
		"unknown block":    ng(1, 77),
		"custom block":     ng(1, blockCustom),
		"section":          append(ng(1, blockSection, uint32(byteOrderMagic), uint16(1), uint16(0)), make([]byte, 8)...),
		"interface":        ng(1, blockInterface, uint32(1), uint32(0)),
		"snoop":            snoop.data,
	} {
		t.Run(name, func(t *testing.T) {
			var f *Files
			var frames [4]Frame
			var last error
			heap := heapOf(func() {
				src := io.MultiReader(bytes.NewReader(head), io.LimitReader(zeroes{}, 8<<20))
				f, _ = Open([]string{"-"}, Options{Stdin: src})
				for {
					_, err := f.ReadBatch(frames[:])
					if err == io.EOF {
						break
					}
					if err != nil {
						last = err
					}
				}
			})
			if last == nil {
				t.Error("no damage was reported")
			}
			if heap > 2*bufferSize {
				t.Errorf("%d bytes were allocated", heap)
			}
		})
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestGrowing: a file that is shorter when it is read than when it was found
// is cut short, and no more than that. (A mapped file would be a SIGBUS.)
func TestGrowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	c := noise(7000)
	if err := os.WriteFile(path, c.data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadBatch(make([]Frame, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := os.Truncate(path, int64(readSize+1000)); err != nil {
		t.Fatal(err)
	}
	got, damage := drain(t, f, 64)
	if damage == nil || !damage.Truncated || damage.Offset != int64(c.marks[len(got)+1].offset) {
		t.Errorf("%d frames, %v", len(got), damage)
	}
}

// TestAllocations: reading allocates nothing, refills included.
func TestAllocations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, manyPackets(40_000, 800), 0o600); err != nil {
		t.Fatal(err)
	}
	ng := &capfile{}
	ng.section(littleEndian)
	ng.iface(1, 0)
	ng.enhanced(0, 1, payload(800), 800, nil, Frame{})
	repeat := ng.data[ng.marks[1].offset:]
	ngPath := path + "ng"
	if err := os.WriteFile(ngPath, append(ng.data, bytes.Repeat(repeat, 40_000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	frames := make([]Frame, 256)
	for _, path := range []string{path, ngPath} {
		f, err := Open([]string{path}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		f.ReadBatch(frames)
		allocs := testing.AllocsPerRun(100, func() {
			if n, err := f.ReadBatch(frames); n == 0 || err != nil {
				t.Fatal(n, err)
			}
		})
		if read, _ := f.Progress(); read < 4*readSize {
			t.Errorf("only %d bytes were read: no refill was measured", read)
		}
		if allocs != 0 {
			t.Errorf("%s: %v allocations a batch", path, allocs)
		}
		f.Close()
	}
}

// FuzzFiles reads anything, compressed or not, in one piece and in small ones:
// both must end, and agree.
func FuzzFiles(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, uint8(1))
		f.Add(seed, uint8(13))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		if len(data) > 1<<16 {
			return
		}
		whole, damage := readStream(t, bytes.NewReader(data), 7)
		parts, damage2 := readStream(t, &steps{data, int(step)%64 + 1}, 3)
		same(t, parts, whole)
		if (damage == nil) != (damage2 == nil) || damage != nil && (damage.Offset != damage2.Offset || damage.Truncated != damage2.Truncated) {
			t.Errorf("in one piece %v, in steps %v", damage, damage2)
		}
		if damage != nil && (damage.Offset < 0 || damage.Reason == "" || packingOf(data) == nil && damage.Offset > int64(len(data))) {
			t.Errorf("damage %#v in %d bytes", damage, len(data))
		}
		for i, fr := range whole {
			if i > 0 && fr.Number <= whole[i-1].Number {
				t.Errorf("frame %d after frame %d", fr.Number, whole[i-1].Number)
			}
		}
	})
}

// steps reads step bytes at a time.
type steps struct {
	data []byte
	step int
}

func (s *steps) Read(p []byte) (int, error) {
	n := copy(p, s.data[:min(s.step, len(s.data))])
	s.data = s.data[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// seeds are small captures of every format.
func seeds(t testing.TB) [][]byte {
	c := &capfile{}
	c.section(bigEndian)
	c.iface(1, 40, c.option(optTimeResolution, []byte{0x8a}), c.option(optTimeOffset, make([]byte, 8)))
	c.enhanced(0, 1, payload(5), 5, c.option(1, []byte("comment")), Frame{})
	c.block(blockSimplePacket, c.body(uint32(9), payload(9)))
	c.block(blockPacket, c.body(uint32(0), uint64(1), uint32(5), uint32(5), payload(5)))
	c.block(blockCustom, c.body(uint32(1)))
	c.section(littleEndian)
	c.iface(231, 0)
	c.enhanced(0, 1, payload(5), 5, nil, Frame{})
	all := [][]byte{c.data, at(1), snoopFile().data}
	for how := range packers {
		all = append(all, pack(t, how, at(1)))
	}
	return all
}
