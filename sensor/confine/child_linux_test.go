package confine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// children are the programs that the test binary can be.
var children = map[string]func(*child){
	"drop": drop, "open": open, "setuid": setuid, "few": few, "user": otherUser, "whoami": whoami,
}

// setting is what the parent made for the child.
type setting struct {
	Dir            string
	Allowed, Other uint16 // TCP ports that somebody listens at
	Abstract       string // a Unix socket of the parent's
}

// hold makes n goroutines that keep a thread each, and returns the threads.
func hold(n int) []string {
	ready := make(chan string)
	for range n {
		go func() {
			runtime.LockOSThread()
			ready <- strconv.Itoa(unix.Gettid())
			select {}
		}()
	}
	held := make([]string, n)
	for i := range held {
		held[i] = <-ready
	}
	return held
}

func drop(c *child) {
	var w setting
	c.works("the argument", json.Unmarshal([]byte(c.arg), &w))
	raw, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(htons(unix.ETH_P_ALL)))
	c.works("a raw socket before", err)
	hold(4)
	readOnly, pinned := Reach(filepath.Join(w.Dir, "rules/file"), filepath.Join(w.Dir, "rules/later"))
	c.check(len(pinned) == 0, "pinned %q", pinned)
	report, err := Drop(Policy{
		ReadOnly:   append(System(), readOnly...),
		ReadWrite:  []string{filepath.Join(w.Dir, "state")},
		ConnectTCP: []uint16{w.Allowed},
	})
	c.works("Drop", err)
	fmt.Printf("dropped %+v\n", report)
	c.check(report.NoNewPrivs && report.Bounding == 0 && report.Landlock == min(kernelABI(), maxABI), "the report is %+v", report)

	c.powerless()
	before := c.threads("Pid")
	later := slices.DeleteFunc(hold(len(before)+1), func(tid string) bool { return slices.Contains(before, tid) })
	c.check(len(later) > 0, "no thread was started later")
	c.powerless()
	_, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(htons(unix.ETH_P_ALL)))
	c.check(err == unix.EPERM, "a new raw socket: %v", err)
	c.rawReads(raw)
	c.stopsLoops()

	line, err := c.in.ReadString('\n')
	c.check(line == "go on\n", "the parent says %q, %v", line, err)
	c.reads(w)
	c.writes(filepath.Join(w.Dir, "state"))
	if report.Landlock > 0 {
		c.locked(w, report.Landlock)
	}
}

// rawReads wants a datagram out of a socket that was opened before.
func (c *child) rawReads(raw int) {
	c.works("a limit", unix.SetsockoptTimeval(raw, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30}))
	conn, err := net.Dial("udp4", "127.0.0.1:9")
	c.works("a UDP socket", err)
	_, err = conn.Write([]byte("seen after the drop"))
	c.works("a datagram", err)
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(raw, buf, 0)
		if err == unix.EINTR {
			continue
		}
		c.works("reading the raw socket", err)
		if err != nil || bytes.Contains(buf[:n], []byte("seen after the drop")) {
			return
		}
	}
}

// stopsLoops wants the runtime to stop a goroutine in a loop, which it does by a
// signal from thread to thread. When that is forbidden this waits for ever.
func (c *child) stopsLoops() {
	var spinning, stop atomic.Bool
	go func() {
		for spinning.Store(true); !stop.Load(); { // the loads are no calls: nothing here yields
		}
	}()
	for !spinning.Load() {
		runtime.Gosched()
	}
	runtime.GC()
	stop.Store(true)
}

// reads is what must stay readable: also what came or was replaced meanwhile.
func (c *child) reads(w setting) {
	for name, want := range map[string]string{"file": "new\n", "later": "later\n"} { // any order
		got, err := os.ReadFile(filepath.Join(w.Dir, "rules", name))
		c.check(err == nil && string(got) == want, "%s holds %q, %v", name, got, err)
	}
	_, err := os.ReadDir(filepath.Join(w.Dir, "rules"))
	c.works("listing the rules", err)
	addrs, err := net.DefaultResolver.LookupHost(context.Background(), "localhost")
	c.check(err == nil && len(addrs) > 0, "localhost: %q, %v", addrs, err)
	for _, path := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt", "/usr/share/zoneinfo/Europe/Berlin"} {
		if _, err := os.ReadFile(path); !os.IsNotExist(err) {
			c.works(path, err)
		}
	}
	conn, err := net.Dial("unixgram", filepath.Join(w.Dir, "notify"))
	c.works("systemd's socket", err)
	if err == nil {
		_, err = conn.Write([]byte("READY=1"))
		c.works("telling systemd", err)
	}
}

// writes is what a queue and a log do.
func (c *child) writes(state string) {
	path := filepath.Join(state, "eve.json")
	c.works("making a file", os.WriteFile(path, []byte("a line\n"), 0o640))
	c.works("rotating it", os.Rename(path, path+"-20260101T000000Z"))
	c.works("a new one", os.WriteFile(path, []byte("another\n"), 0o640))
	c.works("cutting it", os.Truncate(path, 3))
	c.works("a folder", os.Mkdir(filepath.Join(state, "queue"), 0o750))
	c.works("replacing", os.Rename(path, filepath.Join(state, "file")))
	c.works("removing", os.Remove(path+"-20260101T000000Z"))
	c.works("removing a folder", os.Remove(filepath.Join(state, "queue")))
}

// locked is what Landlock forbids, even to user id 0.
func (c *child) locked(w setting, abi int) {
	for _, path := range []string{"/etc/shadow", "/etc/passwd", "/proc/1/status", filepath.Join(w.Dir, "other/file")} {
		_, err := os.ReadFile(path)
		c.refused(path, err)
	}
	_, err := os.ReadDir("/etc")
	c.refused("listing /etc", err)
	c.refused("writing to a rule", os.WriteFile(filepath.Join(w.Dir, "rules/file"), nil, 0o644))
	c.refused("a new rule", os.WriteFile(filepath.Join(w.Dir, "rules/more"), nil, 0o644))
	c.refused("removing a rule", os.Remove(filepath.Join(w.Dir, "rules/file")))
	c.refused("a file elsewhere", os.WriteFile(filepath.Join(w.Dir, "other/more"), nil, 0o644))
	c.refused("a link in state", os.Symlink("/etc/shadow", filepath.Join(w.Dir, "state/link")))
	c.refused("a program", exec.Command("/bin/sh", "-c", ":").Run())
	if abi >= 3 {
		c.refused("cutting a rule", os.Truncate(filepath.Join(w.Dir, "rules/file"), 0))
	}
	if abi >= 4 {
		c.works("a port of the policy", dial(w.Allowed))
		c.refused("another port", dial(w.Other))
		var l net.ListenConfig
		l.SetMultipathTCP(false) // Landlock knows TCP only
		_, err := l.Listen(context.Background(), "tcp4", "127.0.0.1:0")
		c.refused("a port to listen on", err)
	}
	if abi >= 6 && signalsWithin() {
		c.refused("a signal to the parent", unix.Kill(os.Getppid(), 0))
	}
	if abi >= 6 {
		_, err := net.Dial("unixgram", w.Abstract)
		c.refused("an abstract socket", err)
	}
}

// open is what a wider policy leaves.
func open(c *child) {
	var w setting
	c.works("the argument", json.Unmarshal([]byte(c.arg), &w))
	_, err := Drop(Policy{AbstractUnix: true, BindTCP: []uint16{0}})
	c.works("Drop", err)
	c.works("any port", dial(w.Other))
	_, err = net.Dial("unixgram", w.Abstract)
	c.works("an abstract socket", err)
	var l net.ListenConfig
	l.SetMultipathTCP(false)
	_, err = l.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	c.works("a port to listen on", err)
}

func dial(port uint16) error {
	conn, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), 30*time.Second)
	if err == nil {
		conn.Close()
	}
	return err
}

// setuid drops the rights but for Landlock, which would forbid the execution, and
// becomes the program in its argument.
func setuid(c *child) {
	path, name, _ := strings.Cut(c.arg, " ")
	var r Report
	c.works("dropping", dropRights(name, &r))
	c.works("the environment", os.Setenv(childEnv, "whoami"))
	c.works("exec", unix.Exec(path, []string{path}, os.Environ()))
}

// few begins as the systemd unit makes it: three capabilities in every set.
func few(c *child) {
	runtime.LockOSThread()
	keep := []uintptr{unix.CAP_NET_RAW, unix.CAP_NET_ADMIN, unix.CAP_BPF}
	var mask uint64
	for cap := uintptr(0); cap <= unix.CAP_LAST_CAP; cap++ {
		if slices.Contains(keep, cap) {
			mask |= 1 << cap
			continue
		}
		if err := prctlAll(unix.PR_CAPBSET_DROP, cap, 0); err != unix.EINVAL {
			c.works("the bounding set", err)
		}
	}
	c.works("three capabilities", setCapabilities(mask))
	for _, cap := range keep {
		c.works("an ambient capability", prctlAll(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, cap))
	}
	c.check(c.threads("CapAmb")[0] != "0000000000000000", "no ambient capability to drop")
	r, err := Drop(Policy{ReadOnly: System()})
	c.works("Drop", err)
	c.check(r.Bounding == len(keep), "the report is %+v", r)
	for _, field := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		for _, v := range c.threads(field) {
			c.check(v == "0000000000000000", "%s is %s", field, v)
		}
	}
}

// otherUser becomes nobody, and tries who else it could be.
func otherUser(c *child) {
	r, err := Drop(Policy{User: "surely-not-there"})
	c.check(err != nil && r.User == "" && r.Landlock == 0, "%+v, %v", r, err)
	hold(3)
	groups, err := os.Getgroups()
	c.works("groups", err)
	c.works("keepcaps", prctlAll(unix.PR_SET_KEEPCAPS, 1, 0))
	r = Report{}
	c.works("becoming nobody", dropRights("nobody", &r))
	c.check(r.User == "nobody", "the report is %+v", r)
	for _, field := range []string{"Uid", "Gid"} {
		for _, v := range c.threads(field) {
			c.check(v == "65534 65534 65534 65534", "%s is %s", field, v)
		}
	}
	for _, v := range c.threads("Groups") {
		c.check(v == "65534", "groups are %s, and were %v", v, groups)
	}
	keeps, err := unix.PrctlRetInt(unix.PR_GET_KEEPCAPS, 0, 0, 0, 0)
	c.check(err == nil && keeps == 0, "keepcaps is %d, %v", keeps, err)
	_, err = os.ReadFile("/etc/shadow")
	c.refused("/etc/shadow", err)
	err = dropRights("daemon", &r)
	c.check(err != nil && strings.Contains(err.Error(), "only root"), "becoming somebody else: %v", err)
	c.works("becoming the same", dropRights("nobody", &r))
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }
