package rulepack

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Limits of a pack. The embedded rules are 200 files of 700 kB together, and a
// hundred thousand imported names some 3 MB.
const (
	MaxPacked   = 32 << 20 // bytes of the archive
	maxUnpacked = 64 << 20 // bytes of all files, and of the archive without its compression
	maxFile     = 1 << 20  // bytes of a rule file, as detect takes it
	maxFiles    = 10_000
	maxManifest = 4 << 20   // bytes: 400 of each file
	MaxSequence = 1<<53 - 1 // what every reader of JSON keeps exactly
	maxName     = 48        // bytes of a pack's name
	formatV1    = 1
)

// manifestName is the first file of every pack.
const manifestName = "manifest.json"

// Manifest says what a pack holds.
type Manifest struct {
	Format   int     `json:"format"`
	Name     string  `json:"name"`     // of the line of packs that this is one of
	Sequence uint64  `json:"sequence"` // 1 to MaxSequence; a later pack of the line has a higher one
	Rules    string  `json:"rules"`    // version of the rule set, as the program that made the pack names it
	Files    []Entry `json:"files"`    // in the order of their paths
}

// Entry is one file of a pack.
type Entry struct {
	Path   string `json:"path"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"` // lower-case hexadecimal
}

// File is one rule file. Its name is the tool's id and .yaml.
type File struct {
	Name string
	Data []byte
}

// Pack is a set of rule files under a name and a number. It is not written to
// once it is made.
type Pack struct {
	Manifest Manifest
	Files    []File // in the order of Manifest.Files
	manifest []byte // Manifest as it stands in the archive
}

// Digest names the content of the pack: two packs with the same digest have the
// same name, number and files.
func (p *Pack) Digest() string { return digest(p.manifest) }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

var (
	nameRE = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)
	fileRE = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*\.yaml$`)
)

// CheckName refuses what is no name of a pack.
func CheckName(name string) error {
	if len(name) > maxName || !nameRE.MatchString(name) {
		return fmt.Errorf("%s is no name of a pack; use lower-case letters, digits and single hyphens, at most %d", quote(name), maxName)
	}
	return nil
}

// CheckSequence refuses what is no sequence number.
func CheckSequence(n uint64) error {
	if n < 1 || n > MaxSequence {
		return fmt.Errorf("%d is no sequence number; count from 1 to %d", n, uint64(MaxSequence))
	}
	return nil
}

// quote is a name from an archive as a message shows it.
func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return fmt.Sprintf("%q", s)
}

// Sources are the rule files, each called place/NAME in messages.
func (p *Pack) Sources(place string) []detect.Source {
	out := make([]detect.Source, len(p.Files))
	for i, f := range p.Files {
		out[i] = detect.FromBytes(place+"/"+f.Name, f.Data)
	}
	return out
}

// load loads the rules, which runs their tests, and holds each file's name
// against the tool in it.
func load(place string, files []File) (*detect.Ruleset, error) {
	p := Pack{Files: files}
	rs, err := detect.Load(p.Sources(place)...)
	if err != nil {
		return nil, err
	}
	for _, t := range rs.Tools() {
		if name := strings.TrimPrefix(t.File, place+"/"); name != t.ID+".yaml" {
			return nil, fmt.Errorf("%s holds the tool %s; each file of a pack is called as its tool: make the pack with rmmwatch rules pack", quote(name), t.ID)
		}
	}
	return rs, nil
}

// Load loads the rules of the pack and runs their tests.
func (p *Pack) Load() (*detect.Ruleset, error) { return load("pack", p.Files) }

// encode is m as it stands in an archive: one form for one content.
func (m *Manifest) encode() ([]byte, error) {
	raw, err := json.MarshalIndent(m, "", " ")
	return append(raw, '\n'), err
}

// parseManifest reads what encode wrote, and nothing else.
func parseManifest(raw []byte) (m Manifest, err error) {
	var only struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(raw, &only); err != nil {
		return m, fmt.Errorf("%s is not JSON: %w; %s", manifestName, err, again)
	}
	if only.Format != formatV1 {
		return m, fmt.Errorf("the pack has format %d, and this rmmwatch reads %d; update rmmwatch, or have the pack made for this version", only.Format, formatV1)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w; %s", manifestName, err, again)
	}
	if same, err := m.encode(); err != nil || !bytes.Equal(same, raw) {
		return m, fmt.Errorf("%s is not in the one form that rmmwatch writes; %s", manifestName, again)
	}
	if err := CheckName(m.Name); err != nil {
		return m, fmt.Errorf("%s: %w", manifestName, err)
	}
	if err := CheckSequence(m.Sequence); err != nil {
		return m, fmt.Errorf("%s: %w", manifestName, err)
	}
	return m, nil
}

// holds reports the first file that is not as the manifest says.
func (m *Manifest) holds(files []File) error {
	for i := range max(len(files), len(m.Files)) {
		switch {
		case i >= len(files) || i < len(m.Files) && m.Files[i].Path < files[i].Name:
			return fmt.Errorf("%s names %s, which is not there; %s", manifestName, quote(m.Files[i].Path), again)
		case i >= len(m.Files) || m.Files[i].Path != files[i].Name:
			return fmt.Errorf("%s is not in %s; %s", quote(files[i].Name), manifestName, again)
		case m.Files[i].Size != len(files[i].Data) || m.Files[i].SHA256 != digest(files[i].Data):
			return fmt.Errorf("%s is not the file that %s describes; %s", quote(files[i].Name), manifestName, again)
		}
	}
	if len(files) == 0 {
		return errors.New("the pack holds no rule file; " + again)
	}
	return nil
}

// again is what to do about an archive that rules pack did not make.
const again = "have the pack made again with rmmwatch rules pack, and signed"
