// Package kerberos reads requests for tickets (RFC 4120: AS-REQ, TGS-REQ) off
// the wire as far as they name the host that asks: the client's name, where that
// is a machine account, and the NetBIOS name among its addresses. The worker
// offers it the datagrams and the first bytes of streams of port 88. It imports
// none of our packages, never allocates and keeps no state; what it returns
// aliases the bytes that it was given. Nothing is decrypted.
package kerberos
