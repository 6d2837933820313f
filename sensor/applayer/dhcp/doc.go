// Package dhcp reads DHCPv4 messages (RFC 2131, RFC 2132) off the wire as far
// as they say who has which address: message type, hardware address, addresses
// and the client's name. The worker offers it the datagrams of ports 67 and 68.
// It imports none of our packages, never allocates and keeps no state; what it
// returns aliases the bytes that it was given. DHCPv6 is another protocol, whose
// messages name hosts seldom, and is not read.
package dhcp
