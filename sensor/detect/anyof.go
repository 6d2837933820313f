package detect

import (
	"bytes"
	"net/netip"
)

// Each of these reports whether one value of a rule's list fits one observed
// value, or one of several.

func hasText(values []string, got []byte) bool {
	for _, v := range values {
		if string(got) == v {
			return true
		}
	}
	return false
}

func anyGlob(globs []glob, got []byte, fold bool) bool {
	for _, g := range globs {
		if _, _, ok := g.match(got, fold); ok {
			return true
		}
	}
	return false
}

func anyGlobAny(globs []glob, got [][]byte) bool {
	for _, v := range got {
		if anyGlob(globs, v, false) {
			return true
		}
	}
	return false
}

// anyItem reports whether an item of a list with commas, as HTTP fields are,
// fits.
func anyItem(globs []glob, list []byte, fold bool) bool {
	for len(list) > 0 {
		item, rest, _ := bytes.Cut(list, []byte(","))
		if anyGlob(globs, bytes.TrimSpace(item), fold) {
			return true
		}
		list = rest
	}
	return false
}

func anySet(sets []nameSet, got []Attribute) bool {
	for _, s := range sets {
		if s.match(got) {
			return true
		}
	}
	return false
}

func matchesAny(ps []pattern, name []byte) bool {
	for i := range ps {
		if ps[i].matches(name) {
			return true
		}
	}
	return false
}

func anyName(ps []pattern, got [][]byte) bool {
	for _, name := range got {
		if matchesAny(ps, name) {
			return true
		}
	}
	return false
}

func hasAddr(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
