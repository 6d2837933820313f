// Package netbios reads packets of the NetBIOS name service (RFC 1002 section
// 4.2) off the wire as far as a host tells its own name in them: registrations
// and refreshes, answers to questions for a name, and node status. The worker
// offers it the datagrams of port 137. It imports none of our packages, never
// allocates and keeps no state; names are copied out of their encoding into a
// fixed array.
package netbios
