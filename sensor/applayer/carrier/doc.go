// Package carrier reads the short negotiations that come before another
// protocol on the same connection: SOCKS 4, 4a and 5 (RFC 1928, RFC 1929) and
// RDP's X.224 exchange (MS-RDPBCGR 2.2.1.1). The worker calls it to find where
// the carried protocol begins in either direction; a SOCKS request also names
// its target. HTTP CONNECT is applayer/http's. It keeps no state, allocates
// nothing and imports none of our packages.
package carrier
