package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// lookalikesDoc has the rates of the embedded rules.
const lookalikesDoc = "../../docs/lookalikes.md"

// The rates that the reference states are those of the program, and within what
// is promised: 95 % of clear imitations, one in ten thousand honest names.
// UPDATE_SCRIPTS=1 writes them anew.
func TestLookalikeRates(t *testing.T) {
	facts, corpus := testshared.Dir(t, "facts"), testshared.Dir(t, "corpus")
	var out, errors bytes.Buffer
	a := &app{stdin: os.Stdin, stdout: &out, stderr: &errors}
	status := a.run(context.Background(), []string{
		"rules", "lookalikes", "--vectors", filepath.Join(facts, "lookalike-vectors.json"), "--file", filepath.Join(facts, "benign-names.txt"),
		filepath.Join(corpus, "files"),
	})
	if status != 0 { // that captures of others are damaged is told, and no failure
		t.Fatalf("exit status %d: %s", status, errors.String())
	}
	text := out.String()
	if m := regexp.MustCompile(`(?m)^all .* ([0-9.]+) %`).FindStringSubmatch(text); m == nil || number(t, m[1]) < 95 {
		t.Errorf("too few imitations are caught: %q", m)
	}
	rates := regexp.MustCompile(`(?m)^(benign-names.txt|captures).* (\d+) +\d+ +([0-9.]+)$`).FindAllStringSubmatch(text, -1)
	if len(rates) != 2 {
		t.Fatalf("%d rates in\n%s", len(rates), text)
	}
	for _, m := range rates {
		if number(t, m[2]) < 1000 || number(t, m[3]) > 1 {
			t.Errorf("%s: %s in 10,000 of %s honest names", m[1], m[3], m[2])
		}
	}
	checkDoc(t, text)
}

func number(t *testing.T, s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// brandCount changes with every rule file, and says nothing about rates.
var brandCount = regexp.MustCompile(`\d+ brands of \d+ tools`)

func checkDoc(t *testing.T, text string) {
	raw, err := os.ReadFile(lookalikesDoc)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	const command = "$ rmmwatch rules lookalikes --vectors lookalike-vectors.json --file benign-names.txt corpus/files\n"
	before, rest, ok := strings.Cut(doc, command)
	block, after, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatalf("%s does not show the command", lookalikesDoc)
	}
	if brandCount.ReplaceAllString(block, "") == brandCount.ReplaceAllString(text, "") {
		return
	}
	if os.Getenv("UPDATE_SCRIPTS") == "" {
		t.Fatalf("%s shows other rates; UPDATE_SCRIPTS=1 writes them anew\n%s", lookalikesDoc, text)
	}
	if err := os.WriteFile(lookalikesDoc, []byte(before+command+text+"```"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
