package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// manyPackets is a pcap of n packets of size bytes.
func manyPackets(n, size int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, magicMicro)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0)
	data := bytes.Repeat([]byte{0xa5}, size)
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, 1700000000)
		b = binary.LittleEndian.AppendUint32(b, uint32(i%1e6))
		b = binary.LittleEndian.AppendUint32(b, uint32(size))
		b = binary.LittleEndian.AppendUint32(b, uint32(size))
		b = append(b, data...)
	}
	return b
}

// BenchmarkReadBatch reads 100,000 packets of 800 bytes: the copy from the
// page cache is part of it. BenchmarkReadOnly is that copy alone, and
// BenchmarkWindow the frames alone, from a buffer that is filled already.
func BenchmarkReadBatch(b *testing.B) {
	const packets, size = 100_000, 800
	path := filepath.Join(b.TempDir(), "bench.pcap")
	if err := os.WriteFile(path, manyPackets(packets, size), 0o600); err != nil {
		b.Fatal(err)
	}
	frames := make([]Frame, 256)
	b.SetBytes(packets * (size + 16))
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open([]string{path}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		total := 0
		for {
			n, err := f.ReadBatch(frames)
			total += n
			if err != nil {
				break
			}
		}
		if total != packets {
			b.Fatalf("%d packets", total)
		}
		f.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
}

func BenchmarkReadOnly(b *testing.B) {
	const packets, size = 100_000, 800
	path := filepath.Join(b.TempDir(), "bench.pcap")
	if err := os.WriteFile(path, manyPackets(packets, size), 0o600); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, readSize)
	b.SetBytes(packets * (size + 16))
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := f.Read(buf); err == io.EOF {
				break
			}
		}
		f.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
}

func BenchmarkWindow(b *testing.B) {
	const packets, size = 256, 800
	ng := &capfile{}
	ng.section(littleEndian)
	ng.iface(1, 0)
	for i := range packets {
		ng.enhanced(0, 1_700_000_000_000_000+uint64(i), payload(size), size, nil, Frame{})
	}
	for _, c := range []struct {
		name string
		data []byte
	}{{"pcap", manyPackets(packets, size)}, {"pcapng", ng.data}} {
		b.Run(c.name, func(b *testing.B) {
			var r reader
			frames := make([]Frame, packets)
			if err := r.open(bytes.NewReader(c.data), len(c.data)); err != nil {
				b.Fatal(err)
			}
			for r.w.end < len(c.data) {
				if err := r.w.fill(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				r.w.pos, r.format = 0, formatUnknown
				if n, err := r.batch(frames, 0); n != packets || err != nil {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
		})
	}
}
