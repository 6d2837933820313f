package detect

import (
	"slices"
	"strings"
)

// Attribute is one attribute of a certificate's subject or issuer, such as
// CN=example. Type is the short name from RFC 4514 section 3 (CN, O, OU, C, L,
// ST, STREET, DC, UID), or emailAddress or serialNumber; case does not count.
type Attribute struct{ Type, Value []byte }

// nameSet is a set of attributes that must all be present, in any order and
// beside any others: parsers disagree about the order of a distinguished name.
type nameSet []struct {
	typ   string // lower case
	value glob   // folded
}

// parseNameSet reads "CN=AnyNet Relay, O=philandro *"; a comma within a value
// is written \, and values are globs.
func parseNameSet(s string) (set nameSet, msg, hint string) {
	parts, msg, hint := splitName(s)
	if msg != "" {
		return nil, msg, hint
	}
	fixed := 0
	for _, p := range parts {
		value := compileFold(p[1])
		fixed += value.fixed()
		set = append(set, struct {
			typ   string
			value glob
		}{asciiLower(p[0]), value})
	}
	if fixed < 3 {
		return nil, "names next to nothing", "expected at least three fixed characters in the values"
	}
	return set, "", ""
}

// splitName cuts a distinguished name into type and value pairs.
func splitName(s string) (parts [][2]string, msg, hint string) {
	const want = `expected TYPE=value pairs such as "CN=AnyNet Relay, O=philandro*"`
	for s != "" {
		var value strings.Builder
		typ, rest, ok := strings.Cut(s, "=")
		typ = strings.TrimSpace(typ)
		if !ok || !isAttributeType(typ) {
			return nil, "no attribute type in " + quote(strings.TrimSpace(s)), want + `; write a comma within a value as \,`
		}
		i := 0
		for ; i < len(rest) && rest[i] != ','; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			value.WriteByte(rest[i])
		}
		v := strings.TrimSpace(value.String())
		if v == "" {
			return nil, "attribute " + typ + " has no value", want
		}
		parts = append(parts, [2]string{typ, v})
		if i == len(rest) {
			return parts, "", ""
		}
		s = rest[i+1:]
	}
	return nil, "a name without an attribute", want
}

// attributeTypes are the types that the sensor reads from certificates.
var attributeTypes = []string{"cn", "o", "ou", "c", "l", "st", "street", "dc", "uid", "emailaddress", "serialnumber"}

func isAttributeType(s string) bool { return slices.Contains(attributeTypes, asciiLower(s)) }

// match reports whether every attribute of the set is among attrs.
func (set nameSet) match(attrs []Attribute) bool {
	for i := range set {
		if !hasAttribute(attrs, set[i].typ, set[i].value) {
			return false
		}
	}
	return true
}

func hasAttribute(attrs []Attribute, typ string, value glob) bool {
	for i := range attrs {
		if !equalFold(attrs[i].Type, typ) {
			continue
		}
		if _, _, ok := value.match(attrs[i].Value, true); ok {
			return true
		}
	}
	return false
}

// equalFold compares b with low, which is in lower case.
func equalFold(b []byte, low string) bool {
	if len(b) != len(low) {
		return false
	}
	for i, c := range b {
		if foldByte(c, true) != low[i] {
			return false
		}
	}
	return true
}
