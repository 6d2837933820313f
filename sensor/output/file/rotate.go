package file

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// stamp is the end of a rotated file's name: when it was rotated, in UTC.
const stamp = "20060102T150405Z"

// rotate moves the file away when it is time to, and opens another.
func (s *Sink) rotate() error {
	if s.size == 0 || !s.due() {
		return nil
	}
	name := s.free()
	if err := s.let(); err != nil {
		return err
	}
	if err := os.Rename(s.cfg.Path, name); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(name)); err != nil {
		return err
	}
	return s.open()
}

// due reports whether the batch is too much for the file, or of another period
// than what was last written to it.
func (s *Sink) due() bool {
	if s.cfg.RotateMiB > 0 && s.size+int64(len(s.buf)) > int64(s.cfg.RotateMiB)<<20 {
		return true
	}
	every := s.cfg.RotateEvery
	return every > 0 && s.cfg.Now().Truncate(every).After(s.last.Truncate(every))
}

// free returns a name for the rotated file that nothing has.
func (s *Sink) free() string {
	base := s.cfg.Path + "-" + s.cfg.Now().UTC().Format(stamp)
	name := base
	for n := 1; ; n++ {
		taken := slices.ContainsFunc([]string{"", ".gz", ".zst"}, func(suffix string) bool {
			_, err := os.Lstat(name + suffix)
			return err == nil
		})
		if !taken {
			return name
		}
		name = fmt.Sprintf("%s-%04d", base, n)
	}
}

// rotated splits the name of a rotated file.
var rotated = regexp.MustCompile(`^(-\d{8}T\d{6}Z(?:-\d{4,})?)(|\.gz|\.zst|\.gz\.tmp|\.zst\.tmp)$`)

// tidy removes and compresses rotated files in the background.
func (s *Sink) tidy() {
	if s.cfg.RotateMiB == 0 && s.cfg.RotateEvery == 0 || s.closed.Load() {
		return
	}
	s.more.Store(true)
	if !s.busy.CompareAndSwap(false, true) {
		return // who is at it looks again
	}
	s.back.Go(func() {
		for s.more.Swap(false) {
			if err := s.tidyNow(); err != nil && !errors.Is(err, errClosed) {
				s.cfg.Log("rotated files could not be tidied up", err)
			}
		}
		s.busy.Store(false)
	})
}

// errClosed ends the compression when the sink is closed.
var errClosed = errors.New("closed")

func (s *Sink) tidyNow() error {
	for {
		order, stems, err := s.old()
		if err != nil {
			return err
		}
		for s.cfg.Keep > 0 && len(order) > s.cfg.Keep {
			for _, suffix := range stems[order[0]] {
				if err := os.Remove(s.cfg.Path + order[0] + suffix); err != nil {
					return err
				}
			}
			order = order[1:]
		}
		i := slices.IndexFunc(order, func(stem string) bool { return s.cfg.Compress != None && slices.Contains(stems[stem], "") })
		if i < 0 {
			return nil
		}
		if err := s.compress(s.cfg.Path + order[i]); err != nil {
			return err
		}
	}
}

// old returns what rotated files have after the path, oldest first, and for each
// with which suffixes it is there. What a compression left half done goes.
func (s *Sink) old() (order []string, stems map[string][]string, err error) {
	folder, base := filepath.Split(s.cfg.Path)
	entries, err := os.ReadDir(filepath.Clean(folder))
	if err != nil {
		return nil, nil, err
	}
	stems = map[string][]string{}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), base)
		m := rotated.FindStringSubmatch(rest)
		if !ok || m == nil || !e.Type().IsRegular() {
			continue
		}
		if strings.HasSuffix(m[2], ".tmp") {
			if err := os.Remove(s.cfg.Path + rest); err != nil {
				return nil, nil, err
			}
			continue
		}
		if stems[m[1]] == nil {
			order = append(order, m[1])
		}
		stems[m[1]] = append(stems[m[1]], m[2])
	}
	slices.Sort(order)
	return order, stems, nil
}

// compress replaces the file name by a compressed one. At every moment one of the
// two is whole and on disk: a crash leaves the first, or both.
func (s *Sink) compress(name string) error {
	final := name + map[Compress]string{Gzip: ".gz", Zstd: ".zst"}[s.cfg.Compress]
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp := final + ".tmp"
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	err = s.pack(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("%s stays as it is: %w", name, err)
	}
	// The time of the records, not of the compression, for whoever sorts by it.
	if info, err := in.Stat(); err == nil {
		os.Chtimes(tmp, time.Time{}, info.ModTime())
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(final)); err != nil {
		return err
	}
	return os.Remove(name)
}

// pack compresses in to out.
func (s *Sink) pack(out io.Writer, in io.Reader) error {
	var z io.WriteCloser = gzip.NewWriter(out)
	if s.cfg.Compress == Zstd {
		var err error
		if z, err = zstd.NewWriter(out, zstd.WithEncoderConcurrency(1)); err != nil {
			return err
		}
	}
	_, err := io.Copy(z, until{in, s})
	return errors.Join(err, z.Close())
}

// until reads until the sink is closed.
type until struct {
	io.Reader
	s *Sink
}

func (u until) Read(p []byte) (int, error) {
	if u.s.closed.Load() {
		return 0, errClosed
	}
	return u.Reader.Read(p)
}
