package sensor

import "bytes"

// zoneNames turns names in the form of zone files, as a DNS message has them,
// into the form that names of every other protocol have: bytes. A tenant is
// then the same wherever it was read, and a pattern's ? is one byte. Ordinary
// names are the same in both forms and are not copied.
type zoneNames struct {
	plain []byte // memory of the copies
	dots  []int  // memory of zoneName.dots
	names []zoneName
}

// zoneName is a name that differs in its two forms.
type zoneName struct {
	at    int    // its place among Fields.Names
	zone  []byte // as in zone files: what is shown
	plain []byte // as bytes: what is matched
	dots  []int  // where in plain a dot stands inside a label
}

func (z *zoneNames) reset() {
	z.plain, z.dots, z.names = z.plain[:0], z.dots[:0], z.names[:0]
}

// add returns the form of name to match, which will be the at-th of the
// fields. In it a dot inside a label is masked by a zero byte, which no
// pattern has: it divides no labels.
func (z *zoneNames) add(name []byte, at int) []byte {
	if bytes.IndexByte(name, '\\') < 0 {
		return name
	}
	from, firstDot := len(z.plain), len(z.dots)
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '\\' && i+1 < len(name) {
			i++
			switch c = name[i]; {
			case c == '.':
				z.dots = append(z.dots, len(z.plain)-from)
				c = 0
			case '0' <= c && c <= '9' && i+2 < len(name):
				c = (c-'0')*100 + (name[i+1]-'0')*10 + name[i+2] - '0'
				i += 2
			}
		}
		z.plain = append(z.plain, c)
	}
	plain := z.plain[from:len(z.plain):len(z.plain)]
	z.names = append(z.names, zoneName{at, name, plain, z.dots[firstDot:len(z.dots):len(z.dots)]})
	return plain
}

// shown is the form to show of the at-th name, of which name is the one to
// match.
func (z *zoneNames) shown(at int, name []byte) []byte {
	for _, n := range z.names {
		if n.at == at {
			return n.zone
		}
	}
	return name
}

// show puts the form to show in the place of the one that was matched, and
// gives back to a tenant, which is a view of it, the dots that were masked.
func (z *zoneNames) show(names [][]byte) {
	for _, n := range z.names {
		for _, at := range n.dots {
			n.plain[at] = '.'
		}
		names[n.at] = n.zone
	}
}
