package enrich

import (
	"fmt"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// keys say where the values are in the records of a database whose type geoip2
// does not know. An empty path is nowhere.
type keys struct{ country, asn, org []any }

func (k *keys) none() bool { return k.country == nil && k.asn == nil }

// Where the databases that are common beside MaxMind's keep their values:
// @ip-location-db, IPinfo, DB-IP, and the enterprise form of MaxMind.
var (
	countryKeys = [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}}
	asnKeys     = [][]any{{"autonomous_system_number"}, {"asn"}, {"traits", "autonomous_system_number"}}
	orgKeys     = map[string][]any{
		"autonomous_system_number": {"autonomous_system_organization"},
		"asn":                      {"as_name"},
		"traits":                   {"traits", "autonomous_system_organization"},
	}
)

// findKeys returns the first keys with which a record tells what it is asked for.
func findKeys(r maxminddb.Result, what purpose) keys {
	candidates := countryKeys
	if what == forASN {
		candidates = asnKeys
	}
	for _, path := range candidates {
		k := keys{country: path}
		if what == forASN {
			k = keys{asn: path, org: orgKeys[path[0].(string)]}
		}
		if p, err := k.read(r); err == nil && p.has(what) {
			return k
		}
	}
	return keys{}
}

// read returns what a record tells. A record without a value is not damaged.
func (k *keys) read(r maxminddb.Result) (p Place, err error) {
	if k.country != nil {
		var s string
		if err := r.DecodePath(&s, k.country...); err != nil {
			return p, err
		}
		p.Country = country(s)
		return p, nil
	}
	var n any
	if err := r.DecodePath(&n, k.asn...); err != nil {
		return p, err
	}
	p.ASN = number(n)
	var s string
	if err := r.DecodePath(&s, k.org...); err != nil {
		return p, err
	}
	p.Org = org(s)
	return p, nil
}

// quoted is a text out of a database as a message may show it.
func quoted(s string) string {
	b, cut := printable.Clip([]byte(s), 64)
	if cut {
		return fmt.Sprintf("\"%s...\"", printable.Text(b))
	}
	return fmt.Sprintf("\"%s\"", printable.Text(b))
}
