// Package events writes every name that the sensor sees as Suricata EVE
// events: dns, tls, quic and http. A worker calls it, when events are wanted,
// for each message that a parser read; it copies what it needs into one line
// and keeps nothing. What the schema of Suricata 7 has no place for (ALPN,
// alternative names, ECH, encrypted DNS, what carried the flow) stands under
// metadata.flowvars. It never matches rules and never fails a packet: the
// first error of its output is kept for Flush.
package events
