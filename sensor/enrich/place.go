package enrich

import (
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// Place is what the databases know of an address. The zero Place is nothing.
type Place struct {
	Country string // ISO 3166-1 alpha-2 in capitals: DE; "" where it is not known
	ASN     uint32 // number of the autonomous system; 0 where it is not known
	Org     string // who runs the autonomous system: printable ASCII, as sensor/printable writes it
}

// String is the place in words: DE AS60068 Datacamp Limited.
func (p Place) String() string {
	var parts []string
	if p.Country != "" {
		parts = append(parts, p.Country)
	}
	if p.ASN != 0 {
		parts = append(parts, "AS"+strconv.FormatUint(uint64(p.ASN), 10))
	}
	if p.Org != "" {
		parts = append(parts, p.Org)
	}
	return strings.Join(parts, " ")
}

// maxOrg is how many bytes of an organisation's name are kept; registries allow
// some 80 characters.
const maxOrg = 128

// country is s when it is a code of two letters, in capitals.
func country(s string) string {
	if len(s) != 2 {
		return ""
	}
	s = strings.ToUpper(s)
	if s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		return ""
	}
	return s
}

// org is a name as it may be shown.
func org(s string) string {
	b, _ := printable.Clip([]byte(s), maxOrg)
	return printable.Text(b)
}

// number is an AS number as databases have it: 13335, "13335" or "AS13335".
func number(v any) uint32 {
	switch v := v.(type) {
	case uint64:
		if v <= 1<<32-1 {
			return uint32(v)
		}
	case string:
		if len(v) > 2 && strings.EqualFold(v[:2], "as") {
			v = v[2:]
		}
		if n, err := strconv.ParseUint(v, 10, 32); err == nil {
			return uint32(n)
		}
	}
	return 0
}
