package sensor_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
)

// formatsDoc is the reference of formats.
const formatsDoc = "../docs/formats.md"

// formatted is an alert of a capture in one of the formats, or by one of the
// templates of docs; JSON is indented.
func formatted(t *testing.T, capture, name string, n int) string {
	t.Helper()
	files := func(uint32) string { return capture }
	w, err := format.New(name, files)
	if !slices.Contains(format.Names, name) {
		var text []byte
		if text, err = os.ReadFile("../docs/templates/" + name + ".tmpl"); err == nil {
			w, err = format.NewTemplate(name+".tmpl", string(text), files)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	line := w.Line(replay(t, "../"+capture).alerts[n-1])
	var b bytes.Buffer
	if json.Indent(&b, line, "", "  ") != nil {
		return string(line)
	}
	return b.String()
}

// The examples in the reference of formats are what is written, one of each;
// -update writes them.
func TestGoldenFormats(t *testing.T) {
	raw, err := os.ReadFile(formatsDoc)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	fresh := example.ReplaceAllStringFunc(string(raw), func(block string) string {
		m := example.FindStringSubmatch(block)
		n, _ := strconv.Atoi(m[4])
		have = append(have, m[3])
		return "```" + m[1] + " " + m[2] + " " + m[3] + " " + m[4] + "\n" + formatted(t, m[2], m[3], n) + "```\n"
	})
	for _, name := range format.Names[1:] {
		if !slices.Contains(have, name) {
			t.Errorf("no example of %s", name)
		}
	}
	if len(have) != strings.Count(string(raw), "```")/2 {
		t.Errorf("%d examples of %d blocks", len(have), strings.Count(string(raw), "```")/2)
	}
	if fresh == string(raw) {
		return
	}
	if !*update {
		t.Fatalf("examples in %s are not what is written; make golden writes them anew", formatsDoc)
	}
	if err := os.WriteFile(formatsDoc, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}
