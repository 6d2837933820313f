package hostnames

import (
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// maxRaw is how many bytes of a name are kept: the longest host name (RFC 1035
// section 2.3.4 in text).
const maxRaw = 253

// Clean makes a name of bytes from the wire: without padding, in lower case, with
// everything that is not printable ASCII written as \xNN. It returns nothing for what
// names no host.
func Clean(raw []byte) string {
	raw, _ = printable.Clip(raw, maxRaw)
	raw = []byte(strings.Trim(string(raw), "\x00 ."))
	return named(printable.Text(raw))
}

// CleanZone is Clean for a name of package dns, which is printable already and
// escapes as zone files do. The domain of mDNS says nothing and is left out.
func CleanZone(name []byte) string {
	name, _ = printable.Clip(name, maxRaw)
	return named(strings.TrimSuffix(strings.ToLower(string(name)), ".local"))
}

// named returns a name in lower case, or nothing where it is one that every host
// may have, or has no letter and no digit.
func named(s string) string {
	s = strings.ToLower(s)
	switch s {
	case "localhost", "localhost.localdomain":
		return ""
	}
	if !strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyz0123456789") {
		return ""
	}
	return s
}
