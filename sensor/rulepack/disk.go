package rulepack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// disk is the folder of a store. All changes go through it, and none leaves
// the folder: it may belong to a user who has fewer rights than who installs.
type disk struct {
	root *os.Root
	// step is asked before each change; an error stops it. Tests set it.
	step func(what string) error
}

// change makes one change, unless a test stops it.
func (d *disk) change(what string, do func() error) error {
	if d.step != nil {
		if err := d.step(what); err != nil {
			return err
		}
	}
	return do()
}

// Names of what is not in force yet, or not any more.
const (
	newFolder = ".new"
	newLink   = ".current"
	oldFolder = ".old"
)

// put makes p the set in force. Until the last rename nothing has changed for a
// reader; with it, everything has, and it is the caller who waits for it to be on the
// disk.
func (d *disk) put(p *Pack, r record, folder string) error {
	if err := d.change("clear", func() error { return d.root.RemoveAll(newFolder) }); err != nil {
		return err
	}
	if err := d.change("make folder", func() error { return d.root.Mkdir(newFolder, 0o755) }); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	for _, f := range append([]File{{recordName, append(raw, '\n')}, {manifestName, p.manifest}}, p.Files...) {
		if err := d.write(newFolder+"/"+f.Name, f.Data); err != nil {
			return err
		}
	}
	if err := d.sync(newFolder); err != nil {
		return err
	}
	// A set of this number that is there was never in force: the program ended
	// before its link was made.
	if err := d.change("clear", func() error { return d.root.RemoveAll(folder) }); err != nil {
		return err
	}
	if err := d.change("name folder", func() error { return d.root.Rename(newFolder, folder) }); err != nil {
		return err
	}
	if err := d.sync("."); err != nil {
		return err
	}
	if err := d.change("clear link", func() error { return d.root.RemoveAll(newLink) }); err != nil {
		return err
	}
	if err := d.change("make link", func() error { return d.root.Symlink(folder, newLink) }); err != nil {
		return fmt.Errorf("%w; rules are installed by a symbolic link: put packs.dir on a file system that has them", err)
	}
	return d.change("switch", func() error { return d.root.Rename(newLink, current) })
}

// write writes a file and waits until it is on the disk.
func (d *disk) write(name string, data []byte) error {
	return d.change("write "+name, func() error {
		f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		if err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return err
	})
}

// sync waits until the names in a folder are on the disk.
func (d *disk) sync(folder string) error {
	return d.change("sync "+folder, func() error {
		f, err := d.root.Open(folder)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}

// prune removes all sets but those named, and what an end in between left.
func (d *disk) prune(keep ...string) error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	kept := " " + strings.Join(keep, " ") + " "
	for _, e := range entries {
		if !folderRE.MatchString(e.Name()) || strings.Contains(kept, " "+e.Name()+" ") {
			continue
		}
		// Its name goes first: who still reads it finds no file any more, and not a part
		// of them.
		err := errors.Join(
			d.change("clear old", func() error { return d.root.RemoveAll(oldFolder) }),
			d.change("prune "+e.Name(), func() error { return d.root.Rename(e.Name(), oldFolder) }),
			d.change("clear old", func() error { return d.root.RemoveAll(oldFolder) }),
		)
		if err != nil {
			return err
		}
	}
	return nil
}
