package quic

import "encoding/binary"

// Frame types that an Initial packet may carry (RFC 9000 section 12.4).
const (
	framePadding = 0x00
	framePing    = 0x01
	frameACK     = 0x02
	frameACKECN  = 0x03
	frameClose   = 0x1c
)

// maxOffset bounds the CRYPTO stream of a handshake's first flight. A
// ClientHello is about 2 KiB; a TLS implementation may refuse one above 64 KiB
// (crypto/tls does), and so may a QUIC one that has to buffer it.
const maxOffset = 64 << 10

// maxCrypto is how many CRYPTO frames of a datagram are kept: all that fit a
// datagram of 1,500 bytes when each carries one byte in four, and then some.
const maxCrypto = 384

// frames walks the frames of an opened packet and adds its CRYPTO frames to
// res.Crypto. It reports false where it had to stop at something that an
// Initial cannot carry; what came before stays. The walk is linear in payload:
// every frame, and every range of an ACK, takes bytes from it.
func (o *Opener) frames(f *family, payload []byte, res *Result) bool {
	rest := cursor(payload)
	for {
		rest = skipPadding(rest)
		if len(rest) == 0 {
			return true
		}
		frame := rest[0]
		rest = rest[1:]
		ok := true
		switch frame {
		case framePing:
		case frameACK, frameACKECN:
			ok = skipACK(&rest, frame == frameACKECN)
		case f.crypto:
			ok = o.cryptoFrame(&rest, res)
		case frameClose:
			res.Closed = true
			return true // the sender says nothing after it
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
}

// skipPadding steps over PADDING frames, most of a first datagram's 1,200 bytes.
func skipPadding(c cursor) cursor {
	for len(c) >= 8 && binary.NativeEndian.Uint64(c) == 0 {
		c = c[8:]
	}
	for len(c) > 0 && c[0] == framePadding {
		c = c[1:]
	}
	return c
}

// skipACK steps over what follows the type of an ACK frame (RFC 9000 section 19.3).
func skipACK(c *cursor, ecn bool) bool {
	var count uint64
	for i := range 4 { // largest acknowledged, delay, range count, first range
		v, ok := c.varint()
		if !ok {
			return false
		}
		if i == 2 {
			count = v
		}
	}
	count *= 2 // gap and length; no overflow, a varint has 62 bits
	if ecn {
		count += 3
	}
	for range count {
		if _, ok := c.varint(); !ok {
			return false
		}
	}
	return true
}

// cryptoFrame reads what follows the type of a CRYPTO frame (RFC 9000 section 19.6).
func (o *Opener) cryptoFrame(c *cursor, res *Result) bool {
	offset, ok := c.varint()
	if !ok {
		return false
	}
	n, ok := c.varint()
	if !ok {
		return false
	}
	data, ok := c.take(n)
	if !ok || offset+n > maxOffset { // no overflow: offset < 1<<62, and take has bounded n
		return false
	}
	switch {
	case n == 0:
	case len(res.Crypto) == maxCrypto:
		o.Stats.Dropped++
	default:
		res.Crypto = append(res.Crypto, Crypto{offset, data})
	}
	return true
}
