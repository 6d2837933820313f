package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// outputs are the files that a run writes, closed at its end.
type outputs struct {
	alerts io.Writer
	events io.Writer // nil: none wanted
	files  []*os.File
}

func (o *outputs) close() error {
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// openOutputs opens what --out and --events name. Nothing is overwritten
// before it is certain that they lead neither to each other nor to a capture:
// only what has been opened tells that, whatever links and folders lead to it.
// A file that was created is removed again when the call is refused.
func (a *app) openOutputs(f replayFlags, files *capture.Files) (*outputs, error) {
	targets := []*target{{flag: "--out", path: string(f.out), writer: &a.stdout}}
	if f.events != "" {
		targets = append(targets, &target{flag: "--events", path: string(f.events), writer: &a.stdout})
	}
	err := openAll(targets, files, a.stdin)
	o := &outputs{}
	for _, t := range targets {
		if err == nil && t.file != nil && t.info.Mode().IsRegular() {
			err = t.file.Truncate(0)
		}
		if t.file != nil {
			o.files = append(o.files, t.file)
		}
	}
	if err != nil {
		o.close() // nothing was written
		for _, t := range targets {
			t.undo()
		}
		return nil, err
	}
	o.alerts = targets[0].stream()
	if len(targets) > 1 {
		o.events = targets[1].stream()
	}
	return o, nil
}

func openAll(targets []*target, files *capture.Files, stdin io.Reader) error {
	for i, t := range targets {
		if err := t.open(); err != nil {
			return err
		}
		for _, other := range targets[:i] {
			if t.same(other.info) {
				return usagef("%s and %s name the same file, %s", other.flag, t.flag, t.path)
			}
		}
	}
	for _, t := range targets {
		if err := t.spare(files, stdin); err != nil {
			return err
		}
	}
	return nil
}

// target is one output that was asked for.
type target struct {
	flag, path string
	writer     *io.Writer  // standard output, for the path -
	file       *os.File    // nil for standard output
	info       os.FileInfo // nil where standard output is no file
	created    bool
}

func (t *target) stream() io.Writer {
	if t.file != nil {
		return t.file
	}
	return *t.writer
}

// open opens the target as it is, or creates it.
func (t *target) open() (err error) {
	if t.path == "-" {
		if f, ok := (*t.writer).(*os.File); ok {
			t.info, _ = f.Stat() // standard output may be closed: the first write tells
		}
		return nil
	}
	before, err := os.Stat(t.path)
	if err == nil && before.IsDir() {
		return usagef("%s: %s is a directory; name a file", t.flag, t.path)
	}
	missing := errors.Is(err, fs.ErrNotExist)
	if t.file, err = os.OpenFile(t.path, os.O_WRONLY|os.O_CREATE, 0o666); err != nil {
		return usagef("%s: %w", t.flag, err)
	}
	t.created = missing
	t.info, err = t.file.Stat()
	return err
}

// undo removes the file that open created, also at the end of a link.
func (t *target) undo() {
	if !t.created {
		return
	}
	if path, err := filepath.EvalSymlinks(t.path); err == nil {
		os.Remove(path) // what is left then is an empty file, no loss
	}
}

// same reports whether the target and what other tells of are one file. What
// goes to the null device is lost anyway.
func (t *target) same(other os.FileInfo) bool {
	if t.info == nil || other == nil || !os.SameFile(t.info, other) {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(t.info, null)
}

// spare refuses a target that is one of the captures.
func (t *target) spare(files *capture.Files, stdin io.Reader) error {
	if t.info == nil || !t.info.Mode().IsRegular() {
		return nil
	}
	for i := range files.Len() {
		name := files.Name(uint32(i))
		info, err := os.Stat(name)
		if name == "-" {
			f, ok := stdin.(*os.File)
			if !ok {
				continue
			}
			info, err = f.Stat()
		}
		if err == nil && t.same(info) {
			what := t.path
			if what == "-" {
				what = "standard output"
			}
			return usagef("%s is one of the captures: it would be overwritten", what)
		}
	}
	return nil
}
