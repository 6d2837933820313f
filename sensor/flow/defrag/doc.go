// Package defrag puts IP fragments together again. The worker hands it every
// packet of StatusFragment and, when a datagram is whole, gives the bytes back to
// [decode.Decoder.Reassembled].
//
// Where fragments overlap, the bytes that arrived first win, for IPv4 and IPv6
// alike. Real receivers disagree: RFC 5722 and today's Linux discard the whole
// datagram, older systems each prefer another copy. A sensor that discards shows
// nothing to an attacker's opponent while an old target still assembles something;
// first wins is what an exact copy (a frame mirrored twice) needs anyway, and the
// conflict is counted. Only fragments that disagree about where the datagram ends
// make it be dropped, because then no reading of it is right.
//
// All memory is taken by [New]. A flood of fragments evicts the oldest datagrams
// and is counted; it never makes the table grow. The package knows packet time
// only, and never looks at what the bytes mean.
package defrag
