package intel

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile is the largest file that is read, in bytes: a list of a million names
// has 20 MiB.
const maxFile = 64 << 20

// Read hands each file of path to parse and collects what it says: of a folder
// those whose names end in one of endings, in the order of their paths. A file
// that is too large or cannot be read is an entry, too. skipped counts the other files of the
// folder. Nothing is followed out of the folder.
func Read(path string, endings []string, parse func(file string, data []byte) []Entry) (entries []Entry, skipped int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.IsDir() {
		data, err := readFile(path)
		if err != nil {
			return nil, 0, err
		}
		return parse(path, data), 0, nil
	}
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != path && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular() || !slices.Contains(endings, strings.ToLower(filepath.Ext(p))):
			skipped++
			return nil
		}
		data, err := readFile(p)
		if err != nil {
			entries = append(entries, Broken(p, 1, "cannot be read: %s", Clean(err.Error(), 200)))
			return nil
		}
		entries = append(entries, parse(p, data)...)
		return nil
	})
	if err == nil && entries == nil {
		err = fmt.Errorf("%s: no file that ends in %s is there", path, strings.Join(endings, " or "))
	}
	return entries, skipped, err
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: larger than 64 MiB; split it", path)
	}
	return data, err
}

// mark begins each file that an import wrote.
const mark = "# Imported from "

// Write puts the files into a folder, which it makes if need be. Files that an
// import wrote before are replaced, others are not. What earlier imports left
// there besides is returned in stale.
func (p *Pack) Write(dir string) (stale []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, f := range p.Files {
		old, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err == nil && !strings.HasPrefix(string(old), mark) {
			return nil, fmt.Errorf("%s was not written by an import; give another folder, or move the file away", filepath.Join(dir, f.Name))
		}
	}
	for _, f := range p.Files {
		if err := replace(filepath.Join(dir, f.Name), f.Data); err != nil {
			return nil, err
		}
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range there {
		ours := slices.ContainsFunc(p.Files, func(f File) bool { return f.Name == d.Name() })
		if ext := filepath.Ext(d.Name()); !ours && d.Type().IsRegular() && (ext == ".yaml" || ext == ".yml") {
			stale = append(stale, filepath.Join(dir, d.Name()))
		}
	}
	return stale, nil
}

// replace writes a file so that a reload of the rules sees the old one or the
// new one.
func replace(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".import-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
