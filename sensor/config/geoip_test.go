package config

import (
	"strings"
	"testing"
)

func TestGeoIP(t *testing.T) {
	c, err := Parse("/etc/x/c.yaml", []byte("geoip: {country: /db/c.mmdb, asn: a.mmdb}\n"))
	if err != nil || c.GeoIP != (GeoIP{"/db/c.mmdb", "/etc/x/a.mmdb"}) {
		t.Errorf("%v, %+v", err, c.GeoIP)
	}
	if Default().GeoIP != (GeoIP{}) {
		t.Error("a database by default")
	}
	for raw, want := range map[string]string{
		"geoip: {city: x}":     `c.yaml:1:9: unknown key "city" in geoip; known are asn, country`,
		"geoip: {asn: ''}":     "c.yaml:1:14: want a text that is not empty",
		"geoip: x.mmdb":        "c.yaml:1:8: geoip must be a mapping",
		"geoip: {country: []}": "c.yaml:1:18: want a text",
	} {
		if _, err := Parse("c.yaml", []byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", raw, err, want)
		}
	}
}
