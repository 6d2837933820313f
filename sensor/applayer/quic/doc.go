// Package quic opens QUIC Initial packets (RFC 9000, RFC 9001 section 5.2,
// RFC 9369): their keys follow from the connection ID that the client sends in
// clear, so that a passive sensor can read the TLS hellos inside. The worker
// gives it the UDP payloads of a flow and gets CRYPTO bytes with their offsets;
// it puts them in order and hands them to applayer/tls. The package never
// parses TLS, never changes or keeps a datagram, holds no state of a connection
// except a fixed cache of derived keys, and takes nothing for true that did not
// authenticate. It imports none of our packages.
package quic
