package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/config"
)

// confinedEnv names the configuration to the process that stands for a sensor.
const confinedEnv = "RMMWATCH_TEST_CONFINED"

// packRule is a rule file of one tool that owns a domain.
const packRule = `tool: mine
name: Mine
class: rmm
attack: [T1219]
guidance: Ask who runs it.
plain: A tool of ours.
owned: [%[1]s]
indicators:
  - {id: relay, role: relay, confidence: medium, domain: ["*.%[1]s"], source: [test]}
tests:
  match: [{name: a.%[1]s, indicator: relay}]
  no_match: [{name: not%[1]s}]
`

// packSecret is a key without a password, and packPublic its other half.
const (
	packSecret = "untrusted comment: x\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADAECAwQFBgcMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAtROtm0kkAVygkC7QeQRNOsXb7CMG8GlIwQ2o62458t4i5NAO3njfVgSOvyDtGfW+9QZDvrwQUmCmksLKNtreU=\n"
	packPublic = "RWQMAQIDBAUGBwtROtm0kkAVygkC7QeQRNOsXb7CMG8GlIwQ2o62458t"
)

// A sensor that gave up its rights takes the packs that are installed later,
// and goes back with a rollback: the folder of the sets is within its reach, and
// its look at the rules' folders sees that the link was changed.
func TestPacksReachConfined(t *testing.T) {
	if path := os.Getenv(confinedEnv); path != "" {
		confinedSensor(path)
		return
	}
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(path, text string) string {
		t.Helper()
		path = filepath.Join(dir, path)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := write("etc/rmmwatch.yaml", "rules: [../links/alias]\npacks: {dir: ../lib/packs, keys: ["+packPublic+"]}\n")
	key := write("k.key", packSecret)
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	install := func(n int) {
		t.Helper()
		rules := filepath.Dir(write(fmt.Sprintf("v%d/mine.yaml", n), fmt.Sprintf(packRule, fmt.Sprintf("v%d.example", n))))
		pack := filepath.Join(dir, fmt.Sprintf("%d.tar.gz", n))
		run("rules", "pack", rules, "--name", "corp", "--sequence", fmt.Sprint(n), "--out", pack, "--key", key)
		run("rules", "install", pack, "--config", cfg)
	}
	install(1)
	// The rules are named by a link of one's own: only packs.dir itself lets the
	// sensor reach the later sets then.
	write("links/.keep", "")
	if err := os.Symlink("../lib/packs/current", filepath.Join(dir, "links/alias")); err != nil {
		t.Fatal(err)
	}
	ask := startConfined(t, cfg)
	want := func(text string) {
		t.Helper()
		if got := ask(); got != text {
			t.Errorf("the sensor says %q, not %q", got, text)
		}
	}
	want("no change, v1.example")
	install(2)
	want("loaded, v2.example")
	want("no change, v2.example")
	install(3)
	want("loaded, v3.example")
	run("rules", "rollback", "--config", cfg)
	want("loaded, v2.example")
}

// startConfined starts a process that loads the rules of a configuration and gives
// its rights up, and returns what asks it to look for changes.
func startConfined(t *testing.T, cfg string) (ask func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPacksReachConfined$")
	cmd.Env = append(os.Environ(), confinedEnv+"="+cfg, "TMPDIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	return func() string {
		fmt.Fprintln(in)
		lines.Scan()
		return lines.Text()
	}
}

// confinedSensor is a sensor as watch runs it, but without an interface: for each
// line on standard input it looks for changes.
func confinedSensor(path string) {
	cfg, err := config.Load(path)
	if err != nil {
		panic(err)
	}
	rules, err := loadRules(cfg.Rules)
	if err != nil {
		panic(err)
	}
	s := &liveSensor{cfg: &cfg, log: zap.NewNop(), print: fingerprint(cfg.Rules), told: map[alert.Kind]uint64{}, live: &sensor.Live{Config: &cfg}}
	s.live.SetRules(rules)
	if err := s.confine(watchFlags{config: word(path)}); err != nil {
		panic(err)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		did := "no change"
		if fingerprint(cfg.Rules) != s.print {
			did = "loaded"
			if s.reload("a test"); s.refused > 0 {
				did = "refused"
			}
		}
		fmt.Printf("%s, %s\n", did, strings.Join(s.live.Rules().Tool("mine").Owned, " "))
	}
	os.Exit(0) // what the test binary would tidy up is out of reach
}
