package sensor_test

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// fact is one thing that a program read in a capture.
type fact struct {
	kind  string // sni, quic, dtls, gquic, dns, http, ja3, alpn, san, cn, ja4
	frame uint64 // as tshark numbers them; 0 where that is not told
	value string // see oracleFacts
}

// difference is where the sensor and tshark disagree about a capture.
type difference struct {
	file string
	fact        // tshark's; ours where it has none
	side string // see compare
	ours uint64 // our frame, for earlier and later
}

func (d difference) String() string {
	s := fmt.Sprintf("%s\t%s\t%s\t%d\t%s", d.kind, d.side, d.file, d.frame, d.value)
	if d.ours > 0 {
		s += fmt.Sprintf("\tours is %d", d.ours)
	}
	return s
}

// compare lists the differences between what tshark read in a file and what we
// did. Facts are counted: a name that is asked for twice must be seen twice. A
// difference is on one of these sides:
//
//	missing  tshark has the value, we do not
//	fewer    we have it, but less often
//	extra    we have the value, tshark does not
//	more     tshark has it, but less often
//	earlier  we name an earlier frame than tshark
//	later    we name a later one
func compare(file string, theirs, ours []fact) (diffs []difference) {
	unmatched := func(list, others []fact) (rest []fact, values map[fact]bool) {
		count := make(map[fact]int)
		for _, f := range others {
			count[f]++
		}
		values = make(map[fact]bool)
		for _, f := range list {
			values[fact{kind: f.kind, value: f.value}] = true
			if count[f] > 0 {
				count[f]--
			} else {
				rest = append(rest, f)
			}
		}
		return rest, values
	}
	missing, theirValues := unmatched(theirs, ours)
	extra, ourValues := unmatched(ours, theirs)
	for _, m := range missing {
		d := difference{file: file, fact: m, side: "missing"}
		if i := nearest(extra, m); i >= 0 {
			d.ours, d.side = extra[i].frame, "earlier"
			if d.ours > m.frame {
				d.side = "later"
			}
			extra = slices.Delete(extra, i, i+1)
		} else if ourValues[fact{kind: m.kind, value: m.value}] {
			d.side = "fewer"
		}
		diffs = append(diffs, d)
	}
	for _, e := range extra {
		d := difference{file: file, fact: e, side: "extra"}
		if theirValues[fact{kind: e.kind, value: e.value}] {
			d.side = "more"
		}
		diffs = append(diffs, d)
	}
	return diffs
}

// nearest is the index of the fact in list that is f but for its frame: the
// closest before it, else the closest after it; -1 without one.
func nearest(list []fact, f fact) int {
	best, at := uint64(0), -1
	for i, e := range list {
		if e.kind != f.kind || e.value != f.value {
			continue
		}
		d := f.frame - e.frame // beyond all others where e is later
		if at < 0 || d < best {
			best, at = d, i
		}
	}
	return at
}

// corpus lists the captures of the corpus as its index names them, below its
// folder files.
func corpus(t testing.TB) (dir string, files []string) {
	t.Helper()
	dir = testshared.Dir(t, "corpus")
	f, err := os.Open(filepath.Join(dir, "index.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		files = append(files, strings.TrimPrefix(row[0], "files/"))
	}
	if len(files) < 2000 {
		t.Fatalf("the index lists %d captures only", len(files))
	}
	return dir, files
}

// replayCorpus replays each capture of the corpus on its own. each is called
// from one goroutine, in the order of files.
func replayCorpus(t *testing.T, dir string, files []string, each func(file string, r result)) {
	t.Helper()
	results := make([]result, len(files))
	done := make([]chan struct{}, len(files))
	for i := range done {
		done[i] = make(chan struct{})
	}
	var next = make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range next {
				results[i] = replayOne(t, filepath.Join(dir, "files", files[i]))
				close(done[i])
			}
		})
	}
	go func() {
		for i := range files {
			next <- i
		}
		close(next)
	}()
	for i, file := range files {
		<-done[i]
		each(file, results[i])
		results[i] = result{}
	}
	wg.Wait()
}

func replayOne(t testing.TB, path string) result {
	f, err := capture.Open([]string{path}, capture.Options{})
	if err != nil {
		t.Error(err)
		return result{}
	}
	defer f.Close()
	return replaySource(t, small(), f, f.Name)
}

const reasonsFile = "testdata/oracle-reasons.tsv"

// What we read in two thousand captures is what tshark read, but for the
// differences that testdata/oracle-reasons.tsv explains. Every reason there is
// needed.
func TestOracle(t *testing.T) {
	dir, files := corpus(t)
	theirs := oracleFacts(t, dir)
	reasons := loadReasons(t, reasonsFile)

	type tally struct{ theirs, ours, agreed, moved int }
	counts := make(map[string]*tally)
	count := func(kind string) *tally {
		if counts[kind] == nil {
			counts[kind] = new(tally)
		}
		return counts[kind]
	}
	var unexplained []difference
	replayCorpus(t, dir, files, func(file string, r result) {
		ours := eventFacts(t, r.events)
		if !hasJA4[file] {
			ours = slices.DeleteFunc(ours, func(f fact) bool { return f.kind == "ja4" })
		}
		for _, f := range theirs[file] {
			count(f.kind).theirs++
			count(f.kind).agreed++
		}
		for _, f := range ours {
			count(f.kind).ours++
		}
		ours = slices.DeleteFunc(ours, func(f fact) bool {
			known := f.kind == "cn" && certNames[fact{kind: file, value: f.value}]
			if known {
				count("cn").agreed++
			}
			return known
		})
		for _, d := range compare(file, theirs[file], ours) {
			switch d.side {
			case "earlier", "later":
				count(d.kind).moved++
				fallthrough
			case "missing", "fewer":
				count(d.kind).agreed--
			}
			if !reasons.explain(d) {
				unexplained = append(unexplained, d)
			}
		}
		delete(theirs, file)
	})
	for file := range theirs {
		t.Errorf("tshark's tables name %s, which the index does not", file)
	}
	slices.SortStableFunc(unexplained, func(a, b difference) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.side, b.side), cmp.Compare(a.file, b.file))
	})
	for i, d := range unexplained {
		if i == maxListed {
			t.Errorf("and %d more", len(unexplained)-i)
			break
		}
		t.Errorf("unexplained: %s", d)
	}
	reasons.needed(t, reasonsFile)
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		c := counts[kind]
		t.Logf("%-5s tshark %d, ours %d; in the same frame %d, in another %d", kind, c.theirs, c.ours, c.agreed, c.moved)
	}
}

// maxListed is how many differences a failure shows.
const maxListed = 40
