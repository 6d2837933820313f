package lookalike

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/mtibben/confusables"
	"golang.org/x/text/unicode/norm"
)

var update = flag.Bool("update", false, "write table.go anew")

// asLatin is the ASCII letter or digit whose skeleton r has, after UTS 39
// section 4, marks taken away; 0 for none.
func asLatin(r rune) byte {
	plain := func(s string) string {
		s = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return unicode.ToLower(r)
		}, confusables.Skeleton(s))
		return strings.Replace(s, "\u2010", "-", 1)
	}
	skeleton := plain(string(r))
	for _, c := range "abcdefghijklmnopqrstuvwxyz023456789" { // the skeleton of 1 is l
		if plain(string(c)) == skeleton {
			return byte(c)
		}
	}
	return 0
}

// The table is what Unicode's confusables say, of the characters that a name may
// have: lower case, in the form that IDNA leaves them in.
func TestTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("// Written by go test -run TestTable -update; the source is confusables.txt 13.0.0 of Unicode\n" +
		"// Technical Standard 39, as in github.com/mtibben/confusables. DO NOT EDIT.\n\npackage lookalike\n\n" +
		"// looksLike are the characters that look like an ASCII letter or digit, in order: the\n" +
		"// character above the lowest eight bits, and in these the ASCII one.\nvar looksLike = [...]uint32{\n")
	line := "\t"
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !unicode.In(r, unicode.L, unicode.N) || unicode.ToLower(r) != r || norm.NFKC.String(string(r)) != string(r) {
			continue
		}
		c := asLatin(r)
		if c == 0 {
			continue
		}
		if got := latin(r); !*update && got != c {
			t.Errorf("%c (%U) is taken for %q, want %q", r, r, got, c)
		}
		if len(line) > 105 {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = "\t"
		}
		line += fmt.Sprintf("%#x<<8 | '%c', ", r, c)
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n}\n")
	if *update {
		if err := os.WriteFile("table.go", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile("table.go")
	if err != nil || string(have) != b.String() {
		t.Errorf("table.go is not what the source says; write it with -update (%v)", err)
	}
}
