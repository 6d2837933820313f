package rulepack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Store is a folder that packs are installed into. It holds one line of packs:
// the sets in force and before, each in a folder set-N, and the link `current`.
type Store struct {
	Dir  string
	Keys []Key // whose packs are taken
	// Fit judges a pack that is about to be put in force beside the other rules of
	// the configuration; nil for none.
	Fit func(*Pack) error

	step func(what string) error // see disk
}

// Installed is what a change of the store came to.
type Installed struct {
	Name     string
	Sequence uint64
	Before   uint64 // sequence number that was in force; 0 for none
	Changed  bool   // false when the pack was in force already
	Highest  uint64 // no lower number is ever installed again
}

// Current is the path of the rules in force, for `rules` of the configuration.
func (s *Store) Current() string { return filepath.Join(s.Dir, current) }

// Install verifies a pack and puts it in force. A number below the highest that was
// ever installed here is refused, also after a rollback, and so is that number
// with other content or after it was rolled back.
func (s *Store) Install(raw, signature []byte) (Installed, *Pack, Signed, error) {
	p, signed, err := Open(raw, signature, s.Keys)
	if err != nil {
		return Installed{}, nil, signed, err
	}
	var out Installed
	err = s.locked(true, func(d *disk) error {
		now, err := inForce(d.root)
		if err != nil {
			return err
		}
		out = Installed{Name: p.Manifest.Name, Sequence: p.Manifest.Sequence, Before: now.Sequence, Highest: p.Manifest.Sequence}
		whole, err := admit(d.root, now, p)
		if err != nil || whole {
			return err
		}
		if err := s.fit(p); err != nil {
			return err
		}
		r := record{
			Format: formatV1, Name: p.Manifest.Name, Sequence: p.Manifest.Sequence, Digest: p.Digest(), Key: signed.Key.ID(),
			Highest: p.Manifest.Sequence, HighestDigest: p.Digest(), Before: now.folder,
		}
		if now.Digest == r.Digest { // it was damaged, and is no set to go back to
			r.Before = now.Before
		}
		out.Changed = true
		return replace(d, now, p, r)
	})
	return out, p, signed, err
}

// admit holds the numbers of a pack against what was installed. It is whole when
// the pack is in force already.
func admit(root *os.Root, now *set, p *Pack) (whole bool, err error) {
	m := &p.Manifest
	switch {
	case now.folder == "":
		return false, nil
	case m.Name != now.Name:
		return false, fmt.Errorf("the pack is called %s, and %s holds packs called %s; give each line of packs a folder (packs.dir) of its own", m.Name, root.Name(), now.Name)
	case m.Sequence < now.Highest:
		return false, fmt.Errorf("the pack has sequence %d, and %d was installed here; an old pack is not taken again: install a newer one, or go back with rmmwatch rules rollback", m.Sequence, now.Highest)
	case m.Sequence > now.Highest:
		return false, nil
	case p.Digest() != now.HighestDigest:
		return false, fmt.Errorf("another pack with sequence %d was installed here; each pack needs a number of its own: have this one made again with %d or higher", m.Sequence, m.Sequence+1)
	case now.Sequence < now.Highest:
		return false, fmt.Errorf("sequence %d was rolled back here; go back to it with rmmwatch rules rollback, or install a newer pack", m.Sequence)
	}
	is, err := readSet(root, now.folder)
	return err == nil && is.Digest() == now.Digest, nil
}

// Rollback puts the set in force that was before. What was in force becomes the set
// before, so that a second rollback undoes the first. The mark that Install
// holds numbers against stays.
func (s *Store) Rollback() (Installed, *Pack, error) {
	var out Installed
	var p *Pack
	err := s.locked(false, func(d *disk) error {
		now, err := inForce(d.root)
		switch {
		case err != nil:
			return err
		case now.folder == "":
			return fmt.Errorf("nothing is installed in %s", s.Dir)
		case now.Before == "":
			return fmt.Errorf("there is no set before sequence %d in %s; install another pack", now.Sequence, s.Dir)
		}
		r, err := readRecord(d.root, now.Before)
		if err != nil {
			return err
		}
		if p, err = readSet(d.root, now.Before); err != nil || p.Digest() != r.Digest {
			return errors.Join(fmt.Errorf("the set before, %s, is not as it was installed; install another pack", place(d.root, now.Before)), err)
		}
		if !s.trusts(r.Key) {
			return fmt.Errorf("the set before was signed with key %s, which is not trusted any more; install another pack", r.Key)
		}
		if err := s.fit(p); err != nil {
			return err
		}
		r.Highest, r.HighestDigest, r.Before = now.Highest, now.HighestDigest, now.folder
		out = Installed{Name: r.Name, Sequence: r.Sequence, Before: now.Sequence, Changed: true, Highest: r.Highest}
		return replace(d, now, p, r)
	})
	return out, p, err
}

func (s *Store) trusts(id string) bool {
	for _, k := range s.Keys {
		if k.ID() == id {
			return true
		}
	}
	return false
}

// fit loads the rules, which this version of the program may see with other
// eyes than the one that installed them, and asks Fit.
func (s *Store) fit(p *Pack) error {
	if _, err := p.Load(); err != nil {
		return errors.Join(errors.New("the rules in the pack are not fit for use with this rmmwatch"), err)
	}
	if s.Fit == nil {
		return nil
	}
	return s.Fit(p)
}

// replace puts p in force. What is neither in force then nor before is removed.
func replace(d *disk, now *set, p *Pack, r record) error {
	if err := d.prune(now.folder, now.Before); err != nil {
		return err
	}
	folder := now.next()
	if err := d.put(p, r, folder); err != nil {
		return fmt.Errorf("sequence %d is not installed, and what was in force stays: %w", r.Sequence, err)
	}
	if err := errors.Join(d.sync("."), d.prune(folder, r.Before)); err != nil {
		return fmt.Errorf("sequence %d is in force, but: %w", r.Sequence, err)
	}
	return nil
}

// locked runs f while nobody else changes the store.
func (s *Store) locked(make bool, f func(*disk) error) error {
	if make {
		if err := os.MkdirAll(s.Dir, 0o755); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return fmt.Errorf("packs.dir: %w", err)
	}
	defer root.Close()
	l, err := root.OpenFile("lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer l.Close() // which ends the lock
	if err := lock(l); err != nil {
		return fmt.Errorf("%s: %w", s.Dir, err)
	}
	return f(&disk{root: root, step: s.step})
}
