package sensor_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reason explains a group of differences. It is a line of tab-separated
// fields, the first five of which must all fit a difference; every pattern of
// files must fit one:
//
//	kinds   of facts, comma-separated
//	sides   see compare, comma-separated
//	files   shell patterns of captures, space-separated; * does not match /
//	frames  comma-separated, or * for any
//	value   a regular expression, or * for any
//	because one sentence
type reason struct {
	kinds, sides, files, frames []string
	value                       *regexp.Regexp // nil for any
	because                     string
	line                        int
	used                        map[string]bool // patterns that fitted a difference
}

type reasons []*reason

// loadReasons reads the list; lines that begin with # are comments.
func loadReasons(t *testing.T, name string) (list reasons) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 6 || !strings.HasSuffix(f[5], ".") {
			t.Fatalf("%s:%d: want six fields, the last a sentence", name, i+1)
		}
		r := &reason{
			kinds: strings.Split(f[0], ","), sides: strings.Split(f[1], ","), files: strings.Fields(f[2]),
			because: f[5], line: i + 1, used: make(map[string]bool),
		}
		if f[3] != "*" {
			r.frames = strings.Split(f[3], ",")
		}
		if f[4] != "*" {
			r.value = regexp.MustCompile(f[4])
		}
		list = append(list, r)
	}
	return list
}

// explain reports whether a reason fits d, and books every one that does.
func (list reasons) explain(d difference) (explained bool) {
	for _, r := range list {
		if !slices.Contains(r.kinds, d.kind) || !slices.Contains(r.sides, d.side) ||
			r.frames != nil && !slices.Contains(r.frames, uitoa(d.frame)) ||
			r.value != nil && !r.value.MatchString(d.value) {
			continue
		}
		for _, pattern := range r.files {
			if ok, err := path.Match(pattern, d.file); ok && err == nil || pattern == "*" {
				r.used[pattern] = true
				explained = true
			}
		}
	}
	return explained
}

// needed fails the test for each pattern that fits no difference.
func (list reasons) needed(t *testing.T, name string) {
	t.Helper()
	for _, r := range list {
		for _, pattern := range r.files {
			if !r.used[pattern] {
				t.Errorf("%s:%d: %s has no difference any more that is explained by: %s", name, r.line, pattern, r.because)
			}
		}
	}
}
