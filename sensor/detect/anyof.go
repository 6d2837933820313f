package detect

import "net/netip"

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
