package quic

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"testing"
)

// RFC 9001 appendix A.1, RFC 9369 appendix A.1 and draft-ietf-quic-tls-29
// appendix A.1: key, iv and header protection key for the same connection ID.
func TestKeyVectors(t *testing.T) {
	for _, tc := range []struct {
		name        string
		sender      sender
		server      bool
		key, iv, hp string
	}{
		{"v1 client", v1Sender(), false, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"},
		{"v1 server", v1Sender(), true, "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"},
		{"v2 client", v2Sender(), false, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"},
		{"v2 server", v2Sender(), true, "82db637861d55e1d011f19ea71d5d2a7", "dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a"},
		{"draft-29 client", draft29Sender(), false, "175257a31eb09dea9366d8bb79ad80ba", "6b26114b9cba2b63a9e8dd4f", "9ddd12c994c0698b89374a9c077a3077"},
		{"draft-29 server", draft29Sender(), true, "149d0b1662ab871fbe63c49b5e655a5d", "bab2b12a4c76016ace47856d", "c0c499a65a60024a18a250974ea01dfa"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.sender.server = tc.server
			key, iv, hp := tc.sender.secrets(t)
			if hex.EncodeToString(key) != tc.key || hex.EncodeToString(iv) != tc.iv || hex.EncodeToString(hp) != tc.hp {
				t.Errorf("the test's own sender has %x %x %x", key, iv, hp)
			}
			var k keys
			if !k.derive(familyOf(tc.sender.version), exampleCID, tc.server) {
				t.Fatal("no keys")
			}
			if hex.EncodeToString(k.iv[:]) != tc.iv {
				t.Errorf("iv %x, want %s", k.iv, tc.iv)
			}
			block, err := aes.NewCipher(unhex(t, tc.hp))
			if err != nil {
				t.Fatal(err)
			}
			var got, want [16]byte
			k.hp.Encrypt(got[:], got[:])
			block.Encrypt(want[:], want[:])
			if got != want {
				t.Errorf("header protection key differs from %s", tc.hp)
			}
			// The key itself is inside k.aead: TestPacketVectors and TestEveryVersion prove it.
		})
	}
}

// RFC 9001 and RFC 9369, appendix A.2 and A.3.
func TestPacketVectors(t *testing.T) {
	for _, tc := range []struct {
		rfc     string
		version uint32
		name    string
	}{
		{"rfc9001", Version1, "1"},
		{"rfc9369", Version2, "6b3343cf"},
	} {
		t.Run(tc.rfc, func(t *testing.T) {
			o := new(Opener)
			packet := vector(t, tc.rfc+"-a2-client")
			if !LooksLikeInitial(packet) {
				t.Error("does not look like an Initial")
			}
			res := o.Client(packet, nil)
			if res.Status != StatusOpened || res.Version != tc.version || !bytes.Equal(res.DCID, exampleCID) || len(res.SCID) != 0 || len(res.Token) != 0 {
				t.Fatalf("client: %+v", res)
			}
			if o.Version() != tc.name {
				t.Errorf("version %s, want %s", o.Version(), tc.name)
			}
			if len(res.Crypto) != 1 || res.Crypto[0].Offset != 0 || len(res.Crypto[0].Data) != 241 {
				t.Fatalf("client: CRYPTO %+v", res.Crypto)
			}
			info := readHello(t, res.Crypto[0].Data)
			if info == nil || info.ServerName != "example.com" {
				t.Errorf("crypto/tls reads %+v", info)
			}

			server := vector(t, tc.rfc+"-a3-server")
			if res := o.Server(server, nil); res.Status != StatusSealed {
				t.Errorf("server without the client's connection ID: %+v", res)
			}
			if res := o.Server(packet, nil); res.Status != StatusSealed {
				t.Errorf("client taken for a server: %+v", res)
			}
			if res := o.Client(server, exampleCID); res.Status != StatusSealed {
				t.Errorf("server taken for a client: %+v", res)
			}
			res = o.Server(server, exampleCID)
			if res.Status != StatusOpened || !bytes.Equal(res.SCID, unhex(t, "f067a5502a4262b5")) || len(res.Crypto) != 1 || res.Crypto[0].Data[0] != 2 {
				t.Fatalf("server: %+v", res)
			}
		})
	}
}

// RFC 9001 and RFC 9369, appendix A.4.
func TestRetryVectors(t *testing.T) {
	for _, packet := range []string{
		"ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba",
		"cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6",
	} {
		o := new(Opener)
		res := o.Server(unhex(t, packet), exampleCID)
		if res.Status != StatusRetry || hex.EncodeToString(res.SCID) != "f067a5502a4262b5" || string(res.Token) != "token" {
			t.Errorf("%+v", res)
		}
		for n := 7; n < len(packet)/2; n++ {
			want := StatusMalformed
			if n > 15+retryTag {
				want = StatusRetry // with a shorter token: only its tag would tell
			}
			if res := new(Opener).Server(unhex(t, packet[:2*n]), exampleCID); res.Status != want {
				t.Errorf("%d bytes: %+v", n, res)
			}
		}
		if o.Stats.Packets[StatusRetry] != 1 || o.Stats.Attempts != 0 {
			t.Errorf("%+v", o.Stats)
		}
	}
}

// Every row of the table, by the test's own sender: salts from the drafts.
func TestEveryVersion(t *testing.T) {
	const (
		salt34 = "38762cf7f55934b34d179ae6a4c80cadccbb7f0a"
		salt29 = "afbfec289993d24c9e9786f19c6111e04390a899"
		salt23 = "c3eef712c72ebb5a11a7d2432bb46365bef9f502"
		salt22 = "7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a"
	)
	salts := map[uint32]string{0xfaceb001: salt22, 0xff000016: salt22, 0xff000021: salt34, 0xff000022: salt34}
	for v := uint32(0xff000017); v <= 0xff00001c; v++ {
		salts[v] = salt23
	}
	for v := uint32(0xff00001d); v <= 0xff000020; v++ {
		salts[v] = salt29
	}
	senders := []sender{v1Sender(), v2Sender()}
	for v, salt := range salts {
		s := v1Sender()
		s.version, s.salt = v, salt
		senders = append(senders, s)
	}
	o := new(Opener)
	for _, s := range senders {
		for pnLen := 1; pnLen <= 4; pnLen++ {
			s.pnLen, s.pn = pnLen, 0xa1b2c3d4&(1<<(8*pnLen)-1)
			packet := s.seal(t, cryptoFrame(7, []byte("hello")))
			res := o.Client(packet, nil)
			if res.Status != StatusOpened || len(res.Crypto) != 1 || res.Crypto[0].Offset != 7 || string(res.Crypto[0].Data) != "hello" {
				t.Errorf("version %#x: %+v", s.version, res)
			}
		}
	}
	for _, v := range []uint32{2, 0xff000015, 0xff000023, 0x1a2a3a4a} {
		s := v1Sender()
		s.version = v
		packet := s.seal(t, make([]byte, 100))
		if res := o.Client(packet, nil); res.Status != StatusUnknown || !bytes.Equal(res.SCID, s.scid) || LooksLikeInitial(packet) {
			t.Errorf("version %#x: %+v", v, res)
		}
	}
}
