package magic

import "fmt"

// ParseHex reads a pattern as rule files write it: pairs of hexadecimal digits
// with optional spaces between them, and ? for a digit that may be anything:
// "87 ?? 10 0? 00". The error says at which column, from 1, it went wrong.
func ParseHex(s string) (value, mask []byte, err error) {
	var v, m, digits byte
	for i := range len(s) {
		c := s[i]
		if c == ' ' {
			if digits == 1 {
				return nil, nil, fmt.Errorf("column %d: a byte needs two digits", i+1)
			}
			continue
		}
		d, k := byte(0), byte(0xf)
		switch {
		case '0' <= c && c <= '9':
			d = c - '0'
		case 'a' <= c && c <= 'f':
			d = c - 'a' + 10
		case 'A' <= c && c <= 'F':
			d = c - 'A' + 10
		case c == '?':
			k = 0
		default:
			return nil, nil, fmt.Errorf("column %d: %q is neither a hexadecimal digit nor ?", i+1, c)
		}
		v, m = v<<4|d, m<<4|k
		if digits++; digits == 2 {
			value, mask = append(value, v), append(mask, m)
			v, m, digits = 0, 0, 0
		}
	}
	switch {
	case digits == 1:
		return nil, nil, fmt.Errorf("column %d: a byte needs two digits", len(s)+1)
	case len(value) == 0:
		return nil, nil, fmt.Errorf("column 1: there are no digits")
	}
	return value, mask, nil
}
