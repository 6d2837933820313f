package detect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// Source is somewhere rule files are read from: FromFS, FromPath or FromBytes.
type Source struct {
	name string
	read func() ([]ruleFile, error)
}

type ruleFile struct {
	name string
	data []byte
}

// FromFS is every *.yaml and *.yml file of fsys but those of capture cases. In
// messages their paths begin with name and a colon.
func FromFS(name string, fsys fs.FS) Source {
	return Source{name, func() ([]ruleFile, error) {
		return readTree(fsys, false, func(p string) string { return name + ":" + p })
	}}
}

// FromPath is one rule file, or every *.yaml and *.yml file below a directory but those
// of capture cases (*_test.yaml).
// Files and directories whose names start with a dot are left out, links to
// files are followed.
func FromPath(p string) Source {
	return Source{p, func() ([]ruleFile, error) {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			// A link may be led to another folder meanwhile, as rules install does: it is
			// followed once, or the files would be of two sets.
			real, err := filepath.EvalSymlinks(p)
			if err != nil {
				return nil, err
			}
			return readTree(os.DirFS(real), false, inside(p))
		}
		return readFile(p)
	}}
}

func inside(dir string) func(string) string {
	return func(sub string) string { return filepath.Join(dir, filepath.FromSlash(sub)) }
}

func readFile(p string) ([]ruleFile, error) {
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readLimited(f, 0)
	return []ruleFile{{p, data}}, err
}

// caseFiles are the files of capture cases below a directory, or that of one
// rule file.
func caseFiles(p string) ([]ruleFile, error) {
	info, err := os.Stat(p)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readTree(os.DirFS(p), true, inside(p))
	}
	ext := path.Ext(p)
	files, err := readFile(strings.TrimSuffix(p, ext) + caseSuffix + ext)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return files, err
}

// FromBytes is one rule file that is in memory; name stands for it in messages.
// The caller must not change data until it is loaded.
func FromBytes(name string, data []byte) Source {
	return Source{name, func() ([]ruleFile, error) { return []ruleFile{{name, data}}, nil }}
}

// readTree reads the rule files of fsys, or those of capture cases, in the order
// of their paths.
func readTree(fsys fs.FS, cases bool, name func(string) string) (out []ruleFile, err error) {
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != "." && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if ext := path.Ext(p); d.IsDir() || ext != ".yaml" && ext != ".yml" || isCaseFile(p) != cases {
			return nil
		}
		info, err := fs.Stat(fsys, p)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		f, err := fsys.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := readLimited(f, info.Size())
		out = append(out, ruleFile{name(p), data})
		return err
	})
	return out, err
}

// readLimited reads one byte more than a rule file may have, so that Parse can
// refuse it. The file probably has size bytes.
func readLimited(r io.Reader, size int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(max(size, 0), maxFileSize+1)) + bytes.MinRead)
	_, err := b.ReadFrom(io.LimitReader(r, maxFileSize+1))
	return b.Bytes(), err
}

// loadGC is the collector's percentage while rules are loaded.
const loadGC = 50

// Load reads, checks, compiles and tests the rule files of all sources as one
// set. It returns a set only when every file is good; what is wrong with them
// comes as RuleErrors, a source that cannot be read or holds no rule file as
// *SourceError. The
// order of sources and files decides nothing but the order of the messages.
func Load(sources ...Source) (*Ruleset, error) {
	// Of a large list nearly all that is made while it is read is dropped again: for
	// that second the collector works more, so that a start or a reload takes half of
	// what is kept on top of it and not as much again.
	before := debug.SetGCPercent(loadGC)
	if before >= 0 && before < loadGC {
		debug.SetGCPercent(before)
	}
	defer debug.SetGCPercent(before)
	var errs RuleErrors
	var tools []*Tool
	for _, src := range sources {
		files, err := src.read()
		if err != nil {
			return nil, &SourceError{src.name, err}
		}
		if len(files) == 0 {
			return nil, &SourceError{src.name, errors.New("no *.yaml or *.yml file is there")}
		}
		for i, f := range files {
			files[i].data = nil // what was read is not kept until the last file
			t, more := Parse(f.name, f.data)
			errs = append(errs, more...)
			if t == nil {
				continue
			}
			if i := slices.IndexFunc(tools, func(o *Tool) bool { return o.ID == t.ID }); i >= 0 {
				errs = append(errs, RuleError{t.File, t.at.line, t.at.col,
					fmt.Sprintf("tool %s again, first in %s:%d", quote(t.ID), tools[i].File, tools[i].at.line),
					"one file a tool: merge them, or give it another id"})
				continue
			}
			tools = append(tools, t)
		}
	}
	rs, err := compile(tools)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	errs = append(errs, proof(rs)...)
	if err := errs.err(); err != nil {
		return nil, err
	}
	return rs, nil
}

// LoadFS is Load of one FromFS.
func LoadFS(name string, fsys fs.FS) (*Ruleset, error) { return Load(FromFS(name, fsys)) }

// LoadPath is Load of one FromPath.
func LoadPath(p string) (*Ruleset, error) { return Load(FromPath(p)) }

// proof runs the tests, and turns those that fail into errors.
func proof(rs *Ruleset) (errs RuleErrors) {
	rs.eachTest(func(res TestResult) {
		if res.Problem == "" {
			return
		}
		kind := "match"
		if !res.Match {
			kind = "no_match"
		}
		errs = append(errs, RuleError{res.Tool.File, res.Line, res.Col, kind + " test failed: " + res.Problem, ""})
	})
	return errs
}
