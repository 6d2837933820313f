package rulepack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/jedisct1/go-minisign"
)

// Key is a public key of minisign's that packs may be signed with.
type Key struct {
	public minisign.PublicKey
}

// ParseKey reads a public key: the text that begins with RW, as `minisign -G`
// prints it and minisign.pub has it in its second line.
func ParseKey(text string) (Key, error) {
	key, err := minisign.NewPublicKey(strings.TrimSpace(text))
	if err != nil || key.SignatureAlgorithm != [2]byte{'E', 'd'} || key.PublicKey == [32]byte{} {
		return Key{}, errors.New("this is no public key of minisign's; take the line of minisign.pub that begins with RW")
	}
	return Key{key}, nil
}

// ID is the key's number, as minisign prints it. It tells keys apart and proves
// nothing.
func (k Key) ID() string { return keyID(k.public.KeyId) }

func keyID(id [8]byte) string { return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(id[:])) }

// Signed says who signed a pack.
type Signed struct {
	Key     Key
	Comment string // the trusted comment, which is signed too; it may hold any byte but a line end
}

// MaxSignature is how many bytes a signature file has at most: minisign's own
// limit for each of the two comments is 8 KiB.
const MaxSignature = 32 << 10

// Verify holds a signature file against raw and the keys that are trusted. The
// signature must be over all bytes of raw, and that of the trusted comment must
// hold too.
func Verify(raw, signature []byte, keys []Key) (Signed, error) {
	if len(signature) > MaxSignature {
		return Signed{}, fmt.Errorf("the signature file has more than %d bytes; name the .minisig file that minisign made", MaxSignature)
	}
	s, err := minisign.DecodeSignature(string(signature))
	comment, ok := strings.CutPrefix(s.TrustedComment, "trusted comment: ")
	if err != nil || !ok || !strings.HasPrefix(s.UntrustedComment, "untrusted comment: ") {
		return Signed{}, errors.New("the signature file is not as minisign makes it; fetch it again, or sign the pack again with minisign -Sm")
	}
	var ids []string
	for _, k := range keys {
		if k.public.KeyId != s.KeyId {
			ids = append(ids, k.ID())
			continue
		}
		if ok, err := k.public.Verify(raw, s); !ok || err != nil {
			return Signed{}, fmt.Errorf("the signature does not hold: the pack, or the comment in the signature, is not what key %s signed; fetch both again and from where they are made", k.ID())
		}
		return Signed{k, comment}, nil
	}
	if len(ids) == 0 {
		return Signed{}, errors.New("no public key is trusted; put the key of those who make the pack into packs.keys of the configuration")
	}
	return Signed{}, fmt.Errorf("the pack is signed with key %s, and trusted are %s; if that key is really of those who make the pack, add it to packs.keys", keyID(s.KeyId), strings.Join(ids, ", "))
}

// Open checks a signature, and only when it holds the archive, and then the
// rules in it and their tests. Nothing is written anywhere.
func Open(raw, signature []byte, keys []Key) (*Pack, Signed, error) {
	signed, err := Verify(raw, signature, keys)
	if err != nil {
		return nil, Signed{}, err
	}
	p, err := open(raw)
	if err != nil {
		return nil, Signed{}, err
	}
	if _, err := p.Load(); err != nil {
		return nil, Signed{}, errors.Join(errors.New("the rules in the pack are not fit for use with this rmmwatch; have them mended and the pack made again"), err)
	}
	return p, signed, nil
}
