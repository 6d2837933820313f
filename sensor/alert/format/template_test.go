package format

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// must parses a template that is good.
func must(t testing.TB, text string) *Template {
	t.Helper()
	w, err := NewTemplate("template", text, files)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What is written becomes one line.
func TestTemplateRecord(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"{{.Tool}}\n", "anydesk\n"},
		{"{{.Tool}}\r\n", "anydesk\n"},
		{"a\nb\r\nc\n\n", `a\nb\r\nc\n` + "\n"},
		{"{ \"id\":\n {{json .Tool}} ,\"n\": [1,\n2]}\n", `{"id":"anydesk","n":[1,2]}` + "\n"},
		{"{\"a\":\n", `{"a":` + "\n"},
		{"{{.First}} {{time \"02 Jan 15:04\" .Last}} {{.First.Unix}}", "2026-03-04T14:02:11.000000Z 04 Mar 14:28 1772632931\n"},
		{"{{join \"+\" .Indicators}} {{upper .Severity}} {{lower \"A\"}}", "relay+certificate+alpn+issuer HIGH a\n"},
		{`{{truncate 5 "abcdef"}}{{"abcde" | truncate 5}} {{truncate 2 "abc"}}|{{truncate 0 "abc"}}|`, "ab...abcde ..||\n"},
		{`{{slack "<!channel> & co"}} {{html "<a>"}} {{query "a b&c"}} {{markdown "[x](y)_*"}} {{json "a\"b\n"}}`,
			`&lt;!channel&gt; &amp; co &lt;a&gt; a+b%26c \[x\]\(y\)\_\* "a\"b\n"` + "\n"},
		{`{{range .Techniques}}{{.ID}} {{.Name}} {{.Tactic}}{{end}} {{len .Evidence}} {{(index .Evidence 0).Label}}`,
			"T1219.002 Remote Desktop Software TA0011 5 DNS\n"},
		{`{{json .Indicators}}`, `["relay","certificate","alpn","issuer"]` + "\n"},
		{`{{printf "%s-%05d" .Class .Flows}}{{print 1 2}}`, "remote-desktop-000031 2\n"},
	} {
		if got := string(must(t, c.text).Line(ordinary("10.1.2.3"))); got != c.want {
			t.Errorf("%q wrote %q, want %q", c.text, got, c.want)
		}
	}
}

// An error says where, and comes when the template is read.
func TestTemplateErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a\n{{.ID":                         "slack.tmpl:2: unclosed action",
		"{{nothing .ID}}":                  `slack.tmpl:1: function "nothing" not defined`,
		"a\n\n{{.Idd}}":                    "slack.tmpl:3:2: ",
		"{{range .Evidence}}{{.X}}{{end}}": "slack.tmpl:1:21: ",
		"{{template \"x\"}}":               "slack.tmpl:1:11: ",
		"  \n":                             "slack.tmpl: the template wrote nothing",
		"{{truncate -1 .ID}}":              "slack.tmpl:1:2: ",
		"{{printf \"%10000d\" 1}}":         "slack.tmpl:1:2: ",
		"{{printf \"%*d\" 100 1}}":         "slack.tmpl:1:2: ",
		"{{join .ID .ID}}":                 "slack.tmpl:1:11: ",
		"{{index .Evidence 5}}":            "slack.tmpl:1:2: ",
	} {
		w, err := NewTemplate("slack.tmpl", text, files)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %s", text, w, err, want)
		}
	}
}

// No template runs on: neither in loops and calls, nor by growing a text.
func TestTemplateEnds(t *testing.T) {
	for _, text := range []string{
		`{{range 1000000000000}}{{end}}`,
		`{{range 1000000000000}}{{if true}}{{continue}}{{end}}{{end}}`,
		`{{range 1000000}}{{range 1000000}}{{range 1000000}}{{end}}{{end}}{{end}}x`,
		`{{if .ID}}{{with .ID}}{{range 1000000000000}}{{else}}{{end}}{{end}}{{end}}x`,
		`{{range .Names}}{{else}}{{end}}{{define "a"}}{{range 1000000000000}}{{end}}{{end}}{{template "a"}}`,
		`{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`,
		`{{define "a"}}{{template "a"}}{{template "a"}}{{end}}{{template "a"}}`,
		`{{range 100000}}0123456789012345678901234567890123456789{{end}}`,
		`{{$x := "ab"}}{{range 100}}{{$x = printf "%s%s" $x $x}}{{end}}x`,
		`{{$x := "ab"}}{{range 100}}{{$x = printf "%[1]s%[1]s" $x}}{{end}}x`,
		`{{$x := "ab"}}{{range 100}}{{$x = print $x $x}}{{end}}x`,
		`{{$x := "ab"}}{{range 100}}{{$x = println $x $x}}{{end}}x`,
		`{{$x := "\\"}}{{range 100}}{{$x = js $x}}{{end}}x`,
		`{{$x := "\\"}}{{range 100}}{{$x = json $x}}{{end}}x`,
		`{{$x := "."}}{{range 100}}{{$x = markdown $x}}{{$x = print $x $x}}{{end}}x`,
		`{{$x := "1"}}{{range 100}}{{$x = time $x $.First}}{{$x = print $x $x}}{{end}}x`,
		`{{range 3000}}{{printf "%999d" 1}}{{printf "%999d" 1}}{{printf "%999d" 1}}{{end}}`,
		`{{html (index .Evidence 99)}}`,
	} {
		if _, err := NewTemplate("template", text, files); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
	// What the sample has, this alert has not: the error becomes the record.
	w := must(t, `{{if .Tenants}}x{{else}}{{range 1000000000000}}{{end}}{{end}}`)
	checkTemplateError(t, w, ordinary("10.1.2.3"))
	checkTemplateError(t, must(t, `{{index .Tenants 0}}`), ordinary("10.1.2.3"))
	checkTemplateError(t, must(t, `{{join "" .Tenants}}`), ordinary("10.1.2.3"))
	good := ordinary("10.1.2.3")
	good.Evidence[0].Tenant = "a"
	if got := string(w.Line(good)); got != "x\n" {
		t.Errorf("%q after an error", got)
	}
}

// A panic of the template engine is an error as any other.
func TestTemplatePanic(t *testing.T) {
	w := must(t, "x")
	w.tmpl = nil
	if err := w.execute(sampleView()); err == nil {
		t.Error("no error")
	}
}

func checkTemplateError(t *testing.T, w *Template, a *alert.Alert) {
	t.Helper()
	raw := w.Line(a)
	oneRecord(t, raw)
	var e map[string]string
	if err := json.Unmarshal(raw, &e); err != nil || len(e) != 2 || e["alert_id"] != a.ID() || e["rmmwatch_error"] == "" {
		t.Errorf("%v: %s", err, raw)
	}
}

// everything shows each field of a View as JSON.
const everything = `{"tool": {{json .Tool}}, "name": {{json .Name}}, "value": {{json (index .Evidence 0).Value}}, "tenant": {{json (index .Evidence 0).Tenant}}, "all": {{json .}}}`

func checkTemplate(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
	oneRecord(t, raw)
	var d struct{ Tool, Name, Value, Tenant string }
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	checkText(t, "id", d.Tool, asPrintable(id), 1024)
	checkText(t, "name", d.Name, asProse(name), 1024)
	checkText(t, "value", d.Value, asPrintable(value), 1024)
	checkText(t, "tenant", d.Tenant, asPrintable(tenant), 1024)
}

func TestTemplateTexts(t *testing.T) {
	w := must(t, everything)
	for _, a := range hostileTexts() {
		checkTemplate(t, w.Line(a), a.Tool.ID, a.Tool.Name, a.Evidence[0].Value, a.Evidence[0].Tenant)
	}
}

// Any alert is one record of a template with and without escapes.
func TestAnyTemplate(t *testing.T) {
	safe, raw := must(t, everything), must(t, "{{.}}")
	rapid.Check(t, func(rt *rapid.T) {
		a := randomAlert(rt)
		oneRecord(rt, raw.Line(a))
		line := safe.Line(a)
		oneRecord(rt, line)
		if !json.Valid(line) || strings.Contains(string(line), "rmmwatch_error") {
			rt.Fatalf("%s", line)
		}
	})
}

// Texts are cut at characters and never within an escape.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		s     string
		limit int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "..."}, {"abcd", 2, ".."}, {"abcdefgh", 6, "abc..."}, {"\u00e9\u00e9\u00e9\u00e9\u00e9", 4, "\u00e9..."},
		{"\u00e9\u00e9\u00e9", 3, "\u00e9\u00e9\u00e9"}, {`a\x00bcdefg`, 7, `a...`}, {`a\x00bcdefg`, 8, `a\x00...`}, {`a\\bcdefg`, 5, `a...`},
		{`a\\bcdefg`, 6, `a\\...`}, {`\0Aabcdefg`, 5, `...`}, {`\0Aabcdefg`, 6, `\0A...`}, {`abc\`, 3, `...`}, {`\,abcdef`, 4, `...`},
		{"\xff\xff\xff\xff\xff", 4, "\xff..."},
	} {
		if got := cut(c.s, c.limit); got != c.want {
			t.Errorf("%q to %d is %q, want %q", c.s, c.limit, got, c.want)
		}
	}
}

// Every technique of the embedded rules is known by name; no other text gets a
// page.
func TestTechniques(t *testing.T) {
	rs, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range rs.Tools() {
		for _, id := range tool.Attack {
			if q := technique(id); q.Name == id || q.Tactic == "" || (q.Parent != "" && q.ParentName == q.Parent) {
				t.Errorf("%s of %s is not known", id, tool.ID)
			}
		}
	}
	for id, want := range map[string]string{
		"T1219.002": "Remote Desktop Software|T1219|Remote Access Tools|TA0011|https://attack.mitre.org/techniques/T1219/002/",
		"T1572":     "Protocol Tunneling|||TA0011|https://attack.mitre.org/techniques/T1572/",
		"T1021.001": "Remote Desktop Protocol|T1021|Remote Services|TA0008|https://attack.mitre.org/techniques/T1021/001/",
		"T1105":     "T1105||||https://attack.mitre.org/techniques/T1105/",
		"T1219/..":  "T1219/..||||", "T1219.0": "T1219.0||||", "T12.9.002": "T12.9.002||||", "TA0011": "TA0011||||", "": "||||",
	} {
		q := technique(id)
		if got := fmt.Sprintf("%s|%s|%s|%s|%s", q.Name, q.Parent, q.ParentName, q.Tactic, q.URL); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}
