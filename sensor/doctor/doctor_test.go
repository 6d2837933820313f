package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/capture/shunt"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// good is a machine and an interface that nothing is wrong with.
func good() (host, link, config.Config) {
	c := config.Default()
	c.Capture.Workers = 2
	c.Capture.Interfaces = []string{"eth1"}
	h := host{release: "6.12.3-amd64", cpus: 2, available: 8 << 30, memlock: 8 << 20, jit: "1", unprivileged: "2", landlock: 6,
		now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), synced: true}
	l := link{name: "eth1", found: true, up: true, carrier: true, mtu: 1500, packets: 1000, offloads: []string{"rx-checksum"}, changeable: []string{"rx-gro", "rx-lro"}}
	return h, l, c
}

// Each fact that is wrong gives one finding that is not ok, with its level, its
// words and what to do.
func TestFacts(t *testing.T) {
	for _, c := range []struct {
		spoil func(*host, *link, *config.Config)
		want  string // level, subject, part of found, part of do; "" for nothing wrong
	}{
		{func(*host, *link, *config.Config) {}, ""},
		{func(h *host, _ *link, _ *config.Config) { h.socket = errors.New("not permitted") }, "failure|right to capture|not permitted|run as root"},
		{func(h *host, _ *link, _ *config.Config) { h.shunt = shunt.ErrRights }, "warning|right to shunt|no right|CAP_BPF"},
		{func(h *host, _ *link, c *config.Config) { h.shunt, c.Capture.Shunt = shunt.ErrRights, "on" }, "failure|right to shunt|no right|CAP_BPF"},
		{func(h *host, _ *link, _ *config.Config) { h.shunt = shunt.ErrKernel }, "warning|right to shunt|5.8|newer kernel"},
		{func(h *host, _ *link, c *config.Config) { h.shunt, c.Capture.Shunt = shunt.ErrRights, "off" }, ""},
		{func(_ *host, _ *link, c *config.Config) { c.Capture.BPFFile = "x" }, "warning|right to shunt|one program|bpf_file"},
		{func(_ *host, _ *link, c *config.Config) { c.Capture.Ignore.Ports, c.Capture.Shunt = []uint16{1}, "on" }, "failure|right to shunt|one program|ignore"},
		{func(h *host, _ *link, _ *config.Config) { h.release = "3.1.9" }, "failure|kernel|3.1.9|5.8; warning|locked memory|8192 KiB|LimitMEMLOCK"},
		{func(h *host, _ *link, _ *config.Config) { h.release, h.memlock = "5.7.0", 1<<40 }, "warning|kernel|no shunt|5.8"},
		{func(h *host, _ *link, _ *config.Config) { h.release, h.memlock = "four", 1<<40 }, `warning|kernel|"four"|5.8`},
		{func(h *host, _ *link, _ *config.Config) { h.release = "5.10.0" }, "warning|locked memory|8192 KiB|LimitMEMLOCK"},
		{func(h *host, _ *link, c *config.Config) { h.release, c.Capture.Shunt = "5.10.0", "off" }, ""},
		{func(h *host, _ *link, _ *config.Config) { h.jit = "0" }, "warning|BPF JIT|interpreted|bpf_jit_enable=1"},
		{func(h *host, _ *link, _ *config.Config) { h.jit = "" }, ""},
		{func(h *host, _ *link, _ *config.Config) { h.unprivileged = "0" }, "warning|unprivileged BPF|every user|unprivileged_bpf_disabled=2"},
		{func(h *host, _ *link, _ *config.Config) { h.landlock = 0 }, "warning|Landlock|confine|lsm="},
		{func(h *host, _ *link, _ *config.Config) { h.available = 256<<20 - 1 }, "failure|ring memory|256 MiB of 255 MiB|lower ring_mib"},
		{func(h *host, _ *link, _ *config.Config) { h.available = 512<<20 - 2 }, "warning|ring memory|256 MiB of 511 MiB|lower ring_mib"},
		{func(h *host, _ *link, _ *config.Config) { h.available = 512 << 20 }, ""},
		{func(h *host, _ *link, c *config.Config) {
			h.available, c.Capture.Interfaces = 600<<20, []string{"a", "b"}
		}, "warning|ring memory|2 interfaces take 512 MiB|"},
		{func(h *host, _ *link, _ *config.Config) { h.available = -1 }, "warning|ring memory|cannot be told|"},
		{func(_ *host, _ *link, c *config.Config) { c.Capture.Workers = 3 }, "warning|cores|3 workers an interface on 2 cores|workers: 0"},
		{func(h *host, _ *link, _ *config.Config) { h.synced = false }, "warning|clock|not synchronised|chrony"},
		{func(h *host, _ *link, _ *config.Config) { h.now = time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC) }, "failure|clock|before the program was built (2026)|set-ntp"},

		{func(_ *host, l *link, _ *config.Config) { l.err = errors.New("refused") }, "failure|interface eth1|refused|AF_NETLINK"},
		{func(_ *host, l *link, _ *config.Config) { l.found = false }, "failure|interface eth1|no such interface|ip link"},
		{func(_ *host, l *link, _ *config.Config) { l.up = false }, "failure|interface eth1|down|ip link set dev eth1 up"},
		{func(_ *host, l *link, _ *config.Config) { l.carrier = false }, "failure|interface eth1|no carrier|cable"},
		{func(_ *host, l *link, _ *config.Config) { l.kind = "dummy" }, "warning|interface eth1|dummy|mirrors"},
		{func(_ *host, l *link, _ *config.Config) { l.kind = "veth" }, ""},
		{func(_ *host, l *link, _ *config.Config) { l.ring = errors.New("PPP is not read") }, "failure|capture eth1|PPP|"},
		{func(_ *host, l *link, _ *config.Config) { l.shunt = errors.New("attach") }, "warning|shunt eth1|attach|off"},
		{func(_ *host, l *link, c *config.Config) { l.shunt, c.Capture.Shunt = errors.New("attach"), "on" }, "failure|shunt eth1|attach|off"},
		{func(_ *host, l *link, _ *config.Config) { l.mtu = 1499 }, "warning|MTU eth1|1499|mtu 1500"},
		{func(_ *host, l *link, _ *config.Config) { l.offloads = []string{"rx-gro", "rx-lro"} }, "warning|offloads eth1|gro, lro are on|ethtool -K eth1 gro off lro off"},
		{func(_ *host, l *link, _ *config.Config) { l.offloads = []string{"rx-gro", "rx-gro-hw"} }, "warning|offloads eth1|gro, rx-gro-hw are on|eth1 gro off"},
		{func(_ *host, l *link, _ *config.Config) { l.offloads = []string{"rx-gro-hw"} }, "warning|offloads eth1|rx-gro-hw is on|the driver"},
		{func(_ *host, l *link, _ *config.Config) { l.offloads = []string{"rx-vlan-hw-parse"} }, ""},
		{func(_ *host, l *link, _ *config.Config) { l.offloadErr = errors.New("old") }, "warning|offloads eth1|old|ethtool -k eth1"},
		{func(_ *host, l *link, _ *config.Config) { l.dropped = 1 }, "warning|drops eth1|1000 packets came, and were lost: rx_missed_errors 0, rx_fifo_errors 0, rx_dropped 1|ethtool -S eth1"},
		{func(_ *host, l *link, _ *config.Config) { l.missed = 2 }, "warning|drops eth1|rx_missed_errors 2|ethtool -G eth1"},
		{func(_ *host, l *link, _ *config.Config) { l.fifo = 3 }, "warning|drops eth1|rx_fifo_errors 3|ethtool -G eth1"},
	} {
		h, l, cfg := good()
		c.spoil(&h, &l, &cfg)
		expect(t, append(checkHost(h, &cfg, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)), checkLink(l, &cfg)...), c.want)
	}
}

// expect holds those findings that are not ok against level|subject|found|do; ...
func expect(t *testing.T, list []Finding, want string) {
	t.Helper()
	var bad []string
	for _, f := range list {
		if f.Level != OK {
			bad = append(bad, fmt.Sprintf("%v|%s|%s|%s", f.Level, f.Subject, f.Found, f.Do))
		}
	}
	wants := strings.Split(want, "; ")
	if want == "" {
		wants = nil
	}
	match := len(bad) == len(wants)
	for i := 0; match && i < len(wants); i++ {
		w, b := strings.SplitN(wants[i], "|", 4), strings.SplitN(bad[i], "|", 4)
		match = w[0] == b[0] && w[1] == b[1] && strings.Contains(b[2], w[2]) && strings.Contains(b[3], w[3])
	}
	if !match {
		t.Errorf("want %q, got %q", want, bad)
	}
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// What is written and sent.
func TestStorage(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	state := "state: " + dir + "\n"
	for _, c := range []struct{ config, want string }{
		{"", ""},
		{"state: " + dir + "/not/there", ""},
		{"state: " + file, "failure|state|is not a folder|install -d"},
		{state + "outputs: [{file: {path: " + dir + "/alerts.json, queue: {max_mib: 1}}}]", ""},
		{state + "outputs: [{file: {path: " + file + "/alerts.json, queue: {max_mib: 1}}}]", "failure|output file|not a directory|"},
		{state + "outputs: [{webhook: {name: a, url: \"https://a.invalid\", secret_file: " + dir + "/nosuch, queue: {max_mib: 1}}}, {file: {path: \"-\", queue: {max_mib: 1}}}]", "failure|output a|nosuch|"},
	} {
		expect(t, checkStorage(parse(t, c.config)), c.want)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("something is left: %v, %v", entries, err)
	}
	if f := judgeSpace("/x", 1<<20-1, 1<<20); f.Level != Warning || !strings.Contains(f.Do, "max_mib") {
		t.Errorf("%+v", f)
	}
	if f := judgeSpace("/x", 1<<20, 1<<20); f.Level != OK {
		t.Errorf("%+v", f)
	}
}

// A mistake in configuration or rules is a failure a line, and the rest is looked
// at all the same.
func TestMistakes(t *testing.T) {
	testshared.KernelFilters(t)
	c := config.Default()
	list := Run(Options{Config: &c, Path: "x", Err: errors.New("x:1:1: a\nx:2:1: b"), RulesErr: errors.New("bad rules")})
	expect(t, list[:3], "failure|configuration|x:1:1: a|; failure|configuration|x:2:1: b|; failure|rules|bad rules|")
	if Worst(list) != Failure || len(list) < 5 {
		t.Errorf("%v", list)
	}
	// Elsewhere than on Linux it says so, and that an interface is asked for in vain.
	expect(t, notLive(&c), "warning|system|not Linux|replay works here")
	c.Capture.Interfaces = []string{"en0"}
	expect(t, notLive(&c), "failure|system|not Linux|replay works here")
	if live != (runtime.GOOS == "linux") {
		t.Error("live")
	}
}
