package quic

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
)

// keys open the Initial packets of one direction of a connection. The zero
// value matches none.
type keys struct {
	family *family
	cidLen uint8
	cid    [maxCID]byte

	aead cipher.AEAD
	hp   cipher.Block
	iv   [12]byte
}

func (k *keys) match(f *family, cid []byte) bool {
	return k.family == f && bytes.Equal(k.cid[:k.cidLen], cid)
}

// derive fills k from a client's Destination Connection ID of at most maxCID
// bytes (RFC 9001 section 5.2), or leaves it empty and returns false: crypto
// refuses to make the cipher, as under GODEBUG=fips140=only. It allocates three
// times, in crypto/aes and crypto/cipher.
func (k *keys) derive(f *family, cid []byte, server bool) bool {
	*k = keys{}
	side := "client in"
	if server {
		side = "server in"
	}
	initial := hmacSHA256(f.salt[:], cid)
	secret := expandLabel(&initial, side, sha256.Size)
	key := expandLabel(&secret, f.key, 16)
	iv := expandLabel(&secret, f.iv, len(k.iv))
	hp := expandLabel(&secret, f.hp, 16)

	block, err := aes.NewCipher(key[:16])
	if err != nil {
		return false
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return false
	}
	if k.hp, err = aes.NewCipher(hp[:16]); err != nil {
		return false
	}
	copy(k.iv[:], iv[:])
	k.family = f
	k.cidLen = uint8(copy(k.cid[:], cid))
	return true
}

// expandLabel is HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context
// and up to one hash of output, of which the first length bytes count.
func expandLabel(secret *[sha256.Size]byte, label string, length int) [sha256.Size]byte {
	var buf [32]byte
	info := append(buf[:0], 0, byte(length), byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "...)
	info = append(info, label...)
	info = append(info, 0, 1) // no context; the first block of output
	return hmacSHA256(secret[:], info)
}

// hmacSHA256 is HMAC (RFC 2104) for the short inputs of the key schedule: a key
// of at most 64 bytes, a message of at most 32. crypto/hkdf would do the same
// in 50 allocations and three times the time, for every new connection ID that
// anybody cares to send.
func hmacSHA256(key, message []byte) [sha256.Size]byte {
	var inner, outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:sha256.BlockSize], key)
	copy(outer[:sha256.BlockSize], key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := copy(inner[sha256.BlockSize:], message)
	sum := sha256.Sum256(inner[:sha256.BlockSize+n])
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}
