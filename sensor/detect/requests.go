package detect

// requestIndex holds the indicators about HTTP requests that no host leads to,
// by a byte that the path or the agent must have: an ordinary request is like
// hardly one of them.
type requestIndex struct {
	path  [256][]ref // by the byte behind the first slash
	agent [256][]ref // by the first byte, folded
	rest  []ref
}

// enter files an indicator under every byte that its patterns allow.
func (x *requestIndex) enter(in *Indicator) {
	switch {
	case leads(in.path, 2) && allBegin(in.path, '/'):
		for _, g := range in.path {
			x.path[g[1]] = appendOnce(x.path[g[1]], in)
		}
	case leads(in.agent, 1):
		for _, g := range in.agent {
			x.agent[g[0]] = appendOnce(x.agent[g[0]], in)
		}
	default:
		x.rest = append(x.rest, ref{in: in})
	}
}

// find returns the lists that a request's indicators can be in.
func (x *requestIndex) find(f *Fields) (lists [3][]ref) {
	if len(f.Path) > 1 {
		lists[0] = x.path[f.Path[1]]
	}
	if len(f.Agent) > 0 {
		lists[1] = x.agent[foldByte(f.Agent[0], true)]
	}
	lists[2] = x.rest
	return lists
}

// leads reports whether there are patterns, and each begins with n literal
// bytes.
func leads(globs []glob, n int) bool {
	for _, g := range globs {
		if len(g) < n {
			return false
		}
		for _, op := range g[:n] {
			if op > 255 {
				return false
			}
		}
	}
	return len(globs) > 0
}

func allBegin(globs []glob, c byte) bool {
	for _, g := range globs {
		if g[0] != uint16(c) {
			return false
		}
	}
	return true
}

// appendOnce appends in where it is not the last already.
func appendOnce(refs []ref, in *Indicator) []ref {
	if n := len(refs); n > 0 && refs[n-1].in == in {
		return refs
	}
	return append(refs, ref{in: in})
}
