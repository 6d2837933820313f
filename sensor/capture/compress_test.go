package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// packers compress; their streams start and end where the writer is closed.
var packers = map[string]func(io.Writer) io.WriteCloser{
	"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"zstd": func(w io.Writer) io.WriteCloser {
		z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		return z
	},
	"lz4": func(w io.Writer) io.WriteCloser {
		z := lz4.NewWriter(w)
		z.Apply(lz4.BlockSizeOption(lz4.Block64Kb))
		return z
	},
	"lz4 legacy": func(w io.Writer) io.WriteCloser {
		z := lz4.NewWriter(w)
		z.Apply(lz4.LegacyOption(true))
		return z
	},
}

// pack compresses each part by itself, one after the other.
func pack(t testing.TB, how string, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, part := range parts {
		z := packers[how](&b)
		if _, err := z.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// noise is a pcap of packets that do not compress well.
func noise(packets int) *capfile {
	c := pcapFile(littleEndian, magicMicro, 4, 65535, 1)
	state := uint32(1)
	for range packets {
		data := make([]byte, 200)
		for i := range data {
			state = state*1664525 + 1013904223
			data[i] = byte(state >> 24)
		}
		c.packet(7, 0, data, 200, 0, 1, 7e9)
	}
	return c
}

// TestCompressed reads compressed captures of one and of several members, cut
// at many lengths. What was decompressed before the cut is delivered, and
// nothing is taken for whole that is not.
func TestCompressed(t *testing.T) {
	c := noise(1500)
	half := len(c.data)/2 + 3
	for how := range packers {
		t.Run(how, func(t *testing.T) {
			if got, damage := readStream(t, bytes.NewReader(pack(t, how, c.data[:half], c.data[half:])), 64); damage != nil {
				t.Errorf("two members: %v", damage)
			} else {
				same(t, got, c.frames)
			}
			packed := pack(t, how, c.data)
			got, damage := readStream(t, bytes.NewReader(packed), 64)
			if damage != nil {
				t.Fatal(damage)
			}
			same(t, got, c.frames)

			most := 0
			for cut := 7; cut < len(packed); cut += 1 + cut/3 {
				most = max(most, checkCutStream(t, c, packed[:cut], how))
			}
			for cut := len(packed) - 12; cut < len(packed); cut++ {
				most = max(most, checkCutStream(t, c, packed[:cut], how))
			}
			// A legacy lz4 block has 8 MiB: the whole capture is one.
			if how != "lz4 legacy" && most < len(c.frames)*3/4 {
				t.Errorf("of a stream that was cut, at most %d frames were read", most)
			}
		})
	}
}

// checkCutStream reads a compressed stream that was cut, and returns how many
// frames were in it.
func checkCutStream(t *testing.T, c *capfile, packed []byte, how string) int {
	t.Helper()
	got, damage := readStream(t, bytes.NewReader(packed), 64)
	if damage == nil || !damage.Truncated || !strings.Contains(damage.Reason, strings.Fields(how)[0]+" stream is cut short") {
		t.Fatalf("cut at %d: %#v", len(packed), damage)
	}
	if len(got) > len(c.frames) {
		t.Fatalf("cut at %d: %d frames", len(packed), len(got))
	}
	same(t, got, c.frames[:len(got)])
	if len(got) > 0 && damage.Offset != int64(c.marks[len(got)].offset) {
		t.Fatalf("cut at %d, after %d frames: damage at %d, want %d", len(packed), len(got), damage.Offset, c.marks[len(got)].offset)
	}
	if place := fmt.Sprintf("at byte %d of what is packed in it: ", damage.Offset); !strings.Contains(damage.Error(), place) {
		t.Fatalf("cut at %d: %q does not say %q", len(packed), damage.Error(), place)
	}
	return len(got)
}

// TestCompressedDamage: bytes that changed are found out, or decompress to a
// capture that is read as far as it goes.
func TestCompressedDamage(t *testing.T) {
	c := noise(100)
	for how := range packers {
		packed := pack(t, how, c.data)
		for at := 4; at < len(packed); at += 1 + len(packed)/300 {
			bad := bytes.Clone(packed)
			bad[at] ^= 0xff
			readStream(t, bytes.NewReader(bad), 64)
		}
	}
	garbage := append(pack(t, "gzip", c.data), "garbage, and more of it"...)
	got, damage := readStream(t, bytes.NewReader(garbage), 64)
	same(t, got, c.frames)
	if damage == nil || damage.Truncated || damage.Offset != int64(len(c.data)) || !strings.Contains(damage.Reason, "gzip stream is damaged") {
		t.Errorf("garbage after the stream: %v", damage)
	}
}

func TestCompressedOther(t *testing.T) {
	c := noise(1)
	skippable := append([]byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}, pack(t, "zstd", c.data)...)
	got, damage := readStream(t, bytes.NewReader(skippable), 64)
	if damage != nil {
		t.Error(damage)
	}
	same(t, got, c.frames)

	for name, tc := range map[string]struct {
		data   []byte
		reason string
	}{
		"twice":       {pack(t, "gzip", pack(t, "zstd", c.data)), "compressed twice"},
		"not capture": {pack(t, "gzip", []byte("hello, world")), "not a capture: it starts with 68 65 6c"},
		"xz":          {[]byte("\xfd7zXZ\x00\x00"), "xz -dc"},
		"bzip2":       {[]byte("BZh91AY&SY"), "bzip2 -dc"},
	} {
		_, damage := readStream(t, bytes.NewReader(tc.data), 64)
		if damage == nil || damage.Truncated || !errors.Is(damage, errNotCapture) || !strings.Contains(damage.Error(), tc.reason) {
			t.Errorf("%s: %v", name, damage)
		}
	}
}

// TestZstdWindow: a stream that asks for more memory than we give is refused,
// and one that asks for the most does not get it before there is data.
func TestZstdWindow(t *testing.T) {
	frame := func(window byte) []byte { // magic, no single segment, window descriptor, a raw block of 4 bytes
		return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x21, 0x00, 0x00, 0xd4, 0xc3, 0xb2, 0xa1}
	}
	_, damage := readStream(t, bytes.NewReader(frame(21<<3)), 1) // 2^31
	if damage == nil || damage.Truncated || !strings.Contains(damage.Reason, "--long=31") {
		t.Errorf("a window of 2 GiB: %v", damage)
	}
	_, damage = readStream(t, bytes.NewReader(frame(17<<3)), 1) // 2^27
	if damage == nil || !damage.Truncated {
		t.Errorf("a window of 128 MiB: %v", damage)
	}
}

// panics is a decompressor that crashes.
type panics struct{}

func (panics) Read([]byte) (int, error) { panic("index out of range") }

func TestGuard(t *testing.T) {
	if _, err := (&guard{panics{}}).Read(nil); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("error %v", err)
	}
}

// heapOf is how much memory f allocates, in bytes.
func heapOf(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
