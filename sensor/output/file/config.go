package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Compress says what becomes of a rotated file.
type Compress string

const (
	None Compress = "none" // the default
	Gzip Compress = "gzip"
	Zstd Compress = "zstd"
)

// Config is a file and what becomes of it. Zero values are off.
type Config struct {
	Path        string        // "-", /dev/stdout and /dev/stderr are streams
	RotateMiB   int           // a file that would grow beyond is rotated first
	RotateEvery time.Duration // periods, counted from midnight UTC for those that divide a day
	Keep        int           // rotated files; 0 keeps all
	Compress    Compress
	Stdout      io.Writer        // nil for this process's
	Now         func() time.Time // nil for time.Now
	// Log is told what goes wrong in the background. Nil is silent.
	Log func(text string, err error)
}

// New judges the configuration and returns a sink. Nothing is opened or created
// yet.
func New(cfg Config) (*Sink, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = func(string, error) {}
	}
	if cfg.Compress == "" {
		cfg.Compress = None
	}
	s := &Sink{cfg: cfg}
	if err := s.judge(); err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	return s, nil
}

func (s *Sink) judge() error {
	cfg := &s.cfg
	switch {
	case cfg.Path == "":
		return errors.New("path: none is given")
	case cfg.RotateMiB < 0:
		return fmt.Errorf("rotate_mib: %d is negative", cfg.RotateMiB)
	case cfg.RotateEvery != 0 && cfg.RotateEvery < time.Second:
		return fmt.Errorf("rotate_every: %v is less than a second", cfg.RotateEvery)
	case cfg.Keep < 0:
		return fmt.Errorf("keep: %d is negative", cfg.Keep)
	case cfg.Compress != None && cfg.Compress != Gzip && cfg.Compress != Zstd:
		return fmt.Errorf("compress: %q is none of gzip, zstd, none", cfg.Compress)
	}
	kind, err := kindOf(cfg.Path)
	if err != nil {
		return err
	}
	rotates := cfg.RotateMiB > 0 || cfg.RotateEvery > 0
	switch {
	case kind != regular && (rotates || cfg.Keep > 0 || cfg.Compress != None):
		return fmt.Errorf("%s is a stream: rotate_mib, rotate_every, keep and compress are for files", cfg.Path)
	case !rotates && (cfg.Keep > 0 || cfg.Compress != None):
		return errors.New("keep and compress are for rotated files: set rotate_mib or rotate_every too")
	}
	if info, err := os.Lstat(cfg.Path); err == nil && rotates && info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("path: %s is a symbolic link, which rotation would rename: name the file itself", cfg.Path)
	}
	s.kind = kind
	return nil
}

// kind is how a path is written to.
type kind int

const (
	regular kind = iota
	fifo
	standard // "-" and its like
)

// kindOf looks at what is at path. Nothing is fine where there is a folder.
func kindOf(path string) (kind, error) {
	switch path {
	case "-", "/dev/stdout", "/dev/stderr":
		return standard, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		folder, err := os.Stat(filepath.Dir(path))
		if err != nil {
			return 0, fmt.Errorf("path: %w: make the folder first", err)
		}
		if !folder.IsDir() {
			return 0, fmt.Errorf("path: %s is no folder", filepath.Dir(path))
		}
		return regular, nil
	}
	if err != nil {
		return 0, fmt.Errorf("path: %w", err)
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return regular, nil
	case mode&fs.ModeNamedPipe != 0:
		return fifo, nil
	case mode.IsDir():
		return 0, fmt.Errorf("path: %s is a folder: name a file in it", path)
	case mode&fs.ModeSocket != 0:
		return 0, fmt.Errorf("path: %s is a socket: the syslog output writes to those (unix://%s)", path, path)
	}
	return 0, fmt.Errorf("path: %s is a device, which nothing can be read back from", path)
}
