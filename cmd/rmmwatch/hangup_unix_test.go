//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// SIGHUP, logrotate's way to say that a file was moved, does not end a replay: it
// goes on and delivers to a new file.
func TestHangup(t *testing.T) {
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, lines := filepath.Join(dir, "rmmwatch.yaml"), filepath.Join(dir, "alerts.json")
	if err := os.WriteFile(config, []byte("state: state\noutputs: [file: {path: alerts.json}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	capture, err := os.ReadFile("../../pcaps/anydesk-synthetic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "replay", "--config", config, "--send", "--out", os.DevNull, "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	half := len(capture) / 2
	in.Write(capture[:half])
	status := filepath.Join(dir, "state", "outputs", "file.status.json")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(status); err == nil || time.Now().After(deadline) {
			break
		}
	}
	time.Sleep(200 * time.Millisecond) // from the first status to the signal's handler is a moment
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	in.Write(capture[half:])
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	if raw, err := os.ReadFile(lines); err != nil || bytes.Count(raw, []byte("\n")) != 1 {
		t.Errorf("%v: %s", err, raw)
	}
}
