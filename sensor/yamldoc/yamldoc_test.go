package yamldoc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Each error is where it was made, on the first line as on a later one; the
// library alone says another line in most of these.
func TestPlaces(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"a: 1\nb:\n\tc: 2\n", "3:1: a tab in the indentation; YAML is indented with spaces"},
		{"a: 1\nb:\n  - x\n\t- y\n", "4:1: a tab"},
		{"a: 1\n\tb: 2\n", "2:1: a tab"},
		{"\ta: 1\n", "1:1: a tab"},
		{"a:\n  b: 1\n \tc: 2\n", "3:2: a tab"},
		{"a:\n  - b: 1\n    c: 2\n\t  d: 2\n", "4:1: a tab"},
		{"a: 1\nb: [x, y\nc: 2\n", "2:4: a [ that nothing closes"},
		{"b: [x, y\nc: 2\n", "1:4: a [ that nothing closes"},
		{"a: 1\nb: [x, y\n", "2:4: a [ that nothing closes"},
		{"a: 1\nb: [\n  x,\n  y\nc: 2\n", "2:4: a [ that nothing closes"},
		{"a: 1\r\nb: [x\r\nc: 2\r\n", "2:4: a [ that nothing closes"},
		{"a: 1\nb: {x: y\nc: 2\n", "2:4: a { that nothing closes"},
		{"a: 1\nb: [x, {y: 1]\nc: 2\n", "2:8: a { that nothing closes"},
		{"t: 1\ni:\n  - id: a\n    d: [x.example\n    c: high\ntests: 1\n", "4:8: a [ that nothing closes"},
		{"a: 1\nb: [1,,2]\n", "2:"},
		{"a: 1\nb: ]\n", "2:"},
		{"a: 1\nb: c: d\n", "2:5: not valid YAML: mapping values are not allowed in this context; a text with \": \" in it needs quotes"},
		{"b: c: d\n", "1:5: "},
		{"a: 1\n b: 2\n", "2:"},
		{"a: 1\nb: \"abc\nc: 1\n", "2:4: a quotation mark that nothing closes"},
		{"b: 'abc\nc: 1\n", "1:4: a quotation mark"},
		{"a: 1\n\nb: \"x\n\n\n\n", "3:4: a quotation mark"},
		{"a: 1\nb: 2\nc 2\nd: 3\n", "3:1: not valid YAML: could not find expected ':'; a key needs a colon"},
		{"a: 1\nb: 2\nc 2\n", "3:1: "},
		{"a:\n  b: 2\n c: 3\n", "3:2: not valid YAML: did not find expected key; the line is indented"},
		{"x: 1\ni:\n  - id: a\n    role: b\n\n    # a remark\n   c: d\n", "7:4: not valid YAML: did not find"},
		{"a: 1\nb:\n  - x\n  y: 1\n", "4:3: not valid YAML: did not find expected '-' indicator"},
		{"a: 1\n]\n", "2:1: "},
		{"a: 1\n- b\n", "2:1: "},
		{"a: 1\nb: \"x\" y\nc: 2\nd: 3\n", "2:1: not valid YAML: did not find expected key"},
		{"a: 1\nb: *x\n", "2:4: alias *x of nothing"},
		{"a: 1\nb: @x\n", "2:4: not valid YAML: found character that cannot start any token; put a text that starts with '@' in quotes"},
		{"a: 1\nb: %x\n", "2:4: "},
		{"a: 1\nb: \"\\q\"\n", "2:"},
		{"a: 1\nb: \x01\n", "2:4: a control character"},
		{"a: 1\nb: x\xff\n", "2:5: a byte that is not UTF-8"},
		{"a: 1\n---\nb: 2\n", "2:1: a second YAML document; one document a file"},
		{"a: 1\n---\nb:\n\tc: 1\n", "4:1: a tab"},
	} {
		_, err := Parse([]byte(c.raw))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.raw, err, c.want)
		}
	}
}

func TestGood(t *testing.T) {
	for raw, empty := range map[string]bool{"": true, "# x\n": true, "---\n": false, "a: 1\n": false, "a: [b,\n\tc]\n": false, "a: 1\n...\n": false} {
		root, err := Parse([]byte(raw))
		if err != nil || (root == nil) != empty {
			t.Errorf("%q: %v, %v", raw, root, err)
		}
	}
}

// A real rule file with one line broken is broken in that line.
func TestRealFiles(t *testing.T) {
	files, err := filepath.Glob("../../rules/tools/an*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	broken := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := splitLines(raw)
		for i := 1; i < len(lines); i++ {
			for _, bad := range []string{"\tx: y\n", "x: [y\n", "x: y: z\n"} {
				changed := strings.Join([]string{join(lines[:i]), bad, join(lines[i:])}, "")
				if unclosedAbove(lines[:i]) {
					continue // inside a text or a list over several lines it is another mistake
				}
				var e *Error
				if _, err := Parse([]byte(changed)); !errors.As(err, &e) || e.Line != i+1 {
					t.Errorf("%s, %q in line %d: %v", file, bad, i+1, err)
				}
				broken++
			}
		}
	}
	if broken < 100 {
		t.Errorf("only %d files were broken", broken)
	}
}

func join(lines [][]byte) string {
	var b strings.Builder
	for _, l := range lines {
		b.Write(l)
	}
	return b.String()
}

// unclosedAbove reports whether lines alone are no whole document.
func unclosedAbove(lines [][]byte) bool {
	var n yaml.Node
	return yaml.Unmarshal([]byte(join(lines)), &n) != nil
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: [b", "a:\n\tb: 1", "a: \"x", "a: *b", "a: 1\n--- b", "\xff", "a: 'x\n\n", "? [", "a: |\n\tb"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := Parse(data)
		var e *Error
		if err == nil {
			return
		}
		if !errors.As(err, &e) || e.Line < 1 || e.Col < 1 || e.Line > strings.Count(string(data), "\n")+2 {
			t.Fatalf("%q: %#v", data, err)
		}
		for _, c := range []byte(e.Error()) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q: %q", data, e.Error())
			}
		}
	})
}
