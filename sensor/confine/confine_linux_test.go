package confine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// childEnv makes the test binary one of the programs in children: what Drop does
// cannot be undone, so it is done to a process of its own.
const childEnv = "CONFINE_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		c := &child{in: bufio.NewReader(os.Stdin)}
		if len(os.Args) > 1 {
			c.arg = os.Args[1]
		}
		children[name](c)
		if len(c.wrong) > 0 {
			fmt.Fprintln(os.Stderr, strings.Join(c.wrong, "\n"))
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// root skips a test without root's rights, and fails it in CI.
func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CI runs this as root")
	}
	t.Skip("needs root: there are no rights to drop")
}

// run starts a child and returns what it wrote. while, if not nil, talks to it.
func run(t *testing.T, binary, name, arg string, attr *syscall.SysProcAttr, while func(in io.Writer, out *bufio.Reader)) string {
	t.Helper()
	cmd := exec.Command(binary, arg)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.SysProcAttr = attr
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	pipe, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	out := bufio.NewReader(pipe)
	if while != nil {
		while(in, out)
	}
	rest, err := io.ReadAll(out)
	must(t, err)
	if err := cmd.Wait(); err != nil {
		t.Errorf("child %s: %v\n%s", name, err, stderr.String())
	}
	return string(rest)
}

// world makes a folder that every user may enter, and what the children need.
func world(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	for _, d := range []string{"rules", "state", "other"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, d, "file"), []byte("text\n"), 0o644))
	}
	return dir
}

// Everything that the sensor must be able to do after Drop, and what it must not.
func TestDrop(t *testing.T) {
	root(t)
	arg, dir := outside(t)
	run(t, os.Args[0], "drop", arg, nil, func(in io.Writer, out *bufio.Reader) {
		line, err := out.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "dropped ") {
			t.Errorf("the child says %q, %v", line, err)
			return
		}
		t.Log(strings.TrimSpace(line))
		// What was not there before, and what replaces a file.
		must(t, os.WriteFile(filepath.Join(dir, "rules", "later"), []byte("later\n"), 0o644))
		must(t, os.WriteFile(filepath.Join(dir, "rules", "new"), []byte("new\n"), 0o644))
		must(t, os.Rename(filepath.Join(dir, "rules", "new"), filepath.Join(dir, "rules", "file")))
		_, err = io.WriteString(in, "go on\n")
		must(t, err)
	})
}

// A policy may leave any port and the abstract sockets.
func TestDropLess(t *testing.T) {
	root(t)
	arg, _ := outside(t)
	run(t, os.Args[0], "open", arg, nil, nil)
}

// outside makes what a child may or may not reach: files, and listeners of ours.
func outside(t *testing.T) (arg, dir string) {
	t.Helper()
	dir = world(t)
	abstract := fmt.Sprintf("@confine-test-%d", os.Getpid())
	for _, name := range []string{filepath.Join(dir, "notify"), abstract} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		must(t, err)
		t.Cleanup(func() { l.Close() })
	}
	raw, err := json.Marshal(setting{Dir: dir, Allowed: port(listener(t)), Other: port(listener(t)), Abstract: abstract})
	must(t, err)
	return string(raw), dir
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func port(l net.Listener) uint16 { return uint16(l.Addr().(*net.TCPAddr).Port) }

// A setuid program gains nothing, with Landlock left out of it: first as a control
// without no_new_privs, where it becomes root.
func TestSetuid(t *testing.T) {
	root(t)
	dir := world(t)
	suid := filepath.Join(dir, "suid")
	raw, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(suid, raw, 0o755))
	must(t, os.Chmod(suid, 0o755|os.ModeSetuid))
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if got := run(t, suid, "whoami", "", nobody, nil); !strings.HasPrefix(got, "euid 0 ") {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a setuid program does not become root here, and CI needs one that does: %s", got)
		}
		t.Skipf("a setuid program does not become root here, so nothing can be shown: %s", got)
	}
	for _, name := range []string{"nobody", ""} {
		got := run(t, os.Args[0], "setuid", suid+" "+name, nil, nil)
		want := "euid 0 CapPrm 0000000000000000 CapEff 0000000000000000 CapBnd 0000000000000000 NoNewPrivs 1\n"
		if name != "" {
			want = strings.Replace(want, "euid 0", "euid 65534", 1)
		}
		if got != want {
			t.Errorf("from user %q a setuid program is %q, want %q", name, got, want)
		}
	}
}

// A service with three capabilities cannot empty the bounding set; Drop says so and
// the rest holds.
func TestWithoutSetpcap(t *testing.T) {
	root(t)
	run(t, os.Args[0], "few", "", nil, nil)
}

// A user who is not there, or whom nobody but root can become, is an error.
func TestUser(t *testing.T) {
	root(t)
	run(t, os.Args[0], "user", world(t), nil, nil)
}

// A policy that names what is not there is a mistake of ours, found before
// anything is dropped.
func TestMissingPath(t *testing.T) {
	r, err := Drop(Policy{ReadWrite: []string{"/surely/not/there"}})
	if err == nil || r.NoNewPrivs {
		t.Errorf("%+v, %v", r, err)
	}
	if err != nil && !strings.Contains(err.Error(), "/surely/not/there") {
		t.Error(err)
	}
}

// child is one process of a test and what it found wrong.
type child struct {
	in    *bufio.Reader
	arg   string
	wrong []string
}

func (c *child) check(ok bool, format string, args ...any) {
	if !ok {
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

// refused wants an error, by one of the kernel's two words for no.
func (c *child) refused(what string, err error) {
	c.check(errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM), "%s: %v, and should be refused", what, err)
}

func (c *child) works(what string, err error) { c.check(err == nil, "%s: %v", what, err) }

// threads reads a field of every thread's status.
func (c *child) threads(field string) []string {
	tasks, err := os.ReadDir("/proc/self/task")
	c.works("reading /proc/self/task", err)
	var values []string
	for _, task := range tasks {
		raw, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it ended
		}
		c.works("status of a thread", err)
		for line := range strings.Lines(string(raw)) {
			if name, value, _ := strings.Cut(line, ":"); name == field {
				values = append(values, strings.Join(strings.Fields(value), " "))
			}
		}
	}
	return values
}

// powerless checks each thread.
func (c *child) powerless() {
	const none = "0000000000000000"
	for field, want := range map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1"} { // any order
		values := c.threads(field)
		c.check(len(values) > 0, "no thread has %s", field)
		for i, v := range values {
			c.check(v == want, "thread %d of %d: %s is %s", i, len(values), field, v)
		}
	}
}

// whoami prints what the rights of this process are.
func whoami(c *child) {
	text := "euid " + strconv.Itoa(os.Geteuid())
	for _, field := range []string{"CapPrm", "CapEff", "CapBnd", "NoNewPrivs"} {
		text += " " + field + " " + c.threads(field)[0]
	}
	fmt.Println(text)
}
