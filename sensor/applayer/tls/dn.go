package tls

import (
	"strconv"
	"unicode/utf8"
)

const (
	// maxAttributes is how many attributes of a name are kept: more than the
	// eleven types that are told apart, for names that repeat OU or DC.
	maxAttributes = 16

	// maxText is the memory for strings that need converting (BMP, Universal and
	// T61 strings of old and of Asian certificates): both names of one leaf, with
	// RFC 5280's upper bounds of 64 to 128 characters, fit. What does not is cut.
	maxText = 2048
)

// AttrType is a type of naming attribute.
type AttrType uint8

// The attributes that have a short name (RFC 4514 section 3, RFC 4519, RFC 5280
// appendix A).
const (
	AttrOther AttrType = iota // Attribute.OID tells
	AttrCN
	AttrO
	AttrOU
	AttrC
	AttrL
	AttrST
	AttrStreet
	AttrDC
	AttrUID
	AttrEmail
	AttrSerialNumber
)

var attrNames = [...]string{"", "CN", "O", "OU", "C", "L", "ST", "STREET", "DC", "UID", "emailAddress", "serialNumber"}

// Attribute is one attribute of a name.
type Attribute struct {
	OID    []byte // content of the DER object identifier
	Value  []byte // UTF-8 as far as the certificate is right; other than strings: the DER content
	Type   AttrType
	Joined bool // stands in the same relative name as the attribute before it
}

// DN is a distinguished name in the certificate's order. Only the first 16
// attributes are kept; Truncated says that there were more.
type DN struct {
	list      [maxAttributes]Attribute
	n         uint8
	Truncated bool
}

// Attributes returns the attributes. The slice aliases the DN.
func (d *DN) Attributes() []Attribute { return d.list[:d.n] }

// Get returns the value of the first attribute of a type, nil without one.
func (d *DN) Get(t AttrType) []byte {
	for i := range d.list[:d.n] {
		if d.list[i].Type == t {
			return d.list[i].Value
		}
	}
	return nil
}

// name reads a Name (RFC 5280 section 4.1.2.4): a sequence of sets of type and
// value. It returns what follows the name.
func (p *Parser) name(b []byte, d *DN) (rest []byte, ok bool) {
	seq, rest, ok := expect(b, tagSequence)
	if !ok {
		return nil, false
	}
	for len(seq) > 0 {
		var set []byte
		if set, seq, ok = expect(seq, tagSet); !ok {
			return nil, false
		}
		for joined := false; len(set) > 0; joined = true {
			var pair []byte
			if pair, set, ok = expect(set, tagSequence); !ok {
				return nil, false
			}
			oid, pair, ok := expect(pair, tagOID)
			if !ok {
				return nil, false
			}
			tag, value, _, ok := element(pair)
			if !ok {
				return nil, false
			}
			if d.n == maxAttributes {
				d.Truncated = true
				return rest, true
			}
			d.list[d.n] = Attribute{Type: attrType(oid), OID: oid, Value: p.utf8(tag, value), Joined: joined}
			d.n++
		}
	}
	return rest, true
}

// attrType recognizes an object identifier.
func attrType(oid []byte) AttrType {
	if len(oid) == 3 && oid[0] == 0x55 && oid[1] == 4 { // 2.5.4.x
		switch oid[2] {
		case 3:
			return AttrCN
		case 5:
			return AttrSerialNumber
		case 6:
			return AttrC
		case 7:
			return AttrL
		case 8:
			return AttrST
		case 9:
			return AttrStreet
		case 10:
			return AttrO
		case 11:
			return AttrOU
		}
	}
	switch string(oid) {
	case "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19": // 0.9.2342.19200300.100.1.25
		return AttrDC
	case "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01": // 0.9.2342.19200300.100.1.1
		return AttrUID
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01": // 1.2.840.113549.1.9.1
		return AttrEmail
	}
	return AttrOther
}

// utf8 returns a string value as UTF-8: most string types are so already, the
// others are converted into the parser's text memory.
func (p *Parser) utf8(tag byte, b []byte) []byte {
	width := 0
	switch tag {
	case tagT61String: // in practice Latin-1, as OpenSSL takes it
		width = 1
		if !highBytes(b) {
			return b
		}
	case tagBMPString: // UTF-16 without surrogates; some writers use them anyway
		width = 2
	case tagUniversalString:
		width = 4
	default:
		return b
	}
	start := len(p.text)
	for ; len(b) >= width; b = b[width:] {
		var c rune
		for _, x := range b[:width] {
			c = c<<8 | rune(x)
		}
		if width == 2 && c&^0x3ff == 0xd800 && len(b) >= 4 && b[2]&0xfc == 0xdc {
			c = (c&0x3ff)<<10 + rune(u16(b[2:])&0x3ff) + 0x10000
			b = b[2:]
		}
		if cap(p.text)-len(p.text) < utf8.UTFMax {
			break
		}
		p.text = utf8.AppendRune(p.text, c)
	}
	return p.text[start:len(p.text):len(p.text)]
}

func highBytes(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// AppendDN appends a name as text in the manner of RFC 4514, with a space after
// each comma: "CN=AnyNet Relay, O=philandro Software GmbH, C=DE". The last
// relative name comes first, as the RFC has it. Special characters are escaped
// with a backslash; control characters and bytes that are no UTF-8 as \XX.
func AppendDN(dst []byte, d *DN) []byte {
	for end := int(d.n); end > 0; {
		first := end - 1
		for first > 0 && d.list[first].Joined {
			first--
		}
		if end < int(d.n) {
			dst = append(dst, ", "...)
		}
		for i := first; i < end; i++ {
			if i > first {
				dst = append(dst, '+')
			}
			a := &d.list[i]
			if a.Type == AttrOther {
				dst = appendOID(dst, a.OID)
			} else {
				dst = append(dst, attrNames[a.Type]...)
			}
			dst = appendEscaped(append(dst, '='), a.Value)
		}
		end = first
	}
	return dst
}

// appendEscaped appends a value (RFC 4514 section 2.4).
func appendEscaped(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		c, size := utf8.DecodeRune(b[i:])
		edge := i == 0 || i == len(b)-1
		switch {
		case c < 0x20 || 0x7f <= c && c < 0xa0 || c == utf8.RuneError && size == 1:
			for _, x := range b[i : i+size] {
				dst = append(dst, '\\', hexDigits[x>>4], hexDigits[x&15])
			}
		case c == '"', c == '+', c == ',', c == ';', c == '<', c == '>', c == '\\', c == ' ' && edge, c == '#' && i == 0:
			dst = append(dst, '\\', byte(c))
		default:
			dst = append(dst, b[i:i+size]...)
		}
		i += size
	}
	return dst
}

// appendOID appends an object identifier in dotted form. An arc beyond 32 bits
// ends it with a question mark.
func appendOID(dst, oid []byte) []byte {
	arc, first := uint64(0), true
	for _, c := range oid {
		arc = arc<<7 | uint64(c&0x7f)
		if arc > 1<<32 {
			return append(dst, '?')
		}
		if c&0x80 != 0 {
			continue
		}
		if first { // two arcs in one (X.690 section 8.19.4)
			top := min(arc/40, 2)
			dst = append(strconv.AppendUint(dst, top, 10), '.')
			arc -= top * 40
		} else {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, arc, 10)
		arc, first = 0, false
	}
	return dst
}
