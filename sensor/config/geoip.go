package config

import "go.yaml.in/yaml/v3"

// GeoIP names the databases of places: files in the MaxMind DB format, "" for none.
type GeoIP struct {
	Country string
	ASN     string
}

func (r *reader) geoip(n *yaml.Node, g *GeoIP) {
	r.mapping(n, "geoip", keys{
		"country": func(n *yaml.Node) { g.Country = r.path(n) },
		"asn":     func(n *yaml.Node) { g.ASN = r.path(n) },
	})
}
