// Package dns reads DNS messages (RFC 1035) off the wire: unicast DNS over UDP
// and TCP, mDNS (RFC 6762) and LLMNR (RFC 4795), which share the format and
// are told apart by their ports. The worker offers it every UDP datagram on
// any port, so the first duty of Parse is to say no: fast (Plausible looks at
// the header only) and reliably (see Parse for the rules). It imports none of
// our packages, never allocates, keeps no state between messages beyond the
// Message the caller owns, and never follows a length, a count or a pointer
// further than the bytes it was given.
package dns
