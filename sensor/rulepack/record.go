package rulepack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
)

// recordName is the file beside the rules of an installed set that says how it
// came there. It is part of the set's folder, so that one rename puts rules
// and record in force together.
const recordName = "installed.json"

// current is the link to the set in force.
const current = "current"

// record is what a set's folder says of itself.
type record struct {
	Format   int    `json:"format"`
	Name     string `json:"name"`
	Sequence uint64 `json:"sequence"`
	Digest   string `json:"digest"` // of the pack
	Key      string `json:"key"`    // id of the key that signed it
	// Highest is the mark: the highest sequence number that was ever installed here,
	// and the digest of that pack. A rollback does not lower it.
	Highest       uint64 `json:"highest"`
	HighestDigest string `json:"highest_digest"`
	// Before is the folder of the set that was in force before, for rollback; "" for
	// none.
	Before string `json:"before,omitempty"`
}

// set is an installed set.
type set struct {
	record
	folder string // set-N; "" when nothing is installed
}

var folderRE = regexp.MustCompile(`^set-([1-9][0-9]{0,17})$`)

// next is the name of the folder after s.
func (s *set) next() string {
	n := uint64(0)
	if m := folderRE.FindStringSubmatch(s.folder); m != nil {
		n, _ = strconv.ParseUint(m[1], 10, 64) // 18 digits fit
	}
	return fmt.Sprintf("set-%d", n+1)
}

// inForce is the set that current leads to.
func inForce(root *os.Root) (*set, error) {
	folder, err := root.Readlink(current)
	if errors.Is(err, fs.ErrNotExist) {
		return &set{}, nil
	}
	if err != nil || !folderRE.MatchString(folder) {
		return nil, fmt.Errorf("%s is not the link that rules install makes; move it away", place(root, current))
	}
	r, err := readRecord(root, folder)
	if err != nil {
		return nil, err
	}
	return &set{r, folder}, nil
}

// place is a path below root for messages.
func place(root *os.Root, name string) string { return root.Name() + "/" + name }

func readRecord(root *os.Root, folder string) (r record, err error) {
	raw, err := readLimited(root, folder+"/"+recordName, 1<<16)
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err == nil && (r.Format != formatV1 || CheckName(r.Name) != nil || CheckSequence(r.Sequence) != nil || r.Highest < r.Sequence ||
		r.Before != "" && !folderRE.MatchString(r.Before)) {
		err = errors.New("it is of another version, or was changed")
	}
	if err != nil {
		return r, fmt.Errorf("what is installed cannot be told: %s: %w; restore the folder, or move %s away and install the newest pack: which numbers were installed is forgotten then",
			place(root, folder+"/"+recordName), err, place(root, current))
	}
	return r, nil
}

// readSet reads the pack back that was installed into a folder.
func readSet(root *os.Root, folder string) (*Pack, error) {
	raw, err := readLimited(root, folder+"/"+manifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	p := &Pack{manifest: raw}
	if p.Manifest, err = parseManifest(raw); err != nil {
		return nil, err
	}
	for _, e := range p.Manifest.Files {
		if !fileRE.MatchString(e.Path) {
			return nil, fmt.Errorf("%s is no name of a rule file", quote(e.Path))
		}
		data, err := readLimited(root, folder+"/"+e.Path, maxFile)
		if err != nil {
			return nil, err
		}
		p.Files = append(p.Files, File{e.Path, data})
	}
	return p, p.Manifest.holds(p.Files)
}

// readLimited reads a file of at most limit bytes.
func readLimited(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return raw, err
}
