package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// printed reads what the sensor printed itself.
func printed(path string) (told []telling, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, fmt.Errorf("%s: %q is no telling", path, line)
		}
		told = append(told, telling{f[0], f[1], f[2]})
	}
	return told, nil
}

// written counts the tellings in the file output and its rotated files, of which
// EVE tells alert and state: "ID state". files is how many there were.
func written(dir string) (got map[string]int, files int, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "eve.json*"))
	got = map[string]int{}
	for _, path := range paths {
		if err == nil {
			err = readEVE(path, got)
		}
	}
	return got, len(paths), err
}

func readEVE(path string, got map[string]int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var l struct {
			Alert struct{ Metadata map[string][]string }
		}
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		id, state := l.Alert.Metadata["rmm_alert_id"], l.Alert.Metadata["rmm_state"]
		if len(id) != 1 || len(state) != 1 {
			return fmt.Errorf("%s: a line without id or state: %.200s", path, scan.Bytes())
		}
		got[id[0]+" "+state[0]]++
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// inFile checks that the file output has every telling, as often as it was
// told.
func inFile(told []telling, got map[string]int) error {
	want := map[string]int{}
	for _, t := range told {
		want[t.Alert+" "+t.State]++
	}
	for what, n := range want {
		if got[what] < n {
			return fmt.Errorf("file: %s was told %d times and is written %d times", what, n, got[what])
		}
	}
	return nil
}
