// Package tls reads the readable part of a TLS handshake: the ClientHello
// (server name, ALPN, versions, ECH, JA3, JA4) and the server's answer
// (version, cipher, ALPN, JA3S and, up to TLS 1.2, its leaf certificate). The
// worker calls it with the ordered first bytes of each direction of a flow, on
// any port and behind any proxy preamble; the QUIC room calls it with the
// message that it put together from CRYPTO frames. It holds no state between
// calls: asked again with a longer head it starts afresh, so there is nothing
// to keep per flow. It must never allocate, trust a length field, decrypt,
// verify a signature or decide what a name means: names are the peer's bytes
// as they were on the wire until the caller proves them to be host names.
package tls
