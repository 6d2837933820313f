package lookalike

// Technique is how a name imitates a brand.
type Technique uint8

const (
	// Confusable: characters that look like those of the brand: of other scripts
	// (also in punycode), or rn for m, vv for w, 0 for o, 1 and l for i.
	Confusable Technique = iota
	// WrongTLD: the brand itself, registered under another suffix than the vendor's.
	WrongTLD
	// Joined: the brand with other words: behind hyphens, or known ones such as download,
	// www and digits.
	Joined
	// Edited: one letter more or less or another one, or two swapped.
	Edited
	// Inside: the brand within other letters, in the domain that was registered.
	Inside
	// Label: the brand as a label of somebody else's domain, or of a hosting or dynamic
	// DNS service.
	Label

	Techniques = int(Label) + 1
)

var techniqueNames = [Techniques]string{"confusable", "wrong-tld", "joined", "edited", "inside", "label"}

// String is the technique as alerts name it.
func (t Technique) String() string { return techniqueNames[t] }

// Sure reports whether such a name hardly ever is an honest one.
func (t Technique) Sure() bool { return t <= Joined }

// Finding is a name that imitates a brand.
type Finding struct {
	Brand     Brand
	Technique Technique
	Domain    string // what was registered: a label below a public suffix, or below one of a hosting service
}
