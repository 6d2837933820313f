package quic

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vector reads testdata/name.hex.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	return unhex(t, string(b))
}

// The connection ID of the examples in RFC 9001 and RFC 9369, appendix A.
var exampleCID = []byte{0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08}

// sender makes Initial packets, by the standard library's HKDF and from the
// RFCs' own text, so that it errs elsewhere than the code under test.
type sender struct {
	version uint32
	salt    string // hexadecimal
	prefix  string // of the labels
	typ     byte   // packet type bits of an Initial
	dcid    []byte // in the header
	keyCID  []byte // that the keys derive from; nil: dcid
	scid    []byte
	token   []byte
	server  bool
	pn      uint32
	pnLen   int
}

func v1Sender() sender {
	return sender{version: 1, salt: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a", prefix: "quic", dcid: exampleCID, pnLen: 4, pn: 2}
}

func v2Sender() sender {
	s := v1Sender()
	s.version, s.salt, s.prefix, s.typ = 0x6b3343cf, "0dede3def700a6db819381be6e269dcbf9bd2ed9", "quicv2", 1
	return s
}

func draft29Sender() sender {
	s := v1Sender()
	s.version, s.salt = 0xff00001d, "afbfec289993d24c9e9786f19c6111e04390a899"
	return s
}

func label(t testing.TB, secret []byte, name string, n int) []byte {
	t.Helper()
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(6+len(name)))
	info = append(info, "tls13 "+name+"\x00"...)
	out, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// secrets returns the sender's key, iv and header protection key.
func (s sender) secrets(t testing.TB) (key, iv, hp []byte) {
	t.Helper()
	cid := s.keyCID
	if cid == nil {
		cid = s.dcid
	}
	initial, err := hkdf.Extract(sha256.New, cid, unhex(t, s.salt))
	if err != nil {
		t.Fatal(err)
	}
	side := "client in"
	if s.server {
		side = "server in"
	}
	secret := label(t, initial, side, 32)
	return label(t, secret, s.prefix+" key", 16), label(t, secret, s.prefix+" iv", 12), label(t, secret, s.prefix+" hp", 16)
}

// seal returns the Initial packet with the frames.
func (s sender) seal(t testing.TB, frames []byte) []byte {
	t.Helper()
	key, iv, hp := s.secrets(t)
	b := []byte{0xc0 | s.typ<<4 | byte(s.pnLen-1)}
	b = binary.BigEndian.AppendUint32(b, s.version)
	b = append(append(b, byte(len(s.dcid))), s.dcid...)
	b = append(append(b, byte(len(s.scid))), s.scid...)
	b = append(appendVarint(b, len(s.token)), s.token...)
	b = appendVarint(b, s.pnLen+len(frames)+16)
	at := len(b)
	pn := binary.BigEndian.AppendUint32(nil, s.pn)
	b = append(b, pn[4-s.pnLen:]...)
	for i := range 4 {
		iv[8+i] ^= pn[i]
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, gcm.Seal(nil, iv, frames, b)...)
	block, err = aes.NewCipher(hp)
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]byte, 16)
	block.Encrypt(mask, b[at+4:at+20])
	b[0] ^= mask[0] & 0x0f
	for i := range s.pnLen {
		b[at+i] ^= mask[1+i]
	}
	return b
}

// appendVarint always takes two bytes, as far as they reach.
func appendVarint(b []byte, v int) []byte {
	if v < 1<<14 {
		return binary.BigEndian.AppendUint16(b, 1<<14|uint16(v))
	}
	return binary.BigEndian.AppendUint32(b, 1<<31|uint32(v))
}

func cryptoFrame(offset int, data []byte) []byte {
	return append(appendVarint(appendVarint([]byte{0x06}, offset), len(data)), data...)
}

// stream puts CRYPTO frames in order, as a worker's head of a flow does.
type stream struct {
	data []byte
	have []bool
}

func (s *stream) add(t testing.TB, frames []Crypto) {
	t.Helper()
	for _, c := range frames {
		end := int(c.Offset) + len(c.Data)
		if len(c.Data) == 0 || end > 64<<10 {
			t.Fatalf("CRYPTO frame at %d with %d bytes", c.Offset, len(c.Data))
		}
		if n := end - len(s.data); n > 0 {
			s.data, s.have = append(s.data, make([]byte, n)...), append(s.have, make([]bool, n)...)
		}
		copy(s.data[c.Offset:], c.Data)
		for i := range c.Data {
			s.have[int(c.Offset)+i] = true
		}
	}
}

func (s *stream) start() []byte {
	n := 0
	for n < len(s.have) && s.have[n] {
		n++
	}
	return s.data[:n]
}

// message returns the first handshake message, or nil while it is not whole.
func (s *stream) message() []byte {
	b := s.start()
	if len(b) < 4 {
		return nil
	}
	n := 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
	if len(b) < n {
		return nil
	}
	return b[:n]
}

// readHello has crypto/tls read a ClientHello; nil means that it cannot, or
// that there is more to come.
func readHello(t testing.TB, hello []byte) *tls.ClientHelloInfo {
	t.Helper()
	var info *tls.ClientHelloInfo
	seen := errors.New("seen")
	conn := tls.QUICServer(&tls.QUICConfig{TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(c *tls.ClientHelloInfo) (*tls.Config, error) {
			info = c
			return nil, seen
		},
	}})
	defer conn.Close()
	if err := conn.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	// The error says no more than that the handshake went no further.
	_ = conn.HandleData(tls.QUICEncryptionLevelInitial, bytes.Clone(hello))
	return info
}
