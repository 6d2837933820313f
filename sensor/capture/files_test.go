package capture

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/gopacket/pcapgo"
)

// at is a pcap of two packets, the first at sec.
func at(sec uint32) []byte {
	c := pcapFile(littleEndian, magicMicro, 4, 65535, 1)
	for i := range uint32(2) {
		c.packet(sec+i, 0, payload(60), 60, 0, 1, 0)
	}
	return c.data
}

// write puts files below a new folder.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// names are f's files, without the folder.
func names(f *Files, dir string) (all []string) {
	for i := range f.Len() {
		name := f.Name(uint32(i))
		if rel, err := filepath.Rel(dir, name); err == nil && name != stdinName {
			name = rel
		}
		all = append(all, name)
	}
	return all
}

func TestOrder(t *testing.T) {
	dir := write(t, map[string][]byte{
		"c.pcap":            at(100),
		"a.pcap":            at(300),
		"sub/deep/b":        pack(t, "gzip", at(200)),
		"sub/same time":     at(100),
		"README":            []byte("these are captures\n"),
		"x":                 []byte("x"),
		"empty.pcap":        {},
		"header only.pcap":  at(1)[:24],
		"cut header.pcap":   at(1)[:10],
		"damaged.pcap":      append(at(1)[:24:24], bytes.Repeat([]byte{0xff}, 100)...),
		"logs.gz":           pack(t, "gzip", []byte("no capture at all")),
		"archive.zip":       []byte("PK\x03\x04 and so on"),
		"later.pcapng.zst":  pack(t, "zstd", laterSection(400)),
		"cut.pcapng":        laterSection(50)[:90],
		"half a capture.gz": pack(t, "gzip", noise(100).data)[:9000],
	})
	os.Symlink("c.pcap", filepath.Join(dir, "link.pcap"))
	f, err := Open([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := names(f, dir)
	want := []string{"half a capture.gz", "c.pcap", "sub/same time", "sub/deep/b", "a.pcap", "later.pcapng.zst", "cut header.pcap", "cut.pcapng", "damaged.pcap", "header only.pcap"}
	if !slices.Equal(got, want) {
		t.Errorf("order\n%q, want\n%q", got, want)
	}
	skipped := map[string]string{"README": "not a capture", "x": "not a capture", "empty.pcap": "empty", "logs.gz": "not a capture", "archive.zip": "compressed with zip", "link.pcap": "not a regular file"}
	for _, s := range f.Skipped() {
		rel, _ := filepath.Rel(dir, s.Name)
		if want := skipped[rel]; want == "" || !strings.Contains(s.Reason, want) {
			t.Errorf("skipped %s: %s, want %q", rel, s.Reason, want)
		}
		delete(skipped, rel)
	}
	if len(skipped) > 0 {
		t.Errorf("not skipped: %v", skipped)
	}

	var damaged []string
	var last int64
	frames := make([]Frame, 8)
	for {
		n, err := f.ReadBatch(frames)
		for _, fr := range frames[:n] {
			if fr.Number == 1 {
				if fr.Time < last {
					t.Errorf("%s starts before the file before it", f.Name(fr.File))
				}
				last = fr.Time
			}
		}
		var damage *DamageError
		if errors.As(err, &damage) {
			rel, _ := filepath.Rel(dir, damage.File)
			damaged = append(damaged, rel)
		} else if err != nil {
			break
		}
	}
	if want := []string{"half a capture.gz", "cut header.pcap", "cut.pcapng", "damaged.pcap"}; !slices.Equal(damaged, want) {
		t.Errorf("damaged %q, want %q", damaged, want)
	}
	if read, total := f.Progress(); read != total || total == 0 {
		t.Errorf("progress %d of %d at the end", read, total)
	}
}

// laterSection is a pcapng whose first packet comes after other blocks.
func laterSection(sec uint64) []byte {
	c := &capfile{}
	c.section(bigEndian)
	c.block(10, payload(40))
	c.iface(1, 0)
	c.block(4, payload(4000))
	c.enhanced(0, sec*1e6, payload(60), 60, nil, Frame{})
	return c.data
}

// TestOrderGiven: files given by name are sorted too; standard input and pipes
// keep their places.
func TestOrderGiven(t *testing.T) {
	dir := write(t, map[string][]byte{"a": at(300), "b": at(200), "c": at(100), "d": at(50), "garbage": []byte("garbage")})
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	go os.WriteFile(fifo, at(1), 0o600)
	in := func(name string) string { return filepath.Join(dir, name) }
	f, err := Open([]string{in("a"), in("garbage"), in("b"), "-", in("c"), in("d"), fifo, in("missing")}, Options{Stdin: bytes.NewReader(at(7))})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(f, dir), []string{"b", "a", "garbage", "-", "d", "c", "fifo", "missing"}; !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	got, _ := drain(t, f, 8)
	var order []uint32
	for _, fr := range got {
		if fr.Number == 1 {
			order = append(order, fr.File)
		}
	}
	if want := []uint32{0, 1, 3, 4, 5, 6}; !slices.Equal(order, want) {
		t.Errorf("frames came of the files %v, want %v", order, want)
	}
	if _, total := f.Progress(); total != 0 {
		t.Errorf("a total of %d bytes, with standard input among them", total)
	}
	if f.Name(99) != "" {
		t.Error("a name for no file")
	}
}

// TestPeekBounds: looking for the first packet does not read a file whole.
func TestPeekBounds(t *testing.T) {
	far := &capfile{}
	far.section(littleEndian)
	far.iface(1, 0)
	far.block(77, make([]byte, 3<<20))
	far.enhanced(0, 1, payload(60), 60, nil, Frame{})
	nothing := bytes.Repeat(pack(t, "gzip", nil), peekBytes/20) // more than peekBytes of empty members
	nothing = append(nothing, pack(t, "gzip", at(1))...)
	dir := write(t, map[string][]byte{"a": far.data, "b": at(2), "bomb": pack(t, "zstd", far.data), "nothing": nothing})
	f, err := Open([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(f, dir), []string{"b", "a", "bomb", "nothing"}; !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	if got, damage := drain(t, f, 8); len(got) != 6 || damage != nil {
		t.Errorf("%d frames, %v", len(got), damage)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := write(t, map[string][]byte{"README": []byte("nothing here")})
	for _, tc := range []struct {
		paths []string
		want  string
	}{
		{nil, "no capture to read"},
		{[]string{"-", "-"}, "named twice"},
		{[]string{"-"}, "no standard input"},
		{[]string{dir}, "the only file there is not pcap"},
	} {
		opt := Options{}
		if len(tc.paths) == 2 {
			opt.Stdin = strings.NewReader("")
		}
		if _, err := Open(tc.paths, opt); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.paths, err, tc.want)
		}
	}
}

// TestUnreadable: what the system refuses is said in words, file by file.
func TestUnreadable(t *testing.T) {
	dir := write(t, map[string][]byte{"a": at(1), "b": at(2), "gone": at(3), "became a folder": at(4), "a\x1b[31m": at(5)})
	in := func(name string) string { return filepath.Join(dir, name) }
	f, err := Open([]string{in("a"), in("b"), in("gone"), in("became a folder"), in("a\x1b[31m"), in("never")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(in("gone"))
	os.Remove(in("became a folder"))
	os.Mkdir(in("became a folder"), 0o700)
	os.WriteFile(in("a\x1b[31m"), at(5)[:90], 0o600)
	os.Chmod(in("b"), 0)
	want := map[string]string{
		in("gone"):            in("gone") + ": there is no such file",
		in("became a folder"): in("became a folder") + ": read: is a directory",
		in("a\x1b[31m"):       `a\x1b[31m": at byte 24: cut short inside a record: 66 bytes of it are there`,
		in("never"):           in("never") + ": there is no such file",
	}
	if os.Getuid() != 0 {
		want[in("b")] = "permission denied"
	}
	frames := make([]Frame, 8)
	for {
		_, err := f.ReadBatch(frames)
		if err == io.EOF {
			break
		}
		var damage *DamageError
		if errors.As(err, &damage) {
			if w := want[damage.File]; w == "" || !strings.Contains(err.Error(), w) {
				t.Errorf("%q, want %q", err, w)
			}
			if damage.File == in("gone") && (!errors.Is(err, fs.ErrNotExist) || damage.Truncated) {
				t.Errorf("%#v", damage)
			}
			delete(want, damage.File)
		}
	}
	if len(want) > 0 {
		t.Errorf("not reported: %v", want)
	}
}

// TestReadError: an error of the system in the middle of a stream is no damage
// of the capture, but ends it at that place.
func TestReadError(t *testing.T) {
	broken := errors.New("input/output error")
	src := io.MultiReader(bytes.NewReader(at(1)[:110]), errReader{broken})
	got, damage := readStream(t, src, 8)
	if len(got) != 1 || damage == nil || damage.Truncated || damage.Offset != 100 || !errors.Is(damage, broken) {
		t.Errorf("%d frames, %#v", len(got), damage)
	}
	// An error that comes with bytes, and once only.
	once := io.MultiReader(iotest.DataErrReader(io.MultiReader(bytes.NewReader(at(1)[:110]), errReader{broken})), errReader{io.EOF})
	if _, damage := readStream(t, once, 8); damage == nil || damage.Truncated || !errors.Is(damage, broken) {
		t.Errorf("an error that came with bytes: %#v", damage)
	}
	if _, damage := readStream(t, errReader{nil}, 8); damage == nil || !errors.Is(damage, io.ErrNoProgress) {
		t.Errorf("a source that gives nothing: %v", damage)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// TestClose ends a reading in the middle.
func TestClose(t *testing.T) {
	dir := write(t, map[string][]byte{"a": at(1), "b": at(2)})
	f, err := Open([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	frames := make([]Frame, 1)
	if n, err := f.ReadBatch(frames); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := f.ReadBatch(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	f.Close()
	if n, err := f.ReadBatch(frames); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	f.Close()
}

// TestZeroCopy reads as gopacket's programs do, beside its own reader.
func TestZeroCopy(t *testing.T) {
	c := noise(1000)
	f, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(c.data)})
	if err != nil {
		t.Fatal(err)
	}
	oracle, err := pcapgo.NewReader(bytes.NewReader(c.data))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		want, wantInfo, wantErr := oracle.ZeroCopyReadPacketData()
		got, info, err := f.ZeroCopyReadPacketData()
		if wantErr == io.EOF && err == io.EOF {
			if i != 1000 {
				t.Errorf("the end after %d packets", i)
			}
			return
		}
		if err != nil || wantErr != nil || !bytes.Equal(got, want) || !info.Timestamp.Equal(wantInfo.Timestamp) ||
			info.CaptureLength != wantInfo.CaptureLength || info.Length != wantInfo.Length || f.LinkType() != 1 {
			t.Fatalf("packet %d: %v %v, want %v %v", i, info, err, wantInfo, wantErr)
		}
		if zone, _ := info.Timestamp.Zone(); zone != time.UTC.String() {
			t.Fatalf("a time in %s", zone)
		}
	}
}
