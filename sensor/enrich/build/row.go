package build

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// value is what a row says of its addresses: a country, or an autonomous system.
type value struct {
	country string
	asn     uint32
	org     string
}

// row is a range of addresses, both ends included, all of one family.
type row struct {
	first, last netip.Addr
	value       uint32 // index of its value
	source      uint32 // index of its file
	line        uint32
}

// parseRow reads start,end,country or start,end,number,organisation. ok is false,
// without an error, for rows that say that nothing is known. The fields may stand
// in quotes; addresses may be decimal numbers.
func parseRow(line string, kind Kind) (first, last netip.Addr, v value, ok bool, err error) {
	fields := strings.SplitN(line, ",", 4)
	if len(fields) < 3 {
		return first, last, v, false, fmt.Errorf("want %s", kind.columns())
	}
	for i := range fields {
		fields[i] = unquote(fields[i])
	}
	if first, last, err = parseRange(fields[0], fields[1]); err != nil {
		return first, last, v, false, err
	}
	if kind == Country {
		v.country, err = parseCountry(fields[2])
		return first, last, v, v.country != "", err
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(fields[2]), "AS"), 10, 32)
	if err != nil {
		return first, last, v, false, fmt.Errorf("%s is no number of an autonomous system", shown(fields[2]))
	}
	v.asn = uint32(n)
	if len(fields) > 3 {
		v.org = clip(strings.ToValidUTF8(fields[3], "?"))
	}
	return first, last, v, n != 0, nil
}

// maxOrg bounds an organisation's name, in bytes.
const maxOrg = 256

func clip(s string) string {
	if len(s) <= maxOrg {
		return s
	}
	return strings.ToValidUTF8(s[:maxOrg], "")
}

// unquote removes what CSV puts around a field.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
	}
	return s
}

// parseCountry reads a code of two letters; the ways to say that there is none
// are "".
func parseCountry(s string) (string, error) {
	switch s {
	case "", "-", "ZZ", "None":
		return "", nil
	}
	code := strings.ToUpper(s)
	if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' {
		return "", fmt.Errorf("%s is no country code such as DE", shown(s))
	}
	return code, nil
}

func parseRange(from, to string) (first, last netip.Addr, err error) {
	if first, err = parseAddr(from, to); err != nil {
		return first, last, err
	}
	if last, err = parseAddr(to, to); err != nil {
		return first, last, err
	}
	switch {
	case first.Is4() != last.Is4():
		err = fmt.Errorf("%s to %s: one is IPv4, the other IPv6", shown(from), shown(to))
	case last.Less(first):
		err = fmt.Errorf("%s is behind %s", shown(from), shown(to))
	}
	return first, last, err
}

// parseAddr reads an address, or a number that is one: of IPv4 where the last
// address of the range has no more than 32 bits.
func parseAddr(s, last string) (netip.Addr, error) {
	if hi, lo, ok := parseNumber(s); ok {
		lastHi, lastLo, ok := parseNumber(last)
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], hi)
		binary.BigEndian.PutUint64(b[8:], lo)
		if ok && lastHi == 0 && lastLo>>32 == 0 && hi == 0 && lo>>32 == 0 {
			return netip.AddrFrom4([4]byte(b[12:])), nil
		}
		return netip.AddrFrom16(b), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, fmt.Errorf("%s is no address", shown(s))
	}
	return a.Unmap(), nil
}

// parseNumber reads a decimal number of at most 128 bits.
func parseNumber(s string) (hi, lo uint64, ok bool) {
	if s == "" || len(s) > 39 {
		return 0, 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		over, high := bits.Mul64(hi, 10)
		carry, low := bits.Mul64(lo, 10)
		low, add := bits.Add64(low, uint64(c-'0'), 0)
		high, more := bits.Add64(high, carry, add)
		if over|more != 0 {
			return 0, 0, false
		}
		hi, lo = high, low
	}
	return hi, lo, true
}

// shown is a field as a message may show it.
func shown(s string) string {
	if len(s) > 48 {
		s = s[:48] + "..."
	}
	return strconv.QuoteToASCII(s)
}
