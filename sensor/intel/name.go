package intel

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Name reads a name as lists write it and returns the domain patterns that it
// stands for. On failure reason and detail say why there are none. What was
// changed on the way is in note: case, defanging, a port.
func Name(s string) (patterns []string, note string, reason Reason, detail string) {
	name := strings.Trim(s, " \t\r\n\"'\ufeff")
	if reason, detail := placeholder(name); reason != "" {
		return nil, "", reason, detail
	}
	name, notes := refang(name)
	if reason, detail := noName(name); reason != "" {
		return nil, "", reason, detail
	}
	if i := strings.IndexByte(name, ':'); i > 0 {
		name, notes = name[:i], append(notes, "its port was dropped")
	}
	name = strings.TrimSuffix(name, ".")
	if low := strings.ToLower(name); low != name {
		name, notes = low, append(notes, "was in upper case")
	}
	if !isASCII(name) {
		a, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return nil, "", Syntax, "not a host name in any script"
		}
		name, notes = a, append(notes, "in its xn-- form")
	}
	patterns = spread(name)
	if len(patterns) > 1 {
		notes = append(notes, "bounded at labels")
	}
	for _, p := range patterns {
		if reason, detail := checkPattern(p); reason != "" {
			return nil, "", reason, detail
		}
	}
	return patterns, strings.Join(notes, ", "), "", ""
}

// Suffix is Name for a source that means everything that ends in s, without
// asking for a dot before it: rule files are bounded at labels, so it becomes
// the name and all below it.
func Suffix(s string) (patterns []string, note string, reason Reason, detail string) {
	if reason, detail := placeholder(s); reason != "" {
		return nil, "", reason, detail
	}
	if strings.ContainsAny(strings.TrimPrefix(s, "*."), "*?") {
		return nil, "", Syntax, "a wildcard inside endswith: literal for some backends, a wildcard for others"
	}
	if strings.HasPrefix(s, "*") {
		return nil, "", Syntax, "a wildcard inside endswith: literal for some backends, and then it never matches"
	}
	if strings.HasPrefix(s, ".") {
		return Name("*" + s)
	}
	return Name("." + s)
}

// spread turns the wildcards of lists into those of rule files: .name and
// *name.tld are the name and all below it.
func spread(name string) []string {
	if rest, ok := strings.CutPrefix(name, "."); ok {
		return []string{rest, "*." + rest}
	}
	rest, ok := strings.CutPrefix(name, "*")
	if ok && rest != "" && rest[0] != '.' {
		if suffix, _ := publicsuffix.PublicSuffix(rest); strings.Count(rest, ".") == strings.Count(suffix, ".")+1 {
			return []string{rest, "*." + rest}
		}
	}
	return []string{name}
}

var (
	placeholders = []string{"", "*", "*.*", "-", "n/a", "na", "none", "null", "unknown", "user_managed", "user managed", "usermanaged",
		"various", "any", "tbd", "todo", "localhost", "example.com", "*.example.com", "domain.com", "yourdomain.com", "*.yourdomain.com"}
	portRE = regexp.MustCompile(`:[0-9]{1,5}$`)

	captureRE = regexp.MustCompile(`\{[a-z_][a-z0-9_]*\}`) // as in our own patterns
)

// placeholder finds what stands where a name should be.
func placeholder(s string) (Reason, string) {
	low := strings.ToLower(s)
	switch {
	case slices.Contains(placeholders, low), strings.HasPrefix(low, "operator"), strings.HasPrefix(low, "user_managed"):
		return Junk, "a placeholder, not a name"
	case strings.ContainsAny(s, "<>"):
		return Junk, "a placeholder in angle brackets, not a name"
	}
	return "", ""
}

// refang undoes what reports do to names so that nobody clicks on them.
func refang(s string) (string, []string) {
	was := s
	for _, d := range []string{"[.]", "(.)", "{.}", "[dot]", "(dot)"} {
		s = strings.ReplaceAll(s, d, ".")
	}
	if s != was {
		return s, []string{"was defanged"}
	}
	return s, nil
}

// noName finds what is something else than a host name.
func noName(s string) (Reason, string) {
	regex := strings.ContainsAny(captureRE.ReplaceAllString(s, ""), `[]()\^$|+{}`)
	front, _, _ := strings.Cut(s, "/")
	_, notAddr := netip.ParseAddr(front)
	switch {
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		return Syntax, "holds control characters: not a host name"
	case strings.Contains(s, "://"):
		return Syntax, "the address of a page, not a host name"
	case regex && portRE.MatchString(s):
		return Syntax, "a regular expression with a port: no name carries one"
	case regex:
		return Syntax, "a regular expression where a name belongs"
	case notAddr == nil && front != s:
		return Syntax, "neither a network nor a name: the length behind the address is wrong"
	case strings.Contains(s, "/"):
		return Syntax, "has a path: not a host name"
	case strings.ContainsAny(s, " \t"):
		return Syntax, "has a space: not a host name"
	case strings.Contains(s, ":") && !portRE.MatchString(s):
		return Syntax, "has a colon: not a host name"
	case len(s) > 253:
		return Syntax, "longer than a host name can be"
	case strings.Contains(s, ".."):
		return Syntax, "two dots side by side: it can never match"
	case strings.HasSuffix(s, "*"):
		return Syntax, "open on the right: it would match anybody's names"
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return Syntax, "an address, not a name"
	}
	return "", ""
}

// checkPattern finds what no public name can match.
func checkPattern(p string) (Reason, string) {
	labels := strings.Split(p, ".")
	for _, l := range labels {
		if l == "" {
			return Syntax, "two dots side by side: it can never match"
		}
		if l[0] == '-' || l[len(l)-1] == '-' {
			return Syntax, "the label " + clip(l) + " begins or ends with a hyphen: it can never match"
		}
	}
	if len(labels) == 1 {
		return Junk, "one word, not a domain"
	}
	tld := labels[len(labels)-1]
	if strings.ContainsAny(tld, "*?") {
		return Syntax, "open on the right: it would match anybody's names"
	}
	if _, icann := publicsuffix.PublicSuffix(tld); !icann {
		return Junk, "nothing public ends in ." + clip(tld)
	}
	return "", ""
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
