package detect

import (
	"fmt"
	"strings"
	"testing"
)

// manyPatterns is a rule set with n domain patterns of every shape.
func manyPatterns(tb testing.TB, n int) *Ruleset {
	tb.Helper()
	t := &Tool{ID: "many"}
	for n > 0 {
		in := &Indicator{Tool: t, ID: fmt.Sprint("i", n), Confidence: High, Need: CondDomain}
		for range min(n, 1000) {
			text := fmt.Sprintf([]string{"host%d.example.net", "*.net%d.example.com", "relay-?*-{tenant}.r%d.example.org"}[n%3], n)
			p, msg, _ := parsePattern(text)
			if msg != "" {
				tb.Fatal(text, msg)
			}
			in.domains, in.Domain = append(in.domains, p), append(in.Domain, text)
			n--
		}
		t.Indicators = append(t.Indicators, in)
	}
	rs, err := compile([]*Tool{t})
	if err != nil {
		tb.Fatal(err)
	}
	return rs
}

var benchNames = []string{
	"www.example.com",
	"safebrowsing.googleapis.com",
	"edge-mqtt-fallback.facebook.com",
	"host77.example.invalid",
	"e1234.dscb.akamaiedge.net.example.net",
	"gateway.fe2.apple-dns.net",
	"v10.events.data.microsoft.com",
	"d3ag4hukkh62yn.cloudfront.net",
}

// BenchmarkMatchNameMiss shows that a miss costs the same whatever the number
// of patterns is.
func BenchmarkMatchNameMiss(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rs := manyPatterns(b, n)
			var all [1024][]byte // other names each time, so that the table is not warm for them
			for i := range all {
				all[i] = fmt.Appendf(nil, "%d-%s", i, benchNames[i%len(benchNames)])
				if i%2 == 0 {
					all[i] = fmt.Appendf(nil, "www.shop%d.%s", i, strings.TrimPrefix(benchNames[i%len(benchNames)], "www."))
				}
			}
			f := Fields{Kind: KindDNS, Names: make([][]byte, 1)}
			var dst [4]Hit
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				f.Names[0] = all[i&1023]
				i++
				if len(rs.Match(&f, dst[:0])) != 0 {
					b.Fatal("a miss hits")
				}
			}
		})
	}
}

func BenchmarkMatchNameHit(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rs := manyPatterns(b, n)
			f := Fields{Kind: KindSNI, Names: [][]byte{[]byte("relay-eu7-acme.r5.example.org")}}
			var dst [4]Hit
			b.ReportAllocs()
			for b.Loop() {
				if len(rs.Match(&f, dst[:0])) != 1 {
					b.Fatal("no hit")
				}
			}
		})
	}
}
