package rulepack

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	oracle "aead.dev/minisign"
)

// keyPair is the key of a seed, as a file and for the oracle.
func keyPair(t testing.TB, seed byte) (Key, oracle.PrivateKey, []byte) {
	t.Helper()
	raw := make([]byte, 158) // minisign(1), secret key format: algorithms, salt and limits of no password, id, key, no sum
	copy(raw, "Ed\x00\x00B2")
	copy(raw[54:], []byte{seed, 1, 2, 3, 4, 5, 6, 7})
	copy(raw[62:], ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	secret := []byte("untrusted comment: minisign encrypted secret key\n" + base64.StdEncoding.EncodeToString(raw) + "\n")
	var private oracle.PrivateKey
	if err := private.UnmarshalText(secret); err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(private.Public().(oracle.PublicKey).String())
	if err != nil {
		t.Fatal(err)
	}
	return key, private, secret
}

func noPassword() (string, error) { return "", errors.New("a password is asked") }

// sign signs a pack with our own code.
func sign(t testing.TB, p *Pack, secret []byte) (raw, signature []byte) {
	t.Helper()
	raw = archive(t, p)
	signature, _, err := Sign(p, raw, secret, noPassword)
	if err != nil {
		t.Fatal(err)
	}
	return raw, signature
}

// Another implementation takes our signatures, and we take its, of both kinds.
func TestOracle(t *testing.T) {
	key, private, secret := keyPair(t, 1)
	raw, signature := sign(t, pack(t, "corp", 7, "x"), secret)
	public := private.Public().(oracle.PublicKey)
	if !oracle.Verify(public, raw, signature) {
		t.Errorf("the oracle refuses\n%s", signature)
	}
	again, who, err := Sign(pack(t, "corp", 7, "x"), raw, secret, noPassword)
	if err != nil || !bytes.Equal(again, signature) || who.ID() != key.ID() {
		t.Errorf("the same pack is signed otherwise: %v, %s\n%s", err, who.ID(), again)
	}
	whole := oracle.SignWithComments(private, raw, "whole", "u")
	r := oracle.NewReader(bytes.NewReader(raw))
	if _, err := bytes.NewBuffer(nil).ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	for comment, s := range map[string][]byte{"whole": whole, "hashed": r.SignWithComments(private, "hashed", "u"), "rmmwatch rule pack corp, sequence 7": signature} {
		signed, err := Verify(raw, s, []Key{key})
		if err != nil || signed.Comment != comment || signed.Key.ID() != key.ID() {
			t.Errorf("%v, %+v", err, signed)
		}
	}
}

// No byte of pack, signature and trusted comment may change; the untrusted comment
// may, which nobody signs.
func TestEveryByte(t *testing.T) {
	key, private, secret := keyPair(t, 1)
	raw, signature := sign(t, pack(t, "corp", 7, "x"), secret)
	public := private.Public().(oracle.PublicKey)
	for i := range raw {
		b := slices.Clone(raw)
		b[i] ^= 1
		if _, err := Verify(b, signature, []Key{key}); err == nil {
			t.Fatalf("byte %d of the pack may change", i)
		}
	}
	_, rest, _ := bytes.Cut(signature, []byte("\n"))
	first := len(signature) - len(rest)
	for i := first; i < len(signature)-1; i++ {
		for _, bit := range []byte{1, 2, 0x40} {
			b := slices.Clone(signature)
			b[i] ^= bit
			_, err := Verify(raw, b, []Key{key})
			if (err == nil) != oracle.Verify(public, raw, b) {
				t.Errorf("byte %d of the signature: %v, and the oracle says otherwise", i, err)
			}
			// The last characters of base64 hold bits that do not count.
			if err == nil && b[i+1] != '=' {
				t.Errorf("byte %d of the signature may change", i)
			}
		}
	}
	for n := range len(signature) - 1 {
		if _, err := Verify(raw, signature[:n], []Key{key}); err == nil {
			t.Errorf("the first %d bytes of the signature are taken", n)
		}
	}
}

// What is wrong with a signature is told, with what to do.
func TestVerifyRefuses(t *testing.T) {
	key, _, secret := keyPair(t, 1)
	other, _, _ := keyPair(t, 2)
	raw, signature := sign(t, pack(t, "corp", 7, "x"), secret)
	_, older := sign(t, pack(t, "corp", 6, "x"), secret)
	comment := bytes.Replace(signature, []byte("sequence 7"), []byte("sequence 9"), 1)
	impostor := other
	impostor.public.KeyId = key.public.KeyId
	for what, c := range map[string]struct {
		signature []byte
		keys      []Key
		want      string
	}{
		"another pack's":  {older, []Key{key}, "does not hold"},
		"comment":         {comment, []Key{key}, "does not hold"},
		"another key":     {signature, []Key{other}, "is signed with key " + key.ID() + ", and trusted are " + other.ID()},
		"same key id":     {signature, []Key{impostor}, "does not hold"},
		"no key":          {signature, nil, "no public key is trusted"},
		"empty":           {nil, []Key{key}, "not as minisign makes it"},
		"the pack itself": {raw, []Key{key}, "not as minisign makes it"},
		"huge":            {make([]byte, MaxSignature+1), []Key{key}, "more than 32768 bytes"},
		"no comment":      {bytes.Replace(signature, []byte("trusted comment: r"), []byte("rusted comment: r"), 1), []Key{key}, "not as minisign makes it"},
	} {
		if _, _, err := Open(raw, c.signature, c.keys); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, signed, err := Open(raw, signature, []Key{other, key}); err != nil || signed.Key.ID() != key.ID() {
		t.Errorf("%v", err)
	}
	// The signature is looked at first: of an archive that nobody signed nothing is read.
	if _, _, err := Open([]byte("no archive"), signature, []Key{key}); err == nil || !strings.Contains(err.Error(), "does not hold") {
		t.Errorf("%v", err)
	}
}

// What is signed and yet wrong is refused too.
func TestSignedRubbish(t *testing.T) {
	key, private, _ := keyPair(t, 1)
	bad := File{"one.yaml", bytes.Replace(rule("one", "one-x.com"), []byte("name: a.one-x.com"), []byte("name: a.else.com"), 1)}
	for want, raw := range map[string][]byte{
		"this is no pack": []byte("signed"),
		"test failed":     squeeze(t, stream(t, manifest(t, bad), file(bad.Name, bad.Data))),
	} {
		if _, _, err := Open(raw, oracle.Sign(private, raw), []Key{key}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestParseKey(t *testing.T) {
	key, private, secret := keyPair(t, 1)
	text := private.Public().(oracle.PublicKey).String()
	if got, err := ParseKey(" " + text + "\n"); err != nil || got != key || len(got.ID()) != 16 {
		t.Errorf("%v, %v", got, err)
	}
	zero := "RW" + strings.Repeat("A", 54)
	for _, bad := range []string{"", "RW", text[:50], text + "A", "RX" + text[2:], string(secret), zero} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	_, private, secret := keyPair(t, 1)
	p := pack(t, "corp", 7, "x")
	raw := archive(t, p)
	damaged := slices.Clone(secret)
	damaged[len(damaged)-120] ^= 1
	costly := slices.Clone(secret)
	copy(costly[bytes.IndexByte(costly, '\n')+1:], "RWRTY0Iy////////////////////////////////////////////////////////////////////")
	for what, c := range map[string]struct {
		key  []byte
		want string
	}{
		"empty":       {nil, "no secret key"},
		"public key":  {[]byte("untrusted comment: x\n" + private.Public().(oracle.PublicKey).String()), "no secret key"},
		"damaged":     {damaged, "damaged"},
		"costly":      {costly, "asks for 18446744073709551615 bytes"},
		"binary data": {raw, "no secret key"},
	} {
		if _, _, err := Sign(p, raw, c.key, noPassword); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The minisign program itself verifies what we sign, and we what it signs; its
// encrypted key is taken with its password.
func TestMinisignProgram(t *testing.T) {
	program, err := exec.LookPath("minisign")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no minisign: apt-get install minisign")
		}
		t.Skip("no minisign on this system: apt-get install minisign")
	}
	dir := t.TempDir()
	run := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("minisign %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	read := func(name string) []byte {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	generate := func(stdin string, args ...string) Key {
		t.Helper()
		run(stdin, append(args, "-f", "-G", "-p", "k.pub", "-s", "k.key")...)
		_, line, _ := strings.Cut(string(read("k.pub")), "\n")
		key, err := ParseKey(line)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	p := pack(t, "corp", 7, "x")
	raw := archive(t, p)
	if err := os.WriteFile(filepath.Join(dir, "pack"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	key := generate("", "-W")
	run("", "-S", "-W", "-s", "k.key", "-m", "pack", "-t", "by hand")
	if signed, err := Verify(raw, read("pack.minisig"), []Key{key}); err != nil || signed.Comment != "by hand" {
		t.Errorf("%v, %+v", err, signed)
	}
	// Each use of the password costs 1 GiB and seconds: one to make the key, one
	// to sign.
	const password = "correct horse"
	key = generate(password + "\n" + password + "\n")
	signature, who, err := Sign(p, raw, read("k.key"), func() (string, error) { return password, nil })
	if err != nil || who.ID() != key.ID() {
		t.Fatal(err, who.ID())
	}
	if err := os.WriteFile(filepath.Join(dir, "pack.minisig"), signature, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run("", "-V", "-p", "k.pub", "-m", "pack"); !strings.Contains(out, "Trusted comment: rmmwatch rule pack corp, sequence 7") {
		t.Error(out)
	}
}

// Ours and the oracle take and refuse the same signature files.
func FuzzVerify(f *testing.F) {
	key, private, secret := keyPair(f, 1)
	raw, signature := sign(f, pack(f, "corp", 7, "x"), secret)
	public := private.Public().(oracle.PublicKey)
	f.Add(signature)
	f.Add(oracle.SignWithComments(private, raw, "t", "u"))
	f.Add(bytes.ReplaceAll(signature, []byte("\n"), []byte("\r\n")))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := Verify(raw, text, []Key{key})
		if len(text) <= MaxSignature && (err == nil) != oracle.Verify(public, raw, text) {
			t.Errorf("%v, and the oracle says otherwise", err)
		}
	})
}
