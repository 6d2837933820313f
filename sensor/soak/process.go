package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is the sensor under test.
type process struct {
	cmd     *exec.Cmd
	logFile string
	exited  chan struct{}
	err     error // of its end; valid once exited is closed
}

// metricsAt is where the sensor serves its metrics, in the namespace.
const metricsAt = "127.0.0.1:9477"

// waitFor is how long anything may take that is waited for.
const waitFor = time.Minute

// startProcess starts the sensor in dir and waits until it watches.
func startProcess(binary, dir string, attr *syscall.SysProcAttr) (*process, error) {
	p := &process{logFile: filepath.Join(dir, "log.json"), exited: make(chan struct{})}
	log, err := os.Create(p.logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(binary, "watch", "-i", "eth0", "--config", filepath.Join(dir, "rmmwatch.yaml"),
		"--out", filepath.Join(dir, "printed"), "--format", "template", "--template", filepath.Join(dir, "line.tmpl"))
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = attr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	err = await("the sensor to watch", func() bool {
		raw, err := os.ReadFile(p.logFile)
		return err == nil && bytes.Contains(raw, []byte(`"msg":"watching"`)) || p.gone()
	})
	if p.gone() || err != nil {
		p.kill()
		raw, _ := os.ReadFile(p.logFile)
		return nil, fmt.Errorf("the sensor does not start: %v %v\n%s", err, p.err, raw)
	}
	return p, nil
}

// await polls until done, for at most waitFor.
func await(what string, done func() bool) error {
	for end := time.Now().Add(waitFor); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("waited %v for %s", waitFor, what)
		}
	}
	return nil
}

func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends it at once; for when the soak gives up.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// sample reads what the process uses from /proc, and the goroutines from m.
func (p *process) sample(m metrics) (s sample, err error) {
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	raw, err := os.ReadFile(dir + "status")
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 3 && f[0] == "VmRSS:":
			s.RSS, err = strconv.ParseUint(f[1], 10, 64)
			s.RSS <<= 10
		case len(f) == 2 && f[0] == "Threads:":
			s.Threads, err = strconv.ParseUint(f[1], 10, 64)
		}
		if err != nil {
			return s, err
		}
	}
	files, err := os.ReadDir(dir + "fd")
	s.Files, s.Routines = uint64(len(files)), uint64(m["go_goroutines"])
	if err == nil && s.RSS == 0 {
		err = fmt.Errorf("%sstatus has no VmRSS", dir)
	}
	return s, err
}

// metrics are the sums of each metric over all labels but "action" and "kind", which
// stay in the name.
type metrics map[string]float64

// scrape asks the sensor for its metrics.
func scrape() (metrics, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metricsAt+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %s", resp.Status)
	}
	return parseMetrics(resp.Body)
}

// parseMetrics reads the Prometheus text format, in which no label of ours has a
// space or brace in it but for rule versions, which are last before the value.
func parseMetrics(r io.Reader) (metrics, error) {
	m := metrics{}
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		line := scan.Text()
		space := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || space < 0 {
			continue
		}
		v, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q: %w", line, err)
		}
		name, labels, _ := strings.Cut(line[:space], "{")
		for _, label := range []string{`action="`, `kind="`} {
			if _, value, ok := strings.Cut(labels, label); ok {
				value, _, _ = strings.Cut(value, `"`)
				name += " " + value
			}
		}
		m[name] += v
	}
	return m, scan.Err()
}

// arrived is how many packets the kernel counted on eth0. Reading needs no
// tool: /proc/net is that of the namespace.
func arrived() (uint64, error) {
	raw, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "eth0:"); ok {
			return strconv.ParseUint(strings.Fields(rest)[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/self/net/dev has no eth0")
}
