package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func TestGoodFiles(t *testing.T) {
	rs, err := LoadPath("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	if rs.Tool("every-key") == nil || rs.Tool("smallest") == nil || rs.Tool("none") != nil || len(rs.Tools()) != 2 {
		t.Errorf("tools: %v", rs.Tools())
	}
	tests := 0
	for _, res := range RunTests(rs) {
		tests++
		if res.Problem != "" || res.Tool == nil || res.Line == 0 {
			t.Errorf("%+v", res)
		}
	}
	if tests < 30 {
		t.Errorf("only %d tests ran", tests)
	}
}

// TestBadFiles loads each file of testdata/bad. Its first lines say every
// problem that must be reported, in order, each as the start of a message.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatal(files, err)
	}
	place := regexp.MustCompile(`^([0-9]+:[0-9]+: )(.*)$`)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = LoadPath(file)
			var got RuleErrors
			if !errors.As(err, &got) {
				t.Fatalf("%v, not RuleErrors", err)
			}
			var want []string
			for line := range strings.Lines(string(data)) {
				if w, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, strings.TrimSpace(w))
				}
			}
			left := make(map[string]int)
			for _, w := range want {
				left[w]++
			}
			for _, e := range got {
				found := false
				for _, w := range want {
					m := place.FindStringSubmatch(w)
					if m == nil {
						t.Fatalf("bad want line: %s", w)
					}
					text := e.Error()
					if left[w] > 0 && strings.HasPrefix(text, file+":"+m[1]) && strings.Contains(text, m[2]) {
						left[w]--
						found = true
						break
					}
				}
				if !found {
					t.Errorf("unexpected: %v", e)
				}
			}
			for _, w := range want {
				if left[w] > 0 {
					t.Errorf("not reported: %s", w)
				}
			}
		})
	}
}

const smallRule = `tool: %s
name: Small
class: rat
indicators:
  - {id: name, role: control, confidence: low, domain: [c2.%s.example]}
tests:
  match: [{name: c2.%s.example, indicator: name}]
  no_match: [{name: other.example}]
`

func small(id string) []byte { return fmt.Appendf(nil, smallRule, id, id, id) }

func TestLoadTree(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("b.yaml", small("bb"))
	write("sub/a.yml", small("aa"))
	write("sub/readme.txt", []byte("not a rule"))
	write(".hidden.yaml", []byte("not a rule"))
	write("..data/c.yaml", small("cc"))
	if err := os.Symlink("../..data/c.yaml", filepath.Join(dir, "sub", "c.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..data", filepath.Join(dir, "directory.yaml")); err != nil {
		t.Fatal(err)
	}
	rs, err := LoadPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, tool := range rs.Tools() {
		ids = append(ids, tool.ID)
	}
	if got := strings.Join(ids, " "); got != "aa bb cc" {
		t.Errorf("tools %q", got)
	}

	// Content makes the version, not where it lies or in which order it comes.
	mem := fstest.MapFS{
		"z/1.yaml": {Data: small("cc")}, "z/2.yaml": {Data: small("bb")},
	}
	again, err := Load(FromFS("embedded", mem), FromPath(filepath.Join(dir, "sub", "a.yml")))
	if err != nil {
		t.Fatal(err)
	}
	if again.Version() != rs.Version() || len(rs.Version()) != 12 {
		t.Errorf("versions %s and %s of the same tools", rs.Version(), again.Version())
	}
	other, err := LoadFS("embedded", mem)
	if err != nil {
		t.Fatal(err)
	}
	if other.Version() == rs.Version() {
		t.Error("the version does not depend on the tools")
	}
}

func TestLoadErrors(t *testing.T) {
	two := fstest.MapFS{"a.yaml": {Data: small("aa")}, "b.yaml": {Data: small("aa")}}
	_, err := LoadFS("embedded", two)
	if want := `embedded:b.yaml:1:7: tool "aa" again, first in embedded:a.yaml:1; one file a tool`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("twice the same tool: %v", err)
	}
	if _, err = LoadPath(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err = LoadPath(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no *.yaml or *.yml file") {
		t.Errorf("empty directory: %v", err)
	}
	// A problem in one file does not hide those of another.
	bad := fstest.MapFS{"a.yaml": {Data: []byte("tool: [")}, "b.yaml": {Data: []byte("tool: b")}}
	_, err = LoadFS("x", bad)
	var errs RuleErrors
	if !errors.As(err, &errs) || errs[0].File != "x:a.yaml" || errs[len(errs)-1].File != "x:b.yaml" {
		t.Errorf("two bad files: %v", err)
	}
}

// TestLimits: a mistaken or hostile file ends in a short message.
func TestLimits(t *testing.T) {
	many := strings.Repeat("x: y\n", 1000)
	if _, errs := Parse("x", []byte(many)); len(errs) != maxErrors+1 || !strings.HasSuffix(errs[maxErrors].Msg, "more problems") {
		t.Errorf("%d errors", len(errs))
	}
	if _, errs := Parse("x", make([]byte, maxFileSize+1)); len(errs) != 1 || !strings.Contains(errs[0].Msg, "1048577 bytes") {
		t.Errorf("large file: %v", errs)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s*%c]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 8), c-1)
	}
	if _, errs := Parse("x", []byte(bomb)); len(errs) == 0 {
		t.Error("a bomb is a rule file")
	}
	for _, deep := range []string{"[", "{a: ", "- "} {
		if _, errs := Parse("x", []byte(strings.Repeat(deep, 200_000))); len(errs) == 0 {
			t.Errorf("%q is a rule file", deep)
		}
	}
	long := strings.Replace(string(small("aa")), "Small", strings.Repeat("n", maxText+1), 1)
	if _, errs := Parse("x", []byte(long)); len(errs) != 1 || len(errs.Error()) > 200 {
		t.Errorf("long name: %v", errs)
	}
	control := strings.Replace(string(small("aa")), "Small", `"a\e[31mb"`, 1)
	if _, errs := Parse("x", []byte(control)); len(errs) != 1 || strings.Contains(errs.Error(), "\x1b") {
		t.Errorf("control characters: %q", errs)
	}
}

func TestClosest(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{"domian", "domain"}, {"domains", "domain"}, {"doman", "domain"}, {"port", "port"}, {"colour", ""}, {"", ""},
		{strings.Repeat("domain", 100), ""},
	} {
		if got := closest(c.got, []string{"id", "domain", "port"}); got != c.want {
			t.Errorf("closest to %s: %q", c.got, got)
		}
	}
}

// FuzzParse: whatever a rule file holds, it is a tool or errors that can be shown.
// Seeds with a story: a20528b30cd4d96c is a space of Unicode's that is none of
// ASCII's, which a message repeated as it was.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tool, errs := Parse("f", data)
		if (tool == nil) != (len(errs) > 0) || len(errs) > maxErrors+1 {
			t.Fatalf("tool %v with errors %v", tool, errs)
		}
		for _, e := range errs {
			if len(e.Error()) > 4*maxText || !printable(e.Error()) {
				t.Fatalf("%q", e.Error())
			}
		}
		if tool == nil {
			return
		}
		rs, err := compile([]*Tool{tool})
		if err != nil {
			t.Fatal(err)
		}
		RunTests(rs)
	})
}
