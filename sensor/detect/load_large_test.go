package detect

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// large is rule files of n names, each with its test, as an import writes them.
func large(n int) (out []Source) {
	const each = 5000
	for f := range n / each {
		var domains, tests strings.Builder
		for i := range each {
			fmt.Fprintf(&domains, "      - host%d.list%d.com\n", i, f)
			fmt.Fprintf(&tests, "    - {name: host%d.list%d.com, indicator: names}\n", i, f)
		}
		text := fmt.Sprintf("tool: list-%d\nname: list\nclass: rmm\nindicators:\n  - id: names\n    role: control\n    confidence: low\n    domain:\n%stests:\n  match:\n%s  no_match:\n    - {name: x.example}\n",
			f, domains.String(), tests.String())
		out = append(out, FromBytes(fmt.Sprintf("list-%d.yaml", f), []byte(text)))
	}
	return out
}

// What a hundred thousand names take while they are loaded, and afterwards: the
// process may have 100 MiB, of which 40 are the program itself. (Measured: 23 MiB kept,
// 246 MiB made; before the index was built in place 46 and 570.)
func TestLoadLarge(t *testing.T) {
	sources := large(100_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rs, err := Load(sources...)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept, made := (after.HeapAlloc-before.HeapAlloc)>>20, (after.TotalAlloc-before.TotalAlloc)>>20
	t.Logf("%d MiB kept, %d MiB made", kept, made)
	if kept > 30 || made > 300 {
		t.Errorf("%d MiB kept, %d MiB made", kept, made)
	}
	if rs.Tests() != 100_020 || !rs.Match(&Fields{Kind: KindSNI, Names: [][]byte{[]byte("host4999.list19.com")}}, nil)[0].Complete() {
		t.Error("a name is missing")
	}
	if w := rs.Lint(); len(w) != 20*4 { // guidance, plain, technique, source
		t.Errorf("%d warnings, the first: %v", len(w), w[0])
	}
}

func BenchmarkLoad(b *testing.B) {
	sources := large(100_000)
	for b.Loop() {
		if _, err := Load(sources...); err != nil {
			b.Fatal(err)
		}
	}
}
