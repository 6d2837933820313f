//go:build unix

package rulepack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// bench is a store with a key to sign for it.
type bench struct {
	Store
	t      testing.TB
	secret []byte
}

func newBench(t testing.TB) *bench {
	key, _, secret := keyPair(t, 1)
	return &bench{Store{Dir: filepath.Join(t.TempDir(), "packs"), Keys: []Key{key}}, t, secret}
}

// install installs a pack that is made of name, sequence and word.
func (b *bench) install(name string, sequence uint64, word string) (Installed, error) {
	b.t.Helper()
	raw, signature := sign(b.t, pack(b.t, name, sequence, word), b.secret)
	out, _, _, err := b.Install(raw, signature)
	return out, err
}

func (b *bench) must(name string, sequence uint64, word string) {
	b.t.Helper()
	if _, err := b.install(name, sequence, word); err != nil {
		b.t.Fatal(err)
	}
}

// word is what the rules in force were made of, "" for none. Rules that do not
// load, or are of two packs, fail the test.
func (b *bench) word() string {
	b.t.Helper()
	if _, err := os.Lstat(b.Current()); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	rs, err := detect.LoadPath(b.Current())
	if err != nil {
		b.t.Fatal(err)
	}
	return wordOf(b.t, rs)
}

// wordOf is the word that both tools of a set were made of.
func wordOf(t testing.TB, rs *detect.Ruleset) string {
	t.Helper()
	one, two := rs.Tool("one"), rs.Tool("two")
	if one == nil || two == nil || len(rs.Tools()) != 2 {
		t.Errorf("%d tools", len(rs.Tools()))
		return ""
	}
	word := strings.TrimSuffix(one.Owned[0], "-one.com")
	if two.Owned[0] != word+"-two.com" {
		t.Errorf("a mixture: %s and %s", one.Owned, two.Owned)
	}
	return word
}

// What is refused, and what is taken, by name and number; nothing that is
// refused changes anything.
func TestNumbers(t *testing.T) {
	b := newBench(t)
	type step struct {
		do       string // what is installed, as name, number and word; or rollback
		want     string // in the error; "" for none
		word     string // in force then
		sequence uint64
	}
	for i, s := range []step{
		{"rollback", "no such file or directory", "", 0},
		{"corp 7 a", "", "a", 7},
		{"rollback", "there is no set before sequence 7", "a", 0},
		{"corp 7 a", "", "a", 7},
		{"corp 7 b", "another pack with sequence 7", "a", 0},
		{"corp 6 b", "sequence 6, and 7 was installed here", "a", 0},
		{"else 8 b", "called else, and", "a", 0},
		{"corp 9 b", "", "b", 9},
		{"corp 7 a", "an old pack is not taken again", "b", 0},
		{"rollback", "", "a", 7},
		{"corp 7 a", "sequence 7, and 9 was installed here", "a", 0},
		{"corp 8 c", "sequence 8, and 9 was installed here", "a", 0},
		{"corp 9 c", "another pack with sequence 9", "a", 0},
		{"corp 9 b", "sequence 9 was rolled back here", "a", 0},
		{"rollback", "", "b", 9},
		{"corp 9 b", "", "b", 9},
		{"rollback", "", "a", 7},
		{"corp 10 d", "", "d", 10},
		{"rollback", "", "a", 7},
		{"rollback", "", "d", 10},
		{"corp 9007199254740991 e", "", "e", MaxSequence},
		{"corp 10 d", "an old pack", "e", 0},
	} {
		var out Installed
		var err error
		if s.do == "rollback" {
			out, _, err = b.Rollback()
		} else {
			var name, word string
			var n uint64
			fmt.Sscan(s.do, &name, &n, &word)
			out, err = b.install(name, n, word)
		}
		if (err == nil) != (s.want == "") || err != nil && !strings.Contains(err.Error(), s.want) {
			t.Errorf("step %d, %s: %v", i, s.do, err)
		}
		if err == nil && out.Sequence != s.sequence {
			t.Errorf("step %d, %s: %+v", i, s.do, out)
		}
		if got := b.word(); got != s.word {
			t.Fatalf("step %d, %s: %q is in force, not %q", i, s.do, got, s.word)
		}
	}
	entries, err := os.ReadDir(b.Dir)
	if err != nil || len(entries) != 4 { // lock, current and two sets
		t.Errorf("%v, %v", err, entries)
	}
}

// The program ends at any point, or one step fails: in force is the old set or
// the new one, whole, the number is that of the rules, and the next
// installation works.
func TestEveryStep(t *testing.T) {
	for _, dead := range []bool{true, false} { // all steps fail from there on, or this one alone
		for _, rollback := range []bool{false, true} {
			stopped := errors.New("stopped")
			for at := 0; ; at++ {
				b := newBench(t)
				b.must("corp", 1, "a")
				b.must("corp", 2, "b")
				n := 0
				var failed string
				b.step = func(what string) error {
					if n++; n-1 == at || dead && n-1 > at {
						failed += what + ";"
						return stopped
					}
					return nil
				}
				var err error
				want := "c"
				if rollback {
					want = "a"
					_, _, err = b.Rollback()
				} else {
					_, err = b.install("corp", 3, "c")
				}
				if (err != nil) != (failed != "") {
					t.Errorf("%s failed, and the error is %v", failed, err)
				}
				got := b.word()
				if got != "b" && got != want || err == nil && got != want || err != nil && strings.Contains(err.Error(), "is in force, but") != (got == want) {
					t.Errorf("%s failed: %s is in force, the error is %v", failed, got, err)
				}
				b.step = nil
				goOn(t, b, got, rollback, failed)
				if failed == "" {
					if at < 10 {
						t.Errorf("only %d steps", at)
					}
					break
				}
			}
		}
	}
}

// goOn goes on after a failure: the marks are those of what is in force, and
// both ways to another set are open.
func goOn(t *testing.T, b *bench, word string, rollback bool, failed string) {
	t.Helper()
	if _, err := b.install("corp", 1, "a"); err == nil {
		t.Errorf("%s failed: an old pack is taken", failed)
	}
	if rollback {
		if _, err := b.install("corp", 2, "x"); err == nil {
			t.Errorf("%s failed: the number 2 is taken again", failed)
		}
	}
	if _, _, err := b.Rollback(); err != nil {
		t.Errorf("%s failed: no way back: %v", failed, err)
	}
	before := b.word()
	if before == word {
		t.Errorf("%s failed: from %s back to %s", failed, word, before)
	}
	b.must("corp", 4, "d")
	if _, _, err := b.Rollback(); err != nil || b.word() != before {
		t.Errorf("%s failed: %v, %s is in force, not %s", failed, err, b.word(), before)
	}
}

// Who reads the rules while they are switched gets one set.
func TestReadersSeeOneSet(t *testing.T) {
	b := newBench(t)
	b.must("corp", 1, "a")
	stop := make(chan struct{})
	var loads int
	var wg sync.WaitGroup
	wg.Go(func() {
		for ; ; loads++ {
			select {
			case <-stop:
				return
			default:
			}
			rs, err := detect.LoadPath(b.Current())
			// A set that was removed meanwhile is an error, and a sensor keeps what it has.
			if err == nil {
				wordOf(t, rs)
			}
		}
	})
	for n := uint64(2); n < 100; n++ {
		b.must("corp", n, fmt.Sprint("w", n))
	}
	close(stop)
	wg.Wait()
	t.Logf("%d loads", loads)
}

// Two at once: one is told to try again, and nothing is broken.
func TestLock(t *testing.T) {
	b := newBench(t)
	b.must("corp", 1, "a")
	inside := *b
	b.step = func(string) error {
		b.step = nil
		if _, err := inside.install("corp", 3, "c"); err == nil || !strings.Contains(err.Error(), "another rmmwatch is changing") {
			t.Errorf("%v", err)
		}
		if _, _, err := inside.Rollback(); err == nil || !strings.Contains(err.Error(), "another rmmwatch is changing") {
			t.Errorf("%v", err)
		}
		return nil
	}
	b.must("corp", 2, "b")
	if b.step != nil {
		t.Error("no step was made")
	}
	b.must("corp", 3, "c")
}

// A key that is not trusted any more brings nothing back.
func TestRollbackOfUntrusted(t *testing.T) {
	b := newBench(t)
	b.must("corp", 1, "a")
	key, _, secret := keyPair(t, 2)
	b.Keys, b.secret = []Key{key}, secret
	b.must("corp", 2, "b")
	if _, _, err := b.Rollback(); err == nil || !strings.Contains(err.Error(), "not trusted any more") || b.word() != "b" {
		t.Errorf("%v", err)
	}
}

// What somebody changed by hand is not gone back to, and mended by the same pack.
func TestDamagedSets(t *testing.T) {
	b := newBench(t)
	b.must("corp", 1, "a")
	b.must("corp", 2, "b")
	edit := func(path string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(b.Dir, path), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("set-1/one.yaml", rule("one", "a-one.org"))
	if _, _, err := b.Rollback(); err == nil || !strings.Contains(err.Error(), "not as it was installed") {
		t.Errorf("%v", err)
	}
	edit("current/one.yaml", rule("one", "z-one.com"))
	if out, err := b.install("corp", 2, "b"); err != nil || !out.Changed || b.word() != "b" {
		t.Errorf("%v, %+v", err, out)
	}
	if out, err := b.install("corp", 2, "b"); err != nil || out.Changed {
		t.Errorf("%v, %+v", err, out)
	}
	edit("current/"+recordName, []byte("{}"))
	if _, err := b.install("corp", 3, "c"); err == nil || !strings.Contains(err.Error(), "what is installed cannot be told") || b.word() != "b" {
		t.Errorf("%v", err)
	}
}

// What is in the store's place is not taken for a store, and no link in it leads
// out of it.
func TestHostileFolder(t *testing.T) {
	b := newBench(t)
	outside := filepath.Join(t.TempDir(), "outside")
	for _, path := range []string{b.Dir, outside} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, target string) {
		t.Helper()
		os.Remove(filepath.Join(b.Dir, name))
		if err := os.Symlink(target, filepath.Join(b.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(current, outside)
	if _, err := b.install("corp", 1, "a"); err == nil || !strings.Contains(err.Error(), "not the link that rules install makes") {
		t.Errorf("%v", err)
	}
	os.Remove(b.Current())
	link("lock", filepath.Join(outside, "lock"))
	if _, err := b.install("corp", 1, "a"); err == nil {
		t.Error("a lock outside of the folder is taken")
	}
	os.Remove(filepath.Join(b.Dir, "lock"))
	for _, name := range []string{newFolder, newLink, oldFolder, "set-1", "set-2"} {
		link(name, outside)
	}
	b.must("corp", 1, "a")
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside is %v, %v", left, err)
	}
	if b.word() != "a" {
		t.Error("not installed")
	}
}

// What Fit refuses is not put in force, and it sees the pack that is about to be.
func TestFit(t *testing.T) {
	b := newBench(t)
	b.must("corp", 1, "a")
	b.Fit = func(p *Pack) error {
		if !bytes.Contains(p.Files[0].Data, []byte("a-one.com")) {
			return errors.New("unfit")
		}
		return nil
	}
	if _, err := b.install("corp", 2, "b"); err == nil || err.Error() != "unfit" || b.word() != "a" {
		t.Errorf("%v", err)
	}
	b.Fit = nil
	b.must("corp", 2, "b")
	b.Fit = func(*Pack) error { return errors.New("unfit") }
	if _, _, err := b.Rollback(); err == nil || b.word() != "b" {
		t.Errorf("%v", err)
	}
}
