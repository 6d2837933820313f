package main

import (
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// echKeys makes the ECH configuration (RFC 9849 section 4) of a provider with a
// public name: one X25519 key, HKDF-SHA256 and AES-128-GCM.
func echKeys(public string) (list []byte, keys []tls.EncryptedClientHelloKey, err error) {
	seed := sha256.Sum256([]byte(public))
	key, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		return nil, nil, fmt.Errorf("ECH key of %q: %w", public, err)
	}
	pub := key.PublicKey().Bytes()
	b := []byte{7, 0, 0x20, 0, byte(len(pub))} // id, DHKEM(X25519, HKDF-SHA256)
	b = append(b, pub...)
	b = append(b, 0, 4, 0, 1, 0, 1, 0, byte(len(public))) // one suite; no limit of the name's length
	b = append(b, public...)
	b = append(b, 0, 0) // no extensions
	config := binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(b)))
	config = append(config, b...)
	list = append(binary.BigEndian.AppendUint16(nil, uint16(len(config))), config...)
	return list, []tls.EncryptedClientHelloKey{{Config: config, PrivateKey: key.Bytes()}}, nil
}

// scrubECH overwrites what was encrypted in the ClientHello message b, and the key in
// front of it, with noise. An X25519 key never has its highest bit set (RFC 7748 section
// 5); filler of Firefox may, and shows itself by that.
func scrubECH(b []byte, filler bool, r *rand.Rand) {
	for b := extensions(b[4:], true); len(b) >= 4; {
		n := 4 + int(binary.BigEndian.Uint16(b[2:]))
		if binary.BigEndian.Uint16(b) == 0xfe0d {
			enc := b[12 : 12+int(binary.BigEndian.Uint16(b[10:]))] // behind type, suite and id
			noise(enc, r)
			enc[len(enc)-1] &= 0x7f
			if filler {
				enc[len(enc)-1] |= 0x80
			}
			noise(b[12+len(enc)+2:n], r)
		}
		b = b[n:]
	}
}
