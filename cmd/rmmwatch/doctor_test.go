package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/doctor"
)

// The columns stand below each other, with colours and without, and texts are
// broken where the terminal ends.
func TestFindingsText(t *testing.T) {
	list := []doctor.Finding{
		{Level: doctor.OK, Subject: "kernel", Found: "Linux 6.12.3"},
		{Level: doctor.Warning, Subject: "offloads eth1", Found: "gro, lro are on: packets are merged before they are counted and read", Do: "ethtool -K eth1 gro off lro off"},
		{Level: doctor.Failure, Subject: "state", Found: "/a/path/that/is/longer/than/the/room/there/is/and/stays/whole", Do: "move it"},
	}
	const plain = `ok       kernel         Linux 6.12.3
warning  offloads eth1  gro, lro are on: packets are merged before they are counted and read
                        -> ethtool -K eth1 gro off lro off
failure  state          /a/path/that/is/longer/than/the/room/there/is/and/stays/whole
                        -> move it

1 failure, 1 warning, 1 ok
`
	if got := findingsText(list, 0, false); got != plain {
		t.Errorf("%s", got)
	}
	coloured := findingsText(list, 0, true)
	for _, l := range []string{"\x1b[32mok\x1b[0m  ", "\x1b[33mwarning\x1b[0m  ", "\x1b[1;31mfailure\x1b[0m  "} {
		if !strings.Contains(coloured, l) {
			t.Errorf("no %q in %q", l, coloured)
		}
	}
	for _, sgr := range []string{"\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[0m"} {
		coloured = strings.ReplaceAll(coloured, sgr, "")
	}
	if coloured != plain {
		t.Errorf("%q", coloured)
	}
	const narrow = `ok       kernel         Linux 6.12.3
warning  offloads eth1  gro, lro are on: packets are
                        merged before they are counted
                        and read
                        -> ethtool -K eth1 gro off lro
                           off
failure  state          /a/path/that/is/longer/than/the/room/there/is/and/stays/whole
                        -> move it

1 failure, 1 warning, 1 ok
`
	if got := findingsText(list, 58, false); got != narrow {
		t.Errorf("%s", got)
	}
}

// The program knows roughly when it was built: not in the future, nor before it was
// begun.
func TestBuilt(t *testing.T) {
	if b := built(); b.Before(firstBuild) || b.After(time.Now().Add(24*time.Hour)) {
		t.Errorf("%v", b)
	}
}
