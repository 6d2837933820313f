package shunt

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// open loads a Shunt. Without the rights the test is skipped, but not in CI as root.
func open(t testing.TB, cfg Config) *Shunt {
	t.Helper()
	testshared.KernelFilters(t)
	s, err := Load(cfg)
	var refused *ebpf.VerifierError
	if (errors.Is(err, ErrRights) || errors.Is(err, ErrKernel)) && !errors.As(err, &refused) {
		unable(t, err)
	}
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// unable skips a test for a reason that CI as root must not have.
func unable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	t.Skip(err)
}

// CAP_BPF is what it takes and all that it takes; what was loaded works on after
// the sensor dropped every capability. Each is tried in a process of its own.
func TestRights(t *testing.T) {
	if how := os.Getenv("RMMWATCH_RIGHTS"); how != "" {
		fmt.Println("said:", withRights(how))
		return
	}
	open(t, Config{Flows: 4})
	works := ""
	if majorMinor() < 5*1000+19 { // bpf(2) checked the caller for every command
		works = "operation not permitted"
	}
	for how, want := range map[string]string{
		"bpf":   "",
		"admin": "CAP_BPF",
		"none":  "CAP_BPF",
		"drop":  works,
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRights$", "-test.v")
		cmd.Env = append(os.Environ(), "RMMWATCH_RIGHTS="+how)
		out, err := cmd.CombinedOutput()
		_, said, ok := strings.Cut(string(out), "said: ")
		said, _, _ = strings.Cut(said, "\n")
		disabled, _ := os.ReadFile("/proc/sys/kernel/unprivileged_bpf_disabled")
		if strings.TrimSpace(string(disabled)) == "0" && want == "CAP_BPF" {
			continue // anybody may try; what the verifier says then is the kernel's affair
		}
		if err != nil || !ok || want == "" && said != "<nil>" || !strings.Contains(said, want) {
			t.Errorf("%s: %q, %v, want %q\n%s", how, said, err, want, out)
		}
	}
}

// withRights loads and uses a Shunt with some capabilities only.
func withRights(how string) error {
	runtime.LockOSThread()
	keep := map[string][]uint{"bpf": {unix.CAP_BPF}, "admin": {unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}}
	if how != "drop" {
		if err := capabilities(keep[how]); err != nil {
			return err
		}
	}
	s, err := Load(Config{Flows: 4})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := capabilities(nil); err != nil {
		return err
	}
	k := key(spec{ports: [2]uint16{40000, 443}})
	if err := s.Add(k); err != nil {
		return err
	}
	if _, ok := s.Take(k); !ok {
		return errors.New("not found by Take")
	}
	if _, ok := s.Remove(k); !ok {
		return errors.New("not found by Remove")
	}
	_, err = s.Stats()
	return err
}

// capabilities leaves the calling thread these only.
func capabilities(caps []uint) error {
	var data [2]unix.CapUserData
	for _, c := range caps {
		data[c/32].Permitted |= 1 << (c % 32)
		data[c/32].Effective |= 1 << (c % 32)
	}
	return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0])
}

// majorMinor is the kernel's version, 5019 for 5.19.
func majorMinor() (v int) {
	var uts unix.Utsname
	var major, minor int
	if unix.Uname(&uts) != nil {
		return 0
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(uts.Release[:]), "%d.%d", &major, &minor); err != nil {
		return 0
	}
	return major*1000 + minor
}
