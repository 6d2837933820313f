package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Names that come from outside reach no terminal as they are, whichever error
// they are in. A line end in a name does not make a message of its own.
func TestErrorsArePrintable(t *testing.T) {
	const evil = "a\x1b[31m\r\nrmmwatch: all is well\u202e\x9b"
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Skip(err) // a system that has no such names
		}
		return path
	}
	badRule := file(evil+".yaml", "tool: [\n")
	badConfig := file(evil+".conf", "hom: 1\n? \"\\e[31m\"\n: 1\n")
	config := file("c.yaml", "rules: [\"\\e[31mnosuch\"]\n")
	notes := file(evil+".txt", "no capture")
	pcap := "../../pcaps/radmin-synthetic.pcap"
	for _, args := range [][]string{
		{"replay", "--" + evil, pcap},
		{"replay", "-" + evil, pcap},
		{evil},
		{"rules", evil},
		{"rules", "show", evil},
		{"rules", "check", badRule},
		{"rules", "check", evil},
		{"replay", "--rules", evil, pcap},
		{"replay", "--rules", badRule, pcap},
		{"replay", "--config", evil, pcap},
		{"replay", "--config", badConfig, pcap},
		{"replay", "--config", config, pcap},
		{"replay", "--out", evil + "/x", pcap},
		{"replay", "--events", evil + "/x", "--out", filepath.Join(dir, "out"), pcap},
		{"replay", "--format", evil, pcap},
		{"replay", "--out", badRule, badRule},
		{"replay", evil},
		{"replay", notes},
		{"replay", dir},
	} {
		var out, errs bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
		if got := a.run(context.Background(), args); got == exitOK || errs.Len() == 0 {
			t.Errorf("%q: exit status %d, %q", args, got, errs.String())
		}
		if strings.ContainsAny(errs.String(), "\x1b\r\u202e") || !utf8.Valid(errs.Bytes()) || strings.Contains(errs.String(), "\nrmmwatch: all is well") {
			t.Errorf("%q: %q", args, errs.String())
		}
	}
}
