package printable

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// hostile are texts that do harm where they are shown as they are.
var hostile = []string{
	"relay-1.net.anydesk.com", "", "a\n\x1b[31m\x00\\\"\xff\u202e|=", `\`, `\\x41`, "one, two", "\x7f\x80 ~", strings.Repeat("\xc3\xa9", 200),
}

// ascii fails the test where s has a byte that is not printable ASCII.
func ascii(t *testing.T, s []byte) {
	t.Helper()
	for _, c := range s {
		if c < ' ' || c > '~' {
			t.Fatalf("%q has byte %#x", s, c)
		}
	}
}

// unescape is the reader that Append and AppendWord promise.
func unescape(t *testing.T, s []byte) (back []byte) {
	t.Helper()
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			back = append(back, s[i])
		case s[i+1] == '\\':
			back = append(back, '\\')
			i++
		default:
			v, err := strconv.ParseUint(string(s[i+2:i+4]), 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			back = append(back, byte(v))
			i += 3
		}
	}
	return back
}

func FuzzText(f *testing.F) {
	for _, s := range hostile {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text, word, dn := []byte(Text(b)), AppendWord(nil, b), AppendDN(nil, b)
		ascii(t, text)
		ascii(t, word)
		ascii(t, dn)
		if back := unescape(t, text); !bytes.Equal(back, b) {
			t.Fatalf("%q became %q", b, back)
		}
		if back := unescape(t, word); !bytes.Equal(back, b) {
			t.Fatalf("%q became %q", b, back)
		}
		if bytes.ContainsAny(word, " ,") {
			t.Fatalf("%q is not one word", word)
		}
		if bytes.Count(dn, []byte(`\`)) < bytes.Count(b, []byte(`\`)) {
			t.Fatalf("%q lost an escape in %q", b, dn)
		}
	})
}

// What each form makes of the same bytes.
func TestForms(t *testing.T) {
	b := []byte("A\\, b\n\xc3\xa9")
	for _, c := range []struct{ got, want string }{
		{Text(b), `A\\, b\x0a\xc3\xa9`},
		{string(AppendWord(nil, b)), `A\\\x2c\x20b\x0a\xc3\xa9`},
		{string(AppendDN(nil, b)), `A\, b\0A\C3\A9`},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

func TestClip(t *testing.T) {
	if b, cut := Clip([]byte("abc"), 3); string(b) != "abc" || cut {
		t.Errorf("%s %v", b, cut)
	}
	if b, cut := Clip([]byte("abcd"), 3); string(b) != "abc" || !cut {
		t.Errorf("%s %v", b, cut)
	}
}

func TestNoAllocations(t *testing.T) {
	b, dst := []byte("instance-a1b2c3-relay.screenconnect.com\x00, x"), make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		dst = Append(dst[:0], b)
		dst = AppendWord(dst[:0], b)
		dst = AppendDN(dst[:0], b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Line keeps what can be printed and lets nothing else pass.
func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"m\u00fcller.yaml: \"a\\x1b\" \u5b57": "m\u00fcller.yaml: \"a\\x1b\" \u5b57",
		"a\x1b[31mb\n\t\x7f\u0085":            `a\x1b[31mb\x0a\x09\x7f\xc2\x85`,
		"\xff \u202e \ufffd":                  `\xff \xe2\x80\xae ` + "\ufffd",
	} {
		if got := Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, s := range hostile {
		if got := Line(s); strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: %q", s, got)
		}
	}
}
