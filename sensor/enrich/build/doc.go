// Package build makes small databases of countries and autonomous systems from
// lists of address ranges (CSV), for those who have no key for MaxMind's. The
// subcommand geoip build calls it; sensor/enrich reads what it makes. The same
// lists give the same bytes. It must never fetch anything.
package build
