package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/doctor"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// In a network namespace with a cable all of an interface is well, and with a
// setting undone the one line says so and the status is the same; an interface that is
// down is status 1.
func TestDoctorInNetns(t *testing.T) {
	needNetns(t, "ethtool")
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	inNetns(t, func() {
		run := func(setup string) (levels map[string]string, status int) {
			if out, err := exec.Command("sh", "-c", setup).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", setup, err, out)
			}
			cmd := exec.Command(bin, "doctor", "-i", "eth0", "--format", "json")
			raw, _ := cmd.Output()
			var list []struct{ Level, Subject string }
			if err := json.Unmarshal(raw, &list); err != nil {
				t.Errorf("%v\n%s", err, raw)
			}
			levels = map[string]string{}
			for _, f := range list {
				levels[f.Subject] = f.Level
			}
			return levels, cmd.ProcessState.ExitCode()
		}
		for _, c := range []struct {
			setup, subject, level string
			status                int
		}{
			{"ethtool -K eth0 gro off", "offloads eth0", "ok", 0},
			{"true", "interface eth0", "ok", 0},
			{"true", "capture eth0", "ok", 0},
			{"ethtool -K eth0 gro on", "offloads eth0", "warning", 0},
			{"ip link set eth0 mtu 1280", "MTU eth0", "warning", 0},
			{"ip link set peer down", "interface eth0", "failure", 1},
			{"ip link set eth0 down", "interface eth0", "failure", 1},
			{"ip link del eth0", "interface eth0", "failure", 1},
		} {
			if levels, status := run(c.setup); levels[c.subject] != c.level || status != c.status {
				t.Errorf("%s: %s is %q, status %d: %v", c.setup, c.subject, levels[c.subject], status, levels)
			}
		}
	})
}

// Colours are for terminals, and not for those who set NO_COLOR or have none.
func TestDoctorColours(t *testing.T) {
	testshared.KernelFilters(t)
	master, slave := openTerminal(t)
	defer master.Close()
	defer slave.Close()
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{[]string{"NO_COLOR", "", "TERM", "xterm"}, true},
		{[]string{"NO_COLOR", "1", "TERM", "xterm"}, false},
		{[]string{"NO_COLOR", "", "TERM", "dumb"}, false},
	} {
		for i := 0; i < len(c.env); i += 2 {
			t.Setenv(c.env[i], c.env[i+1])
		}
		if colours(slave) != c.want {
			t.Errorf("%q: colours %v", c.env, !c.want)
		}
	}
	t.Setenv("TERM", "xterm")
	if colours(&bytes.Buffer{}) {
		t.Error("colours without a terminal")
	}
	// The whole command, on a terminal that is narrow.
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 80}); err != nil {
		t.Fatal(err)
	}
	text := findingsText(doctor.Run(doctorOptions(doctorFlags{interfaces: words{"nosuch0"}})), terminalWidth(slave), false)
	for line := range strings.Lines(text) {
		if len(line) > len("\n")+80 {
			t.Errorf("%q is too long", line)
		}
	}
}

// openTerminal makes a pseudo-terminal (pty(7)).
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}
