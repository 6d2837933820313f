package lookalike

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/idna"
	"pgregory.net/rapid"
)

// distance is the optimal string alignment distance, by the book.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// The index finds what is one edit away, and nothing else, as comparing with
// every brand does.
func TestEditsAgree(t *testing.T) {
	m := matcher(t)
	rapid.Check(t, func(t *rapid.T) {
		word := []byte(strings.ReplaceAll(rapid.SampledFrom(words).Draw(t, "word"), "-", ""))
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			i := rapid.IntRange(0, len(word)-1).Draw(t, "at")
			c := byte(rapid.IntRange('a', 'z').Draw(t, "letter"))
			switch rapid.IntRange(0, 3).Draw(t, "edit") {
			case 0:
				word = slices.Insert(word, i, c)
			case 1:
				word = slices.Delete(word, i, i+1)
			case 2:
				word[i] = c
			default:
				j := min(i+1, len(word)-1)
				word[i], word[j] = word[j], word[i]
			}
		}
		if len(word) < editLabel {
			return
		}
		var want, got []string
		for _, b := range m.brands {
			if len(b.plain) >= editBrand && !strings.ContainsAny(b.Word, "0123456789") && distance(string(word), string(b.plain)) == 1 {
				want = append(want, b.Word)
			}
		}
		for _, c := range m.near(word, 1, make([]candidate, 0, maxFound)) {
			got = append(got, m.brands[c.brand].Word)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", word, got, want)
		}
	})
}

// A brand of its own letters anywhere in a registered label is found, with letters,
// digits, hyphens and characters that look alike around it.
func TestContainedAgrees(t *testing.T) {
	m := matcher(t)
	rapid.Check(t, func(t *rapid.T) {
		around := rapid.StringMatching(`[a-z0-9-]{0,12}`)
		text := around.Draw(t, "left") + rapid.SampledFrom(words).Draw(t, "word") + around.Draw(t, "right")
		plain := strings.ReplaceAll(text, "-", "")
		want := slices.ContainsFunc(m.brands, func(b brand) bool { return !b.bounded && strings.Contains(plain, string(b.plain)) })
		if _, got := m.Find([]byte("www."+text+".com"), nil); want && !got && !isOwnedText(text) {
			t.Fatalf("%s is not found", text)
		}
	})
}

func isOwnedText(label string) bool { return slices.Contains(ownedDomains, label+".com") }

// The decoder of punycode agrees with golang.org/x/net/idna.
func FuzzPunycode(f *testing.F) {
	for _, s := range []string{"mnchen-3ya", "nydesk-3we", "-", "a-", "ihqwcrb4cv8a8dqg056pqjye", "99999999", "a-b-c-q9a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToLower(s)
		if len(s) > maxLabel-4 || s == "" || strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
			return
		}
		var out [maxLabel]rune
		n, ok := decodePunycode([]byte(s), &out)
		want, err := idna.Punycode.ToUnicode("xn--" + s)
		if err != nil || !ok {
			return // each refuses some that the other takes: leading hyphens, surrogates
		}
		if got := string(out[:n]); got != want {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
	})
}

// Real international names are decoded, as idna encodes them.
func TestPunycode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abcxyz-\u0430\u0435\u043e\u0440\u00fc\u00df\u4e2d\u6587\u0e01\U0001d4b3")), 1, 12, -1).Draw(t, "label")
		encoded, err := idna.Punycode.ToASCII(text)
		if err != nil || !strings.HasPrefix(encoded, "xn--") || len(encoded) > maxLabel {
			return
		}
		var out [maxLabel]rune
		if n, ok := decodePunycode([]byte(encoded[4:]), &out); !ok || string(out[:n]) != text {
			t.Fatalf("%s: %v %q, want %q", encoded, ok, string(out[:n]), text)
		}
	})
}

// What Check refuses, and what it lets count only as whole words.
func TestCheck(t *testing.T) {
	for word, want := range map[string]string{
		"anydesk": "", "simple-help": "", "todesk": "", "rms": "3 letters", "n-a": "2 letters", "level": "ordinary", "quick-assist": "ordinary",
		"2468": "no letter", strings.Repeat("long", 9): "36 letters",
	} {
		if problem, hint := Check(word); (problem == "") != (want == "") || !strings.Contains(problem, want) || (problem == "") != (hint == "") {
			t.Errorf("%s: %q %q", word, problem, hint)
		}
	}
	for word, want := range map[string]bool{"anydesk": false, "todesk": true, "to-desk": true, "itarian": true} {
		if Bounded(word) != want {
			t.Errorf("%s bounded: %v", word, !want)
		}
	}
	if _, err := New([]Brand{{"level", 0}}, nil); err == nil {
		t.Error("a brand that Check refuses is taken")
	}
}
