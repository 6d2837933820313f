//go:build unix

package syslog_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	sink "github.com/rmmwatch/rmmwatch/sensor/output/syslog"
)

// daemon is a real receiver with the configuration that docs/outputs/syslog.md
// shows.
type daemon struct {
	t       *testing.T
	name    string // of the snippet
	binary  string
	dir     string
	config  string
	alerts  string // what it writes
	ports   map[string]string
	tls     output.TLS
	cmd     *exec.Cmd
	exited  chan error
	console bytes.Buffer
}

// realReceivers are the daemons, by the language of their snippet.
var realReceivers = map[string]struct{ env, binary string }{
	"rsyslog": {"RSYSLOGD", "rsyslogd"}, "syslog-ng": {"SYSLOG_NG", "syslog-ng"},
}

// find returns the daemon's binary. CI must have it (.ci/receivers).
func find(t *testing.T, env, binary string) string {
	t.Helper()
	if path := os.Getenv(env); path != "" {
		return path
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is neither in PATH nor named by %s: run .ci/receivers", binary, env)
		}
		t.Skipf("no %s: eval \"$(.ci/receivers)\" gets it on Debian", binary)
	}
	return path
}

// snippet reads a block of the documentation.
func snippet(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/outputs/syslog.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\n```" + language + "\n(.*?)\n```\n").FindSubmatch(page)
	if m == nil {
		t.Fatalf("docs/outputs/syslog.md has no snippet for %s", language)
	}
	return string(m[1]) + "\n"
}

// install writes the daemon's configuration: the documented one, with the files,
// ports and addresses of the test in the place of the documented ones.
func install(t *testing.T, name string) *daemon {
	t.Helper()
	r := realReceivers[name]
	d := &daemon{t: t, name: name, binary: find(t, r.env, r.binary), ports: map[string]string{}}
	// A socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("/tmp", "rmmwatch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d.dir, d.alerts = dir, filepath.Join(dir, "alerts.log")
	ca := outputtest.NewCA(t)
	_, cert, key := ca.Issue(t, outputtest.ServerName, time.Now().Add(time.Hour))
	_, ours, ourKey := ca.Issue(t, "sensor.test", time.Now().Add(time.Hour))
	d.tls = output.TLS{CAFile: ca.File(t), CertFile: ours, KeyFile: ourKey}
	config := snippet(t, name)
	replace := func(old, new string) {
		t.Helper()
		if !strings.Contains(config, old) {
			t.Fatalf("the snippet for %s has no %s", name, old)
		}
		config = strings.ReplaceAll(config, old, new)
	}
	replace("/etc/rmmwatch/tls/ca.pem", d.tls.CAFile)
	replace("/etc/rmmwatch/tls/receiver.pem", cert)
	replace("/etc/rmmwatch/tls/receiver-key.pem", key)
	replace("/run/rmmwatch.sock", d.socket())
	replace("/var/log/rmmwatch-alerts.log", d.alerts)
	for documented, name := range map[string]string{"6514": "tls", "10514": "lines", "514": "udp", "601": "tcp"} {
		d.ports[name] = freePort(t)
		if name == "tcp" && d.name == "rsyslog" {
			continue // one port for both framings
		}
		config = regexp.MustCompile(`port(="|\()`+documented+`\b`).ReplaceAllString(config, "port${1}"+d.ports[name])
	}
	if d.name == "rsyslog" {
		d.ports["tcp"] = d.ports["lines"]
		config = "global(workDirectory=\"" + dir + "\")\n" + config
	} else {
		replace("0.0.0.0", "127.0.0.1")
	}
	d.config = filepath.Join(dir, "daemon.conf")
	if err := os.WriteFile(d.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("%s said:\n%.4000s\n%s", name, &d.console, config)
		}
	})
	return d
}

func (d *daemon) socket() string { return filepath.Join(d.dir, "log.sock") }

// freePort is one that nobody has over TCP or UDP, and that no outgoing connection
// takes while the daemon is restarted: below the range from which Linux gives.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := "127.0.0.1:" + strconv.Itoa(20000+rand.IntN(12000))
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		ln.Close()
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		c.Close()
		_, port, _ := net.SplitHostPort(addr)
		return port
	}
	t.Fatal("no port is free")
	return ""
}

func (d *daemon) start() {
	d.t.Helper()
	args := []string{"-n", "-f", d.config, "-i", filepath.Join(d.dir, "pid")}
	if d.name == "syslog-ng" {
		args = []string{"-F", "--no-caps", "-f", d.config}
		for flag, file := range map[string]string{"persist-file": "persist", "control": "control", "pidfile": "pid"} {
			args = append(args, "--"+flag+"="+filepath.Join(d.dir, file))
		}
	}
	d.cmd = exec.Command(d.binary, args...)
	d.cmd.Stdout, d.cmd.Stderr = &d.console, &d.console
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(d.cmd, d.exited)
	for _, name := range []string{"tls", "tcp", "lines"} {
		d.wait("it to listen for "+name, func() bool {
			c, err := net.Dial("tcp", "127.0.0.1:"+d.ports[name])
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	d.wait("its socket", func() bool { _, err := os.Stat(d.socket()); return err == nil })
}

// stop ends it as a service manager does.
func (d *daemon) stop() {
	d.t.Helper()
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(outputtest.Patience):
		d.cmd.Process.Kill()
		d.t.Errorf("%s did not end", d.name)
	}
	d.cmd = nil
}

func (d *daemon) wait(what string, reached func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(outputtest.Patience); !reached(); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-d.exited:
			d.exited <- err
			d.t.Fatalf("%s ended: %v\n%s", d.name, err, &d.console)
		default:
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// sinkTo makes a sink for a transport.
func (d *daemon) sinkTo(t *testing.T, transport string) *sink.Sink {
	cfg := sink.Config{Network: "tcp", Address: "127.0.0.1:" + d.ports[transport], Hostname: "sensor-1", MaxBytes: 60000}
	switch transport {
	case "udp":
		cfg.Network = "udp"
	case "lines":
		cfg.Framing = sink.Newline
	case "unix":
		cfg.Network, cfg.Address = "unix", d.socket()
	case "tls":
		cfg.Network, cfg.Address, cfg.TLS = "tls", outputtest.ServerName+":6514", d.tls
		cfg.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+d.ports["tls"])
		}
	}
	return newSink(t, cfg)
}

// hostileBody is a record as formats make them of hostile names: printable, but
// full of what other syntaxes mean something by, and some of it long.
func hostileBody(i int) []byte {
	nasty := []string{`a]b"c\d`, "ünïcödé €", `%msg% $MSG ${MSG}`, "<13>1 - -", `\x00\x1b[31m`, "'; DROP TABLE", "tab\there", "  two blanks  ", "#011#012", "[x@1 y=\"z\"]"}
	pad := strings.Repeat("0123456789", []int{0, 10, 100, 2000}[i%4])
	return fmt.Appendf(nil, `{"n":%d,"name":"%s","pad":"%s"}`, i, nasty[i%len(nasty)], pad)
}

// record is a line as the snippets write it. syslog-ng adds an element of its own
// to messages from a unix socket.
var record = regexp.MustCompile(`^\[rmmwatch@32473 [^]]*\bid="([^"]*)"[^]]*\](?:\[meta [^]]*\])? (.*)\n$`)

// written reads what the daemon wrote: bodies by id.
func (d *daemon) written() map[string]string {
	raw, err := os.ReadFile(d.alerts)
	if err != nil {
		return nil
	}
	got := map[string]string{}
	for line := range bytes.Lines(raw) {
		m := record.FindSubmatch(line)
		if m == nil {
			continue // not written to its end, or not ours
		}
		if body, twice := got[string(m[1])]; twice && body != string(m[2]) {
			d.t.Errorf("%s came with two bodies", m[1])
		}
		got[string(m[1])] = string(m[2])
	}
	return got
}

// expect waits until everything was written, and compares.
func (d *daemon) expect(sent map[string]string) {
	d.t.Helper()
	got := d.written()
	for deadline := time.Now().Add(outputtest.Patience); len(got) < len(sent) && time.Now().Before(deadline); got = d.written() {
		time.Sleep(20 * time.Millisecond)
	}
	wrong := 0
	for _, id := range sortedKeys(sent) {
		if got[id] != sent[id] {
			if wrong++; wrong <= 3 {
				d.t.Errorf("%s: %d bytes sent, %d written:\nsent    %.200q\nwritten %.200q", id, len(sent[id]), len(got[id]), sent[id], got[id])
			}
		}
	}
	if wrong > 0 || len(got) != len(sent) {
		d.t.Errorf("%d of %d wrong, %d written", wrong, len(sent), len(got))
	}
}

func sortedKeys(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// flood puts n records through a queue and a courier to the daemon. Between them it calls
// disturb, and it returns when all are delivered.
func (d *daemon) flood(t *testing.T, transport string, n int, disturb func(i int)) map[string]string {
	t.Helper()
	queue, err := output.OpenQueue(filepath.Join(t.TempDir(), "queue"), output.QueueConfig{MaxBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Close()
	courier := output.NewCourier(output.CourierConfig{
		Name: transport, Queue: queue, Sink: d.sinkTo(t, transport), Limit: output.Limit{Count: 50},
		Timeout: 10 * time.Second, MinBackoff: 5 * time.Millisecond, MaxBackoff: 100 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		courier.Run(ctx)
		close(done)
	}()
	defer func() {
		cancel()
		<-done
	}()
	sent := map[string]string{}
	for i := range n {
		m := outputtest.Message(transport + "-" + strconv.Itoa(i))
		m.Body = hostileBody(i)
		sent[m.ID] = string(m.Body)
		if err := queue.Put(m); err != nil {
			t.Fatal(err)
		}
		disturb(i)
	}
	d.wait("delivery", func() bool { return queue.Backlog().Records == 0 })
	if s := courier.Status(); s.Delivered != uint64(n) {
		t.Errorf("%+v", s)
	}
	return sent
}

// Real receivers write what was sent, byte for byte, over every transport.
func TestReal(t *testing.T) {
	for name := range realReceivers {
		t.Run(name, func(t *testing.T) {
			d := install(t, name)
			all := map[string]string{}
			for _, transport := range []string{"udp", "tcp", "lines", "tls", "unix"} {
				for id, body := range d.flood(t, transport, 500, func(int) {}) {
					all[id] = body
				}
				d.expect(all)
			}
			// Without our certificate, nothing gets through.
			d.tls.CertFile, d.tls.KeyFile = "", ""
			if n, err := d.sinkTo(t, "tls").Send(context.Background(), []output.Message{outputtest.Message("stranger")}); n != 0 || err == nil {
				t.Errorf("a stranger was listened to: %d, %v", n, err)
			}
			d.expect(all)
		})
	}
}

// A receiver that is restarted in mid-stream has everything in the end.
func TestRealRestart(t *testing.T) {
	for name := range realReceivers {
		for _, transport := range []string{"tcp", "lines", "tls"} {
			t.Run(name+" "+transport, func(t *testing.T) {
				d := install(t, name)
				d.expect(d.flood(t, transport, 500, func(i int) {
					if i%100 == 99 {
						d.wait("some", func() bool { return len(d.written()) > i/2 })
						d.stop()
						d.start()
					}
				}))
			})
		}
	}
}
