package rulepack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Build makes a pack of rule files. Their names do not count: each is called
// as the tool in it. A set that does not load, or of which a test fails, makes no
// pack; the error is then of detect.
func Build(name string, sequence uint64, files []File) (*Pack, error) {
	if len(files) == 0 {
		return nil, errors.New("no rule file is there to be packed")
	}
	if err := errors.Join(CheckName(name), CheckSequence(sequence)); err != nil {
		return nil, err
	}
	named, version, err := nameByTool(files)
	if err != nil {
		return nil, err
	}
	p := &Pack{Manifest: Manifest{Format: formatV1, Name: name, Sequence: sequence, Rules: version}, Files: named}
	total := 0
	for _, f := range named {
		total += len(f.Data)
		p.Manifest.Files = append(p.Manifest.Files, Entry{f.Name, len(f.Data), digest(f.Data)})
	}
	if len(named) > maxFiles || total > maxUnpacked/2 {
		return nil, fmt.Errorf("%d files of %d bytes are more than a pack holds (%d files, %d bytes); make two packs with a folder each", len(named), total, maxFiles, maxUnpacked/2)
	}
	p.manifest, err = p.Manifest.encode()
	return p, err
}

// nameByTool gives each file the name of the tool in it, in order.
func nameByTool(files []File) (named []File, version string, err error) {
	byName := map[string][]byte{}
	sources := make([]detect.Source, len(files))
	for i, f := range files {
		byName[f.Name] = f.Data
		sources[i] = detect.FromBytes(f.Name, f.Data)
	}
	if len(byName) < len(files) {
		return nil, "", errors.New("two of the files have one name")
	}
	rs, err := detect.Load(sources...)
	if err != nil {
		return nil, "", err
	}
	for _, t := range rs.Tools() {
		named = append(named, File{t.ID + ".yaml", byName[t.File]})
	}
	slices.SortFunc(named, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return named, rs.Version(), nil
}

// header is how every pack begins: gzip (RFC 1952) with deflate, without a name,
// a time or a comment, best compression, made on no system in particular.
var header = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255}

// Archive is the pack as one file. The bytes follow from the pack alone.
func (p *Pack) Archive() ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := p.tar(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(b.Bytes(), header) {
		return nil, fmt.Errorf("gzip begins with %x and not with %x", b.Bytes()[:len(header)], header)
	}
	if b.Len() > MaxPacked {
		return nil, fmt.Errorf("the pack has %d bytes, and the limit is %d; make two packs with a folder each", b.Len(), MaxPacked)
	}
	return b.Bytes(), nil
}

// tar writes the archive without its compression: ustar, no owner, no time.
func (p *Pack) tar(out io.Writer) error {
	w := tar.NewWriter(out)
	for _, f := range append([]File{{manifestName, p.manifest}}, p.Files...) {
		h := &tar.Header{Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: f.Name, Mode: 0o644, Size: int64(len(f.Data)), ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(f.Data); err != nil {
			return err
		}
	}
	return w.Close()
}

// open reads an archive whose signature holds. It takes what Archive writes and
// nothing else. The rules are not loaded yet.
func open(raw []byte) (*Pack, error) {
	if len(raw) > MaxPacked {
		return nil, fmt.Errorf("the pack has more than %d bytes; make two packs with a folder each", MaxPacked)
	}
	if !bytes.HasPrefix(raw, header) {
		return nil, errors.New("this is no pack: it does not begin as one; " + again)
	}
	in := bytes.NewReader(raw)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("the pack is damaged: %w; fetch it again", err)
	}
	z.Multistream(false)
	stream, err := io.ReadAll(io.LimitReader(z, maxUnpacked+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the pack is damaged: %w; fetch it again", err)
	case len(stream) > maxUnpacked:
		return nil, fmt.Errorf("the pack unpacks to more than %d bytes; make two packs with a folder each", maxUnpacked)
	case in.Len() > 0:
		return nil, fmt.Errorf("%d bytes follow the pack's end; %s", in.Len(), again)
	}
	return openTar(stream)
}

// openTar reads an archive without its compression.
func openTar(stream []byte) (*Pack, error) {
	files, err := readTar(stream)
	if err != nil {
		return nil, err
	}
	p := &Pack{Files: files[1:], manifest: files[0].Data}
	if p.Manifest, err = parseManifest(p.manifest); err != nil {
		return nil, err
	}
	if err := p.Manifest.holds(p.Files); err != nil {
		return nil, err
	}
	// Whatever else a tar file can hold, between and behind its files, is not
	// there when our own archive of the same files is the same to the byte.
	same := comparer{want: stream}
	if err := p.tar(&same); err != nil || same.differs || len(same.want) > 0 {
		return nil, errors.New("the archive holds more than its files, such as extended headers, owners, times or trailing data; " + again)
	}
	return p, nil
}

// comparer is a Writer that holds what is written against what is wanted.
type comparer struct {
	want    []byte
	differs bool
}

func (c *comparer) Write(p []byte) (int, error) {
	rest, ok := bytes.CutPrefix(c.want, p)
	c.want, c.differs = rest, c.differs || !ok
	return len(p), nil
}

// readTar reads the files of an archive, the manifest first.
func readTar(stream []byte) (files []File, err error) {
	r := tar.NewReader(bytes.NewReader(stream))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the archive is damaged behind file %d: %w; %s", len(files), err, again)
		}
		if err := checkHeader(h, files); err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("%s is damaged: %w; %s", quote(h.Name), err, again)
		}
		files = append(files, File{h.Name, data})
	}
	if len(files) == 0 {
		return nil, errors.New("the archive is empty; " + again)
	}
	return files, nil
}

// kinds are what else a tar file may hold.
var kinds = map[byte]string{
	tar.TypeLink: "a hard link", tar.TypeSymlink: "a symbolic link", tar.TypeChar: "a device", tar.TypeBlock: "a device",
	tar.TypeDir: "a folder", tar.TypeFifo: "a pipe", tar.TypeGNUSparse: "a sparse file", tar.TypeXGlobalHeader: "an extended header",
}

// checkHeader refuses a file before a byte of it is read.
func checkHeader(h *tar.Header, before []File) error {
	name, limit := quote(h.Name), int64(maxFile)
	if h.Typeflag != tar.TypeReg {
		kind, ok := kinds[h.Typeflag]
		if !ok {
			kind = fmt.Sprintf("of type %q", h.Typeflag)
		}
		return fmt.Errorf("%s is %s, and a pack holds plain files only; %s", name, kind, again)
	}
	if len(before) == 0 {
		limit = maxManifest
		if h.Name != manifestName {
			return fmt.Errorf("the first file is %s and not %s; %s", name, manifestName, again)
		}
	} else if err := checkPlace(h.Name, before); err != nil {
		return err
	}
	if h.Size > limit {
		return fmt.Errorf("%s has %d bytes, and the limit is %d; split it", name, h.Size, limit)
	}
	return nil
}

// checkPlace refuses a rule file by its name and by those before it.
func checkPlace(name string, before []File) error {
	last := before[len(before)-1].Name
	switch {
	case len(before) > maxFiles:
		return fmt.Errorf("the pack has more than %d rule files; make two packs with a folder each", maxFiles)
	case len(name) > 100 || !fileRE.MatchString(name):
		return fmt.Errorf("%s is no name of a rule file in a pack, which is TOOL.yaml without a folder; %s", quote(name), again)
	case name == last && len(before) > 1:
		return fmt.Errorf("%s is there twice; %s", quote(name), again)
	case name < last && len(before) > 1:
		return fmt.Errorf("%s stands behind %s, and files are in order; %s", quote(name), quote(last), again)
	}
	return nil
}
