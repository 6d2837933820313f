package format

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// formatsDoc is the reference of formats.
const formatsDoc = "../../../docs/formats.md"

// documented returns the words in backticks in the first column of the tables
// of a section.
func documented(t *testing.T, title string) (list []string) {
	t.Helper()
	raw, err := os.ReadFile(formatsDoc)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(raw), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("%s has no section %s", formatsDoc, title)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		column, _, _ := strings.Cut(line[2:], "|")
		for i, word := range strings.Split(column, "`") {
			if i%2 == 1 {
				list = append(list, word)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// same demands that what is written and what is documented are one.
func same(t *testing.T, what string, written []string) {
	t.Helper()
	doc := documented(t, what)
	slices.Sort(written)
	written = slices.Compact(written)
	for _, key := range written {
		if !slices.Contains(doc, key) {
			t.Errorf("%s writes %s, which is not in %s", what, key, formatsDoc)
		}
	}
	for _, key := range doc {
		if !slices.Contains(written, key) {
			t.Errorf("%s is in %s, but %s never writes it", key, formatsDoc, what)
		}
	}
}

// paths appends the names of all that a document has, lists as their elements.
func paths(dst []string, name string, v any) []string {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			dst = paths(dst, strings.TrimPrefix(name+"."+key, "."), e)
		}
		return dst
	case []any:
		for _, e := range v {
			dst = paths(dst, name, e)
		}
		return dst
	}
	return append(dst, name)
}

// Every field of every format stands in the reference, and nothing else.
func TestDocumented(t *testing.T) {
	var ecs, ocsf, cef, leef []string
	for _, a := range every(t) {
		for _, c := range []struct {
			w   Encoder
			dst *[]string
		}{{NewECS(files), &ecs}, {NewOCSF(files), &ocsf}} {
			doc, err := document(c.w.Line(a))
			if err != nil {
				t.Fatal(err)
			}
			*c.dst = paths(*c.dst, "", doc)
		}
		_, pairs, err := parseCEF(strings.TrimSuffix(string(NewCEF(files).Line(a)), "\n"))
		if err != nil {
			t.Fatal(err)
		}
		_, attributes, err := parseLEEF(strings.TrimSuffix(string(NewLEEF(files).Line(a)), "\n"))
		if err != nil {
			t.Fatal(err)
		}
		for key := range pairs {
			if !strings.HasSuffix(key, "Label") {
				cef = append(cef, key)
			}
		}
		for key := range attributes {
			leef = append(leef, key)
		}
	}
	same(t, "ECS 9.4", ecs)
	same(t, "OCSF 1.8", ocsf)
	same(t, "CEF 0", cef)
	same(t, "LEEF 2.0", leef)
}

// The fields and functions of templates stand in the reference.
func TestDocumentedTemplates(t *testing.T) {
	var names []string
	for _, typ := range []reflect.Type{reflect.TypeFor[View](), reflect.TypeFor[Evidence](), reflect.TypeFor[Technique](), reflect.TypeFor[Lookalike]()} {
		for i := range typ.NumField() {
			if f := typ.Field(i); f.IsExported() {
				names = append(names, "."+f.Name)
			}
		}
	}
	for name := range new(Template).funcs() {
		if name != stepName {
			names = append(names, name)
		}
	}
	same(t, "Templates", names)
}

// The limits that the reference states are those of the code.
func TestDocumentedLimits(t *testing.T) {
	raw, err := os.ReadFile(formatsDoc)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`at most 1024 characters`, `1 MiB`, `8 MiB`, `1 KiB`, `ATT&CK ` + attackVersion} {
		if !regexp.MustCompile(regexp.QuoteMeta(want)).Match(raw) {
			t.Errorf("%s does not say %q", formatsDoc, want)
		}
	}
	if maxText != 1024 || maxRecord != 1<<20 || maxWork != 8<<20 || stepCost != 1<<10 {
		t.Error("a limit has changed, and the reference with it?")
	}
}
