package lookalike

import (
	"fmt"
	"slices"
	"strings"
)

// Brand is a word that imitations put into their names.
type Brand struct {
	Word string // lower-case letters, digits and hyphens
	ID   int    // whatever the caller tells its brands apart by
}

// Lengths of brands, in letters and digits.
const (
	minBrand = 4 // three letters stand in too many names, also between hyphens
	maxBrand = 32
	// freeBrand is the least of a brand that may be looked for within other letters. Six
	// letters stand inside of honest names: todesk in autodesk, kaseya in fukaseya.
	freeBrand = 7
	// editBrand is the least of a brand, and editLabel of a label, that is compared
	// letter by letter. Shorter words have honest neighbours.
	editBrand = 6
	editLabel = 7
)

// ordinary are words that are nobody's: as a brand they would call honest
// names imitations, whatever stands around them.
var ordinary = strings.Fields(`
	absolute access action admin agent amazon amazonaws android apple assist automate citrix cisco cloud cloudflare connect console control
	datto desk desktop direct domain duet easy endpoint express fleet fortinet general global google guacamole heartbeat help helper helpdesk
	host jump level lite live login manage manager mesh microsoft mobile monitor network office oray parsec partner
	phone pilot point portal power professional program pulse quick quickassist quicksupport remote remoteaccess remoteassist
	remoteassistance remotecontrol remotedesktop remotely remotehelp remotesupport rescue resolve screen secure security senso
	server service session share simple site smart software source spice splash station stream studio super support supremo sync
	synchro syncro system tactical takecontrol team teleport terminal tight total track trust tunnel twin ultra unattended
	update vendor video view viewer virtual vision webex windows wire work world zoho zoom`)

// insideWords are brands that are long enough to be looked for within other letters,
// and stand inside of honest words.
var insideWords = []string{"itarian", "remotepc", "sunlogin"}

// Check says why a word is not fit to be a brand, and what to write instead;
// empty texts where it is.
func Check(word string) (problem, hint string) {
	plain := strings.ReplaceAll(word, "-", "")
	switch {
	case len(plain) < minBrand:
		return fmt.Sprintf("has %d letters: too many honest names have it", len(plain)),
			fmt.Sprintf("use a longer name of the product, of at least %d, or none", minBrand)
	case len(plain) > maxBrand:
		return fmt.Sprintf("has %d letters", len(plain)), fmt.Sprintf("at most %d", maxBrand)
	case !strings.ContainsFunc(plain, func(r rune) bool { return 'a' <= r && r <= 'z' }):
		return "has no letter", "use a name of the product, or none"
	case slices.Contains(ordinary, plain):
		return "is an ordinary word, or many a vendor's: honest names would be called imitations",
			"use a name that only this product has, such as the word with what follows it, or none"
	}
	return "", ""
}

// Bounded reports whether a brand counts only as a word of its own: the whole
// label, or with nothing but hyphens, digits and known words around it. Longer brands
// count within other letters too.
func Bounded(word string) bool {
	plain := strings.ReplaceAll(word, "-", "")
	return len(plain) < freeBrand || slices.Contains(insideWords, plain)
}

// keywords are the words that imitations join to a brand without a hyphen, and that
// stand beside it where a letter of it is wrong.
var keywords = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`
		access admin agent android api app apps assist auth biz business center central client cloud cn co com computer connect
		connection control corp cs customer de desk desktop dl download downloads en enterprise es eu exe file files fr free get global
		group help helpdesk host hub id in inc install installer io it jp latest link live llc local login ltd mac mail manage
		me mobile msi my net new note now official on online org page partner pc plus portal pro product relay remote ru
		safe secure server servers service services session set setup shop signin site soft software start stat store support
		supports sys system tech team the to tool tools try uk update updates upgrade us user verify version view viewer vip web win
		windows work world wvw ww www wwww wwv your zone`) {
		m[w] = true
	}
	return m
}()

// maxKeyword is the length of the longest keyword.
var maxKeyword = func() (n int) {
	for w := range keywords { // any order
		n = max(n, len(w))
	}
	return n
}()

// isKeywords reports whether b consists of keywords, digits and hyphens only.
func isKeywords(b []byte) bool {
	var reach uint64 = 1 // bit i: b[:i] does; a label has at most 63 bytes
	for i := range b {
		if reach>>i&1 == 0 {
			continue
		}
		if c := b[i]; c == '-' || '0' <= c && c <= '9' {
			reach |= 2 << i
		}
		for n := 2; n <= maxKeyword && i+n <= len(b); n++ {
			if keywords[string(b[i:i+n])] {
				reach |= 1 << (i + n)
			}
		}
	}
	return reach>>len(b)&1 != 0
}
