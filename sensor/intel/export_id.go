package intel

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

// idSpace is the UUID version 5 of https://github.com/rmmwatch/rmmwatch in the
// URL name space of RFC 9562 section 6.6. It must never change.
var idSpace = [16]byte{0x0b, 0x09, 0xdd, 0x7c, 0xa6, 0xd8, 0x5e, 0x86, 0xb1, 0xb3, 0xb1, 0x20, 0xfd, 0x59, 0x32, 0x1a}

// UUID is a UUID version 5 (RFC 9562 section 5.5) by content: the same parts
// have the same identifier wherever and whenever they are exported.
func UUID(parts ...string) string {
	h := sha1.New()
	h.Write(idSpace[:])
	h.Write([]byte(strings.Join(parts, "\x00")))
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	x := hex.EncodeToString(u)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
