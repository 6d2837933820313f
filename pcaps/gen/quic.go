package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// quicVersion holds what differs between the versions of QUIC in the protection of an Initial packet.
type quicVersion struct {
	number  uint32
	initial byte // packet type bits of an Initial
	retry   byte
	salt    string
	prefix  string // of the HKDF labels
}

var (
	quicV1 = quicVersion{1, 0, 3,
		"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a", "quic "} // RFC 9001
	quicV2 = quicVersion{0x6b3343cf, 1, 0,
		"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9", "quicv2 "} // RFC 9369
	quicDraft29 = quicVersion{0xff00001d, 0, 3,
		"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99", "quic "}
)

// quicHello returns the ClientHello that crypto/tls makes for QUIC, and the ServerHello that answers it.
func quicHello(s tlsShape, r *rand.Rand) (client, server []byte, err error) {
	cert := issue(certShape{subject: pkix.Name{CommonName: s.name}, issuer: publicCA, names: []string{s.name}})
	config := &tls.Config{
		ServerName: s.name, InsecureSkipVerify: true, NextProtos: s.alpn, MinVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{*cert}, SessionTicketsDisabled: true,
	}
	if s.classic {
		config.CurvePreferences = []tls.CurveID{tls.X25519}
	}
	c := tls.QUICClient(&tls.QUICConfig{TLSConfig: config})
	defer c.Close()
	c.SetTransportParameters(transportParameters)
	if err := c.Start(context.Background()); err != nil {
		return nil, nil, err
	}
	client = initialData(c)
	q := tls.QUICServer(&tls.QUICConfig{TLSConfig: config})
	defer q.Close()
	q.SetTransportParameters(transportParameters)
	if err := q.Start(context.Background()); err != nil {
		return nil, nil, err
	}
	if err := q.HandleData(tls.QUICEncryptionLevelInitial, client); err != nil {
		return nil, nil, fmt.Errorf("QUIC handshake of %q: %w", s.name, err)
	}
	server = initialData(q)
	scrubHandshake(client, r)
	scrubHandshake(server, r)
	if s.shuffle {
		shuffleExtensions(client, r)
	}
	return client, server, nil
}

// transportParameters is a plausible set: idle timeout, flow control windows, stream limits.
var transportParameters = []byte{
	0x01, 0x04, 0x80, 0x00, 0x75, 0x30, 0x04, 0x04, 0x80, 0x08, 0x00, 0x00, 0x05, 0x04, 0x80, 0x04, 0x00, 0x00,
	0x06, 0x04, 0x80, 0x04, 0x00, 0x00, 0x07, 0x04, 0x80, 0x04, 0x00, 0x00, 0x08, 0x02, 0x40, 0x64, 0x09, 0x02, 0x40, 0x64,
}

// initialData drains what one side of a handshake has to say in Initial packets.
func initialData(c *tls.QUICConn) []byte {
	var data []byte
	for e := c.NextEvent(); e.Kind != tls.QUICNoEvent; e = c.NextEvent() {
		if e.Kind == tls.QUICWriteData && e.Level == tls.QUICEncryptionLevelInitial {
			data = append(data, e.Data...)
		}
	}
	return data
}

// quicIDs are the connection ids of one QUIC connection; origin is the client's first choice for the server, from
// which the Initial keys are derived.
type quicIDs struct{ origin, client, server []byte }

func newQUICIDs(r *rand.Rand) quicIDs {
	ids := quicIDs{make([]byte, 8+r.IntN(13)), make([]byte, r.IntN(9)), make([]byte, 8)}
	noise(ids.origin, r)
	noise(ids.client, r)
	noise(ids.server, r)
	return ids
}

// cryptoFrame appends a CRYPTO frame (RFC 9000, 19.6) with data[from:to].
func cryptoFrame(b, data []byte, from, to int) []byte {
	b = appendVarint(append(b, 0x06), from)
	return append(appendVarint(b, to-from), data[from:to]...)
}

// appendVarint appends v < 2^30 as a variable-length integer (RFC 9000, 16).
func appendVarint(b []byte, v int) []byte {
	switch {
	case v < 1<<6:
		return append(b, byte(v))
	case v < 1<<14:
		return append(b, 0x40|byte(v>>8), byte(v))
	}
	return binary.BigEndian.AppendUint32(b, 0x80<<24|uint32(v))
}

// sealInitial appends a protected Initial packet that carries frames, padded with PADDING frames to size bytes.
func (v quicVersion) sealInitial(b []byte, fromServer bool, ids quicIDs, token []byte, number uint32, frames []byte, size int) []byte {
	dcid, scid, label := ids.origin, ids.client, "client in"
	if fromServer {
		dcid, scid, label = ids.client, ids.server, "server in"
	} else if number > 0 && len(token) > 0 {
		dcid = ids.origin
	}
	start := len(b)
	b = append(b, 0xc0|v.initial<<4|1) // a packet number of two bytes
	b = binary.BigEndian.AppendUint32(b, v.number)
	b = append(append(b, byte(len(dcid))), dcid...)
	b = append(append(b, byte(len(scid))), scid...)
	b = append(appendVarint(b, len(token)), token...)
	const overhead = 2 + 2 + 16 // length field, packet number, tag
	padded := append(frames[:len(frames):len(frames)], make([]byte, max(0, size-(len(b)-start)-overhead-len(frames)))...)
	length := 2 + len(padded) + 16
	b = append(b, 0x40|byte(length>>8), byte(length))
	numberAt := len(b)
	b = binary.BigEndian.AppendUint16(b, uint16(number))

	key, iv, hp := v.initialKeys(ids.origin, label)
	for i := range 4 {
		iv[8+i] ^= byte(number >> (24 - 8*i))
	}
	b = gcm(key).Seal(b, iv, padded, b[start:])
	mask := make([]byte, 16)
	aesBlock(hp).Encrypt(mask, b[numberAt+4:numberAt+20])
	b[start] ^= mask[0] & 0x0f
	b[numberAt] ^= mask[1]
	b[numberAt+1] ^= mask[2]
	return b
}

// initialKeys derives the keys of one direction (RFC 9001, 5.2).
func (v quicVersion) initialKeys(origin []byte, label string) (key, iv, hp []byte) {
	secret, err := hkdf.Extract(sha256.New, origin, []byte(v.salt))
	if err != nil {
		panic(err) // only a hash that FIPS mode forbids
	}
	secret = expand(secret, label, 32)
	return expand(secret, v.prefix+"key", 16), expand(secret, v.prefix+"iv", 12), expand(secret, v.prefix+"hp", 16)
}

// expand is HKDF-Expand-Label of RFC 8446, 7.1, with an empty context.
func expand(secret []byte, label string, n int) []byte {
	info := string([]byte{0, byte(n), byte(6 + len(label))}) + "tls13 " + label + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		panic(err)
	}
	return out
}

func aesBlock(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only a key of the wrong length
	}
	return block
}

func gcm(key []byte) cipher.AEAD {
	aead, err := cipher.NewGCM(aesBlock(key))
	if err != nil {
		panic(err)
	}
	return aead
}

// quicOpening is the start of a QUIC connection as Chromium sends it: the ClientHello in CRYPTO frames of random
// size and order over as many Initials of 1,200 bytes as it takes, and the server's answer.
func quicOpening(v quicVersion, s tlsShape, r *rand.Rand) (conversation, error) {
	hello, answer, err := quicHello(s, r)
	if err != nil {
		return nil, err
	}
	ids := newQUICIDs(r)
	var cuts []int
	for at := 0; at < len(hello); at += 150 + r.IntN(400) {
		cuts = append(cuts, at)
	}
	var frames [][]byte
	for i, from := range cuts {
		to := len(hello)
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		frames = append(frames, cryptoFrame(nil, hello, from, to))
	}
	if s.shuffle {
		r.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
	}
	var c conversation
	for number := uint32(0); len(frames) > 0; number++ {
		var payload []byte
		for len(frames) > 0 && len(payload)+len(frames[0]) <= 1100 {
			payload, frames = append(payload, frames[0]...), frames[1:]
		}
		if s.shuffle {
			payload = append(payload, 0x01) // PING
		}
		c = append(c, fromClient(v.sealInitial(nil, false, ids, nil, number, payload, 1200)))
	}
	ack := []byte{0x02, 0, 0, 0, 0}
	return append(c, fromServer(v.sealInitial(nil, true, ids, nil, 0, cryptoFrame(ack, answer, 0, len(answer)), 1200))), nil
}
