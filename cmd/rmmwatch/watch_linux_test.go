package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// needNetns skips, or fails in CI, where no network namespace can be made or a
// tool is missing.
func needNetns(t *testing.T, tools ...string) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("CI") != "" {
		skip = t.Fatalf
	}
	if os.Geteuid() != 0 {
		skip("network namespaces need root")
	}
	for _, tool := range append(tools, "ip") {
		if _, err := exec.LookPath(tool); err != nil {
			skip("%s is not installed", tool)
		}
	}
}

// inNetns runs f on a thread with a network namespace of its own, in which eth0
// and peer are the two ends of a cable. The namespace ends with the thread.
func inNetns(t *testing.T, f func()) {
	t.Helper()
	testshared.KernelFilters(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		for _, which := range []string{"all", "default"} {
			os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
		}
		for _, command := range []string{"ip link add eth0 mtu 65535 type veth peer name peer mtu 65535", "ip link set peer up", "ip link set eth0 up"} {
			args := strings.Fields(command)
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
				return
			}
		}
		f()
	})
	wg.Wait()
}

// watching is a running `rmmwatch watch`.
type watching struct {
	t    *testing.T
	cmd  *exec.Cmd
	mu   sync.Mutex
	logs bytes.Buffer
	read sync.WaitGroup
}

// startWatch starts the program and waits until it watches.
func startWatch(t *testing.T, args ...string) *watching {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{t: t, cmd: exec.Command(bin, append([]string{"watch", "-i", "eth0"}, args...)...)}
	stderr, err := w.cmd.StderrPipe()
	if err == nil {
		err = w.cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return nil
	}
	ready := make(chan struct{})
	w.read.Go(func() {
		once := sync.OnceFunc(func() { close(ready) })
		defer once()
		for s := bufio.NewScanner(stderr); s.Scan(); {
			w.mu.Lock()
			fmt.Fprintln(&w.logs, s.Text())
			w.mu.Unlock()
			if strings.Contains(s.Text(), `"msg":"watching"`) {
				once()
			}
		}
	})
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		t.Errorf("it does not start: %s", w.log())
	}
	return w
}

func (w *watching) log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.String()
}

// end ends the program with SIGTERM, which is status 0.
func (w *watching) end() {
	w.t.Helper()
	w.cmd.Process.Signal(syscall.SIGTERM)
	w.read.Wait()
	if err := w.cmd.Wait(); err != nil {
		w.t.Errorf("%v\n%s", err, w.log())
	}
	if strings.Contains(w.log(), `"level":"error"`) {
		w.t.Errorf("%s", w.log())
	}
}

// evidenceWords are those parts of a piece of evidence that do not depend on when
// and where it was captured.
var evidenceWords = regexp.MustCompile(`^kind=(\S+) indicator=(\S+) count=(\d+) .* flow=(\S+)( tunnel=\S+)? value=(.*)$`)

// what is what an alert says, without times, numbers of packets and names of
// captures: what must be the same live and in a replay.
func what(t *testing.T, raw []byte) (out []string) {
	t.Helper()
	for line := range bytes.Lines(raw) {
		var l struct {
			VLAN  []int
			Alert struct {
				Severity int
				Metadata map[string][]string
			}
			Flow struct {
				Up   uint64 `json:"bytes_toserver"`
				Down uint64 `json:"bytes_toclient"`
			}
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		m := l.Alert.Metadata
		if m["rmm_state"][0] != "closed" {
			continue
		}
		var evidence []string
		for _, e := range m["rmm_evidence"] {
			parts := evidenceWords.FindStringSubmatch(e)
			if parts == nil {
				t.Fatalf("evidence %q", e)
			}
			evidence = append(evidence, strings.Join(parts[1:], " "))
		}
		slices.Sort(evidence)
		out = append(out, fmt.Sprint(m["rmm_host"], m["rmm_tool"], m["rmm_kind"], l.Alert.Severity, m["rmm_tenant"], " VLAN ", l.VLAN, " flows ", m["rmm_flows"],
			" bytes ", l.Flow.Up, " ", l.Flow.Down, "\n  ", strings.Join(evidence, "\n  ")))
	}
	slices.Sort(out)
	return out
}

// notLive are captures that cannot be put on a cable as they are, or say something
// else there, with the reason.
var notLive = map[string]string{
	"anydesk-null-synthetic.pcap":      "a loopback's header instead of Ethernet's",
	"anydesk-ppp-synthetic.pcap":       "PPP",
	"anydesk-radiotap-synthetic.pcap":  "802.11",
	"anydesk-raw-synthetic.pcap":       "no link layer",
	"anydesk-sll-synthetic.pcap":       "Linux cooked",
	"anydesk-sll2-synthetic.pcap":      "Linux cooked",
	"anydesk-truncated-synthetic.pcap": "cut frames arrive as short ones",
}

// Every bundled capture that can be put on a cable gives the alerts of a replay,
// with one worker and with two, with the shunt and without.
func TestWatchGivesTheAlertsOfReplay(t *testing.T) {
	needNetns(t, "tcpreplay")
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	captures, err := filepath.Glob("../../pcaps/*.pcap")
	if err != nil || len(captures) < 20 {
		t.Fatal(captures, err)
	}
	for _, c := range []struct{ name, config string }{
		{"one worker", "capture: {ring_mib: 16, workers: 1, shunt: \"off\"}"},
		{"two workers and the shunt", "capture: {ring_mib: 16, workers: 2, shunt: \"on\"}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := filepath.Join(t.TempDir(), "rmmwatch.yaml")
			if err := os.WriteFile(config, []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			compared := 0
			for _, path := range captures {
				name := filepath.Base(path)
				if notLive[name] != "" {
					continue
				}
				want, _ := exec.Command(bin, "replay", "--quiet", "--format", "eve", path).Output() // some are cut on purpose
				out := filepath.Join(t.TempDir(), "alerts.json")
				inNetns(t, func() {
					w := startWatch(t, "--config", config, "--out", out)
					if text, err := exec.Command("tcpreplay", "-q", "-i", "peer", "--mbps=200", path).CombinedOutput(); err != nil {
						t.Errorf("%s: %v\n%s", name, err, text)
					}
					w.end()
				})
				got, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				g, w := what(t, got), what(t, want)
				if !slices.Equal(g, w) {
					t.Errorf("%s: live\n%s\nreplayed\n%s", name, strings.Join(g, "\n"), strings.Join(w, "\n"))
				}
				compared += len(w)
			}
			if compared < 30 {
				t.Errorf("only %d alerts were compared", compared)
			}
		})
	}
}

// get fetches a page of the sensor from within its namespace.
func get(t *testing.T, path string) (status, body string) {
	t.Helper()
	out, err := exec.Command("curl", "-s", "-m", "10", "-w", "\n%{http_code}", "http://127.0.0.1:9477"+path).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	text := string(out)
	at := strings.LastIndexByte(text, '\n')
	return text[at+1:], text[:max(at, 0)]
}

func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !reached(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("waited in vain for %s", what)
			return
		}
	}
}

// A sensor that runs can be watched, reloads its rules, refuses bad ones, has no
// rights left, and says when it is blind.
func TestWatchIsWatched(t *testing.T) {
	needNetns(t, "tcpreplay", "curl")
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules.d")
	if err := os.Mkdir(rules, 0o750); err != nil {
		t.Fatal(err)
	}
	tool, err := os.ReadFile("../../rules/tools/anydesk.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "rmmwatch.yaml")
	out := filepath.Join(dir, "alerts.json")
	for path, text := range map[string]string{
		config:                               "state: state\nhttp: 127.0.0.1:9477\nrules: [rules.d]\ncapture: {ring_mib: 4, workers: 2, silence: 10s}\noutputs: [file: {path: alerts.json}]\n",
		filepath.Join(rules, "anydesk.yaml"): string(tool),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alerts := func(want ...string) func() bool {
		return func() bool {
			raw, _ := os.ReadFile(out)
			for line := range strings.Lines(string(raw)) {
				missing := false
				for _, w := range want {
					missing = missing || !strings.Contains(line, w)
				}
				if !missing {
					return true
				}
			}
			return false
		}
	}
	inNetns(t, func() {
		if text, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		w := startWatch(t, "--config", config)
		if status, _ := get(t, "/readyz"); status != "200" {
			t.Errorf("ready: %s", status)
		}
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
		if err != nil || !strings.Contains(string(raw), "CapEff:\t0000000000000000") || !strings.Contains(string(raw), "NoNewPrivs:\t1") {
			t.Errorf("%v: it still has rights:\n%s", err, raw)
		}
		eventually(t, "the alert that nothing comes", alerts(`"sensor-blind"`, `"opened"`))
		if text, err := exec.Command("tcpreplay", "-q", "-i", "peer", "../../pcaps/anydesk-synthetic.pcap").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		eventually(t, "an alert while the session is open", alerts(`"anydesk"`, `"opened"`))
		eventually(t, "the end of blindness", alerts(`"sensor-blind"`, `"closed"`))
		status, metrics := get(t, "/metrics")
		for _, want := range []string{"rmmwatch_", "20", `output="file"`} {
			if status != "200" || !strings.Contains(metrics, want) {
				t.Errorf("metrics: status %s, no %s", status, want)
			}
		}
		if status, text := get(t, "/healthz"); status != "200" {
			t.Errorf("health: %s %s", status, text)
		}
		// A bad rule is refused; the old ones stay.
		bad := filepath.Join(rules, "bad.yaml")
		if err := os.WriteFile(bad, []byte("tool: x\n"), 0o600); err != nil {
			t.Error(err)
		}
		eventually(t, "the refusal", func() bool { return strings.Contains(w.log(), "the rules are refused") })
		if err := os.Remove(bad); err != nil {
			t.Error(err)
		}
		w.cmd.Process.Signal(syscall.SIGHUP)
		eventually(t, "the reload", func() bool { return strings.Contains(w.log(), "rules loaded") })
		w.cmd.Process.Signal(syscall.SIGTERM)
		w.read.Wait()
		if err := w.cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, w.log())
		}
	})
	if !alerts(`"anydesk"`, `"closed"`)() {
		t.Error("the alert was not closed at the end")
	}
}

// Wrong calls say why, and a check judges everything without a right.
func TestWatchCheck(t *testing.T) {
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "c.yaml")
	for name, c := range map[string]struct{ config, says string }{
		"good":    {"capture: {interfaces: [eth1], ignore: {ports: [22]}}\nstate: s\noutputs: [file: {path: x}]\n", " tools, 1 output"},
		"secret":  {"state: s\noutputs: [webhook: {url: \"https://x.example\", secret_file: nowhere}]\n", "c.yaml:2:11: webhook: secret"},
		"program": {"capture: {bpf_file: nowhere}\n", "bpf_file: open"},
		"name":    {"capture: {interfaces: [\"eth0/../x\"]}\n", "c.yaml:1:24:"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(config, []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(bin, "watch", "--check", "--config", config).CombinedOutput()
			if !strings.Contains(string(out), c.says) || (err == nil) != (name == "good") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	out, err := exec.Command(bin, "watch").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no interface to watch") {
		t.Errorf("%v: %s", err, out)
	}
}
