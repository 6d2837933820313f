package http

import "bytes"

// fields walks over the field lines of a head.
type fields struct {
	head []byte
	at   int // start of the next line
}

// next returns the next field: its name as sent and its value without the
// white space around it, both views. A value that was folded over several lines
// (RFC 9112 section 5.2) contains the line ends. Lines without a colon are
// skipped, as many servers do. Done comes at the empty line, which is then
// behind f.at; NeedMore when there is no further whole line.
func (f *fields) next() (name, value []byte, st Status) {
	for {
		start := f.at
		end := bytes.IndexByte(f.head[start:], '\n')
		if end < 0 {
			return nil, nil, NeedMore
		}
		end += start
		f.at = end + 1
		if end == start || end == start+1 && f.head[start] == '\r' {
			return nil, nil, Done
		}
		for f.at < len(f.head) && isSpace(f.head[f.at]) {
			fold := bytes.IndexByte(f.head[f.at:], '\n')
			if fold < 0 {
				return nil, nil, NeedMore
			}
			end = f.at + fold
			f.at = end + 1
		}
		line := f.head[start:end:end]
		if colon := bytes.IndexByte(line, ':'); colon >= 0 {
			return trim(line[:colon]), trim(line[colon+1:]), NotHTTP
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// trim cuts white space and line ends off both ends of b.
func trim(b []byte) []byte {
	for len(b) > 0 && (isSpace(b[0]) || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	for len(b) > 0 && (isSpace(b[len(b)-1]) || b[len(b)-1] == '\r' || b[len(b)-1] == '\n') {
		b = b[:len(b)-1]
	}
	return b
}

// trimLine cuts a CR and then white space off the end of a first line.
func trimLine(b []byte) []byte {
	if len(b) > 0 && b[len(b)-1] == '\r' {
		b = b[:len(b)-1]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// is reports whether name equals lower, an ASCII string in lower case, but for case.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// set stores the value of a field that counts once: the first stays.
func set(dst *[]byte, value []byte) {
	if *dst == nil {
		*dst = value
	}
}

// number is the decimal number b, or -1. More than 18 digits are not one.
func number(b []byte) int64 {
	if len(b) == 0 || len(b) > 18 {
		return -1
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// version reads "HTTP/" DIGIT "." DIGIT.
func version(b []byte) (major, minor uint8, ok bool) {
	const proto = "HTTP/0.0"
	if len(b) != len(proto) || string(b[:5]) != proto[:5] || b[6] != '.' {
		return 0, 0, false
	}
	major, minor = b[5]-'0', b[7]-'0'
	return major, minor, major <= 9 && minor <= 9
}

// hostPort splits the port off an authority. host is without the brackets of
// an IPv6 address; port is 0 where there is none or it is not a number. An IPv6
// address without brackets is taken for a host.
func hostPort(b []byte) (host []byte, port uint16) {
	b = trim(b)
	colon := bytes.LastIndexByte(b, ':')
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return b, 0
		}
		host = b[1:end:end]
		if colon != end+1 {
			return host, 0
		}
	} else {
		if colon < 0 || bytes.IndexByte(b, ':') != colon {
			return b, 0
		}
		host = b[:colon:colon]
	}
	if n := number(b[colon+1:]); 0 < n && n <= 0xffff {
		port = uint16(n)
	}
	return host, port
}
