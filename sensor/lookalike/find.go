package lookalike

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// maxName is a host name as text, RFC 1035 section 3.1 (255 on the wire).
const maxName = 253

// maxFound bounds the labels of a name that are judged. One is usual.
const maxFound = 8

// nearTop is how many labels stand right of the leftmost label that is compared
// letter by letter: a registered domain is below one or two, seldom three.
const nearTop = 3

// candidate is a label that imitates a brand, whoever's it is.
type candidate struct {
	brand int32 // in Matcher.brands
	at    int   // how many labels stand right of it
	shape shape
	looks bool // it only looks like the brand
}

// shape is how a label stands to a brand.
type shape uint8

const (
	whole   shape = iota // it is the brand
	among                // the brand with other words
	oneEdit              // one letter off
	within               // the brand among other letters
)

// Find reports how name, as on the wire, imitates a brand. A port behind a
// colon and one final dot are ignored. Names below an owned domain imitate nobody, nor
// do those that are not of the public DNS. What is no name allocates nothing; a finding
// allocates its domain, which may hold any byte. seen remembers what is harmless for the
// next call, and may be nil.
func (m *Matcher) Find(name []byte, seen *Seen) (Finding, bool) {
	name = trim(name)
	if len(name) > maxName {
		return Finding{}, false
	}
	all := seen.key(m, name, anyPlace)
	if seen.harmless(all) {
		return Finding{}, false
	}
	var list [maxFound]candidate
	found := list[:0]
	var l label
	for at, end := 0, len(name); ; at++ {
		dot := end - 1
		for dot >= 0 && name[dot] != '.' {
			dot--
		}
		if at > 0 { // the top-level domain is a registry's
			text, place := name[dot+1:end], farOff
			if at <= nearTop {
				place = near
			}
			if key := seen.key(m, text, place); !seen.harmless(key) {
				if !l.read(text) {
					return Finding{}, false
				}
				before := len(found)
				if m.maybe(&l) {
					found = m.contained(&l, at, found)
				}
				if place == near {
					found = m.edited(&l, at, found)
				}
				if len(found) == before {
					seen.add(key)
				}
			}
		}
		if dot < 0 {
			break
		}
		end = dot
	}
	if len(found) == 0 {
		seen.add(all)
		return Finding{}, false
	}
	return m.judge(name, found)
}

// trim drops a port (HTTP hosts and CONNECT targets have one) and then one
// final dot.
func trim(name []byte) []byte {
	i := len(name)
	for i > 0 && len(name)-i < 5 && '0' <= name[i-1] && name[i-1] <= '9' {
		i--
	}
	if i > 0 && i < len(name) && name[i-1] == ':' {
		name = name[:i-1]
	}
	if n := len(name); n > 0 && name[n-1] == '.' {
		name = name[:n-1]
	}
	return name
}

// maybe reports whether the first letters of a brand stand in l.
func (m *Matcher) maybe(l *label) bool {
	var gram uint32
	for _, c := range l.text() {
		if c == '-' {
			continue
		}
		first, second := pair(c)
		gram = gram<<8 | uint32(first)
		if b := gramBit(gram); m.grams[b>>6]>>(b&63)&1 != 0 {
			return true
		}
		if second == 0 {
			continue
		}
		gram = gram<<8 | uint32(second)
		if b := gramBit(gram); m.grams[b>>6]>>(b&63)&1 != 0 {
			return true
		}
	}
	return false
}

// contained appends the brands that stand in l.
func (m *Matcher) contained(l *label, at int, found []candidate) []candidate {
	var folded [maxFolded]byte
	var from [maxFolded + 1]uint8 // in l.text; the second letter of two has the place of the next
	n := 0
	for i, c := range l.text() {
		if c == '-' {
			continue
		}
		first, second := pair(c)
		folded[n], from[n] = first, uint8(i)
		n++
		if second != 0 {
			folded[n], from[n] = second, 0xff
			n++
		}
	}
	for i := 0; i+4 <= n; i++ {
		if from[i] == 0xff {
			continue // half a letter is no beginning
		}
		for _, b := range m.byGram[gramOf(folded[i:n])] {
			word := m.brands[b].folded
			end := i + len(word)
			if end > n || end < n && from[end] == 0xff || !bytes.Equal(folded[i:end], word) {
				continue
			}
			last := end - 1
			for from[last] == 0xff {
				last--
			}
			found = m.contains(l, b, int(from[i]), int(from[last])+1, at, found)
		}
	}
	return found
}

// contains appends the brand b, which l.text()[from:to] looks like.
func (m *Matcher) contains(l *label, b int32, from, to, at int, found []candidate) []candidate {
	foreign := l.foreign >> from & (1<<(to-from) - 1)
	c := candidate{brand: b, at: at, shape: within, looks: foreign != 0 || !spells(l.text()[from:to], m.brands[b].plain)}
	left, right := l.text()[:from], l.text()[to:]
	switch {
	case len(left)+len(right) == 0:
		c.shape = whole
	case (apart(left, len(left)-1) || isKeywords(left)) && (apart(right, 0) || isKeywords(right)):
		c.shape = among
	case m.brands[b].bounded || c.looks && foreign == 0:
		return found // visionline holds a kind of islonline
	}
	return add(found, c)
}

// apart reports whether the character of a side next to the brand is a hyphen.
func apart(side []byte, at int) bool { return len(side) > 0 && side[at] == '-' }

// spells reports whether b is word, hyphens apart.
func spells(b, word []byte) bool {
	for _, c := range b {
		if c == '-' {
			continue
		}
		if len(word) == 0 || word[0] != c {
			return false
		}
		word = word[1:]
	}
	return len(word) == 0
}

func add(found []candidate, c candidate) []candidate {
	if len(found) == cap(found) {
		return found
	}
	return append(found, c)
}

// edited appends the brands that l is one letter off: all of it, or one of its
// words where the others are keywords.
func (m *Matcher) edited(l *label, at int, found []candidate) []candidate {
	if len(l.text()) < editLabel {
		return found
	}
	hyphens := 0
	var buf [maxLabel]byte
	joined := buf[:0]
	for _, c := range l.text() {
		if c == '-' {
			hyphens++
			continue
		}
		joined = append(joined, c)
	}
	found = m.near(joined, at, found)
	for from := 0; hyphens > 0 && from < len(l.text()); {
		to := from
		for to < len(l.text()) && l.text()[to] != '-' {
			to++
		}
		if before := len(found); to-from >= editLabel {
			if found = m.near(l.text()[from:to], at, found); len(found) > before && !(isKeywords(l.text()[:from]) && isKeywords(l.text()[to:])) {
				found = found[:before]
			}
		}
		from = to + 1
	}
	return found
}

// near appends the brands that a word is one letter off; digits at its ends are
// not of it. A letter that only looks like the brand's is one that is off: what is off
// twice is too far from it.
func (m *Matcher) near(word []byte, at int, found []candidate) []candidate {
	for len(word) > 0 && isDigit(word[0]) {
		word = word[1:]
	}
	for len(word) > 0 && isDigit(word[len(word)-1]) {
		word = word[:len(word)-1]
	}
	if len(word) < editLabel || len(word) > m.longest+1 {
		return found
	}
	before := len(found)
	var hashes [maxLabel + 1]uint64
	for _, h := range hashes[:deletionsOf(word, &hashes)] {
		bit := h >> 48
		if m.deletions[bit>>6]>>(bit&63)&1 == 0 {
			continue
		}
		for _, b := range m.byDeletion[h] {
			if isOneEdit(word, m.brands[b].plain) && !slices.ContainsFunc(found[before:], func(c candidate) bool { return c.brand == b }) {
				found = add(found, candidate{brand: b, at: at, shape: oneEdit})
			}
		}
	}
	return found
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isOneEdit reports whether a letter more, less or another, or two neighbours
// swapped, make b of a.
func isOneEdit(a, b []byte) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(a) > len(b)+1 {
		return false
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	switch {
	case len(a) > len(b):
		return bytes.Equal(a[i+1:], b[i:])
	case i == len(b):
		return false // the same
	case bytes.Equal(a[i+1:], b[i+1:]):
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && bytes.Equal(a[i+2:], b[i+2:])
}

// judge picks the candidate that says most about name, if it is anybody else's.
func (m *Matcher) judge(name []byte, found []candidate) (f Finding, ok bool) {
	var buf [maxName]byte
	low := buf[:len(name)]
	for i, c := range name {
		low[i] = lower(c)
	}
	at, ahead := m.zoneOf(low)
	if at == owned || at == internal || at == carrier && m.isOwned(low[:ahead]) {
		return f, false
	}
	text := string(low)
	suffix, icann := publicsuffix.PublicSuffix(text)
	if !icann && !strings.Contains(suffix, ".") || len(suffix) == len(text) {
		return f, false // not of the public DNS, or what a registry has registrations under
	}
	top := strings.Count(suffix, ".") + 1
	quiet := at == tenancy || at == reputation || strings.HasPrefix(text, "_") || strings.Contains(text, "._")
	best := -1
	for i := range found {
		c := &found[i]
		how, is := c.technique(top, icann)
		if !is || how == Label && quiet || c.at > top && quiet {
			continue
		}
		if best < 0 || less(how, c, f.Technique, &found[best]) {
			best, f.Technique = i, how
		}
	}
	if best < 0 {
		return Finding{}, false
	}
	f.Brand = m.brands[found[best].brand].Brand
	start := strings.LastIndexByte(text[:len(text)-len(suffix)-1], '.') + 1
	f.Domain = text[start:]
	return f, true
}

// less reports whether a candidate says more than another: by its technique,
// then what was registered, then the longer brand.
func less(how Technique, c *candidate, other Technique, o *candidate) bool {
	switch {
	case how != other:
		return how < other
	case c.at != o.at:
		return c.at < o.at
	}
	return c.brand < o.brand
}

// technique is how a label imitates, in a name of which the labels right of top are
// a public suffix. Beyond what was registered only whole words count: services put
// all kinds of letters there.
func (c *candidate) technique(top int, icann bool) (how Technique, ok bool) {
	registered := c.at == top
	switch {
	case c.at < top, !registered && c.shape >= oneEdit:
		return 0, false
	case c.shape == oneEdit:
		return Edited, true
	case c.shape == within:
		return Inside, true
	case c.looks:
		return Confusable, registered || c.shape == whole
	case !registered, c.shape == whole && !icann:
		return Label, true
	case c.shape == whole:
		return WrongTLD, true
	}
	return Joined, true
}

// zoneOf returns the widest zone of note that name is in, owned ones first, and
// how many bytes stand ahead of it.
func (m *Matcher) zoneOf(name []byte) (best zone, ahead int) {
	for i := len(name); i >= 0; i-- {
		if i > 0 && name[i-1] != '.' {
			continue
		}
		switch z := m.zones[string(name[i:])]; {
		case z == owned:
			return owned, i
		case z != 0 && best == 0:
			best, ahead = z, max(i-1, 0)
		}
	}
	return best, ahead
}

// isOwned reports whether name is below an owned domain.
func (m *Matcher) isOwned(name []byte) bool {
	z, _ := m.zoneOf(name)
	return z == owned
}
