// Package decode turns a captured frame into a [Packet]: the five-tuple and the
// payload of the innermost IP packet, with the VLAN and tunnel identifiers it
// came in. The worker calls it once for every frame and once more for every
// reassembled datagram, so the common path (Ethernet, VLAN, IPv4 or IPv6, TCP or
// UDP) is straight-line code over one slice. Every layer, down to 802.11, is
// written by hand: gopacket's decoders for the rare ones panic or allocate on
// hostile input, so they serve as the oracle in the tests instead. This room must
// never allocate, panic, keep state between frames other than its counters, or
// return an error: malformed input is a [Status]. It copies no payload and
// verifies no checksum, because offloading makes good packets fail it.
package decode
