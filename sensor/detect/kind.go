package detect

import "strings"

var kindNames = [...]string{"flow", "dns", "tls", "quic", "certificate", "http", "connect", "payload", "dns-name"}

// String is the kind as alerts name it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// ParseConfidence is the confidence that String calls s; false for no such.
func ParseConfidence(s string) (Confidence, bool) {
	for c := Low; c <= High; c++ {
		if c.String() == s {
			return c, true
		}
	}
	return 0, false
}

// aliasArrow stands between two names in what evidence shows of an alias. No
// printable name has a space in it.
const aliasArrow = " -> "

// Aliased is what evidence of DNS shows where the name that was asked for, asked, is an
// alias of name: both; else name. Both are printable.
func Aliased(asked, name string) string {
	if asked == "" || asked == name {
		return name
	}
	return asked + aliasArrow + name
}

// SplitAlias undoes Aliased: asked is empty where value is one name.
func SplitAlias(value string) (asked, name string) {
	if asked, name, ok := strings.Cut(value, aliasArrow); ok {
		return asked, name
	}
	return "", value
}

// Weaker is the same indicator, one step less sure, for a match that says less than
// its rule expects; nil for what would say nothing.
func (in *Indicator) Weaker() *Indicator {
	if in.Confidence <= Low {
		return nil
	}
	w := *in
	w.Confidence--
	return &w
}
