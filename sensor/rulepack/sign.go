package rulepack

import (
	"errors"
	"fmt"

	"github.com/jedisct1/go-minisign"
)

// The most that minisign itself asks for a password (libsodium's
// crypto_pwhash_scryptsalsa208sha256_*_SENSITIVE): 1 GiB and some seconds. A key
// file that asks for more is none of minisign's.
const (
	maxOps = 33554432
	maxMem = 1 << 30
)

// Sign signs raw, the archive of p, with a secret key file of minisign's, and
// returns the signature file and the key's public half. The same pack and key
// give the same signature. password is asked only when the key is encrypted;
// no error holds it, nor anything of the key.
func Sign(p *Pack, raw, secret []byte, password func() (string, error)) ([]byte, Key, error) {
	key, err := minisign.DecodePrivateKey(string(secret))
	if err != nil {
		return nil, Key{}, errors.New("this is no secret key of minisign's; minisign -G makes one")
	}
	defer key.Wipe()
	if key.IsEncrypted() {
		if key.KDFOpsLimit > maxOps || key.KDFMemLimit > maxMem {
			return nil, Key{}, fmt.Errorf("the key asks for %d bytes of memory, and minisign's own for %d; make another with minisign -G", key.KDFMemLimit, maxMem)
		}
		text, err := password()
		if err != nil {
			return nil, Key{}, err
		}
		if err := key.Decrypt(text); err != nil {
			return nil, Key{}, errors.New("the password is not that of the key")
		}
	}
	public := Key{key.PublicKey()}
	s, err := key.Sign(raw, minisign.SignOptions{
		Hashed:           true,
		UntrustedComment: "signature of an rmmwatch rule pack, key " + public.ID(),
		TrustedComment:   fmt.Sprintf("rmmwatch rule pack %s, sequence %d", p.Manifest.Name, p.Manifest.Sequence),
	})
	if err != nil {
		return nil, Key{}, fmt.Errorf("signing: %w", err)
	}
	text := s.Encode()
	if _, err := Verify(raw, text, []Key{public}); err != nil {
		return nil, Key{}, errors.New("the key file is damaged: what it signs does not hold; take its backup")
	}
	return text, public, nil
}
