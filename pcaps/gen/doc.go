// Command gen makes the captures that rmmwatch is judged by.
//
//	go run ./pcaps/gen mix -o /tmp/mix.pcap   a large, seeded mix of enterprise traffic, for `make bench`
//	go run ./pcaps/gen cases -o pcaps/        the small *-synthetic captures of pcaps/README.md
//
// It is the only thing in the repository that builds packets, and it shares no code with the sensor: what the
// sensor reads here was written by crypto/tls, quic-go, miekg/dns and by the few header writers in wire.go. It
// must never import a package of ours, so that a misunderstanding cannot be on both sides of a test.
//
// Everything is made from seeds and a fixed clock. The parts of a handshake that crypto/tls takes from the
// system's randomness (key shares, signatures, ciphertext) are overwritten with seeded noise of the same length,
// which no passive observer can tell from the real thing.
package main
