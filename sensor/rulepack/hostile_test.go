package rulepack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// squeeze packs a tar stream as Archive does.
func squeeze(t testing.TB, stream []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(stream)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// member is one file of a hostile archive.
type member struct {
	h    tar.Header
	data []byte
}

func file(name string, data []byte) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeReg}, data}
}

// stream is a tar archive of anything.
func stream(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		m.h.Size = int64(len(m.data))
		if m.h.Typeflag == tar.TypeXGlobalHeader {
			m.h.ModTime = time.Time{}
		} else if m.h.Mode == 0 {
			m.h.Mode = 0o644
		}
		if m.h.ModTime.IsZero() && m.h.Typeflag != tar.TypeXGlobalHeader {
			m.h.ModTime = time.Unix(0, 0)
		}
		if err := w.WriteHeader(&m.h); err != nil {
			t.Fatal(err)
		}
		w.Write(m.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// manifest is one that fits files.
func manifest(t testing.TB, files ...File) member {
	t.Helper()
	m := Manifest{Format: 1, Name: "corp", Sequence: 7, Rules: "0123456789ab"}
	for _, f := range files {
		m.Files = append(m.Files, Entry{f.Name, len(f.Data), digest(f.Data)})
	}
	raw, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return file(manifestName, raw)
}

// Each way in which an archive may be wrong is refused, and the message says what
// it is and what to do.
func TestHostileArchives(t *testing.T) {
	one := File{"one.yaml", rule("one", "one-x.com")}
	two := File{"two.yaml", rule("two", "two-x.com")}
	good, m1, m2 := file(one.Name, one.Data), manifest(t, one), manifest(t, one, two)
	link := func(kind byte, name string) member {
		return member{tar.Header{Name: name, Typeflag: kind, Linkname: "/etc/shadow"}, nil}
	}
	named := func(name string) []byte { return stream(t, manifest(t, File{name, one.Data}), file(name, one.Data)) }
	edited := func(old, new string) []byte {
		return stream(t, file(manifestName, bytes.Replace(m1.data, []byte(old), []byte(new), 1)), good)
	}
	meta := func(change func(*tar.Header)) []byte {
		m := file(one.Name, one.Data)
		change(&m.h)
		return stream(t, m1, m)
	}
	var many []member
	for i := range maxFiles + 1 {
		many = append(many, file(fmt.Sprintf("a%05d.yaml", i), nil))
	}
	plain := stream(t, m1, good)
	if _, err := openTar(plain); err != nil {
		t.Fatalf("a good archive is refused: %v", err)
	}
	cases := []struct {
		what, want string
		tar        []byte
	}{
		{"empty", "the archive is empty", nil},
		{"cut", "damaged behind file 1", plain[:512*2+100]},
		{"no manifest", "the first file is \"one.yaml\"", stream(t, good)},
		{"manifest last", "the first file is", stream(t, good, m1)},
		{"two manifests", "no name of a rule file", stream(t, m1, m1, good)},
		{"symbolic link", "is a symbolic link", stream(t, m1, link(tar.TypeSymlink, "one.yaml"))},
		{"hard link", "is a hard link", stream(t, m1, link(tar.TypeLink, "one.yaml"))},
		{"link as manifest", "is a symbolic link", stream(t, link(tar.TypeSymlink, manifestName))},
		{"folder", "is a folder", stream(t, m1, link(tar.TypeDir, "x/"), good)},
		{"pipe", "is a pipe", stream(t, m1, link(tar.TypeFifo, "one.yaml"))},
		{"device", "is a device", stream(t, m1, link(tar.TypeChar, "one.yaml"))},
		{"global header", "is an extended header", stream(t, member{tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}, nil}, m1, good)},
		{"parent", "no name of a rule file", named("../one.yaml")},
		{"absolute", "no name of a rule file", named("/etc/one.yaml")},
		{"in a folder", "no name of a rule file", named("tools/one.yaml")},
		{"backslash", "no name of a rule file", named(`..\one.yaml`)},
		{"drive", "no name of a rule file", named("c:one.yaml")},
		{"hidden", "no name of a rule file", named(".one.yaml")},
		{"other ending", "no name of a rule file", named("one.sh")},
		{"upper case", "no name of a rule file", named("One.yaml")},
		{"capture case", "no name of a rule file", named("one_test.yaml")},
		{"the record", "no name of a rule file", named(recordName)},
		{"escape sequence", `\x1b`, named("\x1b[2Jone.yaml")},
		{"long name", "no name of a rule file", named(strings.Repeat("a", 200) + ".yaml")},
		{"twice", "is there twice", stream(t, m1, good, good)},
		{"out of order", "files are in order", stream(t, m2, file(two.Name, two.Data), good)},
		{"too many", "more than 10000 rule files", stream(t, append([]member{m1}, many...)...)},
		{"large", "the limit is 1048576", stream(t, m1, file(one.Name, make([]byte, maxFile+1)))},
		{"large manifest", "the limit is 4194304", stream(t, file(manifestName, make([]byte, maxManifest+1)))},
		{"missing", `names "two.yaml", which is not there`, stream(t, m2, good)},
		{"one more", `"two.yaml" is not in manifest.json`, stream(t, m1, good, file(two.Name, two.Data))},
		{"first missing", `names "one.yaml", which is not there`, stream(t, m2, file(two.Name, two.Data))},
		{"other bytes", "is not the file that manifest.json describes", stream(t, m1, file(one.Name, two.Data))},
		{"one byte more", "is not the file that manifest.json describes", stream(t, m1, file(one.Name, append(slices.Clone(one.Data), '\n')))},
		{"no files", "holds no rule file", stream(t, manifest(t))},
		{"no JSON", "is not JSON", stream(t, file(manifestName, []byte("tool: x")), good)},
		{"newer format", "has format 2", edited(`"format": 1`, `"format": 2`)},
		{"no format", "has format 0", edited(`"format": 1`, `"Xormat": 1`)},
		{"unknown key", "unknown field", edited(`"name"`, `"more": 1, "name"`)},
		{"key twice", "one form", edited(`"name"`, `"name": "x", "name"`)},
		{"key in capitals", "one form", edited(`"name"`, `"NAME"`)},
		{"more JSON", "is not JSON", edited("]\n}", "]\n}{}")},
		{"spaces", "one form", edited("]\n}", "]\n} ")},
		{"name", "no name of a pack", edited(`"corp"`, `"../corp"`)},
		{"sequence 0", "no sequence number", edited(": 7", ": 0")},
		{"sequence -1", "manifest.json", edited(": 7", ": -1")},
		{"huge sequence", "no sequence number", edited(": 7", ": 18446744073709551615")},
		{"negative size", "one.yaml", edited(fmt.Sprint(`"size": `, len(one.Data)), `"size": -1`)},
		{"capital digest", "is not the file", edited(digest(one.Data), strings.ToUpper(digest(one.Data)))},
		{"owner", "holds more than its files", meta(func(h *tar.Header) { h.Uid = 1 })},
		{"owner's name", "holds more than its files", meta(func(h *tar.Header) { h.Uname = "root" })},
		{"time", "holds more than its files", meta(func(h *tar.Header) { h.ModTime = time.Unix(1, 0) })},
		{"mode", "holds more than its files", meta(func(h *tar.Header) { h.Mode = 0o4755 })},
		{"PAX", "holds more than its files", meta(func(h *tar.Header) { h.PAXRecords = map[string]string{"RMM.x": "y"} })},
		{"trailing zeros", "holds more than its files", append(slices.Clone(plain), make([]byte, 512)...)},
		{"trailing bytes", "holds more than its files", append(slices.Clone(plain), "#!/bin/sh"...)},
		{"no end", "holds more than its files", plain[:len(plain)-1024]},
		{"in the padding", "holds more than its files", func() []byte {
			b := slices.Clone(plain)
			b[len(b)-1024-1] = 'x'
			return b
		}()},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) { refused(t, squeeze(t, c.tar), c.want) })
	}
}

func refused(t *testing.T, raw []byte, want string) {
	t.Helper()
	_, err := open(raw)
	if err == nil {
		t.Fatal("taken")
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("%q, want %q in it", err, want)
	}
	if len(err.Error()) > 500 || !strings.ContainsAny(err.Error(), ";:") {
		t.Errorf("no advice: %q", err)
	}
}

// So is what is wrong with the compression.
func TestHostileCompression(t *testing.T) {
	raw := archive(t, pack(t, "corp", 7, "x"))
	change := func(at int, to byte) []byte {
		b := slices.Clone(raw)
		b[(at+len(b))%len(b)] = to
		return b
	}
	var named bytes.Buffer
	w, err := gzip.NewWriterLevel(&named, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Name = "../../etc/passwd"
	w.Close()
	for what, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"empty":           {nil, "no pack"},
		"text":            {[]byte("tool: anydesk\n"), "no pack"},
		"a time":          {change(4, 1), "no pack"},
		"a name":          {named.Bytes(), "no pack"},
		"cut":             {raw[:len(raw)/2], "damaged"},
		"without its sum": {raw[:len(raw)-8], "damaged"},
		"another sum":     {change(-8, raw[len(raw)-8]^1), "damaged"},
		"another size":    {change(-1, 0xff), "damaged"},
		"one byte more":   {append(slices.Clone(raw), 0), "1 bytes follow"},
		"twice":           {append(slices.Clone(raw), raw...), "bytes follow"},
		"a bomb":          {squeeze(t, make([]byte, maxUnpacked+1)), "unpacks to more than"},
		"a large one":     {make([]byte, MaxPacked+1), "more than 33554432 bytes"},
	} {
		t.Run(what, func(t *testing.T) { refused(t, c.raw, c.want) })
	}
	for n := range raw {
		if _, err := open(raw[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are taken", n, len(raw))
		}
	}
}

// A file's name must be that of its tool: otherwise two packs would hold one
// set.
func TestNameOfTool(t *testing.T) {
	f := File{"one.yaml", rule("two", "two-x.com")}
	p, err := openTar(stream(t, manifest(t, f), file(f.Name, f.Data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Load(); err == nil || !strings.Contains(err.Error(), "holds the tool two") {
		t.Errorf("%v", err)
	}
}

// Whatever is taken is what Archive makes of it.
func FuzzTar(f *testing.F) {
	var b bytes.Buffer
	if err := pack(f, "corp", 7, "x").tar(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(stream(f, member{tar.Header{Name: manifestName, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"a.b": "c"}}, []byte("{}")}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := openTar(raw)
		if err != nil {
			return
		}
		var same bytes.Buffer
		if err := p.tar(&same); err != nil || !bytes.Equal(same.Bytes(), raw) {
			t.Errorf("%v; taken, and not in the one form", err)
		}
	})
}

// So it is with the compression around it, whose bytes may differ.
func FuzzOpen(f *testing.F) {
	f.Add(archive(f, pack(f, "corp", 7, "x")))
	f.Add(squeeze(f, make([]byte, 1<<20)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := open(raw)
		if err != nil {
			return
		}
		again, err := open(archive(t, p))
		if err != nil || again.Digest() != p.Digest() {
			t.Errorf("%v; it does not come back the same", err)
		}
	})
}
