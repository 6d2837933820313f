package printable

import (
	"bytes"
	"strconv"
	"testing"
)

func FuzzText(f *testing.F) {
	f.Add([]byte("relay-1.net.anydesk.com"))
	f.Add([]byte("a\n\x1b[31m\x00\\\"\xff\u202e|="))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Text(b)
		for _, c := range []byte(s) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q has byte %#x", s, c)
			}
		}
		var back []byte
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] != '\\':
				back = append(back, s[i])
			case s[i+1] == '\\':
				back = append(back, '\\')
				i++
			default:
				v, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
				if err != nil {
					t.Fatal(err)
				}
				back = append(back, byte(v))
				i += 3
			}
		}
		if !bytes.Equal(back, b) {
			t.Fatalf("%q became %q", b, back)
		}
	})
}
